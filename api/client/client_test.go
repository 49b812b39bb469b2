package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"confman/api/client"
	"confman/api/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a small member: it answers as its handler says and remembers what it
// was asked.
type node struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func newNode(t *testing.T, handler http.HandlerFunc) *node {
	t.Helper()
	n := &node{}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.requests = append(n.requests, r)
		n.bodies = append(n.bodies, string(body))
		n.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(n.Close)
	return n
}

// asked returns the requests so far, without those about the node's health.
func (n *node) asked() (requests []*http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if r.URL.Path != "/health/ready" && r.URL.Path != "/api/v1/cluster" {
			requests = append(requests, r)
		}
	}
	return requests
}

// follower redirects writes to the URL that leader returns and names it in its
// readiness report when honest.
func follower(t *testing.T, leader func() string, honest bool) *node {
	return newNode(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/health/ready" && honest:
			url := leader() + "/"
			answer(w, 200, wire.Ready{Status: wire.StatusReady, Reasons: []string{}, Cluster: wire.ClusterState{Role: wire.MemberFollower, LeaderKnown: true, Leader: &url}})
		case r.URL.Path == "/health/ready", r.URL.Path == "/api/v1/cluster":
			problem(w, 503, wire.ProblemUnavailable, "")
		default:
			w.Header().Set("Location", leader()+r.URL.RequestURI())
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", wire.MediaJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func problem(w http.ResponseWriter, status int, typ, detail string) {
	w.Header().Set("Content-Type", wire.MediaProblem)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Type: typ, Title: http.StatusText(status), Status: status, Detail: detail, CorrelationID: "corr-1"})
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	if config.Key == "" {
		config.Key = "secret"
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ctx(t *testing.T) context.Context { return t.Context() }

var one = wire.PutConfig{Value: json.RawMessage(`1`)}

func TestReadAsksForWhatItWasToldTo(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderIndex, "42")
		w.Header().Set(wire.HeaderPosition, "42-9f3c2a1b")
		w.Header().Set(wire.HeaderStaleMs, "15")
		w.Header().Set(wire.HeaderLeaderKnown, "true")
		answer(w, 200, wire.ConfigEntry{Namespace: "teams/pay", Key: "db/url", Value: json.RawMessage(`1.50`), Type: "number", Version: 3})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL + "/"}, ReadYourWrites: true})
	var meta client.Meta
	entry, err := c.Get(ctx(t), "teams/pay", "db/url", client.Read{At: "7", Resolve: true, Linearizable: true, MinIndex: 5, Wait: 1e9, Meta: &meta})
	if err != nil {
		t.Fatal(err)
	}
	if string(entry.Value) != "1.50" {
		t.Errorf("value %s changed its spelling", entry.Value)
	}
	if meta.Index != 42 || meta.Position != "42-9f3c2a1b" || meta.Stale.Milliseconds() != 15 || !meta.LeaderKnown || c.Index() != 42 {
		t.Errorf("meta %+v, index %d", meta, c.Index())
	}
	got := n.asked()[0]
	if want := "/api/v1/namespaces/teams%2Fpay/config/db%2Furl?at=7&consistency=linearizable&resolve=true&wait=1s"; got.RequestURI != want {
		t.Errorf("asked %s\nwant  %s", got.RequestURI, want)
	}
	if got.Header.Get(wire.HeaderMinIndex) != "5" || got.Header.Get(wire.HeaderAPIKey) != "secret" || got.Header.Get(wire.HeaderIdempotencyKey) != "" {
		t.Errorf("headers %v", got.Header)
	}

	if _, err := c.Get(ctx(t), "teams/pay", "db/url", client.Read{MinIndex: 5}); err != nil {
		t.Fatal(err)
	}
	if got := n.asked()[1].Header.Get(wire.HeaderMinIndex); got != "42" {
		t.Errorf("the second read asked for index %q, want the 42 seen before", got)
	}
}

func TestGetChangedWaitsFromWhereItLastLooked(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderIndex, "9")
		if r.URL.Query().Get("index") == "9" {
			problem(w, 404, wire.ProblemNotFound, "deleted")
			return
		}
		answer(w, 200, wire.ConfigEntry{Version: 2, Index: 8})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	e, meta, err := c.GetChanged(ctx(t), "pay", "a", 7, 30*time.Second)
	if err != nil || e.Version != 2 || meta.Index != 9 {
		t.Errorf("%+v, %+v, %v", e, meta, err)
	}
	if _, meta, err = c.GetChanged(ctx(t), "pay", "a", meta.Index, 0); !errors.Is(err, client.ErrNotFound) || meta.Index != 9 {
		t.Errorf("deleted: %+v, %v", meta, err)
	}
	got := n.asked()
	if want := "/api/v1/namespaces/pay/config/a?index=7&wait=30s"; got[0].RequestURI != want || got[0].Header.Get(wire.HeaderMinIndex) != "7" {
		t.Errorf("asked %s of a node at %s\nwant  %s", got[0].RequestURI, got[0].Header.Get(wire.HeaderMinIndex), want)
	}
	if want := "/api/v1/namespaces/pay/config/a?index=9"; got[1].RequestURI != want {
		t.Errorf("asked %s\nwant  %s", got[1].RequestURI, want)
	}
}

func TestNamesThatWouldAddressSomethingElseAreRefused(t *testing.T) {
	c := newClient(t, client.Config{Endpoints: []string{"http://127.0.0.1:1"}})
	for _, name := range []string{"", ".", ".."} {
		if _, err := c.Get(ctx(t), name, "k", client.Read{}); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("namespace %q: %v", name, err)
		}
		if err := c.Delete(ctx(t), "ns", name, client.Write{}); !errors.Is(err, client.ErrInvalid) || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("key %q: %v", name, err)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for _, config := range []client.Config{
		{},
		{Endpoints: []string{"127.0.0.1:6100"}},
		{Endpoints: []string{"ftp://host"}},
		{Endpoints: []string{"http://user:pass@host"}},
		{Endpoints: []string{"http://host"}, Key: "a\nb"},
		{Endpoints: []string{"http://host"}, Attempts: -1},
	} {
		if _, err := client.New(config); err == nil {
			t.Errorf("%+v: no error", config)
		}
	}
}

func TestEveryStatusHasItsError(t *testing.T) {
	var status int
	var body, media string
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set(wire.HeaderCorrelationID, "from-header")
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}, Attempts: 1})
	for code, want := range map[int]error{
		400: client.ErrInvalid, 401: client.ErrUnauthenticated, 403: client.ErrForbidden, 404: client.ErrNotFound, 405: client.ErrInvalid,
		409: client.ErrConflict, 410: client.ErrCompacted, 412: client.ErrConditionFailed, 413: client.ErrTooLarge, 415: client.ErrInvalid,
		422: client.ErrInvalid, 429: client.ErrUnavailable, 502: client.ErrUnavailable, 503: client.ErrUnavailable, 507: client.ErrUnavailable,
	} {
		for _, document := range []bool{true, false} { // a proxy's error has no document
			status, body, media = code, "<html>", "text/html"
			wantText := "get a/b: " + fmt.Sprint(code) + " " + http.StatusText(code)
			if document {
				body, media = `{"type":"/problems/x","title":"Some title","status":1,"detail":"why","errors":[{"pointer":"/value","detail":"is odd"}]}`, wire.MediaProblem+"; charset=utf-8"
				wantText = fmt.Sprintf("get a/b: %d Some title: why: /value is odd", code)
			}
			_, err := c.Get(ctx(t), "a", "b", client.Read{})
			if !errors.Is(err, want) || err.Error() != wantText {
				t.Errorf("%d: %v, want %v and %q", code, err, want, wantText)
			}
			var p *client.Problem
			if !errors.As(err, &p) || p.Status != code || p.CorrelationID != "from-header" || p.Endpoint != n.URL {
				t.Errorf("%d: problem %+v", code, p)
			}
		}
	}
	status, body = 200, "<html>"
	if _, err := c.Get(ctx(t), "a", "b", client.Read{}); !errors.Is(err, client.ErrBadAnswer) {
		t.Errorf("a page of HTML: %v", err)
	}
	if _, err := c.Put(ctx(t), "a", "b", one, client.Write{}); !errors.Is(err, client.ErrBadAnswer) || !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("a page of HTML for a write: %v", err)
	}
	status = http.StatusFound
	if _, err := c.Get(ctx(t), "a", "b", client.Read{}); !errors.Is(err, client.ErrBadAnswer) {
		t.Errorf("302: %v", err)
	}
}

func TestListsComePageByPage(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("cursor")
		next := map[string]string{"": "b,<x>", "b,<x>": "c"}[page]
		if next != "" { // a link that points elsewhere must not lead there
			w.Header().Add("Link", `<http://stranger.example/?page=1>; rel="first", <http://stranger.example/other?cursor=`+strings.NewReplacer("<", "%3C", ">", "%3E").Replace(next)+`&prefix=p>; title="a"; rel="prev next"`)
		}
		if r.URL.Query().Get("prefix") != "p" {
			t.Errorf("asked %s", r.RequestURI)
		}
		answer(w, 200, []wire.ConfigEntry{{Key: "1" + page}, {Key: "2" + page}})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	var keys []string
	for entry, err := range c.List(ctx(t), "ns", "p", client.Read{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, entry.Key)
	}
	if got := strings.Join(keys, " "); got != "1 2 1b,<x> 2b,<x> 1c 2c" {
		t.Errorf("keys %s", got)
	}
	asked := len(n.asked())
	for range c.List(ctx(t), "ns", "p", client.Read{}) {
		break
	}
	if got := len(n.asked()) - asked; got != 1 {
		t.Errorf("%d requests for the first row, want 1", got)
	}
}

func TestListEndsWithItsError(t *testing.T) {
	for name, second := range map[string]http.HandlerFunc{
		"refused":  func(w http.ResponseWriter, r *http.Request) { problem(w, 410, wire.ProblemCompacted, "gone") },
		"no array": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"rows":[]}`) },
		"same page": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", `<?cursor=b>; rel=next`)
			io.WriteString(w, `[]`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("cursor") != "" {
					second(w, r)
					return
				}
				w.Header().Set("Link", `<?cursor=b>; rel=next`)
				answer(w, 200, []wire.Namespace{{Path: "a"}})
			})
			c := newClient(t, client.Config{Endpoints: []string{n.URL}})
			var seen []string
			for ns, err := range c.Namespaces(ctx(t), "", client.Read{}) {
				if err != nil {
					seen = append(seen, "error")
					if !errors.Is(err, client.ErrCompacted) && !errors.Is(err, client.ErrBadAnswer) {
						t.Error(err)
					}
					continue
				}
				seen = append(seen, ns.Path)
			}
			if got := strings.Join(seen, " "); got != "a error" {
				t.Errorf("saw %q", got)
			}
		})
	}
}

func TestReadinessThatSaysNoIsAnAnswer(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 503, wire.Ready{Status: wire.StatusNotReady, Reasons: []string{"no leader"}})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	ready, err := c.Ready(ctx(t), n.URL)
	if err != nil || ready.Status != wire.StatusNotReady || ready.Reasons[0] != "no leader" {
		t.Errorf("%+v, %v", ready, err)
	}
	if _, err := c.Ready(ctx(t), "http://127.0.0.1:1"); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("an endpoint that is not one of the Client's: %v", err)
	}
}

// Whoever reads one key compiles no server.
func TestImportsOnlyTheStandardLibraryAndWire(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(path, "/")
			if path != "confman/api/wire" && (strings.Contains(first, ".") || first == "confman") {
				t.Errorf("%s imports %s", file.Name(), path)
			}
		}
	}
}
