package api

import (
	"net/url"
	"strings"
	"testing"

	"confman/events"
)

func findPath(t testing.TB, raw string) (string, names, error) {
	t.Helper()
	u, err := url.ParseRequestURI(raw)
	if err != nil {
		return "", names{}, err
	}
	found, n, err := somePaths(t).find(u)
	if err != nil {
		return "", n, err
	}
	return found.pattern, n, nil
}

func somePaths(t testing.TB) *paths {
	m, err := newMetrics(newRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return newPathsOf(table(), m)
}

func TestPathsAddress(t *testing.T) {
	const ns = "/api/v1/namespaces/"
	tests := []struct{ path, pattern, namespace, key, id string }{
		{"/", "/", "", "", ""},
		{"/health/ready", "/health/ready", "", "", ""},
		{"/debug/pprof/", "/debug/pprof/", "", "", ""},
		{"/debug/pprof/heap", "/debug/pprof/{profile}", "", "", "heap"},
		{"/ui/", "/ui/", "", "", ""},
		{"/ui/browse/teams/pay", "/ui/{path}", "", "", "browse/teams/pay"},
		{"/ui/browse/teams%2Fpay/", "/ui/{path}", "", "", "browse/teams/pay/"},
		{"/ui//../%2e%2e/%00%ff", "/ui/{path}", "", "", "//../../\x00\xff"[1:]},
		{"/dashboard/lib/api.js", "/dashboard/{path}", "", "", "lib/api.js"},
		{"/dashboard/../health", "/dashboard/{path}", "", "", "../health"},
		{"/api/v1/keys/ab%2Fc", "/api/v1/keys/{id}", "", "", "ab/c"},
		{ns + "pay", ns + "{namespace}", "pay", "", ""},
		{ns + "teams/pay", ns + "{namespace}", "teams/pay", "", ""},
		{ns + "teams%2Fpay", ns + "{namespace}", "teams/pay", "", ""},
		{ns + "teams/pay/config", ns + "{namespace}/config", "teams/pay", "", ""},
		{ns + "teams/pay/config/stripe/api-version", ns + "{namespace}/config/{key}", "teams/pay", "stripe/api-version", ""},
		{ns + "teams%2Fpay/config/stripe%2Fapi-version", ns + "{namespace}/config/{key}", "teams/pay", "stripe/api-version", ""},
		{ns + "teams/pay/config/db%2Fpool/max", ns + "{namespace}/config/{key}", "teams/pay", "db/pool/max", ""},
		{ns + "pay/config/config/history", ns + "{namespace}/config/{key}", "pay", "config/history", ""},
		{ns + "pay/history/audit", ns + "{namespace}/history/{key}", "pay", "audit", ""},
		{ns + "pay/audit", ns + "{namespace}/audit", "pay", "", ""},
		{ns + "teams/pay/drafts/db/url", ns + "{namespace}/drafts/{key}", "teams/pay", "db/url", ""},
		{ns + "%2F/roles", ns + "{namespace}/roles", "/", "", ""},
		{ns + "%2F/schema", ns + "{namespace}/schema", "/", "", ""},
		{ns + "%2F/settings", ns + "{namespace}/settings", "/", "", ""},
		{"/api/v1/publish-requests/01J/approve", "/api/v1/publish-requests/{id}/approve", "", "", "01J"},
	}
	for _, test := range tests {
		pattern, n, err := findPath(t, test.path)
		if err != nil || pattern != test.pattern || n != (names{test.namespace, test.key, test.id}) {
			t.Errorf("%s: %q %+v %v, want %q %q %q %q", test.path, pattern, n, err, test.pattern, test.namespace, test.key, test.id)
		}
	}
}

func TestPathsThatAddressNothingAreRefused(t *testing.T) {
	const ns = "/api/v1/namespaces/"
	tests := []struct {
		path string
		kind error
		word string
	}{
		{"/nowhere", events.ErrNotFound, ""},
		{"/ui", events.ErrNotFound, ""},
		{"/uix/browse", events.ErrNotFound, ""},
		{"/%75i/browse", events.ErrNotFound, ""},
		{"/api/v1/nowhere", events.ErrNotFound, ""},
		{"/api/v1/keys/a/b", events.ErrNotFound, ""},
		{ns + "pay/roles/a", events.ErrNotFound, ""},
		{ns + "%2F", events.ErrInvalid, "namespace"},
		{ns + "%2F/config", events.ErrInvalid, "namespace"},
		{ns + "%2F/drafts/a", events.ErrInvalid, "namespace"},
		{ns + "pay/audit/a", events.ErrNotFound, ""},
		{ns + "pay/history", events.ErrNotFound, ""},
		{"//health", events.ErrInvalid, "segment"},
		{"/health/", events.ErrInvalid, "segment"},
		{"/api/v1/../health", events.ErrInvalid, "segment"},
		{"/api/v1/%2e%2e/health", events.ErrInvalid, "segment"},
		{"/api/v1/keys/%00", events.ErrInvalid, "control"},
		{"/api/v1/keys/a%0Ab", events.ErrInvalid, "control"},
		{"/api/v1/keys/%ff", events.ErrInvalid, "UTF-8"},
		{ns, events.ErrInvalid, "namespace is empty"},
		{ns + "a//b", events.ErrInvalid, "namespace"},
		{ns + "a//config/x", events.ErrInvalid, "namespace"},
		{ns + "config/x", events.ErrInvalid, "reserved"},
		{ns + "%63onfig/config/x", events.ErrInvalid, "reserved"},
		{ns + "a%2Fconfig%2Fx", events.ErrInvalid, "reserved"},
		{ns + "a/../b", events.ErrInvalid, "namespace"},
		{ns + "a%2F..%2Fb", events.ErrInvalid, "namespace"},
		{ns + "pay/config/", events.ErrInvalid, "key is empty"},
		{ns + "pay/config//x", events.ErrInvalid, "key"},
		{ns + "pay/config/x/", events.ErrInvalid, "key"},
		{ns + "pay/config/%2e%2e", events.ErrInvalid, "key"},
		{ns + "pay/config/a%00b", events.ErrInvalid, "key"},
		{ns + "pay/config/a%20b", events.ErrInvalid, "key"},
		{ns + "pay/config/%C3%A9", events.ErrInvalid, "key"},
		{ns + strings.Repeat("n", 65), events.ErrInvalid, "64"},
		{ns + strings.Repeat("n/", 16) + "n", events.ErrInvalid, "16"},
		{ns + "pay/config/" + strings.Repeat("k", 513), events.ErrInvalid, "512"},
	}
	for _, test := range tests {
		pattern, n, err := findPath(t, test.path)
		if !isErr(err, test.kind) || !strings.Contains(err.Error(), test.word) {
			t.Errorf("%s: %q %+v %v, want %v with %q", test.path, pattern, n, err, test.kind, test.word)
		}
	}
}

// Whatever path is accepted has names that the rules accept, and both spellings
// of these names address the same thing.
func FuzzPathsAddressOneThing(f *testing.F) {
	for _, seed := range []string{"a/config/b", "a%2Fb/config/c%2Fd", "a/history/b/c", "config/config/config", "a//b", "a/%2e/config", "%", "a/config/%00", "\xff"} {
		f.Add(seed)
	}
	all := somePaths(f)
	f.Fuzz(func(t *testing.T, below string) {
		u, err := url.ParseRequestURI(namespacesPath + below)
		if err != nil {
			return
		}
		found, n, err := all.find(u)
		if err != nil {
			return
		}
		if err := events.CheckNamespace(n.namespace); err != nil {
			t.Errorf("%q addresses the namespace %q: %v", below, n.namespace, err)
		}
		if n.key != "" && events.CheckKey(n.key) != nil {
			t.Errorf("%q addresses the key %q", below, n.key)
		}
		for _, spell := range []func(string) string{func(s string) string { return s }, url.PathEscape} {
			path := strings.NewReplacer("{namespace}", spell(n.namespace), "{key}", spell(n.key)).Replace(found.pattern)
			u, err := url.ParseRequestURI(path)
			if err != nil {
				t.Fatal(err)
			}
			again, m, err := all.find(u)
			if err != nil || again != found || m != n {
				t.Errorf("%q addresses %s %+v, but its canonical spelling %q %v %+v %v", below, found.pattern, n, path, again, m, err)
			}
		}
	})
}

func FuzzCursorsAreTheirOwnOrGarbage(f *testing.F) {
	f.Add("", uint32(0))
	f.Add(formatCursor(7, "a/b"), uint32(7))
	f.Add("AQAAAAdhYg", uint32(7))
	f.Fuzz(func(t *testing.T, cursor string, list uint32) {
		mark, ok := parseCursor(cursor, list)
		if ok && formatCursor(list, mark) != cursor {
			t.Errorf("%q is taken for %q, which is %q", cursor, mark, formatCursor(list, mark))
		}
		if got, ok := parseCursor(formatCursor(list, cursor), list); cursor != "" && (!ok || got != cursor) {
			t.Errorf("%q came back as %q %v", cursor, got, ok)
		}
		if _, ok := parseCursor(formatCursor(list, "x"), list+1); ok {
			t.Error("a cursor was taken for another list's")
		}
	})
}
