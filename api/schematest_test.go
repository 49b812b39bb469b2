package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/events"
)

const schemaTestPath = "/api/v1/namespaces/pay/schema?dry_run=true"

func (b *bench) testSchema(path, schema string, headers ...string) wire.SchemaTest {
	b.t.Helper()
	return decodeAs[wire.SchemaTest](b.do("POST", path, `{"schema":`+schema+`}`, headers...).is(200))
}

// refused are past changes in short: "pay/port at 7: /port".
func refusedChanges(s wire.SchemaTest) (lines []string) {
	for _, c := range s.Changes {
		line := fmt.Sprintf("%s/%s at %d:", c.Namespace, c.Key, c.Index)
		for _, e := range c.Errors {
			line += " " + e.Pointer
		}
		lines = append(lines, line)
	}
	return lines
}

func TestASchemaIsTestedOnLiveValuesAndOnPastChanges(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "port", `80`)
	b.put("pay", "port", `700000`)
	high := b.node.State().Index()
	b.put("pay", "port", `443`)
	b.put("pay/eu", "port", `900000`)
	below := b.node.State().Index()
	b.put("pays", "port", `900000`)
	const schema = `{"properties":{"port":{"type":"number","maximum":65535}}}`
	b.writesNothing(func() {
		s := b.testSchema(schemaTestPath, schema)
		if s.Valid || len(s.Live) != 1 || s.Live[0].Namespace != "pay/eu" || s.Live[0].Errors[0].Pointer != "/port" {
			t.Errorf("live: %+v", s)
		}
		if got := refusedChanges(s); !slices.Equal(got, []string{fmt.Sprintf("pay/eu/port at %d: /port", below), fmt.Sprintf("pay/port at %d: /port", high)}) || s.Looked != 4 {
			t.Errorf("of %d changes these would have been refused: %q", s.Looked, got)
		}
		if s := b.testSchema(schemaTestPath+"&last=1", schema); s.Looked != 1 || len(s.Changes) != 1 {
			t.Errorf("of the last change: %+v", s)
		}
		if s := b.testSchema(schemaTestPath+"&last=0", `{"properties":{"port":{"maximum":1e6}}}`); !s.Valid || len(s.Live) != 0 || s.Looked != 0 {
			t.Errorf("a schema that all please: %+v", s)
		}
		if s := b.testSchema(schemaTestPath, `null`); !s.Valid || len(s.Changes) != 0 {
			t.Errorf("no schema: %+v", s)
		}
	})
}

// What belongs together was written together, so it is judged together.
func TestPastTransactionsAreJudgedAsAWhole(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "other", `1`)
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"user","value":"u"},{"namespace":"pay","key":"password","value":"vault://p","type":"secret-ref"}]}`).is(200)
	b.do("DELETE", entryPath("pay", "password"), nil).is(204)
	gone := b.node.State().Index()
	s := b.testSchema(schemaTestPath, `{"dependentRequired":{"user":["password"],"password":["user"]}}`)
	if got := refusedChanges(s); len(got) != 1 || !strings.HasPrefix(got[0], fmt.Sprintf("pay/password at %d:", gone)) || s.Looked != 4 {
		t.Errorf("of %d changes these would have been refused: %q", s.Looked, got)
	}
}

func TestFlagsOfASchemaAreTestedOnPastChanges(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "region", `"eu"`)
	b.put("pay", "region", `"us"`)
	moved := b.node.State().Index()
	b.put("pay", "old", `1`)
	old := b.node.State().Index()
	s := b.testSchema(schemaTestPath, `{"properties":{"region":{"x-confman-immutable":true},"old":{"x-confman-deprecated":true}}}`)
	if got := refusedChanges(s); !slices.Equal(got, []string{fmt.Sprintf("pay/old at %d: /old", old), fmt.Sprintf("pay/region at %d: /region", moved)}) {
		t.Errorf("refused %q", got)
	}
}

func TestTestsOfASchemaThatCannotBe(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	editor := by(b.key("e", "pay", "editor", ""))
	b.do("POST", schemaTestPath, `{"schema":{}}`, editor).problem(403, wire.ProblemForbidden, "admin")
	for _, test := range []struct{ path, body string }{
		{schemaTestPath + "&last=1001", `{"schema":{}}`},
		{schemaTestPath + "&last=all", `{"schema":{}}`},
		{schemaTestPath + "&last=-1", `{"schema":{}}`},
		{"/api/v1/namespaces/pay/schema", `{"schema":{}}`},
		{schemaTestPath, `{"schema":{"type":7}}`},
		{schemaTestPath, `{"schema":[]}`},
	} {
		b.writesNothing(func() { b.do("POST", test.path, test.body).problem(400, wire.ProblemMalformed) })
	}
	b.submit(events.PutSchema{Namespace: "pay/eu", Schema: events.SchemaDoc{Inherit: new(bool)}})
	b.put("pay/eu", "a", `"text"`) // the schema of pay does not hold there
	if s := b.testSchema(schemaTestPath, `{"properties":{"a":{"type":"number"}}}`); !s.Valid || len(s.Changes) != 0 || s.Looked != 1 {
		t.Errorf("a namespace that inherits no schema: %+v", s)
	}
	b.testSchema("/api/v1/namespaces/%2F/schema?dry_run=true", `{"properties":{"a":{"type":"number"}}}`)
}
