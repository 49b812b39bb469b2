package events_test

import (
	"maps"
	"strings"
	"testing"

	"confman/events"

	"github.com/go-json-experiment/json/jsontext"
)

// Whatever the schema and the instance are: no panic, an answer, and the same
// answer from the schema as it is stored.
func FuzzSchema(f *testing.F) {
	for _, seed := range []struct{ schema, instance string }{
		{`{"$dynamicRef":"#a","$defs":{"x":{"$dynamicAnchor":"a","type":"object"}}}`, `{}`},
		{`{"$id":"x/y","$ref":"z","$defs":{"z":{"$id":"z","$anchor":"b","items":{"$ref":"#b"}}}}`, `[[1e400]]`},
		{`{"properties":{"a":{"x-confman-secret-ref":true,"multipleOf":0.01}},"unevaluatedProperties":false}`, `{"a":1e1000000000}`},
		{`{"patternProperties":{"(a{10}){10}":{"format":"regex"}},"propertyNames":{"$ref":"#"}}`, `{"a":"("}`},
		{`{"if":{"contains":{"const":1}},"then":{"uniqueItems":true},"else":false,"unevaluatedItems":{"enum":[1,"x",null]}}`, `[1,1.0]`},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"not":{"not":7}}`},
		{`{"dependencies":{"a":["b"],"b":{"oneOf":[true,{"minProperties":2}]}}}`, `{"a":1,"b":2}`},
		{`{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"properties":{"x":{"$ref":"#"}}}}}`, `{"x":{"x":"` + strings.Repeat("x", 100) + `"}}`},
	} {
		f.Add([]byte(seed.schema), []byte(seed.instance))
	}
	f.Fuzz(func(t *testing.T, document, instance []byte) {
		s, err := events.ParseSchema("", document)
		if err != nil {
			return
		}
		fields, err := s.JudgeJSON(instance)
		if err != nil {
			return
		}
		var stored events.Schema
		if err := stored.UnmarshalJSON(s.Document()); err != nil {
			t.Fatal(err)
		}
		if again, err := stored.JudgeJSON(instance); err != nil || lines(again) != lines(fields) {
			t.Errorf("%s judged by %s is %v; stored, it is %v, %v", instance, document, fields, again, err)
		}
		key := string(instance)
		s.Flags(key)
		s.Separable()
		s.Judge(maps.All(map[string]events.Value{key: {Type: events.JSON, JSON: jsontext.Value(instance)}}))
	})
}
