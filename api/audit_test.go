package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

func auditIndex(e wire.AuditEvent) string { return strconv.FormatUint(e.Index, 10) }

func TestAuditEventsHaveTheirBytes(t *testing.T) {
	b := newBench(t)
	b.do("PUT", entryPath("pay", "a"), `{"value":"x","comment":"why"}`, "X-Correlation-Id: c-1").is(201)
	b.put("pay", "a", "2")
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	got := b.do("GET", "/api/v1/namespaces/pay/audit", nil).is(200)
	wants := []string{
		`"action":"config.deleted","actor":"ana","namespace":"pay","key":"a","oldValue":"2","newValue":null,"id":"`,
		`"action":"config.updated","actor":"ana","namespace":"pay","key":"a","oldValue":"x","newValue":"2","id":"`,
		`"action":"config.created","actor":"ana","namespace":"pay","key":"a","oldValue":null,"newValue":"x","id":"`,
		`"action":"namespace.created","actor":"ana","namespace":"pay","key":null,"oldValue":null,"newValue":null,"id":"`,
	}
	rest := got.body
	for _, want := range wants {
		before, after, ok := strings.Cut(rest, want)
		if !ok || !strings.Contains(before, `{"timestamp":"2026-01-23T10:3`) {
			t.Fatalf("%s\nhas no %s", got.body, want)
		}
		rest = after
	}
	e := decodeAs[[]wire.AuditEvent](got)[2]
	if e.CorrelationID != "c-1" || e.Comment != "why" || e.Index != 4 || !strings.HasPrefix(e.Position, "4-") || e.RaftTerm != 3 || e.Transaction == "" {
		t.Errorf("provenance %+v", e)
	}
}

func TestAuditSelects(t *testing.T) {
	b := newBench(t)
	bob := "X-Api-Key: " + b.key("bob", "/", "admin", "") // events 3, the new level, and 4
	b.put("pay", "a", "1")                                // 5, 6
	b.put("pay", "b", "1")                                // 7
	b.do("PUT", entryPath("pay", "a"), `{"value":2}`, bob).is(200)
	b.do("PUT", entryPath("teams/x", "a"), `{"value":1}`, bob).is(201) // 9, 10
	b.do("DELETE", entryPath("pay", "b"), nil).is(204)                 // 11
	times := map[string]string{}
	for _, e := range decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/audit", nil).is(200)) {
		times[auditIndex(e)] = e.Timestamp.Format(time.RFC3339Nano)
	}
	tests := []struct{ query, want string }{
		{"", "11 10 9 8 7 6 5 4 3 2 1"},
		{"order=desc", "11 10 9 8 7 6 5 4 3 2 1"},
		{"order=asc", "1 2 3 4 5 6 7 8 9 10 11"},
		{"namespace=pay", "11 8 7 6 5"},
		{"namespace=pay&order=asc", "5 6 7 8 11"},
		{"namespace=pay&key=a", "8 6"},
		{"namespace=pay&key=a&order=asc", "6 8"},
		{"namespace=pay&actor=bob", "8"},
		{"actor=bob", "10 9 8"},
		{"actor=bob&order=asc&after=8", "9 10"},
		{"action=config.created", "10 7 6"},
		{"after=3&before=7", "6 5 4"},
		{"after=3&before=7&order=asc", "4 5 6"},
		{"namespace=pay&after=5&before=11", "8 7 6"},
		{"namespace=pay&after=5&before=11&order=asc", "6 7 8"},
		{"after=9&before=3", ""},
		{"before=1", ""},
		{"after=11", ""},
		{"namespace=none", ""},
		{"since=" + times["10"], "11 10 9"}, // 9 and 10 are one transaction,
		{"until=" + times["2"], "2 1"},
		{"since=" + times["3"] + "&until=" + times["6"] + "&order=asc", "3 4 5 6"},
	}
	for _, test := range tests {
		for _, limit := range []int{1, 3, 100} {
			got := strings.Join(keysOf(b.walk(fmt.Sprintf("/api/v1/audit?%s&limit=%d", test.query, limit)), auditIndex), " ")
			if got != test.want {
				t.Errorf("%s, limit %d: %s, want %s", test.query, limit, got, test.want)
			}
		}
		export := b.do("GET", "/api/v1/audit?"+test.query, nil, "Accept: application/x-ndjson").is(200)
		var lines []string
		for line := range strings.Lines(export.body) {
			lines = append(lines, auditIndex(decodeAs[wire.AuditEvent](reply{t: t, what: "line", body: line})))
		}
		if got := strings.Join(lines, " "); got != test.want || export.header.Get("Content-Type") != wire.MediaNDJSON {
			t.Errorf("%s exported: %s %s, want %s", test.query, export.header.Get("Content-Type"), got, test.want)
		}
	}
	b.do("GET", "/api/v1/audit?after=5-00000000", nil).problem(409, wire.ProblemOtherHistory)
	if got := keysOf(b.walk("/api/v1/namespaces/pay/audit?limit=2"), auditIndex); strings.Join(got, " ") != "11 8 7 6 5" {
		t.Errorf("audit of the namespace: %v", got)
	}
}

// A page looks at a bounded number of events; what it did not reach is linked.
func TestAuditPagesAreBoundedInWork(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Audit = 3 })
	for i := range 10 {
		b.put("pay", "a", strconv.Itoa(i))
	}
	for _, order := range []string{"asc", "desc"} {
		pages := b.walk("/api/v1/audit?action=namespace.created&order=" + order)
		if got := keysOf(pages, auditIndex); !slices.Equal(got, []string{"3"}) || len(pages) != 5 {
			t.Errorf("%s: %v in %d pages, want 3 in 5", order, got, len(pages))
		}
	}
}

// What concerns no namespace is for the admins of everything.
func TestAuditOfKeysIsForRootAdmins(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	admin := "X-Api-Key: " + b.key("pay-admin", "pay", "admin", "")
	got := keysOf(b.walk("/api/v1/audit", admin), func(e wire.AuditEvent) string { return e.Action })
	if !slices.Equal(got, []string{"config.created", "namespace.created"}) {
		t.Errorf("an admin of pay sees %v", got)
	}
}

func TestAuditKeepsTheOldDefaultPage(t *testing.T) {
	b := newBench(t)
	for i := range 60 {
		b.put("pay", "a", strconv.Itoa(i))
	}
	if got := decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/namespaces/pay/audit", nil).is(200)); len(got) != 50 || got[0].Index != b.node.State().Index() {
		t.Errorf("%d rows from %d", len(got), got[0].Index)
	}
}

func TestHistoryTellsEveryVersion(t *testing.T) {
	b := newBench(t)
	b.do("PUT", entryPath("pay", "a"), `{"value":"x","comment":"first"}`, "X-Correlation-Id: c-1").is(201)
	b.put("pay", "other", "1")
	b.put("pay", "a", "2")
	b.do("DELETE", entryPath("pay", "a"), nil).is(204)
	for _, limit := range []string{"1", "2", "10"} {
		got := keysOf(b.walk("/api/v1/namespaces/pay/history/a?limit="+limit), func(v wire.HistoryVersion) string {
			return fmt.Sprintf("%d %s %s %d", v.Version, v.Action, v.Value, v.Index)
		})
		if want := []string{"3 config.deleted null 7", "2 config.updated 2 6", `1 config.created "x" 4`}; !slices.Equal(got, want) {
			t.Errorf("limit %s: %q, want %q", limit, got, want)
		}
	}
	first := decodeAs[[]wire.HistoryVersion](b.do("GET", "/api/v1/namespaces/pay/history/a", nil))[2]
	if first.Comment != "first" || first.CorrelationID != "c-1" || first.Actor != "ana" || first.Type != "string" || !strings.HasPrefix(first.Position, "4-") {
		t.Errorf("%+v", first)
	}
	b.do("POST", "/api/v1/namespaces/pay/rollback/a", `{"toVersion":1}`).is(200)
	if back := decodeAs[[]wire.HistoryVersion](b.do("GET", "/api/v1/namespaces/pay/history/a", nil))[0]; back.Action != "config.rolled-back" || back.Version != 4 || back.Source != 1 {
		t.Errorf("%+v", back)
	}
	b.do("GET", "/api/v1/namespaces/pay/history/none", nil).problem(404, wire.ProblemNotFound)
}
