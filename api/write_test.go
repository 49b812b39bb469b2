package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/api/wire"
	"confman/events"
)

// A write with an idempotency key is answered again as it was the first time,
// whatever happened since.
func TestARepeatedWriteHasTheFirstAnswer(t *testing.T) {
	const key = "Idempotency-Key: k-1"
	tests := []struct {
		name, method, path, body string
		header                   []string
		prepare                  func(*bench)
		after                    func(*bench) // makes the present another one
	}{
		{
			name: "create", method: "PUT", path: entryPath("pay", "a"), body: `{"value":1,"comment":"c"}`,
			after: func(b *bench) { b.put("pay", "a", "2") },
		},
		{
			name: "create only", method: "PUT", path: entryPath("pay", "a"), body: `{"value":1}`, header: []string{"If-None-Match: *"},
			after: func(b *bench) { b.put("pay", "a", "2") },
		},
		{
			name: "compare and set", method: "PUT", path: entryPath("pay", "a"), body: `{"value":2}`, header: []string{`If-Match: "v1"`},
			prepare: func(b *bench) { b.put("pay", "a", "1") }, after: func(b *bench) { b.put("pay", "a", "3") },
		},
		{
			name: "no change", method: "PUT", path: entryPath("pay", "a"), body: `{"value":1}`,
			prepare: func(b *bench) { b.put("pay", "a", "1") }, after: func(b *bench) { b.put("pay", "a", "3") },
		},
		{
			name: "delete", method: "DELETE", path: entryPath("pay", "a"),
			prepare: func(b *bench) { b.put("pay", "a", "1") }, after: func(b *bench) { b.put("pay", "a", "2") },
		},
		{
			name: "namespace", method: "PUT", path: "/api/v1/namespaces/pay", body: `{"description":"Payments"}`,
			after: func(b *bench) { b.do("PUT", "/api/v1/namespaces/pay", `{"owner":"bob"}`).is(200) },
		},
		{
			name: "delete namespace", method: "DELETE", path: "/api/v1/namespaces/pay",
			prepare: func(b *bench) { b.put("pay", "a", "1") }, after: func(b *bench) { b.put("pay", "a", "2") },
		},
		{
			name: "transaction", method: "POST", path: "/api/v1/transactions",
			body:    `{"if":[{"namespace":"pay","key":"new","version":0}],"set":[{"namespace":"pay","key":"new","value":1},{"namespace":"pay","key":"a","value":1}],"delete":[{"namespace":"pay","key":"b"}]}`,
			prepare: func(b *bench) { b.put("pay", "a", "1"); b.put("pay", "b", "1") },
			after:   func(b *bench) { b.put("pay", "a", "2"); b.put("pay", "b", "2"); b.put("pay", "new", "2") },
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			if test.prepare != nil {
				test.prepare(b)
			}
			var body any
			if test.body != "" {
				body = test.body
			}
			headers := append([]string{key}, test.header...)
			first := b.do(test.method, test.path, body, headers...)
			if first.status > 299 || first.header.Get(wire.HeaderIdempotentReplayed) != "" {
				t.Fatalf("%d %s", first.status, first.body)
			}
			test.after(b)
			before := b.node.State().Index()
			again := b.do(test.method, test.path+"?wait=1s", body, headers...)
			if again.status != first.status || again.body != first.body {
				t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
			}
			for _, h := range []string{"ETag", "Location", wire.HeaderIndex, wire.HeaderPosition} {
				if first.header.Get(h) != again.header.Get(h) {
					t.Errorf("%s was %q, again %q", h, first.header.Get(h), again.header.Get(h))
				}
			}
			if again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
				t.Error("the repetition does not say that it is one")
			}
			if b.node.State().Index() != before {
				t.Error("the repetition wrote")
			}
			b.do("PUT", entryPath("pay", "z"), `{"value":1}`, key).problem(422, wire.ProblemIdempotencyMismatch)
		})
	}
}

func TestAnIdempotencyKeyNamesOneRequest(t *testing.T) {
	b := newBench(t)
	const key = "Idempotency-Key: k"
	b.do("PUT", "/api/v1/namespaces/teams/pay/config/a", `{"value":1}`, key).is(201)
	b.do("PUT", "/api/v1/namespaces/teams%2Fpay/config/a", `{"value":1}`, key).is(201)
	b.do("PUT", "/api/v1/namespaces/teams/pay/config/a", `{"value":2}`, key).problem(422, wire.ProblemIdempotencyMismatch)
	b.do("PUT", "/api/v1/namespaces/teams/pay/config/a", `{"value":1}`, key, `If-Match: "v1"`).is(422)
	b.do("DELETE", "/api/v1/namespaces/teams/pay/config/a", nil, key).is(422)
	other := "X-Api-Key: " + b.key("bob", "teams", "editor", "")
	if got := b.do("PUT", "/api/v1/namespaces/teams/pay/config/a", `{"value":1}`, key, other).is(200); got.header.Get(wire.HeaderIdempotentReplayed) != "" {
		t.Error("another principal's key is taken for this one's")
	}
	for _, bad := range []string{strings.Repeat("k", 256), "ä", "a\tb"} {
		b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "Idempotency-Key: "+bad).problem(400, wire.ProblemMalformed, "Idempotency-Key")
	}
}

// The secret of a key is not kept: asking again cannot show it and says so.
func TestARepeatedKeyCreationHasNoSecret(t *testing.T) {
	b := newBench(t)
	asked := wire.NewKey{Name: "ci", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", asked, "Idempotency-Key: k").is(201))
	before := b.node.State().Index()
	got := b.do("POST", "/api/v1/keys", asked, "Idempotency-Key: k")
	got.problem(409, wire.ProblemConflict, "secret", "event 4")
	if strings.Contains(got.body, made.Key) || b.node.State().Index() != before {
		t.Errorf("%s, index %d was %d", got.body, b.node.State().Index(), before)
	}
}

func TestErrorsOfTheWriterAreToldApart(t *testing.T) {
	tests := []struct {
		err     error
		status  int
		problem string
	}{
		{events.ErrUnknown, 504, wire.ProblemOutcomeUnknown},
		{fmt.Errorf("no answer: %w (%w)", events.ErrUnknown, events.ErrUnavailable), 504, wire.ProblemOutcomeUnknown},
		{events.ErrUnavailable, 503, wire.ProblemUnavailable},
		{&events.NotLeaderError{}, 503, wire.ProblemUnavailable},
		{events.ErrNoSpace, 507, wire.ProblemDiskFull},
		{events.ErrStale, 409, wire.ProblemConflict},
		{events.ErrReused, 422, wire.ProblemIdempotencyMismatch},
		{errors.New("the disk /var/lib/x is on fire"), 500, wire.ProblemInternal},
	}
	for _, test := range tests {
		b := newBench(t)
		b.node.refuse = test.err
		got := b.do("PUT", entryPath("pay", "a"), `{"value":1}`)
		got.problem(test.status, test.problem)
		if (test.status == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%v: Retry-After %q", test.err, got.header.Get("Retry-After"))
		}
		if strings.Contains(got.body, "/var/lib") {
			t.Errorf("an internal error is shown: %s", got.body)
		}
	}
}

// A write whose answer was lost is settled by asking again with the same key.
func TestAnUnknownOutcomeIsSettledByRepeating(t *testing.T) {
	b := newBench(t)
	b.node.loses = true
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "Idempotency-Key: k").problem(504, wire.ProblemOutcomeUnknown)
	b.node.loses = false
	got := b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "Idempotency-Key: k").is(201)
	if got.header.Get(wire.HeaderIdempotentReplayed) != "true" || got.header.Get("ETag") != `"v1"` {
		t.Errorf("%s %v", got.body, got.header)
	}
}

func TestAFollowerSendsWritesToTheLeader(t *testing.T) {
	b := newBench(t)
	b.node.follows("10.0.0.2:6100")
	for _, path := range []string{
		"/api/v1/namespaces/teams/pay/config/a?x=%20y&z",
		"/api/v1/namespaces/teams%2Fpay/config/a%2Fb",
	} {
		got := b.do("PUT", path, `{"value":1}`).is(307)
		if got.body != "" || got.header.Get("Location") != "http://10.0.0.2:6100"+path || got.header.Get(wire.HeaderCorrelationID) == "" {
			t.Errorf("%s: %q %v", path, got.body, got.header)
		}
	}
	b.do("POST", "/api/v1/cluster/members", `{"id":"n3","address":"h:1"}`).is(307)
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "X-Api-Key: unknown-here").is(307)
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "X-Api-Key: ").is(401)
	b.do("POST", "/api/v1/cluster/snapshot", nil).is(200)
	stale := b.do("GET", "/api/v1/namespaces", nil).is(200)
	if stale.header.Get(wire.HeaderStaleMs) != "40" {
		t.Errorf("a follower's read says %v", stale.header)
	}

	b.node.follows("")
	lost := b.do("PUT", entryPath("pay", "a"), `{"value":1}`)
	lost.problem(503, wire.ProblemUnavailable, "no leader")
	if lost.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if got := b.do("GET", "/api/v1/namespaces", nil).is(200); got.header.Get(wire.HeaderLeaderKnown) != "false" {
		t.Errorf("without a leader a read says %v", got.header)
	}
}

// A leader that learns only in the end that it no longer leads redirects, too.
func TestALeaderThatLostItsPlaceRedirects(t *testing.T) {
	b := newBench(t)
	b.node.refuse = fmt.Errorf("propose: %w", &events.NotLeaderError{Leader: "10.0.0.3:6100"})
	if got := b.do("PUT", entryPath("pay", "a"), `{"value":1}`).is(307); got.header.Get("Location") != "http://10.0.0.3:6100"+entryPath("pay", "a") {
		t.Errorf("%v", got.header)
	}
}

func TestAFollowerForwardsWritesWhenToldTo(t *testing.T) {
	leader := newBench(t)
	address := strings.TrimPrefix(leader.url, "http://")
	follower := newBench(t, func(c *Config) { c.Forward = http.DefaultTransport; c.NodeID = "n2" })
	follower.root = leader.root
	for _, early := range []bool{true, false} { // before the body was read, and after
		follower.node.refuse = &events.NotLeaderError{Leader: address}
		if early {
			follower.node.follows(address)
		} else {
			follower.node.follows("")
			follower.node.stand.Store(&Standing{Role: wire.MemberLeader, Leader: "old"})
			follower.root = follower.ownKey(t)
			leader.alsoKnow(t, follower.root)
		}
		name := fmt.Sprint("k", early)
		got := follower.do("PUT", "/api/v1/namespaces/a%2Fb/config/"+name, `{"value":1}`, "Idempotency-Key: "+name, "X-Correlation-Id: c-7").is(201)
		if got.header.Get("ETag") != `"v1"` || len(got.header.Values(wire.HeaderCorrelationID)) != 1 ||
			got.header.Get(wire.HeaderCorrelationID) != "c-7" || got.header.Get(wire.HeaderPosition) != leader.node.State().Position().String() {
			t.Errorf("%s %v", got.body, got.header)
		}
		again := follower.do("PUT", "/api/v1/namespaces/a%2Fb/config/"+name, `{"value":1}`, "Idempotency-Key: "+name).is(201)
		if again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
			t.Error("the idempotency key was lost on the way")
		}
	}
	if e := leader.node.State().Entry("a/b", "ktrue"); e.Version != 1 {
		t.Errorf("the leader has %+v", e)
	}
	follower.node.follows(address)
	follower.do("PUT", entryPath("a", "b"), `{"value":1}`, headerForwarded+": n3").problem(503, wire.ProblemUnavailable, "forwarded here")

	dead := httptest.NewServer(nil)
	dead.Close()
	follower.node.follows(strings.TrimPrefix(dead.URL, "http://"))
	follower.do("PUT", entryPath("a", "b"), `{"value":1}`).problem(503, wire.ProblemUnavailable, "not reached")

	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	follower.node.follows(strings.TrimPrefix(hangsUp.URL, "http://"))
	follower.do("PUT", entryPath("a", "b"), `{"value":1}`).problem(504, wire.ProblemOutcomeUnknown)
}

// The leader would see the follower's certificate instead of the caller's.
func TestAWriteByCertificateIsRedirectedRatherThanForwarded(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Forward, c.Identity.Certificates = http.DefaultTransport, true })
	b.node.follows("10.0.0.3:6100")
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: "deploys"}, NotAfter: time.Now().Add(24 * 365 * 100 * time.Hour)}
	r := httptest.NewRequest(http.MethodPut, entryPath("pay", "a"), strings.NewReader(`{"value":1}`))
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	if got := w.Header().Get("Location"); w.Code != http.StatusTemporaryRedirect || got != "http://10.0.0.3:6100"+entryPath("pay", "a") {
		t.Errorf("answered %d %s, Location %q", w.Code, w.Body, got)
	}
}

// Two nodes that take each other for the leader do not pass a write to and fro.
func TestForwardingEndsAfterOneHop(t *testing.T) {
	forwards := func(c *Config) { c.Forward = http.DefaultTransport }
	a, b := newBench(t, forwards), newBench(t, forwards)
	a.node.follows(strings.TrimPrefix(b.url, "http://"))
	b.node.follows(strings.TrimPrefix(a.url, "http://"))
	a.do("PUT", entryPath("a", "b"), `{"value":1}`).problem(503, wire.ProblemUnavailable, "forwarded here")
}

// ownKey is a new key that is good for everything here.
func (b *bench) ownKey(t *testing.T) string {
	t.Helper()
	_, key := MintKey(b.server.Random)
	b.alsoKnow(t, key)
	return key
}

// alsoKnow makes a key of another bench good here.
func (b *bench) alsoKnow(t *testing.T, key string) {
	t.Helper()
	refuse := b.node.refuse
	b.node.refuse = nil
	defer func() { b.node.refuse = refuse }()
	_, err := b.node.Submit(t.Context(), events.CreateKey{
		ID: "also" + events.DigestKey(key)[:8], Name: "also", Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}},
	}, events.Stamp{Time: b.now(), Actor: "ana"})
	if err != nil {
		t.Fatal(err)
	}
}

// A write that is cut short, by its caller or by the node's end, never looks as
// if it had succeeded.
func TestAWriteCutShortIsUnknown(t *testing.T) {
	for _, cut := range []error{context.Canceled, context.DeadlineExceeded} {
		b := newBench(t)
		b.node.refuse = fmt.Errorf("wait: %w", cut)
		b.do("PUT", entryPath("pay", "a"), `{"value":1}`).problem(504, wire.ProblemOutcomeUnknown)
	}
}

func TestAReadCutShortIsUnavailable(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", entryPath("pay", "a")+"?min_index=99", nil)
	r.Header.Set("X-Api-Key", b.root)
	answer := httptest.NewRecorder()
	b.server.ServeHTTP(answer, r)
	if answer.Code < 500 {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

func TestKeysAreNeverLogged(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, func(c *Config) { c.Log = zerolog.New(&log).Level(zerolog.TraceLevel) })
	made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "x", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}).is(201))
	b.do("POST", "/api/v1/cluster/snapshot", nil).is(200)
	b.node.refuse = errors.New("broken")
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`).is(500)
	b.do("PUT", entryPath("pay", "a"), `{"value":1}`, "X-Api-Key: "+made.Key).is(403)
	b.do("GET", "/api/v1/whoami", nil, "X-Api-Key: "+made.Key+"x").is(401)
	if log.Len() == 0 || strings.Contains(log.String(), made.Key) || strings.Contains(log.String(), b.root) {
		t.Errorf("the log is %s", log.String())
	}
	if !strings.Contains(log.String(), "broken") {
		t.Error("an internal error is not in the log")
	}
}
