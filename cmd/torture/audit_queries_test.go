package torture

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// filter is one filter of an audit query, made after the pattern of an event that
// it selects.
type filter struct {
	name    string
	query   url.Values
	selects func(*wire.AuditEvent) bool
}

// auditFilters are all there are, after the pattern of an event. Those that the event
// cannot be a pattern of are left out.
func auditFilters(e wire.AuditEvent) (all []filter) {
	add := func(name string, selects func(*wire.AuditEvent) bool, pairs ...string) {
		f := filter{name, url.Values{}, selects}
		for i := 0; i < len(pairs); i += 2 {
			f.query.Set(pairs[i], pairs[i+1])
		}
		all = append(all, f)
	}
	add("actor", func(o *wire.AuditEvent) bool { return o.Actor == e.Actor }, "actor", e.Actor)
	add("kind", func(o *wire.AuditEvent) bool { return o.Action == e.Action }, "action", e.Action)
	family, _, _ := strings.Cut(e.Action, ".")
	add("kinds", func(o *wire.AuditEvent) bool {
		return o.Action == "namespace.created" || strings.HasPrefix(o.Action, family+".")
	},
		"action", "namespace.created,"+family+".*")
	if parent, _, below := cutLast(e.Namespace); below {
		add("subtree", func(o *wire.AuditEvent) bool {
			return o.Namespace == parent || strings.HasPrefix(o.Namespace, parent+"/")
		}, "namespace", parent)
		add("namespace", func(o *wire.AuditEvent) bool { return o.Namespace == e.Namespace }, "namespace", e.Namespace, "exact", "true")
	}
	if e.Key != nil {
		add("key", func(o *wire.AuditEvent) bool { return o.Namespace == e.Namespace && o.Key != nil && *o.Key == *e.Key },
			"namespace", e.Namespace, "key", *e.Key)
	}
	if e.Request != "" {
		add("request", func(o *wire.AuditEvent) bool { return o.Request == e.Request }, "request", e.Request)
	}
	if e.CorrelationID != "" {
		add("correlation", func(o *wire.AuditEvent) bool { return o.CorrelationID == e.CorrelationID }, "correlation", e.CorrelationID)
	}
	if e.Transaction != "" {
		add("transaction", func(o *wire.AuditEvent) bool { return o.Transaction == e.Transaction }, "transaction", e.Transaction)
	}
	since, until := e.Timestamp.Add(-10*24*time.Hour), e.Timestamp
	add("window of time", func(o *wire.AuditEvent) bool { return !o.Timestamp.Before(since) && !o.Timestamp.After(until) },
		"since", since.Format(time.RFC3339Nano), "until", until.Format(time.RFC3339Nano))
	after, before := max(e.Index, 5000)-5000, e.Index+1
	add("window of indexes", func(o *wire.AuditEvent) bool { return o.Index > after && o.Index < before },
		"after", fmt.Sprint(after), "before", fmt.Sprint(before))
	return all
}

func cutLast(namespace string) (parent, last string, below bool) {
	i := strings.LastIndexByte(namespace, '/')
	if i < 0 {
		return "", namespace, false
	}
	return namespace[:i], namespace[i+1:], true
}

// both is what two filters select together; ok is false where they speak of the
// same.
func (f filter) both(o filter) (together filter, ok bool) {
	together = filter{f.name + " and " + o.name, url.Values{}, func(e *wire.AuditEvent) bool { return f.selects(e) && o.selects(e) }}
	for _, query := range []url.Values{f.query, o.query} {
		for name, values := range query {
			if together.query.Has(name) {
				return filter{}, false
			}
			together.query[name] = values
		}
	}
	return together, true
}

// pattern is an event that something can be asked about.
func (h history) pattern(rng *rand.Rand) wire.AuditEvent {
	for {
		if e := h[rng.IntN(len(h))]; e.CorrelationID != "" {
			return e
		}
	}
}

func TestQueriesOfAGreatHistoryFindWhatAScanOfItsExportFinds(t *testing.T) {
	rng := random(t)
	c, made := grown(t, rng)
	n := c.nodes[0]
	h := c.wholeExport(n, made.Head.Index)
	asked, found := 0, 0
	for range rounds(15, 100) {
		e := h.pattern(rng)
		filters := auditFilters(e)
		for _, f := range filters {
			if other := filters[rng.IntN(len(filters))]; rng.IntN(2) == 0 {
				if together, ok := f.both(other); ok {
					f = together
				}
			}
			found += c.checkQuery(n, h, f, rng)
			asked++
		}
		c.checkExports(n, h, filters[rng.IntN(len(filters))])
	}
	t.Logf("%d queries found %d events", asked, found)
}

// checkQuery reads some pages of what a filter selects, in one of the orders.
func (c *cluster) checkQuery(n *node, h history, f filter, rng *rand.Rand) int {
	c.t.Helper()
	order, limit := []string{"asc", "desc"}[rng.IntN(2)], 1+rng.IntN(80)
	pages := 1 + rng.IntN(3)
	most := pages * limit
	var want []uint64
	for i := 0; i < len(h) && len(want) < most; i++ {
		e := &h[i]
		if order == "desc" {
			e = &h[len(h)-1-i]
		}
		if f.selects(e) {
			want = append(want, e.Index)
		}
	}
	f.query.Set("order", order)
	f.query.Set("limit", strconv.Itoa(limit))
	path := "/api/v1/audit?" + f.query.Encode()
	var got []uint64
	for next := path; next != "" && len(got) < len(want); {
		a := c.must(http.StatusOK, n, http.MethodGet, next, nil)
		var page []wire.AuditEvent
		if err := a.decode(&page); err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page {
			got = append(got, e.Index)
		}
		next = nextPage(a.header)
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("%s: %s\ngot  %v\nwant %v", f.name, path, got, want)
	}
	return len(want)
}

// nextPage is the path and query that a list says it goes on at, empty at its end.
func nextPage(h http.Header) string {
	link, rest, _ := strings.Cut(strings.TrimPrefix(h.Get("Link"), "<"), ">")
	if u, err := url.Parse(link); err == nil && strings.Contains(rest, `rel="next"`) {
		return u.RequestURI()
	}
	return ""
}

// checkExports compares what a filter selects, exported as lines of JSON and as CSV,
// with the scan.
func (c *cluster) checkExports(n *node, h history, f filter) {
	c.t.Helper()
	f.query.Set("order", "asc")
	f.query.Del("limit")
	var want, lines, rows history
	for i := range h {
		if f.selects(&h[i]) {
			want = append(want, h[i])
		}
	}
	c.export(n, f.query, func(e wire.AuditEvent) { lines = append(lines, e) })
	a := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/audit?"+f.query.Encode(), nil, "Accept", wire.MediaCSV)
	table, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil || len(table) == 0 {
		c.t.Fatalf("%s as CSV: %v", f.query.Encode(), err)
	}
	for _, row := range table[1:] {
		rows = append(rows, auditRow(table[0], row))
	}
	shown := func(e wire.AuditEvent) string {
		cell := func(value *string) string { // CSV does not tell an absent value from an empty one
			if value == nil {
				return ""
			}
			return *value
		}
		return fmt.Sprintln(e.Index, e.Position, e.Timestamp, e.Action, e.Actor, e.Namespace, cell(e.Key), cell(e.OldValue), cell(e.NewValue), e.Request, e.Transaction, e.CorrelationID)
	}
	same := func(a, b wire.AuditEvent) bool { return shown(a) == shown(b) }
	if !slices.EqualFunc(lines, want, same) || !slices.EqualFunc(rows, want, same) {
		c.t.Errorf("export of %s: %d lines and %d rows, want %d", f.query.Encode(), len(lines), len(rows), len(want))
	}
}

// auditRow reads a row of CSV: an apostrophe before what a spreadsheet would take
// for a formula is not part of it.
func auditRow(head, row []string) (e wire.AuditEvent) {
	cell := func(name string) string {
		i := slices.Index(head, name)
		if i < 0 {
			return "no column " + name
		}
		return strings.TrimPrefix(row[i], "'")
	}
	value := func(name string) *string { v := cell(name); return &v }
	e.Index, _ = strconv.ParseUint(cell("index"), 10, 64) // 0 is that of no event
	e.Timestamp, _ = time.Parse(time.RFC3339Nano, cell("time"))
	e.Position, e.Action, e.Actor, e.Namespace = cell("position"), cell("action"), cell("actor"), cell("namespace")
	e.Key, e.OldValue, e.NewValue = value("key"), value("oldValue"), value("newValue")
	e.Request, e.Transaction, e.CorrelationID = cell("request"), cell("transaction"), cell("correlationId")
	return e
}
