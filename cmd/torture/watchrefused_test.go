package torture

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

func TestAWatchThatMakesNoSenseIsRefusedBeforeItBegins(t *testing.T) {
	c := form(t, plan{size: 1})
	c.put("app", "k", "v")
	for _, query := range []string{
		"after=x", "after=-1", "after=01", "after=1-", "after=1-xyz", "after=1-ABCDEF01", "after=1-0123456789", "after=99999999999999999999",
		"after=1.5", "after=Now", "namespace=", "namespace=a//b", "namespace=a/../b", "namespace=a/config", "namespace=a%20b", "namespace=%00",
		"key=a//b", "key=..", "key=a%0Ab", "key=k&prefix=k", "events=", "events=nothing", "events=conf", "events=config,", "events=all,config",
		"values=some", "wait=x", "wait=-1s", "wait=61s", "prefix=" + strings.Repeat("x", 600), "namespace=" + strings.Repeat("x", 65),
		manyNamespaces(65), "after=1&after=2", "key=a&key=b", "ticket=x&key=k", "api_key=secret", "token=secret",
	} {
		for _, encoding := range encodings() {
			given, err := url.ParseQuery(query)
			if err != nil {
				t.Fatal(err)
			}
			w := c.open(c.nodes[0], streams.Call{Encoding: encoding, Query: given, Key: c.key})
			want := http.StatusBadRequest
			if (query == "namespace=" || query == "events=") && w.begun() { // as if it were not there
				want = w.status
			}
			if w.status != want || want >= 400 && w.problem.Detail == "" {
				t.Errorf("%s, %.80s: %d %+v, want %d", encoding, query, w.status, w.problem, want)
			}
		}
	}
	for _, id := range []string{"x", "-1", "1-xyz", "99999999999999999999", "1-0123456", "entry", "1 2"} {
		w := c.open(c.nodes[0], streams.Call{Encoding: wire.EncodingSSE, After: id, ByID: true})
		if w.status != http.StatusBadRequest {
			t.Errorf("Last-Event-ID %q: %d %+v", id, w.status, w.problem)
		}
	}
}

func manyNamespaces(n int) string {
	q := url.Values{}
	for i := range n {
		q.Add(wire.ParamNamespace, fmt.Sprint("n", i))
	}
	return q.Encode()
}

func TestAnOpThatMakesNoSenseEndsItsWatchOrItsConnection(t *testing.T) {
	c := form(t, plan{size: 1})
	c.put("app", "k", "v")
	for message, reason := range map[string]string{
		`{"op":"watch","id":"w2","after":"x"}`:                  "reset w2 invalid",
		`{"op":"watch","id":"w2","namespace":"a//b"}`:           "reset w2 invalid",
		`{"op":"watch","id":"w2","namespace":["a","b//"]}`:      "reset w2 invalid",
		`{"op":"watch","id":"w2","events":"nothing"}`:           "reset w2 invalid",
		`{"op":"watch","id":"w2","values":"some"}`:              "reset w2 invalid",
		`{"op":"watch","id":"w2","key":"a","prefix":"b"}`:       "reset w2 invalid",
		`{"op":"watch","id":"w2","after":"1-00000000"}`:         "reset w2 other-history",
		`{"op":"unwatch","id":"w2"}`:                            "reset w2 invalid",
		`{"op":"unwatch","id":"w1"}`:                            "reset w1 unwatched",
		`{"op":"jump","id":"w2"}`:                               "reset w2 invalid",
		`{"op":"watch","id":"w1"}`:                              "reset w1 invalid, closed",
		`{"op":"watch","id":"a b"}`:                             "reset w1 invalid, closed",
		`{"op":"watch","id":""}`:                                "reset w1 invalid, closed",
		`{"op":"watch","id":"` + strings.Repeat("x", 65) + `"}`: "reset w1 invalid, closed",
		`{"op":"watch"`:                                         "reset w1 invalid, closed",
		`[]`:                                                    "reset w1 invalid, closed",
		`"watch"`:                                               "reset w1 invalid, closed",
		`{"op":"watch","id":"w2","op":"unwatch"}`:               "reset w1 invalid, closed",
	} {
		w := c.open(c.nodes[0], streams.Call{Encoding: wire.EncodingWebSocket})
		w.until(wire.FrameResumed)
		if err := w.socket.SendRaw(t.Context(), []byte(message)); err != nil {
			t.Fatal(err)
		}
		f := w.ends()
		got := fmt.Sprintf("%s %s %s", f.Frame.Frame, f.Watch, f.Reason)
		if f.Watch != "w1" { // the first watch goes on
			position := c.put("app", "k", "after "+message)
			if f := w.until(wire.FrameEvent); f.Event.Position != position || f.Watch != "w1" {
				t.Errorf("after %s: %v of %q", message, f, f.Watch)
			}
		} else if f.Reason == wire.ReasonInvalid {
			if _, err := w.next(); websocket.CloseStatus(err) == websocket.StatusPolicyViolation {
				got += ", closed"
			}
		}
		if got != reason {
			t.Errorf("%s: %s (%s), want %s", message, got, f.Detail, reason)
		}
		w.close()
	}
}

func TestAPositionOfAnotherHistoryIsRefused(t *testing.T) {
	one, other := form(t, plan{size: 1}), form(t, plan{size: 1})
	var position string
	for i := range 5 {
		position = one.put("app", "k", fmt.Sprint("one", i))
		other.put("app", "k", fmt.Sprint("other", i))
	}
	other.put("app", "k", "further")
	for _, encoding := range encodings() {
		for _, byID := range []bool{false, encoding == wire.EncodingSSE} {
			w := other.open(other.nodes[0], streams.Call{Encoding: encoding, After: position, ByID: byID})
			if w.status != http.StatusConflict || w.problem.Type != wire.ProblemOtherHistory {
				t.Errorf("%s after %s of another history: %d %+v", encoding, position, w.status, w.problem)
			}
		}
		// A bare index proves nothing, and is taken.
		bare, _, _ := strings.Cut(position, "-")
		if w := other.open(other.nodes[0], streams.Call{Encoding: encoding, After: bare}); !w.begun() {
			t.Errorf("%s after %s: %d %+v", encoding, bare, w.status, w.problem)
		}
	}
}

func TestAPositionInTheFutureIsWaitedForAndThenServedExactly(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	n := c.followers(c.leader())[0]
	for _, encoding := range encodings() {
		c.put("app", "k", "last before "+encoding)
		n.pause()
		future := c.put("app", "k", "future", n)
		began := time.Now()
		opened := make(chan *watch, 1)
		go func() {
			opened <- c.open(n, streams.Call{Encoding: encoding, After: future, ByID: encoding == wire.EncodingSSE})
		}()
		next := c.put("app", "k", "next", n)
		n.resume()
		w := <-opened
		if f := w.until(wire.FrameResumed); f.After != future {
			t.Errorf("%s asked for %s on a node that was paused, resumed after %s", encoding, future, f.After)
		}
		if f := w.until(wire.FrameEvent); f.Event.Position != next || f.Prev != indexOf(t, future) {
			t.Errorf("%s: %v with prev %d, want %s after %s", encoding, f, f.Prev, next, future)
		}
		t.Logf("%s: the event came %v after it was asked for", encoding, time.Since(began))
		w.close()
	}
}

func TestAPositionThatNeverComesIsSaidNotToHaveCome(t *testing.T) {
	c := form(t, calm())
	position := c.put("app", "k", "v")
	far := fmt.Sprint(indexOf(t, position) + 1000)
	for _, n := range c.nodes {
		for _, encoding := range encodings() {
			call := streams.Call{Encoding: encoding, After: far, Query: url.Values{wire.ParamWait: {"300ms"}}}
			began := time.Now()
			w := c.open(n, call)
			if took := time.Since(began); w.status != http.StatusGatewayTimeout || w.problem.Type != wire.ProblemNotCaughtUp || took < 300*time.Millisecond {
				t.Errorf("%s of the future: %d %+v in %v", encoding, w.status, w.problem, took)
			}
		}
		// An EventSource would give up at anything but 200.
		w := c.open(n, streams.Call{Encoding: wire.EncodingSSE, After: far, ByID: true, Query: url.Values{wire.ParamWait: {"300ms"}}})
		if f := w.ends(); f.Frame.Frame != wire.FrameGoaway || f.Reason != wire.ReasonBehind {
			t.Errorf("Last-Event-ID of the future: %s", f)
		}
		w = c.open(n, streams.Call{Encoding: wire.EncodingWebSocket, Query: url.Values{wire.ParamWait: {"300ms"}}})
		w.until(wire.FrameResumed)
		if err := w.socket.Send(t.Context(), streams.Filter{}.Op("w2", far)); err != nil {
			t.Fatal(err)
		}
		if f := w.ends(); f.Watch != "w2" || f.Reason != wire.ReasonBehind {
			t.Errorf("a second watch in the future: %s of %q", f, f.Watch)
		}
	}
}

// indexOf is the index of a position.
func indexOf(t *testing.T, position string) (index uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(position, "%d-", &index); err != nil {
		t.Fatalf("position %q: %v", position, err)
	}
	return index
}

func TestThereAreLimitsToWatches(t *testing.T) {
	c := form(t, plan{size: 1, args: []string{"--max-watches", "5", "--max-watches-per-principal", "3"}})
	c.namespace("app")
	n := c.nodes[0]
	other := c.mint("other", wire.Grant{Namespace: "/", Role: wire.RoleViewer})
	open := map[string][]*watch{}
	take := func(key string, watches int) {
		for i := range watches {
			w := c.open(n, streams.Call{Encoding: encodings()[i%3], Key: key})
			w.until(wire.FrameResumed)
			open[key] = append(open[key], w)
		}
	}
	refused := func(key, why string, status int, kind string) {
		for _, encoding := range encodings() {
			w := c.open(n, streams.Call{Encoding: encoding, Key: key})
			if w.status != status || w.problem.Type != kind || !strings.Contains(w.problem.Detail, why) {
				t.Errorf("%s beyond the limit: %d %+v", encoding, w.status, w.problem)
			}
			if w.header != nil && w.header.Get("Retry-After") == "" {
				t.Errorf("%s beyond the limit: no Retry-After", encoding)
			}
		}
	}
	take(c.key, 3)
	refused(c.key, "admin", http.StatusTooManyRequests, wire.ProblemTooManyRequests)
	socket := open[c.key][2].socket
	if err := socket.Send(t.Context(), streams.Filter{}.Op("w2", "")); err != nil {
		t.Fatal(err)
	}
	if f := open[c.key][2].ends(); f.Watch != "w2" || f.Reason != wire.ReasonLimit {
		t.Errorf("a second watch beyond the limit: %s of %q", f, f.Watch)
	}
	take(other.Key, 2)
	refused(other.Key, "node", http.StatusServiceUnavailable, wire.ProblemOverloaded)
	w := c.open(n, streams.Call{Encoding: wire.EncodingSSE, Key: other.Key, After: "1", ByID: true})
	if f := w.ends(); f.Frame.Frame != wire.FrameGoaway {
		t.Errorf("Last-Event-ID beyond the limit: %s", f)
	}
	open[c.key][0].close()
	await(t, "the place is free again", func() error {
		if w := c.open(n, streams.Call{Encoding: wire.EncodingSSE, Key: other.Key}); !w.begun() {
			return fmt.Errorf("%d %+v", w.status, w.problem)
		}
		return nil
	})
}
