package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/api/denials"
	"confman/api/wire"
)

func openDenials(t testing.TB) Denials {
	t.Helper()
	log, err := denials.Open(denials.Config{Dir: filepath.Join(t.TempDir(), "denied"), Node: "n1", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return Denials{Log: log}
}

// denied are the rows that the node tells, newest first.
func (b *bench) denied(query string) []wire.Denied {
	b.t.Helper()
	r := b.do("GET", "/api/v1/audit/denied?"+query, nil).is(200)
	if r.header.Get(wire.HeaderNode) != "n1" || r.header.Get(wire.HeaderDeniedLost) != "0" {
		b.t.Errorf("headers are %v", r.header)
	}
	return decodeAs[[]wire.Denied](r)
}

func TestWhatIsRefusedIsRecorded(t *testing.T) {
	b := newWatchBench(t, func(c *Config) { c.Denials = openDenials(t) })
	b.put("pay", "db.url", `"x"`)
	ann := b.key("ann", "web", "viewer", "")
	gone := b.key("gone", "pay", "viewer", "")
	for _, k := range decodeAs[[]wire.APIKey](b.do("GET", "/api/v1/keys", nil)) {
		if k.Name == "gone" {
			b.do("DELETE", "/api/v1/keys/"+k.ID, nil).is(204)
		}
	}
	mistyped := b.root[:len(b.root)-1] + "_"
	for _, tt := range []struct {
		name          string
		method, path  string
		headers       []string
		status        int
		reason, route string
		principal     string
		says          string
	}{
		{"nobody", "GET", "/api/v1/keys", []string{"X-Api-Key: "}, 401, "unauthenticated", "", "", "give an API key"},
		{"an unknown key", "GET", "/api/v1/keys", []string{"X-Api-Key: whatever"}, 401, "unauthenticated", "/api/v1/keys", "", "not known"},
		{"a mistyped key", "GET", "/api/v1/whoami", []string{"X-Api-Key: " + mistyped}, 401, "unauthenticated", "/api/v1/whoami", "", "mistyped"},
		{"a revoked key", "GET", "/api/v1/keys", []string{"X-Api-Key: " + gone}, 401, "unauthenticated", "/api/v1/keys", "gone", "revoked"},
		{"without the right", "GET", entryPath("pay", "db.url"), []string{"X-Api-Key: " + ann}, 403, "forbidden", ns + "/config/{key}", "ann", "needs the role viewer"},
		{"a write", "PUT", entryPath("pay", "db.url"), []string{"X-Api-Key: " + ann}, 403, "forbidden", ns + "/config/{key}", "ann", "needs the role editor"},
		{"a watch", "GET", "/api/v1/watch?namespace=pay", []string{"X-Api-Key: " + ann}, 403, "forbidden", "/api/v1/watch", "ann", "namespace pay"},
		{"a forged ticket", "GET", "/api/v1/watch?ticket=abcdefgh", []string{"X-Api-Key: "}, 401, "unauthenticated", "/api/v1/watch", "", "ticket was altered"},
		{"another scheme", "GET", "/api/v1/configs", []string{"X-Api-Key: ", "Authorization: Basic c2VjcmV0"}, 401, "unauthenticated", "/api/v1/configs", "", "not Bearer"},
	} {
		b.do(tt.method, tt.path, map[bool]any{true: `{"value":1}`, false: nil}[tt.method == "PUT"], append(tt.headers, "X-Correlation-Id: c-1")...).is(tt.status)
		d := b.denied("limit=1")[0]
		path, _, _ := strings.Cut(tt.path, "?")
		if d.Reason != tt.reason || d.Status != tt.status || d.Route != tt.route || d.Principal != tt.principal || (d.KeyID == "") != (d.Principal == "") ||
			d.Path != path || d.Method != tt.method || d.Remote != "127.0.0.1" || d.CorrelationID != "c-1" || d.Node != "n1" || !strings.Contains(d.Detail, tt.says) {
			t.Errorf("%s: %+v", tt.name, d)
		}
		if strings.HasPrefix(tt.path, entryPath("", "")[:20]) && (d.Namespace != "pay" || d.Key != "db.url") {
			t.Errorf("%s: of %s/%s", tt.name, d.Namespace, d.Key)
		}
	}
	if got := len(b.denied("")); got != 9 {
		t.Errorf("%d rows, want those 9: what succeeds, and what is no denial, is none", got)
	}
}

func TestDenialsAreSelectedAndPaged(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Denials = openDenials(t) })
	keys := map[string]string{"ann": b.key("ann", "web", "viewer", ""), "bob": b.key("bob", "web", "viewer", "")}
	for _, path := range []string{"/api/v1/cluster", "/debug/pprof/", "/api/v1/audit/denied"} {
		for _, name := range []string{"ann", "bob"} {
			b.do("GET", path, nil, "X-Api-Key: "+keys[name]).is(403)
		}
	}
	b.do("GET", "/api/v1/keys", nil, "X-Api-Key: ").is(401)
	for query, want := range map[string]int{
		"": 7, "principal=ann": 3, "reason=forbidden": 6, "reason=unauthenticated": 1, "principal=ann&reason=unauthenticated": 0,
		"since=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339): 7, "until=2020-01-01T00:00:00Z": 0,
	} {
		if got := len(b.denied(query)); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	whole, paged := b.denied("reason=forbidden"), []wire.Denied{}
	for next := "/api/v1/audit/denied?reason=forbidden&limit=2"; next != ""; {
		r := b.do("GET", next, nil).is(200)
		paged = append(paged, decodeAs[[]wire.Denied](r)...)
		next, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	}
	if fmt.Sprint(paged) != fmt.Sprint(whole) {
		t.Errorf("in pages: %v\nat once: %v", paged, whole)
	}
	cursor := func(mark string) string {
		x := exchange{endpoint: &endpoint{route: route{pattern: "/api/v1/audit/denied"}}, query: url.Values{}}
		return formatCursor(x.listID(), mark)
	}
	b.do("GET", "/api/v1/audit/denied?cursor="+cursor("n1 1.0"), nil).is(200)
	for _, bad := range []string{"reason=never", "since=yesterday", "cursor=" + cursor("n2 1.0"), "cursor=" + cursor("n1 what"), "cursor=" + cursor("n1")} {
		b.do("GET", "/api/v1/audit/denied?"+bad, nil).problem(400, wire.ProblemMalformed)
	}
}

func TestANodeWithoutDenialsSaysSo(t *testing.T) {
	b := newBench(t)
	b.do("GET", "/api/v1/keys", nil, "X-Api-Key: ").is(401)
	b.do("GET", "/api/v1/audit/denied", nil).problem(404, wire.ProblemNotFound, "keeps no record")
}

// Whatever a caller sends as a credential, wherever, no byte of it is kept.
func TestNoSecretIsKept(t *testing.T) {
	var kept Denials
	b := newWatchBench(t, func(c *Config) { kept = openDenials(t); c.Denials = kept })
	key := b.key("ann", "web", "viewer", "")
	_, secret, _ := strings.Cut(strings.TrimPrefix(key, keyPrefix), "_")
	ticket := decodeAs[wire.Ticket](b.do("POST", "/api/v1/watch/tickets", `{"namespace":"web"}`, "X-Api-Key: "+key).is(201)).Ticket
	token := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
	short := "a-secret-of-nobody"
	for _, r := range []struct {
		path    string
		headers []string
	}{
		{entryPath("pay", key), []string{"X-Api-Key: " + key}},
		{entryPath("pay/"+key, "x"), []string{"X-Api-Key: " + key}},
		{entryPath("pay", key), []string{"X-Api-Key: of another"}},
		{entryPath("pay", short), []string{"X-Api-Key: " + short}},
		{entryPath("pay", "x") + "?resolve=" + short, []string{"X-Api-Key: " + key}},
		{"/api/v1/keys?x=" + short, []string{"X-Api-Key: ", "Authorization: Bearer " + short}},
		{"/api/v1/keys", []string{"X-Api-Key: ", "Authorization: Bearer " + token}},
		{"/api/v1/keys", []string{"X-Api-Key: ", "Authorization: Basic " + token}},
		{"/api/v1/keys", []string{"X-Api-Key: ", "Cookie: confman_session=" + token}},
		{"/api/v1/watch?ticket=" + ticket[:len(ticket)-2], []string{"X-Api-Key: "}},
		{"/api/v1/watch?namespace=pay&ticket=" + ticket, []string{"X-Api-Key: "}},
		{"/api/v1/watch?namespace=" + key, []string{"X-Api-Key: " + key}},
	} {
		if got := b.do("GET", r.path, nil, r.headers...).status; got != 401 && got != 403 {
			t.Errorf("%s: %d", r.path, got)
		}
	}
	var files []byte
	rows := b.denied("")
	files, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{secret, short, token, ticket[:40]} {
		if strings.Contains(string(files), hidden) {
			t.Errorf("%q is kept: %s", hidden, files)
		}
	}
	if len(rows) < 6 {
		t.Errorf("only %d rows", len(rows))
	}
}

func TestReadingsAreRecordedWhereTheyAreToBe(t *testing.T) {
	for _, tt := range []struct {
		name                string
		secretRefs, drafts  bool
		want                string // of the details, newest first
		wantRefs, wantDraft uint64
	}{
		{"none", false, false, "", 0, 0},
		{"references", true, false, "secret-ref", 1 + 2 + 3 + 2, 0},
		{"drafts", false, true, "draft", 0, 1 + 1},
	} {
		b := newBench(t, func(c *Config) {
			c.Denials = openDenials(t)
			c.Denials.SecretRefs, c.Denials.Drafts = tt.secretRefs, tt.drafts
		})
		b.put("pay", "token", `"vault://a"`)
		b.put("pay", "token", `"vault://b"`)
		b.do("PUT", entryPath("pay", "token"), `{"value":"vault://c","type":"secret-ref"}`).is(200)
		b.do("PUT", entryPath("pay", "token"), `{"value":"vault://d","type":"secret-ref"}`).is(200)
		b.do("PUT", entryPath("pay", "other"), `{"value":"vault://d","type":"secret-ref"}`).is(201)
		b.do("PUT", entryPath("web", "other"), `{"value":"vault://d","type":"secret-ref"}`).is(201)
		b.put("pay", "plain", `1`)
		b.do("PUT", "/api/v1/namespaces/pay/drafts/plain", `{"value":2}`).is(201)
		for _, path := range []string{
			entryPath("pay", "token"), entryPath("pay", "plain"), "/api/v1/namespaces/pay/config", "/api/v1/configs", "/api/v1/namespaces/pay/history/token",
			"/api/v1/namespaces/pay/history/plain", "/api/v1/namespaces/pay/drafts", "/api/v1/namespaces/pay/drafts/plain", "/api/v1/namespaces/web/drafts",
		} {
			b.do("GET", path, nil).is(200)
		}
		var refs, drafts uint64
		for _, d := range b.denied("reason=read") {
			if d.Principal != "ana" || d.Status != 200 || d.KeyID == "" {
				t.Errorf("%s: %+v", tt.name, d)
			}
			if strings.Contains(d.Detail, "draft") {
				drafts += d.Count
			} else {
				refs += d.Count
			}
		}
		if refs != tt.wantRefs || drafts != tt.wantDraft {
			t.Errorf("%s: %d references and %d drafts, want %d and %d", tt.name, refs, drafts, tt.wantRefs, tt.wantDraft)
		}
	}
}

// A flood of refusals is answered as fast as without a record, while the disk
// that it is written to is as slow as it likes; it becomes a few rows.
func TestAFloodOfRefusalsHoldsNothingUp(t *testing.T) {
	kept := openDenials(t)
	b := newBench(t, func(c *Config) { c.Denials = kept })
	const attempts, callers = 100_000, 8
	var asked sync.WaitGroup
	for caller := range callers {
		asked.Go(func() {
			for n := range attempts / callers {
				r := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/v1/namespaces/n%d/config/k%d", caller, n), nil)
				r.Header.Set("X-Api-Key", fmt.Sprintf("guess-%d-%d", caller, n))
				r.RemoteAddr = fmt.Sprintf("10.0.0.%d:%d", caller, 1024+n)
				w := httptest.NewRecorder()
				if b.server.ServeHTTP(w, r); w.Code != 401 {
					t.Errorf("%d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	asked.Wait()
	var sum uint64
	rows := b.denied("")
	for _, d := range rows {
		sum += max(1, d.Count)
	}
	stats := kept.Log.Stats()
	if sum != attempts || stats.Attempts[wire.DeniedUnauthenticated] != attempts || stats.Lost != 0 {
		t.Errorf("rows tell of %d attempts, want %d; %+v", sum, attempts, stats)
	}
	t.Logf("%d attempts are %d rows, %d bytes", attempts, len(rows), stats.Bytes)
	if stats.Bytes > 1<<20 {
		t.Errorf("%d bytes of rows", stats.Bytes)
	}
}
