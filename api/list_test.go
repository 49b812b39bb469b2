package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// walk follows the links of a list and returns the bodies of all pages.
func (b *bench) walk(path string, headers ...string) (pages []reply) {
	b.t.Helper()
	for path != "" {
		r := b.do("GET", path, nil, headers...).is(200)
		pages = append(pages, r)
		link := r.header.Get("Link")
		path = ""
		if link != "" {
			path = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
		if len(pages) > 200 {
			b.t.Fatal("the list does not end")
		}
	}
	return pages
}

// keysOf collects one member of all rows of all pages.
func keysOf[T any](pages []reply, name func(T) string) (all []string) {
	for _, p := range pages {
		for _, row := range decodeAs[[]T](p) {
			all = append(all, name(row))
		}
	}
	return all
}

func entryName(e wire.ConfigEntry) string { return e.Key }
func bulkName(e wire.BulkEntry) string    { return e.NS + ":" + e.Key }
func spaceName(n wire.Namespace) string   { return n.Path }

func TestListsComeInPages(t *testing.T) {
	b := newBench(t)
	var keys, spaces, bulk []string
	for i := range 7 {
		key := fmt.Sprintf("db/k%d", i)
		b.put("pay", key, "1")
		b.put("pay", fmt.Sprintf("x%d", i), "1")
		b.put(fmt.Sprintf("team%d/a", i), "k", "1")
		keys = append(keys, key)
		spaces = append(spaces, fmt.Sprintf("team%d/a", i))
	}
	for _, e := range slices.Sorted(slices.Values(append(slices.Clone(keys), "x0", "x1", "x2", "x3", "x4", "x5", "x6"))) {
		bulk = append(bulk, "pay:"+e)
	}
	for _, s := range spaces {
		bulk = append(bulk, s+":k")
	}
	all := "pay," + strings.Join(spaces, ",")
	for _, limit := range []int{1, 2, 3, 7, 1000, 5000} {
		query := fmt.Sprintf("limit=%d", limit)
		pages := b.walk("/api/v1/namespaces/pay/config?prefix=db/&" + query)
		if got := keysOf(pages, entryName); !slices.Equal(got, keys) || len(pages) != (7+limit-1)/limit {
			t.Errorf("limit %d: %d pages of %v", limit, len(pages), got)
		}
		if got := keysOf(b.walk("/api/v1/namespaces/pay/config?resolve=true&prefix=db/&"+query), entryName); !slices.Equal(got, keys) {
			t.Errorf("limit %d, resolved: %v", limit, got)
		}
		if got := keysOf(b.walk("/api/v1/namespaces/pay/config?prefix=db/&at="+b.node.State().Position().String()+"&"+query), entryName); !slices.Equal(got, keys) {
			t.Errorf("limit %d, in the past: %v", limit, got)
		}
		if got := keysOf(b.walk("/api/v1/configs?"+query), bulkName); !slices.Equal(got, bulk) {
			t.Errorf("limit %d, configs: %v", limit, got)
		}
		if got := keysOf(b.walk("/api/v1/namespaces?"+query), spaceName); strings.Join(got, ",") != all {
			t.Errorf("limit %d, namespaces: %v", limit, got)
		}
	}
	if got := keysOf(b.walk("/api/v1/namespaces?prefix=team3"), spaceName); strings.Join(got, ",") != "team3/a" {
		t.Errorf("namespaces with a prefix: %v", got)
	}
}

func TestCursorsOfOtherListsAreRefused(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	b.put("pay", "b", "1")
	first := b.do("GET", "/api/v1/namespaces/pay/config?limit=1", nil).header.Get("Link")
	_, cursor, _ := strings.Cut(first, "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	for _, path := range []string{
		"/api/v1/namespaces/pay/config?prefix=a&cursor=" + cursor,
		"/api/v1/namespaces/other/config?cursor=" + cursor,
		"/api/v1/configs?cursor=" + cursor,
		"/api/v1/audit?cursor=" + cursor,
		"/api/v1/namespaces/pay/config?cursor=x",
		"/api/v1/namespaces/pay/config?cursor=" + cursor + "x",
	} {
		b.do("GET", path, nil).problem(400, wire.ProblemMalformed, "cursor")
	}
	b.do("GET", "/api/v1/namespaces/pay/config?cursor="+cursor, nil).is(200)
}

// What a page of the audit follows on depends on all that selects: a page of
// another selection would leave events out.
func TestCursorsOfTheAuditAreOfOneSelection(t *testing.T) {
	b := newBench(t)
	for i := range 3 {
		b.put("pay", "a", fmt.Sprint(i))
	}
	const list = "/api/v1/audit?namespace=pay&limit=1"
	_, cursor, _ := strings.Cut(b.do("GET", list, nil).is(200).header.Get("Link"), "cursor=")
	cursor, _, _ = strings.Cut(cursor, "&")
	b.do("GET", list+"&cursor="+cursor, nil).is(200)
	for _, other := range []string{
		"exact=true", "key=a", "actor=ana", "action=config.*", "request=r", "correlation=c", "transaction=t",
		"since=2026-01-01T00:00:00Z", "until=2099-01-01T00:00:00Z", "after=1", "before=99", "order=asc",
	} {
		b.do("GET", list+"&"+other+"&cursor="+cursor, nil).problem(400, wire.ProblemMalformed, "cursor")
	}
}

// A grant narrowed to some keys shows these, in every list there is.
func TestNarrowedGrantsNarrowEveryList(t *testing.T) {
	b := newBench(t)
	b.put("pay", "db/url", `"u"`)
	b.put("pay", "db/url", `"v"`)
	b.put("pay", "secret", `"s"`)
	b.put("other", "db/url", `"o"`)
	narrow := "X-Api-Key: " + b.key("narrow", "pay", "viewer", "db/*")
	if got := keysOf(b.walk("/api/v1/namespaces/pay/config?limit=1", narrow), entryName); strings.Join(got, ",") != "db/url" {
		t.Errorf("entries: %v", got)
	}
	if got := keysOf(b.walk("/api/v1/configs?limit=1", narrow), bulkName); strings.Join(got, ",") != "pay:db/url" {
		t.Errorf("configs: %v", got)
	}
	if got := keysOf(b.walk("/api/v1/namespaces", narrow), spaceName); strings.Join(got, ",") != "pay" {
		t.Errorf("namespaces: %v", got)
	}
	for _, path := range []string{"/api/v1/namespaces/pay/audit?limit=1", "/api/v1/audit?limit=1", "/api/v1/audit?order=asc", "/api/v1/audit?namespace=pay", "/api/v1/audit?actor=ana"} {
		got := keysOf(b.walk(path, narrow), func(e wire.AuditEvent) string {
			if e.Key == nil {
				return e.Action
			}
			return *e.Key
		})
		if strings.Join(got, ",") != "db/url,db/url" {
			t.Errorf("%s: %v", path, got)
		}
	}
	b.do("GET", "/api/v1/namespaces/pay/history/db/url", nil, narrow).is(200)
	b.do("GET", "/api/v1/namespaces/pay/history/secret", nil, narrow).is(403)
	b.do("GET", entryPath("pay", "secret"), nil, narrow).is(403)
	b.do("GET", entryPath("pay", "secret")+"?at=4", nil, narrow).is(403)
	b.do("GET", "/api/v1/namespaces/other/config", nil, narrow).is(403)
	b.do("GET", "/api/v1/namespaces/other/audit", nil, narrow).is(403)
	export := b.do("GET", "/api/v1/audit", nil, narrow, "Accept: application/x-ndjson").is(200)
	if strings.Contains(export.body, "secret") || strings.Count(export.body, "\n") != 2 {
		t.Errorf("exported %s", export.body)
	}
}

// A page ends when it is large, too: values may be.
func TestPagesOfLargeValuesEndEarly(t *testing.T) {
	b := newBench(t)
	value := `"` + strings.Repeat("x", 1<<20) + `"`
	for i := range 6 {
		b.put("pay", fmt.Sprintf("k%d", i), value)
		b.put("one", "k", strings.Replace(value, "x", string(rune('a'+i)), 1))
	}
	for _, path := range []string{"/api/v1/namespaces/pay/config", "/api/v1/configs", "/api/v1/namespaces/one/history/k", "/api/v1/namespaces/one/audit"} {
		pages := b.walk(path)
		rows := 0
		for _, p := range pages {
			rows += len(decodeAs[[]any](p))
			if len(p.body) > pageBytes+2<<20+1<<10 {
				t.Errorf("%s: a page of %d bytes", path, len(p.body))
			}
		}
		if want := map[bool]int{true: 6, false: 7}[!strings.HasSuffix(path, "audit") && !strings.HasSuffix(path, "configs")]; rows != want || len(pages) < 2 {
			t.Errorf("%s: %d rows in %d pages, want %d", path, rows, len(pages), want)
		}
	}
}
