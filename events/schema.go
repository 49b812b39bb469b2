package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds of a schema and of judging by it. Whoever may write one could otherwise
// keep every node busy for hours with a few lines.
const (
	MaxSchemaBytes       = 256 << 10 // of the document, without white space between tokens
	MaxSchemaDepth       = 64        // of nested arrays and objects in the document
	MaxSchemaDigits      = 1000      // of a number in the document, written out without exponent
	MaxSubschemas        = 10_000    // of the document, itself included
	MaxSchemaResources   = 256       // subschemas with an $id
	MaxSchemaPatternSize = 100_000   // instructions of all regular expressions together
	MaxSchemaExpansion   = 10_000    // applications to one value that nested $ref, allOf … can come to
	MaxSchemaSteps       = 5_000_000 // of one judgement; about a second
	MaxViolations        = 100       // listed; of further ones only the number is told
)

// Schema is a JSON Schema (2020-12) over a namespace seen as an object of its
// keys. It is compiled once, at its first use; immutable, and safe for
// concurrent use. Its zero value allows everything.
//
// Formats are asserted as far as they are known; contentEncoding,
// contentMediaType and contentSchema are annotations. Patterns are RE2.
// References lead into the document itself (where other documents can be
// bundled under $defs with their $id) or to the 2020-12 metaschema: nothing is
// ever loaded.
//
// Three keywords of ours are booleans beside the others in the subschema of a
// key: x-confman-immutable, x-confman-deprecated and x-confman-secret-ref. See
// [Schema.Flags].
type Schema struct {
	document jsontext.Value

	once  sync.Once
	rules *ruleset
	err   error
}

// ParseSchema reads a schema that somebody wants to set. Refusals are of kind
// [ErrInvalid] or [ErrTooLarge]; their pointers are those of the document's
// parts, with pointer (that of the document in the request) in front.
func ParseSchema(pointer string, document jsontext.Value) (*Schema, error) {
	raw := document.Clone()
	if err := raw.Format(); err != nil { // not Compact, which takes invalid UTF-8 and duplicate names
		return nil, Invalid(pointer, "is not valid JSON: %v", err)
	}
	if len(raw) > MaxSchemaBytes {
		return nil, at(pointer, tooLarge("", "has %d bytes, at most %d are allowed", len(raw), MaxSchemaBytes))
	}
	if depthOf(raw) > MaxSchemaDepth {
		return nil, Invalid(pointer, "nests deeper than %d levels", MaxSchemaDepth)
	}
	s := &Schema{document: raw}
	s.once.Do(func() { s.rules, s.err = compileSchema(raw, true) })
	if s.err != nil {
		return nil, at(pointer, s.err)
	}
	return s, nil
}

// Document is the schema as it was given, without white space between tokens.
// It must not be changed.
func (s *Schema) Document() jsontext.Value {
	if len(s.document) == 0 {
		return jsontext.Value("true")
	}
	return s.document
}

// MarshalJSON is the document.
func (s *Schema) MarshalJSON() ([]byte, error) { return s.Document(), nil }

// UnmarshalJSON takes a document that was accepted once. It is compiled at its
// first use only, so that a history can always be read.
func (s *Schema) UnmarshalJSON(document []byte) error {
	*s = Schema{document: jsontext.Value(document).Clone()}
	return nil
}

func (s *Schema) compiled() (*ruleset, error) {
	s.once.Do(func() { s.rules, s.err = compileSchema(s.Document(), false) })
	return s.rules, s.err
}

// Judge lists how an object of entries violates the schema, in a stable order,
// with JSON pointers into that object (/db~1url/port). Numbers are exact. Where
// the judgement would take more than [MaxSchemaSteps], or the document can no
// longer be compiled, that is the violation. None means: valid.
func (s *Schema) Judge(members iter.Seq2[string, Value]) []Field {
	rules, err := s.compiled()
	if err != nil {
		return []Field{{"", fmt.Sprintf("cannot be judged, the schema is broken: %v", err)}}
	}
	object, types := map[string]any{}, map[string]ValueType{}
	for key, v := range members {
		object[key], types[key] = v.instance(), v.Type
	}
	j := newJudge(rules)
	if rules.flagged {
		var root *place
		for _, key := range slices.Sorted(maps.Keys(types)) {
			if j.flags(key).SecretRef && types[key] != SecretRef {
				j.found.add(root.member(key), "is of type %s, must be of type %s (x-confman-secret-ref)", types[key], SecretRef)
			}
		}
	}
	return j.judge(object)
}

// JudgeJSON lists how a JSON document violates the schema, as [Schema.Judge]
// does for entries, but x-confman-secret-ref says nothing here. The error is
// of kind [ErrInvalid]: the instance is not JSON, or nests deeper than a
// namespace can.
func (s *Schema) JudgeJSON(instance jsontext.Value) ([]Field, error) {
	rules, err := s.compiled()
	if err != nil {
		return nil, err
	}
	instance = instance.Clone()
	if err := instance.Format(); err != nil {
		return nil, Invalid("", "the value is not valid JSON: %v", err)
	}
	if depthOf(instance) > MaxValueDepth+1 {
		return nil, Invalid("", "the value nests deeper than %d levels", MaxValueDepth+1)
	}
	v, err := decodeInstance(instance)
	if err != nil {
		return nil, Invalid("", "the value is not valid JSON: %v", err)
	}
	return newJudge(rules).judge(v), nil
}

// instance is the value as a schema sees it: binary values and references are
// strings.
func (v Value) instance() any {
	switch v.Type {
	case Number:
		return json.Number(v.JSON)
	case JSON, Boolean:
		if x, err := decodeInstance(v.JSON); err == nil {
			return x
		}
	}
	return v.Text()
}

// decodeInstance reads JSON that is known to be valid. Numbers keep their
// spelling.
func decodeInstance(raw jsontext.Value) (any, error) {
	return jsonschema.UnmarshalJSON(bytes.NewReader(raw))
}

func tooLarge(pointer, format string, args ...any) error {
	return &Refusal{Kind: ErrTooLarge, Fields: []Field{{pointer, fmt.Sprintf(format, args...)}}}
}
