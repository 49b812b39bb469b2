package webhooks

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

func hookTo(url string) events.Webhook { return events.Webhook{ID: "w", URL: url} }

// receiver is an endpoint on a socket of this machine.
type receiver struct {
	server *httptest.Server

	mu   sync.Mutex // guards the fields below
	ids  []string   // of what came, in order, what was not taken included
	took []string   // the ids that were answered with 200
	news chan struct{}
}

// newReceiver checks that what comes is signed, and takes it, or lets answer
// answer: n counts the attempts of all events, from 1. Its status 0 means that
// it has answered.
func newReceiver(t testing.TB, answer func(n int, w http.ResponseWriter, r *http.Request) int) *receiver {
	e := &receiver{news: make(chan struct{})}
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		id := r.Header.Get("webhook-id")
		seconds, _ := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		want, _ := signature(secret, id, time.Unix(seconds, 0), body)
		if got := r.Header.Get("webhook-signature"); err != nil || got != want || r.Method != http.MethodPost || !jsontext.Value(body).IsValid() {
			t.Errorf("%s %s %q: signed %q, want %q, %v", r.Method, id, body, got, want, err)
		}
		e.mu.Lock()
		e.ids = append(e.ids, id)
		n := len(e.ids)
		e.mu.Unlock()
		status := http.StatusOK
		if answer != nil {
			status = answer(n, w, r)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if status == http.StatusOK {
			e.took = append(e.took, id)
		}
		close(e.news)
		e.news = make(chan struct{})
		if status != 0 {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(e.server.Close)
	return e
}

// got are the ids of all attempts.
func (e *receiver) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ids)
}

// taken are the ids that were taken, repetitions left out. It waits until there
// are n, and complains when one comes before another that it should follow.
func (e *receiver) taken(t testing.TB, want []string) {
	t.Helper()
	end := time.After(patience)
	for {
		e.mu.Lock()
		news, took := e.news, slices.Clone(e.took)
		e.mu.Unlock()
		var once []string
		for _, id := range took {
			if !slices.Contains(once, id) {
				once = append(once, id)
			}
		}
		if len(once) >= len(want) {
			if !slices.Equal(once, want) {
				t.Errorf("taken in another order, or others:\n%q\nwant\n%q", once, want)
			}
			return
		}
		select {
		case <-news:
		case <-end:
			t.Fatalf("after %v %d of %d have arrived", patience, len(once), len(want))
		}
	}
}

// local allows this machine, and lets nobody wait long between attempts.
func local(c *Config) {
	c.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	c.Jitter = func(time.Duration) time.Duration { return time.Millisecond }
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}
