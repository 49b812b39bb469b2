package streaming

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/events"
)

// serveOver answers watches of everything that the query asks for, over real
// sockets.
func serveOver(t testing.TB, s *Streams, who func() *caller) *httptest.Server {
	handler := func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		from, err := ParseStart(q.Get("after"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c, err := s.Connect(Caller{Principal: "alice", Rights: who()}, q.Get("encoding"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusTooManyRequests)
			return
		}
		sub := Subscription{ID: q.Get("id"), Start: from, Wait: patience, Filter: Filter{
			Namespaces: q["namespace"], Key: q.Get("key"), Prefix: q.Get("prefix"), Events: q.Get("events"), Bare: q.Has("bare"),
		}}
		if err := c.Watch(r.Context(), sub); err != nil {
			c.Close()
			http.Error(w, endOf(err).Error(), http.StatusGone)
			return
		}
		switch q.Get("encoding") {
		case SSE:
			c.ServeSSE(w, r)
		case NDJSON:
			c.ServeNDJSON(w, r)
		case WebSocket:
			c.ServeWebSocket(w, r, WebSocketOptions{Decode: decodeOp, Ended: func(*End) {}})
		}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	server.Config.ConnContext = ConnContext
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// decodeOp reads "watch ID AFTER NAMESPACE" and "unwatch ID".
func decodeOp(message []byte) (Op, error) {
	words := strings.Fields(string(message))
	if len(words) == 2 && words[0] == "unwatch" {
		return Op{Unwatch: true, Subscription: Subscription{ID: words[1]}}, nil
	}
	if len(words) != 4 || words[0] != "watch" {
		return Op{}, events.Invalid("", "is not understood")
	}
	from, err := ParseStart(words[2])
	return Op{Subscription: Subscription{ID: words[1], Start: from, Wait: patience, Filter: Filter{Namespaces: []string{words[3]}}}}, err
}

// frames yields the frames of one connection until it ends. The error is what ended
// it, io.EOF when the server did in order.
func frames(ctx context.Context, t testing.TB, server *httptest.Server, q url.Values) iter.Seq2[frame, error] {
	if q.Get("encoding") == WebSocket {
		return readWebSocket(ctx, t, server, q)
	}
	return func(yield func(frame, error) bool) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"?"+q.Encode(), nil)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			yield(frame{}, err)
			return
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(answer.Body)
			yield(frame{}, fmt.Errorf("%d %s", answer.StatusCode, bytes.TrimSpace(text)))
			return
		}
		lines := bufio.NewReader(answer.Body)
		id, kind := "", ""
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				yield(frame{}, err)
				return
			}
			line = strings.TrimSuffix(line, "\n")
			field, value, _ := strings.Cut(line, ": ")
			switch {
			case q.Get("encoding") == NDJSON:
				if !yield(parse(t, []byte(line)), nil) {
					return
				}
			case field == "id":
				id = value
			case field == "event":
				kind = value
			case field == "data":
				f := parse(t, []byte(value))
				if f.Frame != kind {
					t.Errorf("event %q has the frame %q", kind, f.Frame)
				}
				if f.Frame == frameEvent && f.Event.Position != id || f.Frame == frameProgress && f.Position != id {
					t.Errorf("id %q of %s", id, value)
				}
				if !yield(f, nil) {
					return
				}
			}
		}
	}
}

func readWebSocket(ctx context.Context, t testing.TB, server *httptest.Server, q url.Values) iter.Seq2[frame, error] {
	return func(yield func(frame, error) bool) {
		c := dial(ctx, t, server, q)
		if c == nil {
			yield(frame{}, errors.New("not connected"))
			return
		}
		defer c.CloseNow()
		for {
			_, m, err := c.Read(ctx)
			if err != nil {
				yield(frame{}, err)
				return
			}
			if !yield(parse(t, m), nil) {
				return
			}
		}
	}
}

func dial(ctx context.Context, t testing.TB, server *httptest.Server, q url.Values) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(ctx, server.URL+"?"+q.Encode(), &websocket.DialOptions{Subprotocols: []string{Subprotocol}})
	if err != nil {
		if ctx.Err() == nil {
			t.Error(err)
		}
		return nil
	}
	c.SetReadLimit(1 << 20)
	return c
}

// world is a history that writers add to at random, and who reads it.
type world struct {
	t       *testing.T
	h       *history
	server  *httptest.Server
	written chan struct{} // closed when nothing more comes
}

// write commits transactions of random sizes in random namespaces. Now and then
// some come as a snapshot does: visible, and not published.
func (w *world) write(rng *rand.Rand, transactions int) {
	defer close(w.written)
	namespaces := []string{"a", "a/b", "a/b/c", "b", "b/a", "ab"}
	for range transactions {
		var batch []events.Event
		for range 1 + rng.IntN(4)*rng.IntN(4) {
			namespace, key := namespaces[rng.IntN(len(namespaces))], fmt.Sprintf("k%d", rng.IntN(5))
			e := put(namespace, key, fmt.Sprint(rng.Uint32()))
			switch rng.IntN(5) {
			case 0:
				e = remove(namespace, key)
			case 1:
				e = events.Event{Actor: "alice", Namespace: namespace, Data: events.NamespaceDeleted{}}
			}
			batch = append(batch, e)
		}
		if rng.IntN(40) == 0 {
			w.h.append(batch...)
			w.h.hub.Reset()
			continue
		}
		w.h.commit(batch...)
	}
}

// reader is a client that loses its connection now and then, and goes on from
// the position that it knows.
type reader struct {
	q     url.Values
	match func(events.Event) bool
	got   []uint64
	prev  uint64 // of the last event
	after string
}

func (w *world) follow(r *reader, rng *rand.Rand) {
	for tries := 0; ; tries++ {
		if tries > 10_000 {
			w.t.Errorf("%v: does not get to the end", r.q)
			return
		}
		if w.once(r, rng) {
			return
		}
	}
}

// once is one connection of a reader; done says that it has got to the end.
func (w *world) once(r *reader, rng *rand.Rand) (done bool) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	q := clone(r.q)
	q.Set("after", r.after)
	take := 1 + rng.IntN(60)
	for f, err := range frames(ctx, w.t, w.server, q) {
		if err != nil {
			w.t.Errorf("%v: the connection ended: %v", q, err)
			return true
		}
		switch f.Frame {
		case frameResumed:
			if f.After != r.after && r.after != "start" && r.after != "now" {
				w.t.Errorf("resumed after %s, asked for %s", f.After, r.after)
			}
			r.after = f.After
			r.prev = index(w.t, f.After)
		case frameEvent:
			if f.Prev != r.prev {
				w.t.Errorf("%v: event %d says that %d was before it, it was %d", q, f.Event.Index, f.Prev, r.prev)
			}
			r.got = append(r.got, f.Event.Index)
			r.prev, r.after = f.Event.Index, f.Event.Position
			if q.Has("bare") == (f.Event.Data.Value != nil) && f.Event.Type == "config.created" {
				w.t.Errorf("%v: value %s", q, f.Event.Data.Value)
			}
		case frameProgress:
			r.after = f.Position
		default:
			w.t.Errorf("%v: %+v", q, f)
		}
		if w.finished() && index(w.t, r.after) >= uint64(len(w.h.all())) {
			return true
		}
		if take--; take == 0 {
			return false
		}
	}
	return false
}

func (w *world) finished() bool {
	select {
	case <-w.written:
		return true
	default:
		return false
	}
}

func clone(q url.Values) url.Values {
	c := url.Values{}
	for name, values := range q {
		c[name] = slices.Clone(values)
	}
	return c
}

func index(t testing.TB, position string) uint64 {
	p, err := events.ParsePosition(position)
	if err != nil {
		t.Error(err)
	}
	return p.Index
}

// TestSubscribersMissNothingAndSeeNothingTwice lets readers of all encodings and
// filters follow a history of small tails and sudden jumps, lose their
// connections at random, and compares what each has got with the history itself.
func TestSubscribersMissNothingAndSeeNothingTwice(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := newHistory(t, HubConfig{Records: 50})
	s := newStreams(t, h, Limits{Heartbeat: 50 * time.Millisecond})
	w := &world{t: t, h: h, written: make(chan struct{}), server: serveOver(t, s, func() *caller { return &caller{} })}
	within := func(namespace, root string) bool {
		return namespace == root || strings.HasPrefix(namespace, root+"/")
	}
	config := func(e events.Event) bool { return strings.HasPrefix(string(e.Data.Kind()), "config.") }
	filters := []struct {
		q     string
		match func(events.Event) bool
	}{
		{"", config},
		{"events=all", func(events.Event) bool { return true }},
		{"namespace=a", func(e events.Event) bool { return config(e) && within(e.Namespace, "a") }},
		{"namespace=a/b&namespace=b&bare", func(e events.Event) bool {
			return config(e) && (within(e.Namespace, "a/b") || within(e.Namespace, "b"))
		}},
		{"namespace=a&key=k1", func(e events.Event) bool { return config(e) && within(e.Namespace, "a") && e.Key == "k1" }},
		{"prefix=k&events=config.deleted,namespace", func(e events.Event) bool { return e.Data.Kind() == "config.deleted" && strings.HasPrefix(e.Key, "k") }},
		{"namespace=nobody", func(events.Event) bool { return false }},
	}
	var running sync.WaitGroup
	var readers []*reader
	for n, f := range filters {
		for m, encoding := range []string{SSE, NDJSON, WebSocket} {
			q, err := url.ParseQuery(f.q)
			if err != nil {
				t.Fatal(err)
			}
			q.Set("encoding", encoding)
			r := &reader{q: q, match: f.match, after: "start"}
			readers = append(readers, r)
			running.Go(func() { w.follow(r, rand.New(rand.NewPCG(seed, uint64(10*n+m)))) })
		}
	}
	w.write(rand.New(rand.NewPCG(seed, 99)), 500)
	running.Wait()
	for _, r := range readers {
		var want []uint64
		for _, record := range h.all() {
			e, err := record.Event()
			if err != nil {
				t.Fatal(err)
			}
			if r.match(e) {
				want = append(want, record.Index)
			}
		}
		if !slices.Equal(r.got, want) {
			t.Errorf("%v: got %d events, want %d; they differ at %v", r.q, len(r.got), len(want), differ(r.got, want))
		}
	}
	if n := h.hub.Waiting(); n != 0 {
		awaitTrue(t, "all watches are gone", func() bool { return h.hub.Waiting() == 0 })
	}
}

func differ(got, want []uint64) string {
	for i := range got {
		if i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("%d: got %v", i, got[i:min(len(got), i+3)])
		}
	}
	return fmt.Sprintf("%d: want %v", len(got), want[len(got):min(len(want), len(got)+3)])
}

func awaitTrue(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

func isError(err, target error) bool { return errors.Is(err, target) }
