package events

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// ValueType says how a value is to be read.
type ValueType string

// The value types.
const (
	String    ValueType = "string"
	Number    ValueType = "number"
	Boolean   ValueType = "boolean"
	JSON      ValueType = "json"
	Binary    ValueType = "binary"     // base64 (RFC 4648 § 4) in a JSON string
	SecretRef ValueType = "secret-ref" // a reference that clients resolve, never a secret
)

// MaxValueDepth is how deeply arrays and objects of a json value may nest.
const MaxValueDepth = 64

// DefaultMaxValueBytes is the size limit of a value where none is configured.
const DefaultMaxValueBytes = 1 << 20

// Value is a typed configuration value. JSON is its one encoding everywhere: in
// events, answers and views. A number keeps its spelling, also inside a json
// value: nothing goes through a float. There is no white space between tokens
// and one spelling for each string, so equal values have equal bytes.
type Value struct {
	Type ValueType      `json:"type,omitzero"`
	JSON jsontext.Value `json:"value,omitzero"` // nil only where there is no value, as in a deleted entry
}

// Equal reports whether both have the same type and the same JSON.
func (v Value) Equal(w Value) bool { return v.Type == w.Type && bytes.Equal(v.JSON, w.JSON) }

// Text is the bare value: the text of a string or reference, the base64 of a
// binary value, the JSON of any other.
func (v Value) Text() string {
	if v.Type == Erased {
		return erasedText
	}
	if len(v.JSON) == 0 || v.JSON[0] != '"' || v.Type == JSON {
		return string(v.JSON)
	}
	text, err := jsontext.AppendUnquote(nil, v.JSON)
	if err != nil {
		return string(v.JSON)
	}
	return string(text)
}

// Bytes is what a program reads: the decoded bytes of a binary value, the bare
// text of any other.
func (v Value) Bytes() []byte {
	text := v.Text()
	if v.Type == Binary {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			return raw
		}
	}
	return []byte(text)
}

// given is how a client gives the value, with its type: a json value that is a
// string is written in a string, as [ParseValue] reads it.
func (v Value) given() jsontext.Value {
	if v.Type != JSON || v.JSON.Kind() != '"' {
		return v.JSON
	}
	return AppendText(nil, string(v.JSON))
}

// ParseValue reads a value as a client sent it. Without a type the JSON tells
// it. A JSON string given for number, boolean or json is parsed as that type.
// The limit is on the bytes of the bare value, binary ones decoded.
func ParseValue(raw jsontext.Value, typ ValueType, maxBytes int) (Value, error) {
	const field = "/value"
	if len(raw) == 0 {
		return Value{}, Invalid(field, "is missing")
	}
	if typ == "" || typ == String {
		if v, ok := plainString(raw, maxBytes); ok {
			return v, nil
		}
	}
	raw = raw.Clone()
	if err := raw.Format(); err != nil { // not Compact, which takes invalid UTF-8 and duplicate names
		return Value{}, Invalid(field, "is not valid JSON: %v", err)
	}
	if typ == "" {
		if raw.Kind() == 'n' {
			return Value{}, Invalid(field, `is null; delete the key instead, or give "type":"json"`)
		}
		typ = typeOf(raw.Kind())
	}
	v, err := parseAs(typ, raw)
	if err != nil {
		return Value{}, err
	}
	if n := len(v.Bytes()); n > maxBytes {
		return Value{}, &Refusal{Kind: ErrTooLarge, Fields: []Field{{
			field, fmt.Sprintf("has %d bytes, at most %d are allowed", n, maxBytes),
		}}}
	}
	return v, nil
}

// plainString takes the common case as it stands: a string without escapes has
// one spelling only.
func plainString(raw jsontext.Value, maxBytes int) (Value, bool) {
	if raw[0] != '"' || len(raw) > maxBytes || bytes.IndexByte(raw, '\\') >= 0 || raw[len(raw)-1] != '"' || !raw.IsValid() {
		return Value{}, false
	}
	return Value{Type: String, JSON: raw.Clone()}, true
}

func typeOf(k jsontext.Kind) ValueType {
	switch k {
	case '"':
		return String
	case '0':
		return Number
	case 't', 'f':
		return Boolean
	}
	return JSON
}

func parseAs(typ ValueType, raw jsontext.Value) (Value, error) {
	const field = "/value"
	if raw.Kind() == '"' { // one spelling for each string
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return Value{}, Invalid(field, "is not a valid JSON string: %v", err)
		}
		switch typ {
		case Number, Boolean, JSON:
			raw = text
			if err := raw.Format(); err != nil {
				return Value{}, Invalid(field, "is a string that does not parse as %s", typ)
			}
		default:
			return parseText(typ, string(text))
		}
	}
	switch kind := raw.Kind(); {
	case typ == JSON:
		if depthOf(raw) > MaxValueDepth {
			return Value{}, Invalid(field, "nests deeper than %d levels", MaxValueDepth)
		}
	case typ == Number && kind == '0', typ == Boolean && (kind == 't' || kind == 'f'):
	case typ == String, typ == Number, typ == Boolean, typ == Binary, typ == SecretRef:
		return Value{}, Invalid(field, "is %s, not what type %s takes", kindName(kind), typ)
	default:
		return Value{}, Invalid("/type", "%q is not one of string number boolean json binary secret-ref", typ)
	}
	return Value{Type: typ, JSON: raw}, nil
}

func parseText(typ ValueType, text string) (Value, error) {
	const field = "/value"
	if strings.IndexByte(text, 0) >= 0 {
		return Value{}, Invalid(field, "has a NUL character; use type binary for such data")
	}
	switch typ {
	case String:
	case Binary:
		data, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return Value{}, Invalid(field, "is not base64 (RFC 4648 section 4): %v", err)
		}
		text = base64.StdEncoding.EncodeToString(data) // without the line breaks that decoding skips
	case SecretRef:
		scheme, rest, ok := strings.Cut(text, "://")
		if !ok || rest == "" || scheme != "vault" && scheme != "keyvault" && scheme != "env" && scheme != "file" {
			return Value{}, Invalid(field, "is not a reference that starts with vault:// keyvault:// env:// or file://")
		}
	default:
		return Value{}, Invalid("/type", "%q is not one of string number boolean json binary secret-ref", typ)
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return Value{}, Invalid(field, "is not valid UTF-8")
	}
	return Value{Type: typ, JSON: quoted}, nil
}

// depthOf counts how deeply a valid JSON value nests.
func depthOf(raw jsontext.Value) (deepest int) {
	depth, inString := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return "not JSON"
}
