package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
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
		{"before=99", "11 10 9 8 7 6 5 4 3 2 1"}, // without waiting for event 98
		{"after=9&before=99-00000000", "11 10"},
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
	b.do("GET", "/api/v1/audit?before=5-00000000", nil).problem(409, wire.ProblemOtherHistory)
	if got := keysOf(b.walk("/api/v1/namespaces/pay/audit?limit=2"), auditIndex); strings.Join(got, " ") != "11 8 7 6 5" {
		t.Errorf("audit of the namespace: %v", got)
	}
}

// A page looks at a bounded number of events; what it did not reach is linked.
func TestAuditPagesAreBoundedInWork(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Audit = 3 })
	narrow := "X-Api-Key: " + b.key("narrow", "pay", "viewer", "b") // events 3 and 4
	b.put("pay", "b", "1")                                          // 5, 6
	for i := range 10 {
		b.put("pay", "a", strconv.Itoa(i))
	}
	b.put("pay", "b", "2") // 17
	for _, test := range []struct {
		query, want string
		pages       int
	}{
		{"namespace=pay", "17 6", 5},
		{"namespace=pay&order=asc", "6 17", 5},
		{"order=asc", "6 17", 6},
		{"namespace=pay&key=b", "17 6", 1},
		{"namespace=pay&key=b&order=asc", "6 17", 1},
		{"action=config.updated&actor=ana", "17", 4},
	} {
		pages := b.walk("/api/v1/audit?"+test.query, narrow)
		if got := strings.Join(keysOf(pages, auditIndex), " "); got != test.want || len(pages) != test.pages {
			t.Errorf("%s: %s in %d pages, want %s in %d", test.query, got, len(pages), test.want, test.pages)
		}
	}
	b.node.interleave(t, 40)
	for _, order := range []string{"asc", "desc"} { // two long lists that never meet
		if pages := b.walk("/api/v1/audit?actor=odd&namespace=even&order=" + order); len(keysOf(pages, auditIndex)) != 0 || len(pages) < 3 {
			t.Errorf("%s: %d pages", order, len(pages))
		}
	}
}

// interleave has odd write to odd, and even to even, in turn.
func (n *node) interleave(t *testing.T, times int) {
	for i := range 2 * times {
		who := []string{"odd", "even"}[i%2]
		c := events.PutEntry{Namespace: who, Key: "a", Value: []byte(strconv.Itoa(i))}
		if _, err := n.Submit(t.Context(), c, events.Stamp{Time: moment, ID: ulid.Make(), Actor: who}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditSelectsByPlaceKindAndOrigin(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")                                                                                                                    // 3, 4
	b.do("PUT", entryPath("pay/eu", "a"), `{"value":1}`, "X-Correlation-Id: c-9").is(201)                                                     // 5, 6
	b.put("pay-x", "a", "1")                                                                                                                  // 7, 8
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":2},{"namespace":"pay","key":"b","value":2}]}`).is(200) // 9, 10
	b.submit(events.RaiseLevel{Level: 3})                                                                                                     // 11
	b.do("PUT", "/api/v1/namespaces/pay/drafts/c", `{"value":"x"}`).is(201)                                                                   // 12
	id := decodeAs[wire.PublishRequest](b.do("POST", "/api/v1/publish-requests", `{"namespace":"pay","key":"c"}`).is(201)).ID                 // 13
	all := decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/audit", nil).is(200))
	transaction := all[slices.IndexFunc(all, func(e wire.AuditEvent) bool { return e.Index == 9 })].Transaction
	for _, test := range []struct{ query, want string }{
		{"namespace=pay", "13 12 10 9 6 5 4 3"},
		{"namespace=pay&exact=true", "13 12 10 9 4 3"},
		{"namespace=pay&exact=false&order=asc", "3 4 5 6 9 10 12 13"},
		{"namespace=/", "13 12 11 10 9 8 7 6 5 4 3 2 1"},
		{"namespace=/&exact=true", ""},
		{"namespace=pay&key=c", "12"},
		{"action=config.*", "10 9 8 6 4"},
		{"action=config.created,draft.saved", "12 10 8 6 4"},
		{"action=namespace.*,config.updated&namespace=pay", "9 5 3"},
		{"correlation=c-9", "6 5"},
		{"correlation=c-9&action=config.*", "6"},
		{"transaction=" + transaction, "10 9"},
		{"request=" + id, "13"},
		{"request=none", ""},
	} {
		if got := strings.Join(keysOf(b.walk("/api/v1/audit?limit=3&"+test.query), auditIndex), " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.query, got, test.want)
		}
		path, exact := "/api/v1/namespaces/pay/audit?limit=3&", ""
		for _, i := range strings.Fields(test.want) {
			if strings.Contains(" 3 4 9 10 12 13 ", " "+i+" ") {
				exact = strings.TrimSpace(exact + " " + i)
			}
		}
		if strings.HasPrefix(test.query, "namespace=/&exact") {
			continue // the path names the namespace
		}
		if got := strings.Join(keysOf(b.walk(path+test.query), auditIndex), " "); got != exact {
			t.Errorf("of pay, %s: %s, want %s", test.query, got, exact)
		}
	}
}

func TestAuditShowsWhatChanged(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"viewer","principal":"vic"}]}`).is(200)
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"editor","principal":"vic"}]}`).is(200)
	b.do("PUT", policyPath("pay", "settings"), `{"minApprovers":2}`).is(200)
	b.do("PUT", "/api/v1/namespaces/pay", `{"owner":"ona"}`).is(200)
	b.do("PUT", "/api/v1/namespaces/pay/drafts/c", `{"value":"x","comment":"try"}`).is(201)
	b.do("DELETE", "/api/v1/namespaces/pay/drafts/c", nil).is(204)
	b.key("bob", "pay", "viewer", "")
	text := func(s *string) string {
		if s == nil {
			return "-"
		}
		return *s
	}
	for action, want := range map[string][]string{
		"config.created":             {`- > 1 v1`},
		"namespace.roles-changed":    {`{"grants":[{"role":"viewer","principal":"vic"}]} > {"grants":[{"role":"editor","principal":"vic"}]}`},
		"namespace.settings-changed": {`{} > {"minApprovers":2}`},
		"namespace.updated":          {`{"owner":"ana"} > {"owner":"ona"}`},
		"namespace.created":          {`- > - v0`},
		"draft.saved":                {`- > x v0 try`},
		"draft.discarded":            {`- > - v0`},
		"key.created":                {`- > {"id":"`, `"name":"bob"`, `"grants":[{"namespace":"pay","role":"viewer"}]`},
	} {
		e := decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/audit?limit=1&action="+action, nil).is(200))[0]
		got := fmt.Sprintf("%s > %s v%d %s", text(e.OldValue), text(e.NewValue), e.Version, e.Comment)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: %s, want %s", action, got, w)
			}
		}
		if strings.Contains(got, "digest") {
			t.Errorf("%s: %s", action, got)
		}
	}
}

// What is no longer kept is said, never left out in silence.
func TestTheAuditBeginsAtTheHorizon(t *testing.T) {
	b := newBench(t)
	for i := range 8 {
		b.put("pay", "a", strconv.Itoa(i)) // 3, 4 … 11
	}
	early := decodeAs[[]wire.AuditEvent](b.do("GET", "/api/v1/audit?order=asc&limit=5", nil).is(200))
	first := b.do("GET", "/api/v1/audit?order=asc&limit=2", nil).is(200)
	next := strings.TrimPrefix(strings.SplitN(first.header.Get("Link"), ">", 2)[0], "<")
	if got := first.header.Get("X-Confman-Oldest"); got != early[0].Position {
		t.Errorf("the oldest is %q, want %s", got, early[0].Position)
	}
	b.trim(6)
	oldest := ""
	for _, test := range []struct{ query, want string }{
		{"", "13 12 11 10 9 8 7 6"},
		{"order=asc", "6 7 8 9 10 11 12 13"},
		{"namespace=pay&order=asc", "6 7 8 9 10 11"},
		{"namespace=pay&key=a&order=asc", "6 7 8 9 10 11"},
		{"namespace=pay&after=5", "11 10 9 8 7 6"},
		{"before=4", ""},
		{"since=2020-01-01T00:00:00Z&before=8", "7 6"},
		{"until=2020-01-01T00:00:00Z", ""},
	} {
		pages := b.walk("/api/v1/audit?limit=3&" + test.query)
		if got := strings.Join(keysOf(pages, auditIndex), " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.query, got, test.want)
		}
		oldest = pages[0].header.Get("X-Confman-Oldest")
	}
	if !strings.HasPrefix(oldest, "6-") {
		t.Errorf("the oldest is %q, want 6", oldest)
	}
	for _, accept := range []string{wire.MediaJSON, wire.MediaNDJSON, wire.MediaCSV} {
		b.do("GET", "/api/v1/audit?after=4", nil, "Accept: "+accept).problem(410, wire.ProblemCompacted)
		b.do("GET", "/api/v1/audit?after=2020-01-01T00:00:00Z", nil, "Accept: "+accept).problem(410, wire.ProblemCompacted)
	}
	b.do("GET", next, nil).problem(410, wire.ProblemCompacted)
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

// overtaken is a reader to whom something happens when it is first asked for the
// past.
type overtaken struct {
	Reader
	once sync.Once
	by   func()
}

func (o *overtaken) History(index uint64) (*projections.History, func()) {
	o.once.Do(o.by)
	return o.Reader.History(index)
}

// The horizon may move between a look at the present and one at the past.
func TestATrimMeanwhileDoesNotFailTheAudit(t *testing.T) {
	b := newBench(t)
	for i := range 5 {
		b.put("pay", "a", fmt.Sprint(i))
	}
	oldest := b.node.State().Index() - 1
	b.server.Reader = &overtaken{Reader: b.server.Reader, by: func() { b.trim(oldest) }}
	r := b.do("GET", fmt.Sprintf("/api/v1/audit?order=asc&after=%d", oldest), nil).is(200)
	if got := r.header.Get(wire.HeaderOldest); !strings.HasPrefix(got, fmt.Sprintf("%d-", oldest)) {
		t.Errorf("the oldest is said to be %q, want %d", got, oldest)
	}
}
