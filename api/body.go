package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"confman/api/admission"
	"confman/api/wire"
	"confman/events"
)

// Limits of a body, in bytes, and of its nesting. JSON may need two bytes for
// one of a value (\n, \"). A transaction's events are no smaller than its body.
const (
	smallBody    = 256 << 10
	bodyOverhead = 64 << 10
	maxDepth     = events.MaxValueDepth + 8
)

func (x *exchange) maxValue() int64  { return int64(x.Limits.Rules.MaxValueBytes) }
func (x *exchange) entryBody() int64 { return 2*x.maxValue() + bodyOverhead }
func (x *exchange) transactionBody() int64 {
	return int64(x.Limits.Rules.MaxProposalBytes) + bodyOverhead
}

// decode reads the body, of at most so many bytes, as JSON: names are
// case-sensitive and come once, the text is UTF-8, members it does not know are
// ignored.
func (x *exchange) decode(into any, most int64) error {
	if err := x.read(most); err != nil {
		return err
	}
	if len(x.body) == 0 {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "the body is empty; it should be a JSON object"}
	}
	return unmarshal(x.body, into)
}

// decodeWhole is decode for a body that replaces everything: what it does not
// know is refused, because a member that is misspelled would be switched off.
func (x *exchange) decodeWhole(into any, most int64) error {
	if err := x.decode(into, most); err != nil {
		return err
	}
	err := json.Unmarshal(x.body, into, json.RejectUnknownMembers(true))
	var semantic *json.SemanticError
	if errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName) {
		return events.Invalid(string(semantic.JSONPointer), "is not known here, and as the body replaces everything, what was meant would be switched off")
	}
	return err
}

// decodeOptional is decode for a body that may be left out.
func (x *exchange) decodeOptional(into any) error {
	if err := x.read(smallBody); err != nil || len(x.body) == 0 {
		return err
	}
	return unmarshal(x.body, into)
}

func (x *exchange) read(most int64) error {
	if x.r.ContentLength > most {
		return tooLong(most)
	}
	body, err := x.receive(most)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return tooLong(most)
	case errors.As(err, new(*admission.Refusal)):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &events.Refusal{Kind: events.ErrInvalid, Detail: fmt.Sprintf("the body came too slowly: %d bytes a second are the least", bodyRate)}
	case err != nil:
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "the body broke off"}
	}
	x.body = body
	if len(body) == 0 {
		return x.enterAfter()
	}
	if err := x.checkMedia(); err != nil {
		return err
	}
	return x.enterAfter()
}

func tooLong(most int64) error {
	return fmt.Errorf("the body: %w (%w): %d bytes are allowed", events.ErrTooLarge, &http.MaxBytesError{Limit: most}, most)
}

// checkMedia accepts application/json and silence.
func (x *exchange) checkMedia() error {
	given := x.r.Header["Content-Type"]
	if len(given) == 0 || len(given) == 1 && given[0] == wire.MediaJSON {
		return nil
	}
	media, params, err := mime.ParseMediaType(given[0])
	charset, limited := params["charset"]
	if len(given) > 1 || err != nil || media != wire.MediaJSON || limited && !strings.EqualFold(charset, "utf-8") {
		return fmt.Errorf("%w: Content-Type is %.80q, want application/json", errMedia, strings.Join(given, ", "))
	}
	return nil
}

func unmarshal(body []byte, into any) error {
	if deeper(body, maxDepth) {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: fmt.Sprintf("the body nests deeper than %d levels", maxDepth)}
	}
	if jsontext.Value(body).Kind() != '{' {
		return events.Invalid("", "the body is not a JSON object")
	}
	err := json.Unmarshal(body, into)
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntactic):
		return events.Invalid(string(syntactic.JSONPointer), "the body is not valid JSON at byte %d: %v", syntactic.ByteOffset, syntactic.Err)
	case errors.As(err, &semantic):
		return events.Invalid(string(semantic.JSONPointer), "is %s%s%s", jsonKind(semantic.JSONKind), takes(semantic.GoType), because(semantic))
	}
	return events.Invalid("", "the body is not valid JSON: %v", err)
}

// takes says what a member of a type takes.
func takes(t reflect.Type) string {
	if t == nil {
		return ""
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch k := t.Kind(); {
	case t == reflect.TypeFor[time.Time]():
		return ", want an RFC 3339 time such as 2026-12-01T06:00:00Z"
	case k == reflect.Bool:
		return ", want true or false"
	case k >= reflect.Int && k <= reflect.Uint64:
		return ", want a whole number"
	case k == reflect.String:
		return ", want a string"
	case k == reflect.Slice:
		return ", want an array"
	case k == reflect.Struct, k == reflect.Map:
		return ", want an object"
	}
	return ", which does not fit"
}

func because(e *json.SemanticError) string {
	if e.Err == nil || e.GoType == reflect.TypeFor[time.Time]() {
		return ""
	}
	return ": " + e.Err.Error()
}

func jsonKind(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	}
	return k.String()
}

// deeper reports whether arrays and objects nest deeper than most levels. It is
// right for valid JSON and harmless for other text.
func deeper(body []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
			if c == '\\' {
				i++
			}
		case c == '{', c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return false
}
