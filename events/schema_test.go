package events_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"confman/events"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func parseSchema(t testing.TB, document string) *events.Schema {
	t.Helper()
	s, err := events.ParseSchema("", jsontext.Value(document))
	if err != nil {
		t.Fatalf("%.200s: %v", document, err)
	}
	return s
}

// members reads an object of entries: "TYPE!TEXT" is of that type, all else is of
// the type that its JSON tells.
func members(t testing.TB, object string) map[string]events.Value {
	t.Helper()
	var raw map[string]jsontext.Value
	if err := json.Unmarshal([]byte(object), &raw); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	entries := map[string]events.Value{}
	for key, value := range raw {
		typ, text, typed := strings.Cut(strings.Trim(string(value), `"`), "!")
		if typed {
			value = jsontext.Value(`"` + text + `"`)
		} else {
			typ = ""
		}
		v, err := events.ParseValue(value, events.ValueType(typ), events.DefaultMaxValueBytes)
		if err != nil {
			t.Fatalf("%s: %v", value, err)
		}
		entries[key] = v
	}
	return entries
}

func lines(fields []events.Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s %s\n", f.Pointer, f.Detail)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestSchemaSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct{ schema, object, want string }{
		{`{"properties":{"db/url":{"properties":{"port":{"maximum":65535}}}}}`, `{"db/url":{"port":70000}}`, `/db~1url/port is 70000, must be at most 65535`},
		{`{"properties":{"port":{"type":"integer"}}}`, `{"port":"x"}`, `/port is a string, must be an integer`},
		{`{"properties":{"port":{"type":["integer","null"]}}}`, `{"port":true}`, `/port is a boolean, must be null or an integer`},
		{`{"required":["a~b","b"]}`, `{}`, "/a~0b is missing\n/b is missing"},
		{`{"properties":{"a":true},"additionalProperties":false}`, `{"a":1,"b":1}`, `/b is not a known name (additionalProperties)`},
		{`{"properties":{"a":true},"unevaluatedProperties":false}`, `{"a":1,"b":1}`, `/b is not allowed here`},
		{`{"propertyNames":{"pattern":"^[a-z]+$"}}`, `{"A":1}`, `/A has a name that is "A", must match the pattern ^[a-z]+$ (propertyNames)`},
		{`{"properties":{"a":{"enum":["x",1,null]}}}`, `{"a":"y"}`, `/a is "y", must be one of "x", 1, null`},
		{`{"properties":{"a":{"const":{"b":1}}}}`, `{"a":[1,2]}`, `/a is an array of 2 items, must be {"b":1}`},
		{`{"properties":{"a":{"anyOf":[{"type":"integer"},{"properties":{"b":{"minLength":2}},"type":"object"}]}}}`, `{"a":{"b":"x"}}`, `/a matches none of 2 alternatives: (1) is an object, must be an integer (2) /b has 1 character, must have at least 2`},
		{`{"properties":{"a":{"oneOf":[{"minimum":1},{"maximum":9}]}}}`, `{"a":5}`, `/a matches alternatives 1 and 2 of oneOf, must match exactly one`},
		{`{"properties":{"a":{"not":{"type":"string"}}}}`, `{"a":"s"}`, `/a is "s", which "not" excludes`},
		{`{"properties":{"a":{"format":"date-time"}}}`, `{"a":"noon"}`, `/a is "noon", must be of format date-time, like 2026-11-22T10:00:00Z`},
		{`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[1,2,1.0]}`, `/a/2 is the same as item 0`},
		{`{"properties":{"a":{"contains":{"type":"string"},"minContains":2}}}`, `{"a":["x",1]}`, `/a has 1 item as "contains" wants, must have at least 2`},
		{`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, `/b is missing, and must be there because "a" is`},
		{`{"properties":{"a":{"items":{"type":"integer"},"maxItems":1}}}`, `{"a":[1,"x"]}`, "/a has 2 items, must have at most 1\n/a/1 is a string, must be an integer"},
		{`{"if":{"properties":{"mode":{"const":"tls"}},"required":["mode"]},"then":{"required":["cert"]}}`, `{"mode":"tls"}`, `/cert is missing`},
		{`false`, `{}`, ` is not allowed here`},
		{`{"properties":{"a":{"type":"string"},"b":{"type":"string"},"c":{"type":"string"}}}`, `{"a":"binary!AAEC","b":"secret-ref!vault://x","c":"s"}`, ``},
		{`{"properties":{"a":{"x-confman-secret-ref":true}}}`, `{"a":"vault://x"}`, `/a is of type string, must be of type secret-ref (x-confman-secret-ref)`},
		{`{"properties":{"a":{"x-confman-secret-ref":true}}}`, `{"a":"secret-ref!vault://x"}`, ``},
		{`{"properties":{"a":{"x-confman-secret-ref":false}}}`, `{"a":"s"}`, ``},
	} {
		fields := parseSchema(t, c.schema).Judge(maps.All(members(t, c.object)))
		if got := lines(fields); got != c.want {
			t.Errorf("%s of %s:\n got %s\nwant %s", c.object, c.schema, got, c.want)
		}
	}
}

func TestSchemaListsAHundredViolationsInTheSameOrder(t *testing.T) {
	s := parseSchema(t, `{"additionalProperties":{"type":"integer"}}`)
	entries := map[string]events.Value{}
	for i := range 150 {
		entries[fmt.Sprintf("key-%03d", i)] = events.Value{Type: events.String, JSON: jsontext.Value(`"x"`)}
	}
	want := s.Judge(maps.All(entries))
	if len(want) != 101 || want[0].Pointer != "/key-000" || want[99].Pointer != "/key-099" || want[100].Detail != "and 50 more" {
		t.Fatalf("lists %d: %v … %v", len(want), want[0], want[len(want)-1])
	}
	for range 3 {
		if got := s.Judge(maps.All(entries)); !slices.Equal(got, want) {
			t.Fatal("lists them in another order")
		}
	}
}

func TestSchemaNumbersAreExact(t *testing.T) {
	for _, c := range []struct {
		keyword, number string
		valid           bool
	}{
		{`"multipleOf":0.01`, "19.99", true},
		{`"multipleOf":0.01`, "19.999", false},
		{`"multipleOf":0.01`, "0.07", true},
		{`"multipleOf":3`, "1e1000000000", false},
		{`"multipleOf":7e-5`, "49e1000000000", true},
		{`"multipleOf":1e-300`, "1e300", true},
		{`"maximum":9007199254740992`, "9007199254740993", false},
		{`"maximum":0.3`, "0.30000000000000001", false},
		{`"maximum":0.3`, "0.300", true},
		{`"exclusiveMinimum":-1e-400`, "0", true},
		{`"exclusiveMinimum":1e-400`, "0", false},
		{`"minimum":-5`, "-1e99999999999999999999", false},
		{`"minimum":5`, "1e99999999999999999999", true},
		{`"type":"integer"`, "1e1000000000", true},
		{`"type":"integer"`, "1.50e1", true},
		{`"type":"integer"`, "1.55e1", false},
		{`"const":100`, "1.00E2", true},
		{`"const":0`, "-0.0", true},
		{`"enum":[12345678901234567890]`, "12345678901234567891", false},
	} {
		fields, err := parseSchema(t, "{"+c.keyword+"}").JudgeJSON(jsontext.Value(c.number))
		if err != nil || (len(fields) == 0) != c.valid {
			t.Errorf("%s by %s: %v, %v", c.number, c.keyword, fields, err)
		}
	}
}

// big.Rat agrees, where it can be asked.
func TestSchemaNumbersAreThoseOfRationals(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	number := func(positive bool) string {
		text := fmt.Sprint(r.IntN(2000))
		if positive {
			text = fmt.Sprint(1 + r.IntN(30))
		} else if r.IntN(2) == 0 {
			text = "-" + text
		}
		if r.IntN(2) == 0 {
			text += fmt.Sprintf(".%0*d", 1+r.IntN(4), r.IntN(10))
		}
		if r.IntN(2) == 0 {
			text += fmt.Sprintf("e%d", r.IntN(13)-6)
		}
		return text
	}
	rat := func(text string) *big.Rat {
		x, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatal(text)
		}
		return x
	}
	for range 300 {
		x, bound, step := number(false), number(false), number(true)
		properties, object := []string{}, []string{}
		want := map[string]bool{}
		for keyword, valid := range map[string]bool{
			`"maximum":` + bound:          rat(x).Cmp(rat(bound)) <= 0,
			`"minimum":` + bound:          rat(x).Cmp(rat(bound)) >= 0,
			`"exclusiveMaximum":` + bound: rat(x).Cmp(rat(bound)) < 0,
			`"exclusiveMinimum":` + bound: rat(x).Cmp(rat(bound)) > 0,
			`"multipleOf":` + step:        new(big.Rat).Quo(rat(x), rat(step)).IsInt(),
			`"const":` + bound:            rat(x).Cmp(rat(bound)) == 0,
			`"type":"integer"`:            rat(x).IsInt(),
		} {
			name := strings.Split(keyword, `"`)[1]
			properties = append(properties, `"`+name+`":{`+keyword+`}`)
			object = append(object, `"`+name+`":`+x)
			want["/"+name] = valid
		}
		s := parseSchema(t, `{"properties":{`+strings.Join(properties, ",")+`}}`)
		fields, err := s.JudgeJSON(jsontext.Value("{" + strings.Join(object, ",") + "}"))
		if err != nil {
			t.Fatal(err)
		}
		for name, valid := range want {
			broken := slices.ContainsFunc(fields, func(f events.Field) bool { return f.Pointer == name })
			if broken == valid {
				t.Errorf("%s by %s: %v", name, s.Document(), fields)
			}
		}
	}
}

func TestSchemaFlagsAreThoseThatAlwaysApply(t *testing.T) {
	const schema = `{
		"properties": {
			"a": {"x-confman-immutable": true, "anyOf": [{"x-confman-deprecated": true}]},
			"b": {"$ref": "#/$defs/secret", "deprecated": true},
			"c": {"allOf": [{"x-confman-immutable": true}, {"$ref": "#/$defs/secret"}]},
			"d": {"x-confman-immutable": false},
			"loop": {"properties": {"loop": {"$ref": "#/properties/loop"}}, "x-confman-deprecated": true}
		},
		"patternProperties": {"^a": {"x-confman-deprecated": true}, "^old/": {"x-confman-deprecated": true}},
		"additionalProperties": {"x-confman-secret-ref": true},
		"allOf": [{"properties": {"e": {"x-confman-immutable": true}}}, {"$ref": "#/$defs/more"}],
		"anyOf": [{"properties": {"d": {"x-confman-secret-ref": true}}}, true],
		"$defs": {
			"secret": {"x-confman-secret-ref": true},
			"more": {"properties": {"f": {"deprecated": true}}}
		}
	}`
	s := parseSchema(t, schema)
	for key, want := range map[string]events.SchemaFlags{
		"a":     {Immutable: true, Deprecated: true},
		"b":     {Deprecated: true, SecretRef: true},
		"c":     {Immutable: true, SecretRef: true},
		"d":     {},
		"e":     {Immutable: true, SecretRef: true}, // additionalProperties sees only the properties beside it
		"f":     {Deprecated: true, SecretRef: true},
		"loop":  {Deprecated: true},
		"old/x": {Deprecated: true},
		"other": {SecretRef: true},
	} {
		if got := s.Flags(key); got != want {
			t.Errorf("%s: %+v, want %+v", key, got, want)
		}
	}
	if got := new(events.Schema).Flags("a"); got != (events.SchemaFlags{}) {
		t.Errorf("no schema says %+v", got)
	}
}

func TestSchemaIsSeparableWhenEachKeyIsJudgedByItself(t *testing.T) {
	for schema, want := range map[string]bool{
		`true`:  true,
		`false`: false,
		`{}`:    true,
		`{"type":"object","properties":{"a":{"required":["x"],"anyOf":[true]}},"patternProperties":{"a":{}},"additionalProperties":false,"propertyNames":{"minLength":1},"title":"t","$defs":{"x":{"required":["a"]}}}`: true,
		`{"required":[]}`:                                           true,
		`{"required":["a"]}`:                                        false,
		`{"minProperties":1}`:                                       false,
		`{"maxProperties":1}`:                                       false,
		`{"dependentRequired":{"a":["b"]}}`:                         false,
		`{"dependentSchemas":{"a":true}}`:                           false,
		`{"anyOf":[true]}`:                                          false,
		`{"oneOf":[true]}`:                                          false,
		`{"not":{"required":["a"]}}`:                                false,
		`{"if":{"required":["a"]}}`:                                 false,
		`{"unevaluatedProperties":false}`:                           false,
		`{"type":"string"}`:                                         false,
		`{"type":["string","object"]}`:                              true,
		`{"enum":[{}]}`:                                             false,
		`{"const":{}}`:                                              false,
		`{"allOf":[{"properties":{}},true]}`:                        true,
		`{"allOf":[{"required":["a"]}]}`:                            false,
		`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{}}}}`:      true,
		`{"$ref":"#/$defs/a","$defs":{"a":{"required":["a"]}}}`:     false,
		`{"$dynamicRef":"#a","$defs":{"a":{"$dynamicAnchor":"a"}}}`: false,
		`{"minimum":1,"minLength":1,"items":false,"format":"uuid","x-other":{"a":"b"}}`: true,
	} {
		if got := parseSchema(t, schema).Separable(); got != want {
			t.Errorf("%s: %v", schema, got)
		}
	}
}

// Where a schema is separable, judging the changed members alone finds what
// judging all of them finds about these.
func TestSchemaJudgesSeparableMembersAlone(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	parts := []string{
		`"properties":{"a":{"type":"integer"},"b":{"minLength":2}}`,
		`"patternProperties":{"^a":{"maximum":5},"b":{"type":"string"}}`,
		`"additionalProperties":false`, `"additionalProperties":{"type":"boolean"}`,
		`"propertyNames":{"maxLength":2}`, `"allOf":[{"properties":{"ab":{"x-confman-secret-ref":true}}},{"$ref":"#/$defs/d"}]`,
		`"$ref":"#/$defs/d"`,
	}
	values := []string{`1`, `7`, `1.5`, `"x"`, `"xyz"`, `true`, `[1]`}
	for range 500 {
		schema := `"$defs":{"d":{"properties":{"c":{"enum":[1,true]}}}}`
		for _, i := range r.Perm(len(parts))[:r.IntN(4)] {
			if name, _, _ := strings.Cut(parts[i], ":"); !strings.Contains(schema, name+":") {
				schema += "," + parts[i]
			}
		}
		s := parseSchema(t, "{"+schema+"}")
		if !s.Separable() {
			t.Fatalf("{%s} is not separable", schema)
		}
		whole, changed := map[string]events.Value{}, map[string]events.Value{}
		for _, key := range []string{"a", "b", "c", "ab", "abc", "x/y"} {
			v, err := events.ParseValue(jsontext.Value(values[r.IntN(len(values))]), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			whole[key] = v
			if r.IntN(2) == 0 {
				changed[key] = v
			}
		}
		var want []events.Field
		for _, f := range s.Judge(maps.All(whole)) {
			token, _, _ := strings.Cut(f.Pointer[1:], "/")
			if _, ok := changed[strings.ReplaceAll(token, "~1", "/")]; ok {
				want = append(want, f)
			}
		}
		if got := s.Judge(maps.All(changed)); !slices.Equal(got, want) {
			t.Fatalf("{%s} of %v:\n%s\nalone, but within %v\n%s", schema, changed, lines(got), whole, lines(want))
		}
	}
}

func TestSchemaIsStoredAsItWasGiven(t *testing.T) {
	type doc struct {
		Schema *events.Schema `json:"schema,omitzero"`
	}
	given := doc{parseSchema(t, ` { "maximum": 1.50, "type": "number" } `)}
	raw, err := json.Marshal(given)
	if err != nil || string(raw) != `{"schema":{"maximum":1.50,"type":"number"}}` {
		t.Fatalf("stored as %s, %v", raw, err)
	}
	var got doc
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if fields, err := got.Schema.JudgeJSON(jsontext.Value(`1.51`)); err != nil || lines(fields) != " is 1.51, must be at most 1.5" {
		t.Errorf("read again, it judges %v, %v", fields, err)
	}
	// What no release would accept any more is still read, and lets nothing through.
	if err := json.Unmarshal([]byte(`{"schema":{"x-confman-gone":true}}`), &got); err != nil {
		t.Fatal(err)
	}
	var none iter.Seq2[string, events.Value] = func(func(string, events.Value) bool) {}
	if fields := got.Schema.Judge(none); len(fields) != 1 || !strings.HasPrefix(fields[0].Detail, "cannot be judged") {
		t.Errorf("a broken schema judges %v", fields)
	}
	if got.Schema.Separable() {
		t.Error("a broken schema is separable")
	}
	if fields := new(events.Schema).Judge(none); len(fields) != 0 {
		t.Errorf("no schema judges %v", fields)
	}
}

func TestSchemaIsCompiledOnceForAllWhoUseItFirst(t *testing.T) {
	var s events.Schema
	if err := s.UnmarshalJSON([]byte(`{"additionalProperties":{"maximum":5,"deprecated":true}}`)); err != nil {
		t.Fatal(err)
	}
	entries := members(t, `{"a":6}`)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := lines(s.Judge(maps.All(entries))); got != "/a is 6, must be at most 5" || !s.Flags("a").Deprecated {
				t.Errorf("judged %q", got)
			}
		})
	}
	all.Wait()
}

func TestSchemaJudgeRefusesWhatIsNotAnInstance(t *testing.T) {
	for _, instance := range []string{``, `{`, `{"a":1,"a":2}`, "\"\xff\"", strings.Repeat("[", 66) + strings.Repeat("]", 66), strings.Repeat("[", 100_000)} {
		if _, err := parseSchema(t, `true`).JudgeJSON(jsontext.Value(instance)); !errors.Is(err, events.ErrInvalid) {
			t.Errorf("%.20q: %v", instance, err)
		}
	}
}
