package events_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"confman/events"

	"github.com/go-json-experiment/json/jsontext"
)

func TestSchemaIsRefusedByNameAndPointer(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{`, `/schema is not valid JSON`},
		{`{"type":"string","type":"number"}`, `/schema is not valid JSON`},
		{`7`, `/schema is a number, must be a boolean or an object`},
		{`{"type":"strin"}`, `/schema/type matches none of 2 alternatives: (1) is "strin", must be one of "array", "boolean"`},
		{`{"properties":{"a/b":{"minLength":-1}}}`, `/schema/properties/a~1b/minLength is -1, must be at least 0`},
		{`{"items":[true]}`, `/schema/items is an array, must be a boolean or an object`},
		{`{"multipleOf":0}`, `/schema/multipleOf is 0, must be more than 0`},
		{`{"required":["a","a"]}`, `/schema/required/1 is the same as item 0`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, `/schema/$schema is "http://json-schema.org/draft-07/schema#", must be "https://json-schema.org/draft/2020-12/schema"`},
		{`{"$defs":{"a":{"$id":"x","$schema":"https://example.org/meta"}}}`, `/schema/$defs/a/$schema is "https://example.org/meta", must be`},
		{`{"properties":{"a":{"x-confman-imutable":true}}}`, `/schema/properties/a/x-confman-imutable is unknown`},
		{`{"properties":{"a":{"x-confman-immutable":"yes"}}}`, `/schema/properties/a/x-confman-immutable is a string, must be true or false`},
		{`{"$recursiveRef":"#"}`, `/schema/$recursiveRef is of draft 2019-09`},
		{`{"properties":{"a":{"pattern":"("}}}`, `/schema/properties/a/pattern is not a regular expression (RE2): error parsing regexp: missing closing )`},
		{`{"patternProperties":{"(?=a)":true}}`, `/schema/patternProperties/(?=a) is not a regular expression (RE2)`},
		{`{"properties":{"a":{"$ref":"file:///etc/passwd"}}}`, `/schema/properties/a/$ref is "file:///etc/passwd", which is not in the schema`},
		{`{"properties":{"a":{"$ref":"https://example.org/a.json#/$defs/x"}}}`, `/schema/properties/a/$ref is "https://example.org/a.json#/$defs/x", which is not in the schema`},
		{`{"properties":{"a":{"$ref":"other.json"}}}`, `/schema/properties/a/$ref is "other.json", which is not in the schema`},
		{`{"$ref":"http://json-schema.org/draft-07/schema"}`, `/schema/$ref is "http://json-schema.org/draft-07/schema", which is not in the schema`},
		{`{"$ref":"#/$defs/none"}`, `/schema/$ref is "#/$defs/none", which is not in the schema`},
		{`{"$ref":"#none"}`, `/schema/$ref is "#none", which is not in the schema`},
		{`{"$ref":"#/examples/0","examples":[{}]}`, `/schema/$ref is "#/examples/0", which does not point at a subschema`},
		{`{"$ref":"#/%zz"}`, `/schema/$ref is "#/%zz", which is not a URI reference`},
		{`{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}`, `/schema cannot be compiled: duplicate id`},
		{`{"$ref":"#"}`, `/schema leads back to itself`},
		{`{"$defs":{"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}},"properties":{"x":{"$ref":"#/$defs/a"}}}`, `leads back to itself`},
		{`{"minimum":1e1000000000}`, `/schema/minimum is a number of more than 1000 digits when written out`},
		{`{"enum":[[1e-2000]]}`, `/schema/enum/0/0 is a number of more than 1000 digits when written out`},
		{`{"minItems":1e400}`, `/schema/minItems is 1e400, must be at most 9007199254740991`},
		{`{"title":"` + strings.Repeat("x", events.MaxSchemaBytes) + `"}`, `/schema has 262156 bytes, at most 262144 are allowed`},
		{strings.Repeat(`{"not":`, 65) + `{}` + strings.Repeat(`}`, 65), `/schema nests deeper than 64 levels`},
		{`{"allOf":[` + strings.Repeat("{},", events.MaxSubschemas) + `{}]}`, `/schema has 10002 subschemas, at most 10000 are allowed`},
		{many(300, `{"$id":"i%d"}`), `/schema has 300 subschemas with $id, at most 256 are allowed`},
		{many(2000, `{"pattern":"a{1000}%d"}`), `makes the patterns larger than 100000 instructions`},
		{bomb(20, "{}"), `applies more than 10000 subschemas to one value`},
		{bomb(62, "{}"), `applies more than 10000 subschemas to one value`},
	} {
		_, err := events.ParseSchema("/schema", jsontext.Value(c.schema))
		var r *events.Refusal
		if !errors.As(err, &r) || len(r.Fields) == 0 {
			t.Errorf("%.100s: %v", c.schema, err)
			continue
		}
		if got := lines(r.Fields); !strings.Contains(got, c.want) {
			t.Errorf("%.100s:\n got %.400s\nwant %s", c.schema, got, c.want)
		}
	}
}

// many is a schema of n properties; each %d of the text is their number.
func many(n int, text string) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"k%d":`, i)+strings.ReplaceAll(text, "%d", fmt.Sprint(i)))
	}
	return `{"properties":{` + strings.Join(list, ",") + `}}`
}

// bomb refers twice to what refers twice to … the last.
func bomb(levels int, last string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"d%d":%s}}`, levels, last)
	return b.String()
}

// Whatever somebody thinks of, an answer comes, and soon.
func TestSchemaJudgesBombsToAnEnd(t *testing.T) {
	list := func(n int, item string) string { return "[" + strings.Repeat(item+",", n) + item + "]" }
	numbers := func(n int) string {
		var b strings.Builder
		b.WriteString("[0")
		for i := range n {
			fmt.Fprintf(&b, ",%d", i+1)
		}
		return b.String() + "]"
	}
	alike := make([]string, 1<<13) // all of them would have one hash in the library
	for i := range alike {
		text := `["a`
		for bit := range 13 {
			if i>>bit&1 == 0 {
				text += `\u0004a`
			} else {
				text += `","a`
			}
		}
		alike[i] = text + `"]`
	}
	const tooLong = "takes more than 5000000 steps"
	deep := strings.Repeat(`{"x":`, 64) + "1" + strings.Repeat("}", 64)
	twice := `{"properties":{"x":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}`
	for _, c := range []struct{ name, schema, instance, want string }{
		{"doubling at each level", twice, deep, tooLong},
		{"doubling at each level, no texts", `{"not":` + strings.ReplaceAll(twice, "#", "#/not") + `}`, deep, tooLong},
		{"doubling in anyOf", `{"properties":{"x":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}},"type":["object","string"]}`, deep, tooLong},
		{"doubling through $dynamicRef", `{"$dynamicAnchor":"a","properties":{"x":{"allOf":[{"$dynamicRef":"#a"},{"$dynamicRef":"#a"}]}}}`, deep, tooLong},
		{"a $dynamicRef to itself", `{"$dynamicAnchor":"a","$dynamicRef":"#a"}`, `1`, tooLong},
		{"9000 subschemas at each of 100000 items", strings.Replace(bomb(11, "{}"), `"$ref":"#/$defs/d0"`, `"items":{"$ref":"#/$defs/d0"}`, 1), list(100_000, "1"), tooLong},
		{"large enum, many items", `{"items":{"enum":` + numbers(40_000) + `}}`, numbers(40_000), ""},
		{"unique items", `{"uniqueItems":true}`, numbers(100_000), ""},
		{"unique items with one hash", `{"uniqueItems":true}`, "[" + strings.Join(alike, ",") + "]", ""},
		{"huge exponents", `{"items":{"multipleOf":0.0123,"minimum":1e300,"type":"integer"}}`, list(20_000, "123e1000000000"), ""},
		{"a million digits", `{"multipleOf":0.0123,"minimum":1e300,"type":"integer"}`, strings.Repeat("123", 350_000), ""},
		{"nested quantifiers", `{"pattern":"^(a+)+$"}`, `"` + strings.Repeat("a", 1<<20) + `!"`, "must match"},
		{"a large pattern at a long string", `{"pattern":"(.*a.{1000})$"}`, `"` + strings.Repeat("a", 1<<20) + `!"`, tooLong},
		{"a large pattern at a string short enough", `{"pattern":"(.*a.{1000})!$"}`, `"` + strings.Repeat("a", 140_000) + `"`, "must match"},
		{"a chain of allOf, many members", "{" + strings.Repeat(`"allOf":[{`, 30) + `"additionalProperties":true` + strings.Repeat(`}]`, 30) + `,"unevaluatedProperties":false}`, `{` + manyNames(30_000) + `}`, ""},
		{"many required, many objects", `{"items":{"required":[` + quoted(20_000) + `]}}`, list(100_000, "{}"), tooLong},
		{"many patterns, many names", `{"patternProperties":{` + manyPatterns(800) + `}}`, `{` + manyNames(20_000) + `}`, tooLong},
		{"contentEncoding", `{"contentEncoding":"base64","contentMediaType":"application/json","contentSchema":{"type":"null"}}`, `"!"`, ""},
		{"the metaschema at a schema", `{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, many(5000, `{"type":["string"],"pattern":"a"}`), ""},
		{"100000 violations", `{"items":{"anyOf":[{"type":"null"},{"type":"string"}]}}`, list(100_000, "1"), "and 99901 more"},
		{"unevaluated", `{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/a"}],"$defs":{"a":{"additionalProperties":true}},"unevaluatedProperties":false}`, `{` + manyNames(50_000) + `}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parseSchema(t, c.schema)
			fields, err := s.JudgeJSON(jsontext.Value(c.instance)) // what has no bound never returns from here
			if got := lines(fields); err != nil || (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
				t.Errorf("judged %.300s, %v", got, err)
			}
		})
	}
}

func manyPatterns(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"(x+%d?)+y":true`, i))
	}
	return strings.Join(list, ",")
}

func manyNames(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"%s%d":1`, strings.Repeat("x", 20), i))
	}
	return strings.Join(list, ",")
}

func quoted(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"k%d"`, i))
	}
	return strings.Join(list, ",")
}
