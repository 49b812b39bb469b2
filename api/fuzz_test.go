package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"confman/api/wire"
)

// fuzzed asks a server whatever a fuzzer came up with, without a network between.
type fuzzed struct {
	*bench
	address string
}

func newFuzzed(f *testing.F) *fuzzed {
	b := newBench(f)
	b.do(http.MethodPut, "/api/v1/namespaces/app", `{}`).is(http.StatusCreated)
	b.put("app", "k", "1")
	return &fuzzed{b, strings.TrimPrefix(b.url, "http://")}
}

// ask sends a request as the first admin. Whatever it is, the answer is not that
// the server failed.
func (z *fuzzed) ask(t *testing.T, method string, target *url.URL, body string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body)).WithContext(t.Context())
	r.URL, r.RequestURI, r.Host = target, target.RequestURI(), z.address
	r.Header = header
	r.Header.Set(wire.HeaderAPIKey, z.root)
	w := httptest.NewRecorder()
	z.server.ServeHTTP(w, r)
	if w.Code == http.StatusInternalServerError || w.Code == 0 {
		t.Errorf("%s %s %q %v: %d %s", method, target, body, header, w.Code, w.Body)
	}
	if w.Code >= http.StatusBadRequest && w.Header().Get("Content-Type") != wire.MediaProblem {
		t.Errorf("%s %s: %d with %s", method, target, w.Code, w.Header().Get("Content-Type"))
	}
	return w
}

// FuzzBodies sends bodies to every route that takes one.
func FuzzBodies(f *testing.F) {
	z := newFuzzed(f)
	bodies := map[string][]string{
		"PUT /api/v1/namespaces/app":                 {`{"description":"d","owner":"o"}`, `{"settings":{"minApprovers":2}}`},
		"PUT /api/v1/namespaces/app/config/k":        {`{"value":1,"type":"number","comment":"c"}`, `{"value":"aGk=","type":"binary"}`, `{"value":{"a":[1,null]}}`},
		"PUT /api/v1/namespaces/app/drafts/d":        {`{"value":"x"}`},
		"PUT /api/v1/namespaces/app/roles":           {`{"inherit":true,"grants":[{"role":"viewer","principal":"p","keys":"db/*"}]}`},
		"PUT /api/v1/namespaces/app/schema":          {`{"schema":{"properties":{"k":{"type":"integer"}}},"force":true}`},
		"PUT /api/v1/namespaces/app/settings":        {`{"requireApproval":true,"freezes":[{"from":"2030-01-01T00:00:00Z","until":"2030-01-02T00:00:00Z"}]}`},
		"POST /api/v1/namespaces/app/schema":         {`{"schema":{"$ref":"#"}}`},
		"POST /api/v1/namespaces/app/rollback":       {`{"to":1}`, `{"to":"2026-01-01T00:00:00Z"}`},
		"POST /api/v1/namespaces/app/rollback/k":     {`{"toVersion":1}`},
		"POST /api/v1/transactions":                  {`{"changes":[{"op":"put","namespace":"app","key":"k","value":2}]}`},
		"POST /api/v1/publish-requests":              {`{"changes":[{"namespace":"app","key":"d"}],"comment":"c"}`, `{"namespace":"app","key":"d"}`},
		"POST /api/v1/revert":                        {`{"index":3}`},
		"POST /api/v1/promote":                       {`{"from":"app","to":"app"}`},
		"POST /api/v1/validate":                      {`{"schema":{"type":"string"},"value":"x"}`},
		"POST /api/v1/webhooks":                      {`{"url":"https://example.com/x","namespace":"app","events":["config"]}`},
		"POST /api/v1/watch/tickets":                 {`{"namespace":"app","key":"k"}`, `{"namespace":["app"]}`},
		"POST /api/v1/keys":                          {`{"name":"n","grants":[{"namespace":"app","role":"viewer"}],"expiresAt":"2100-01-01T00:00:00Z"}`},
		"POST /api/v1/audit/erasures?dry_run=true":   {`{"namespace":"app","key":"k","version":1,"reason":"r"}`},
		"POST /api/v1/cluster/members":               {`{"id":"n2","address":"127.0.0.1:6200","learner":true}`},
		"POST /api/v1/cluster/transfer-leader":       {`{"to":"n2"}`},
		"POST /api/v1/publish-requests/none/approve": {`{"comment":"c"}`},
	}
	for route, seeds := range bodies {
		method, path, _ := strings.Cut(route, " ")
		for _, seed := range append(seeds, `{}`, `[]`, `null`, `{"a":1,"a":2}`, `{"value":`+strings.Repeat("[", 200), "\xff", `{"value":1e999}`) {
			f.Add(method, path, seed)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, body string) {
		if bodies[method+" "+path] == nil {
			return // the path is for FuzzPathsAddressOneThing
		}
		target, err := url.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		z.ask(t, method, target, body, http.Header{"Content-Type": {wire.MediaJSON}})
	})
}

// FuzzHeaders sends headers that are read by more than their name.
func FuzzHeaders(f *testing.F) {
	z := newFuzzed(f)
	names := []string{
		"If-Match", "If-None-Match", "Idempotency-Key", "X-Confman-Min-Index", "Traceparent", "X-Correlation-Id", "Content-Type", "Accept",
		"Authorization", "Cookie", "Origin", "Last-Event-Id", "Range", "X-Confman-Prefix-Sha256", "X-Confman-Forwarded",
	}
	for i, seeds := range [][]string{
		{`"v1"`, `W/"v1", "v2"`, "*", `"r0"`, `"v18446744073709551616"`, `"`, `,`},
		{`"v1"`, "*", `"v1@app"`},
		{"a-key", strings.Repeat("k", 300), "\x00"},
		{"1", "1-00000000", "-1", "99999999999999999999"},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "ff-", "--"},
		{"id", strings.Repeat("x", 200)},
		{"application/json; charset=utf-8", "text/plain", ";"},
		{"text/plain;q=0.5, */*", "application/x-ndjson", "a/b;q=x"},
		{"Bearer x", "Basic YTpi", "Bearer"},
		{"confman=x; a=b", "="},
		{"https://evil.example", "null"},
		{"1-00000000", "snapshot", "now"},
		{"bytes=1-", "bytes=-1", "bytes=0-1,2-3"},
		{strings.Repeat("ab", 32), "zz"},
		{"n2"},
	} {
		for _, seed := range seeds {
			f.Add(uint8(i), seed)
		}
	}
	entry := &url.URL{Path: "/api/v1/namespaces/app/config/k"}
	backup := &url.URL{Path: "/api/v1/cluster/backup", RawQuery: "at=1"}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		name := names[int(which)%len(names)]
		if name == "X-Confman-Min-Index" && len(value) > 0 { // it would wait
			z.ask(t, http.MethodGet, &url.URL{Path: entry.Path, RawQuery: "wait=1ms"}, "", http.Header{name: {value}})
			return
		}
		z.ask(t, http.MethodGet, entry, "", http.Header{name: {value}})
		z.ask(t, http.MethodPut, entry, `{"value":1}`, http.Header{"Content-Type": {wire.MediaJSON}, name: {value}})
		z.ask(t, http.MethodGet, backup, "", http.Header{name: {value}})
	})
}

// FuzzQueries sends queries to the routes that read them.
func FuzzQueries(f *testing.F) {
	z := newFuzzed(f)
	paths := []string{
		"/api/v1/namespaces", "/api/v1/namespaces/app/config", "/api/v1/namespaces/app/config/k", "/api/v1/namespaces/app/history/k", "/api/v1/namespaces/app/explain/k",
		"/api/v1/namespaces/app/audit", "/api/v1/audit", "/api/v1/audit/proof", "/api/v1/diff", "/api/v1/publish-requests", "/api/v1/keys", "/api/v1/configs",
		"/api/v1/access/explain", "/api/v1/namespaces/app/settings", "/api/v1/namespaces/app/roles", "/api/v1/watches", "/api/v1/webhooks",
	}
	for i := range paths {
		for _, seed := range []string{
			"", "limit=1", "limit=0&cursor=AAAA", "at=1", "at=1-00000000&resolve=true", "at=2026-01-01T00:00:00Z", "from=app@1&to=app", "from=1&to=2", "prefix=%00",
			"principal=x&namespace=app&key=k", "since=1h&until=now&actor=a&action=config.created", "after=1&order=asc&exact=true", "min_index=1&wait=1ms&consistency=linearizable",
			"state=open&mine=true", "%zz", "a=1;b=2", "cursor=" + strings.Repeat("A", 1000),
		} {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		if strings.Contains(query, "index") || strings.Contains(query, "wait") && !strings.Contains(query, "wait=1ms") {
			return // it would wait, for as long as it says
		}
		z.ask(t, http.MethodGet, &url.URL{Path: paths[int(which)%len(paths)], RawQuery: query}, "", http.Header{})
	})
}

// FuzzWatchOps reads the messages of a WebSocket's client: what is no operation is
// refused as the client's mistake.
func FuzzWatchOps(f *testing.F) {
	z := newFuzzed(f)
	asking := &exchange{Server: z.server, query: url.Values{}}
	for k := range z.node.State().APIKeys("") { // there is one
		asking.principal = k.Bearer(z.node.State())
	}
	for _, seed := range []string{
		`{"op":"watch","id":"w1","namespace":"app","after":"now"}`, `{"op":"watch","id":"w1","namespace":["app","b"],"key":"k","events":"all","values":"none"}`,
		`{"op":"unwatch","id":"w1"}`, `{"op":"watch","id":"w1","prefix":"db/","after":"1-00000000"}`, `{"op":"other","id":"w1"}`, `{}`, `[]`, `{"op":"watch","op":"unwatch"}`, "\xff",
		`{"op":"watch","id":"` + strings.Repeat("i", 100) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		op, err := asking.decodeOp(message)
		switch {
		case err == nil && checkWatchID(op.Subscription.ID) != nil:
			t.Errorf("%q opens a watch called %q", message, op.Subscription.ID)
		case err != nil && asking.kindOf(err).status >= http.StatusInternalServerError:
			t.Errorf("%q: %v", message, err)
		}
	})
}
