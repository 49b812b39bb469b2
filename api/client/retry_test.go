package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// script is a network without sockets, for tests in which time is fake: each
// request takes the next step, and the last one for ever.
type script struct {
	steps []step
	hosts []string // whom each request went to
	keys  []string // and its idempotency key
}

type step struct {
	status int    // 0: the connection breaks after the request was sent
	typ    string // problem type
	after  string // Retry-After
	dial   bool   // the connection cannot be made
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	now := s.steps[min(len(s.hosts), len(s.steps)-1)]
	s.hosts = append(s.hosts, r.URL.Host)
	s.keys = append(s.keys, r.Header.Get(wire.HeaderIdempotencyKey))
	if now.dial {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	if now.status == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	header, body := http.Header{}, "{}"
	if now.after != "" {
		header.Set("Retry-After", now.after)
	}
	if now.status >= 400 {
		header.Set("Content-Type", wire.MediaProblem)
		body = `{"type":"` + now.typ + `","title":"T"}`
	}
	return &http.Response{StatusCode: now.status, Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}, nil
}

func (s *script) client(t *testing.T, config client.Config) *client.Client {
	config.HTTP = &http.Client{Transport: s}
	if config.Endpoints == nil {
		config.Endpoints = []string{"http://n1"}
	}
	return newClient(t, config)
}

func TestHowAWriteEnds(t *testing.T) {
	unknown := step{status: 504, typ: wire.ProblemOutcomeUnknown}
	lost, dead, ok := step{}, step{dial: true}, step{status: 200}
	tests := []struct {
		name    string
		steps   []step
		want    error // nil: done
		unknown bool
		asked   int
	}{
		{"done", []step{ok}, nil, false, 1},
		{"refused", []step{{status: 412}}, client.ErrConditionFailed, false, 1},
		{"failed plainly", []step{{status: 500}}, nil, false, 1},
		{"never tried", []step{dead}, client.ErrUnavailable, false, 8},
		{"no leader", []step{{status: 503, typ: wire.ProblemUnavailable}}, client.ErrUnavailable, false, 8},
		{"no leader, then done", []step{{status: 503}, {status: 429}, ok}, nil, false, 3},
		{"disk full", []step{{status: 507, typ: wire.ProblemDiskFull}}, client.ErrUnavailable, false, 1},
		{"answer lost, then done", []step{lost, ok}, nil, false, 2},
		{"answer lost, then refused: the first did nothing", []step{lost, {status: 412}}, client.ErrConditionFailed, false, 2},
		{"answer lost, then conflict", []step{lost, {status: 409}}, client.ErrConflict, false, 2},
		{"answer lost, then frozen", []step{lost, {status: 409, typ: wire.ProblemFrozen}}, client.ErrFrozen, false, 2},
		{"answer lost, then not found", []step{lost, {status: 404}}, client.ErrNotFound, false, 2},
		{"answer lost, then nobody", []step{lost, dead}, client.ErrUnavailable, true, 8},
		{"answer lost, then no leader", []step{lost, {status: 503}}, client.ErrUnavailable, true, 8},
		{"answer lost, then the key is revoked", []step{lost, {status: 401}}, client.ErrUnauthenticated, true, 2},
		{"answer lost, then forbidden", []step{lost, {status: 403}}, client.ErrForbidden, true, 2},
		{"answer lost, then failed", []step{lost, {status: 500}}, client.ErrOutcomeUnknown, true, 2},
		{"unknown, then done", []step{unknown, ok}, nil, false, 2},
		{"unknown for good", []step{unknown}, client.ErrOutcomeUnknown, true, 8},
		{"unknown, then refused, is settled", []step{unknown, dead, {status: 412}}, client.ErrConditionFailed, false, 3},
		{"a proxy gave up", []step{{status: 502}}, client.ErrUnavailable, true, 8},
		{"a proxy timed out", []step{{status: 504}}, client.ErrUnavailable, true, 8},
		{"not caught up", []step{{status: 504, typ: wire.ProblemNotCaughtUp}}, client.ErrNotCaughtUp, false, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: test.steps}
				_, err := s.client(t, client.Config{}).Put(ctx(t), "ns", "k", one, client.Write{})
				if last := test.steps[len(test.steps)-1]; (err == nil) != (last.status == 200) {
					t.Fatalf("error %v", err)
				}
				if test.want != nil && !errors.Is(err, test.want) {
					t.Errorf("%v is not %v", err, test.want)
				}
				var outcome *client.UnknownOutcome
				if errors.Is(err, client.ErrOutcomeUnknown) != test.unknown || errors.As(err, &outcome) != test.unknown {
					t.Errorf("%v: unknown %v, want %v", err, !test.unknown, test.unknown)
				}
				if len(s.keys) != test.asked {
					t.Errorf("asked %d times, want %d", len(s.keys), test.asked)
				}
				for _, key := range s.keys {
					if key != s.keys[0] || len(key) < 26 || outcome != nil && outcome.IdempotencyKey != key {
						t.Errorf("keys %q, in the error %+v", s.keys, outcome)
					}
				}
			})
		})
	}
}

func TestReadsAreNeverOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{}}}
		_, err := s.client(t, client.Config{}).Get(ctx(t), "ns", "k", client.Read{})
		if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Error(err)
		}
	})
}

func TestRetriesWaitAsToldAndNotLonger(t *testing.T) {
	tests := []struct {
		name     string
		first    step
		limit    time.Duration // of the context; 0: none
		min, max time.Duration
		fails    bool
	}{
		{"backoff", step{status: 503}, 0, 0, 100 * time.Millisecond, false},
		{"seconds", step{status: 503, after: "7"}, 0, 7 * time.Second, 7 * time.Second, false},
		{"rate limit", step{status: 429, after: "2"}, 0, 2 * time.Second, 2 * time.Second, false},
		{"date", step{status: 503, after: "Sat, 01 Jan 2000 00:00:09 GMT"}, 0, 9 * time.Second, 9 * time.Second, false}, // fake time begins at 2000-01-01
		{"nonsense", step{status: 503, after: "soon"}, 0, 0, 100 * time.Millisecond, false},
		{"longer than the context", step{status: 503, after: "7"}, time.Second, 0, 0, true},
		{"an hour", step{status: 503, after: "3600"}, 0, 0, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if test.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				s := &script{steps: []step{test.first, {status: 200}}}
				begin := time.Now()
				_, err := s.client(t, client.Config{}).Get(ctx, "ns", "k", client.Read{})
				if took := time.Since(begin); took < test.min || took > test.max || (err != nil) != test.fails {
					t.Errorf("took %v with %v, want %v to %v", took, err, test.min, test.max)
				}
				if test.limit > 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not say that time ran out", err)
				}
				if test.fails && !errors.Is(err, client.ErrUnavailable) {
					t.Errorf("%v does not say why", err)
				}
			})
		})
	}
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var longest [11]time.Duration
		for range 200 {
			n := 0
			s := &script{steps: []step{{dial: true}}}
			c := s.client(t, client.Config{Attempts: 11, OnRetry: func(_ error, wait time.Duration) { n++; longest[n] = max(longest[n], wait) }})
			if _, err := c.Get(ctx(t), "ns", "k", client.Read{}); err == nil || n != 10 {
				t.Fatalf("%v after %d retries", err, n)
			}
		}
		for n := 1; n <= 10; n++ {
			bound := min(5*time.Second, 100*time.Millisecond<<(n-1))
			if longest[n] > bound || longest[n] < bound*8/10 {
				t.Errorf("retry %d waited at most %v of 200 times, want just under %v", n, longest[n], bound)
			}
		}
	})
}

// A cluster in trouble must not be finished off by its clients: when everything
// fails, retries become a trickle.
func TestRetriesOfAllCallsShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{dial: true}}}
		c := s.client(t, client.Config{Attempts: 3})
		begin := time.Now()
		const calls = 200
		for range calls {
			if _, err := c.Get(ctx(t), "ns", "k", client.Read{}); !errors.Is(err, client.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		retries := len(s.hosts) - calls
		allowed := 20 + calls/10 + int(time.Since(begin).Seconds()) + 1
		if retries > allowed || retries < 20 {
			t.Errorf("%d retries for %d calls in %v, want 20 to %d", retries, calls, time.Since(begin), allowed)
		}
	})
}

func TestReadsStayWithTheNodeThatAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts := map[string]int{}
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			hosts[r.URL.Host]++
			if r.URL.Host == "dead" {
				return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{}`)), Header: http.Header{}}, nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://dead", "http://alive"}, HTTP: &http.Client{Transport: transport}})
		for range 50 {
			if _, err := c.Get(ctx(t), "ns", "k", client.Read{}); err != nil {
				t.Fatal(err)
			}
		}
		if hosts["dead"] > 1 || hosts["alive"] != 50 {
			t.Errorf("asked %v; want at most one try at the dead node", hosts)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A leader that hangs is still the leader to its followers for a while. Writes
// must not each run into it.
func TestDeadLeaderIsLeftAloneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "leader" {
				asked = append(asked, time.Now())
				return nil, io.ErrUnexpectedEOF
			}
			return &http.Response{StatusCode: 307, Body: http.NoBody, Header: http.Header{"Location": {"http://leader" + r.URL.RequestURI()}}}, nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://follower", "http://leader"}, HTTP: &http.Client{Transport: transport}, Attempts: 20})
		_, err := c.Put(ctx(t), "ns", "k", one, client.Write{})
		if !errors.Is(err, client.ErrOutcomeUnknown) || len(asked) < 5 {
			t.Fatalf("%v, asked %v", err, asked)
		}
		for i, at := range asked[3:] {
			if rest := at.Sub(asked[i+2]); rest < time.Second {
				t.Errorf("asked again %v after failure %d", rest, i+3)
			}
		}
	})
}

func TestNodeThatAskedForTimeIsPassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			order = append(order, r.URL.Host)
			if r.URL.Host == "busy" {
				return &http.Response{StatusCode: 503, Body: http.NoBody, Header: http.Header{"Retry-After": {"5"}}}, nil
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{}`)), Header: http.Header{}}, nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://busy", "http://free"}, HTTP: &http.Client{Transport: transport}})
		begin := time.Now()
		for range 10 {
			if _, err := c.Put(ctx(t), "ns", "k", one, client.Write{}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %v although a free node was there; asked %v", took, order)
		}
	})
}

func TestLostAnswerIsSettledByTheSameKey(t *testing.T) {
	applied := map[string]int{}
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get(wire.HeaderIdempotencyKey)
		if applied[key]++; applied[key] == 1 {
			hangUp(w) // done, but nobody hears of it
			return
		}
		w.Header().Set(wire.HeaderIdempotentReplayed, "true")
		answer(w, 201, wire.ConfigEntry{Version: 1})
	})
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	var meta client.Meta
	if _, err := c.Put(ctx(t), "a", "k", one, client.Write{Meta: &meta}); err != nil || !meta.Replayed {
		t.Fatalf("%v, %+v", err, meta)
	}
	if len(applied) != 1 {
		t.Errorf("keys %v, want one", applied)
	}
}

func TestHangingNodeIsGivenUpForAnother(t *testing.T) {
	release := make(chan struct{})
	hanging := newNode(t, func(w http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	other := newNode(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, wire.ConfigEntry{Version: 9}) })
	c := newClient(t, client.Config{Endpoints: []string{hanging.URL, other.URL}, AttemptTimeout: 300 * time.Millisecond})
	for range 3 { // whichever it starts with
		if e, err := c.Get(ctx(t), "a", "k", client.Read{}); err != nil || e.Version != 9 {
			t.Fatal(err)
		}
	}
	if len(hanging.asked()) > 1 {
		t.Errorf("asked the hanging node %d times", len(hanging.asked()))
	}
}

func TestCallerWhoGivesUpIsToldTheOutcomeIsUnknown(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) { close(arrived); <-release })
	defer close(release)
	c := newClient(t, client.Config{Endpoints: []string{n.URL}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Put(ctx, "a", "k", one, client.Write{IdempotencyKey: "mine"})
	var unknown *client.UnknownOutcome
	if !errors.As(err, &unknown) || unknown.IdempotencyKey != "mine" || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNobodyThereIsNeverTried(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	c := newClient(t, client.Config{Endpoints: []string{"http://" + listener.Addr().String()}, Attempts: 2})
	_, err = c.Put(ctx(t), "a", "k", one, client.Write{})
	if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
	var retried atomic.Bool
	c = newClient(t, client.Config{Endpoints: []string{"http://" + listener.Addr().String()}, OnRetry: func(error, time.Duration) { retried.Store(true) }})
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Put(done, "a", "k", one, client.Write{}); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrOutcomeUnknown) || retried.Load() {
		t.Errorf("with a context that has ended: %v", err)
	}
}
