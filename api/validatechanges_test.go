package api

import (
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
)

// verdict is what is said of changes, "POINTER DETAIL" each.
func (b *bench) verdict(body string, headers ...string) (lines []string) {
	b.t.Helper()
	b.writesNothing(func() {
		v := decodeAs[wire.Validation](b.do("POST", "/api/v1/validate", body, headers...).is(200))
		for _, e := range v.Errors {
			lines = append(lines, e.Pointer+" "+e.Detail)
		}
		if v.Valid != (len(lines) == 0) {
			b.t.Errorf("%s: valid is %v, with %q", body, v.Valid, lines)
		}
	})
	return lines
}

func TestChangesAreValidatedAsTheyWouldBeWritten(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "port", `80`)
	b.put("pay", "region", `"eu"`)
	schema, err := events.ParseSchema("", []byte(`{"properties":{"port":{"type":"number","maximum":9000},"db/url":{"x-confman-secret-ref":true}},"dependentRequired":{"tls/cert":["tls/key"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: "pay", Schema: events.SchemaDoc{Schema: schema}})
	b.settings("pay", events.Settings{RequireApproval: yes(), Quota: &events.Quota{Keys: 4}}) // approval is not asked for
	for _, test := range []struct {
		changes string
		want    []string // how each begins
	}{
		{`{"key":"port","value":8080}`, nil},
		{`{"key":"port","value":"8080","type":"number"}`, nil},
		{`{"key":"port","value":9001}`, []string{"/port "}},
		{`{"key":"port","value":"high"}`, []string{"/port "}},
		{`{"key":"port","value":"high","type":"number"}`, []string{"/port is a string that does not parse as number"}},
		{`{"key":"port"}`, []string{"/port is missing"}},
		{`{"key":"port","value":null}`, []string{"/port is null"}},
		{`{"key":"port","value":1,"type":"float"}`, []string{`/port type "float"`}},
		{`{"key":"port","delete":true}`, nil},
		{`{"key":"none","delete":true}`, []string{"/none pay/none does not exist"}},
		{`{"key":"db/url","value":"http://x"}`, []string{"/db~1url "}},
		{`{"key":"db/url","value":"vault://x","type":"secret-ref"}`, nil},
		{`{"key":"tls/cert","value":"x"}`, []string{"/tls~1key is missing"}},
		{`{"key":"tls/cert","value":"x"},{"key":"tls/key","value":"y"}`, nil},
		{`{"key":"a","value":1},{"key":"b","value":1},{"key":"port","value":9001},{"key":"c","value":1}`, []string{" namespace pay and those below it hold 2 keys", "/port "}},
		{`{"key":"big","value":"` + strings.Repeat("x", 1<<20+1) + `"}`, []string{"/big has 1048577 bytes"}},
	} {
		got := b.verdict(`{"namespace":"pay","changes":[` + test.changes + `]}`)
		if len(got) != len(test.want) {
			t.Errorf("%.200s: %q, want %q", test.changes, got, test.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], test.want[i]) {
				t.Errorf("%.200s: %q, want %q", test.changes, got, test.want)
			}
		}
	}
	if got := b.verdict(`{"namespace":"new/one","changes":[{"key":"a","value":1}]}`); got != nil {
		t.Errorf("in a namespace that would come into being: %q", got)
	}
}

func TestAQuestionForAVerdictHasOneForm(t *testing.T) {
	b := newGoverned(t)
	const either = "give either schema and value, or namespace and changes"
	for body, detail := range map[string]string{
		`{}`: either,
		`{"schema":{},"value":1,"namespace":"pay","changes":[{"key":"a","value":1}]}`: either,
		`{"value":1,"changes":[]}`:          either,
		`{"namespace":"pay"}`:               "is missing or empty",
		`{"namespace":"pay","changes":[]}`:  "is missing or empty",
		`{"changes":[{"key":"a"}]}`:         "is missing",
		`{"namespace":"/","changes":[{}]}`:  "",
		`{"namespace":"pay","changes":[1]}`: "want an object",
		`{"namespace":"pay","changes":[{"key":"a","value":1},{"key":"a","value":2}]}`: "another change changes too",
		`{"namespace":"pay","changes":[{"key":"a","value":1,"delete":true}]}`:         "give one of them",
		`{"namespace":"pay","changes":{"key":"a"}}`:                                   "want an array",
		`{"namespace":"pa y","changes":[{"key":"a","value":1}]}`:                      "namespace",
	} {
		b.do("POST", "/api/v1/validate", body).problem(400, wire.ProblemMalformed, detail)
	}
	many := strings.TrimSuffix(strings.Repeat(`{"key":"a","value":1},`, events.MaxChanges+1), ",")
	b.do("POST", "/api/v1/validate", `{"namespace":"pay","changes":[`+many+`]}`).problem(413, wire.ProblemTooLarge, "at most 1000")
}

func TestAVerdictOnChangesIsForTheirEditors(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "limits", `"the secret"`)
	schema, err := events.ParseSchema("", []byte(`{"properties":{"limits":{"const":"x"}},"additionalProperties":{"type":"number"}}`))
	if err != nil {
		t.Fatal(err)
	}
	b.put("pay/eu", "a", `1`)
	b.submit(events.PutSchema{Namespace: "pay", Schema: events.SchemaDoc{Schema: schema}, Force: true})
	editor := by(b.key("e", "pay", "editor", "web/*"))
	const body = `{"namespace":"pay","changes":[{"key":"web/a","value":1},{"key":"db/a","value":1}]}`
	b.do("POST", "/api/v1/validate", body, editor).problem(403, wire.ProblemForbidden, "db/a")
	b.do("POST", "/api/v1/validate", body, by(b.key("v", "pay", "viewer", ""))).problem(403, wire.ProblemForbidden, "editor")
	if got := b.verdict(`{"namespace":"pay","changes":[{"key":"web/a","value":"x"}]}`, editor); len(got) != 1 || !strings.HasPrefix(got[0], "/web~1a ") {
		t.Errorf("%q", got)
	}
	// In a namespace that inherits, what the caller may not read is only counted.
	eu, err := events.ParseSchema("", []byte(`{"minProperties":9}`))
	if err != nil {
		t.Fatal(err)
	}
	b.submit(events.PutSchema{Namespace: "pay/eu", Schema: events.SchemaDoc{Schema: eu}, Force: true})
	for _, line := range b.verdict(`{"namespace":"pay","changes":[{"key":"web/b","value":1}]}`, editor) {
		if strings.Contains(line, "secret") || strings.Contains(line, "pay/eu") {
			t.Errorf("an editor of web/* hears %q", line)
		}
	}
}
