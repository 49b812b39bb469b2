package streaming

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"confman/events"
)

// client reads the frames of one connection, one at a time.
type client struct {
	t    testing.TB
	next func() (frame, error, bool)
	stop func()
}

func follow(t testing.TB, w *world, query string) *client {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	all := make(chan frame)
	ended := make(chan error, 1)
	go func() {
		defer close(all)
		for f, err := range frames(ctx, t, w.server, q) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case all <- f:
			case <-ctx.Done():
				return
			}
		}
	}()
	c := &client{t: t, stop: cancel, next: func() (frame, error, bool) {
		f, ok := <-all
		if ok {
			return f, nil, true
		}
		select {
		case err := <-ended:
			return frame{}, err, false
		case <-ctx.Done():
			return frame{}, ctx.Err(), false
		}
	}}
	t.Cleanup(cancel)
	return c
}

// want reads the next frame, progress aside, which must be of a kind.
func (c *client) want(kind string) frame {
	c.t.Helper()
	for {
		f, err, ok := c.next()
		if !ok {
			c.t.Fatalf("the connection ended, want %s: %v", kind, err)
		}
		if f.Frame == frameProgress && kind != frameProgress {
			continue
		}
		if f.Frame != kind {
			c.t.Fatalf("got %+v, want %s", f, kind)
		}
		return f
	}
}

// ends reads up to the end.
func (c *client) ends() {
	c.t.Helper()
	for {
		if f, err, ok := c.next(); !ok {
			if isError(err, context.DeadlineExceeded) {
				c.t.Fatal("the connection does not end")
			}
			return
		} else if f.Frame != frameProgress {
			c.t.Fatalf("got %+v, want the end", f)
		}
	}
}

func newWorld(t *testing.T, c HubConfig, l Limits, who *caller) (*world, *Streams) {
	h := newHistory(t, c)
	s := newStreams(t, h, l)
	return &world{t: t, h: h, server: serveOver(t, s, func() *caller { return who })}, s
}

// The last event of a transaction that a watch sees is the first without more,
// whichever of the transaction's events it sees.
func TestTransactionsAreToldAsWhole(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
	c := follow(t, w, "namespace=a&after=start&encoding=ndjson")
	w.h.commit(put("a", "1", "x"), put("b", "2", "x"), put("a", "3", "x"), put("b", "4", "x"))
	w.h.commit(put("a", "5", "x"))
	w.h.commit(put("b", "6", "x"), put("b", "7", "x"), put("a", "8", "x"), put("a", "9", "x"))
	c.want(frameResumed)
	for _, want := range []struct {
		index uint64
		more  bool
	}{{1, true}, {3, false}, {5, false}, {8, true}, {9, false}} {
		if f := c.want(frameEvent); f.Event.Index != want.index || f.More != want.more || (f.Event.Transaction == "") != (want.index == 5) {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
}

// A watch with a long way to go does not keep the others of its connection
// waiting.
func TestWatchesOfAConnectionTakeTurns(t *testing.T) {
	h := newHistory(t, HubConfig{Records: 10})
	for range 5000 {
		h.commit(put("a", "k", strings.Repeat("x", 200)))
	}
	s := newStreams(t, h, Limits{})
	c, err := s.Connect(Caller{Rights: &caller{}}, WebSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, sub := range []Subscription{
		{ID: "long", Start: Start{Beginning: true}, Filter: Filter{Namespaces: []string{"a"}}},
		{ID: "short", Start: Start{Beginning: true}, Filter: Filter{Namespaces: []string{"b"}, Events: "all"}},
	} {
		if err := c.Watch(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	h.commit(put("b", "k", "news"))
	o := s.output(NDJSON)
	if err := c.fill(o); err != nil {
		t.Fatal(err)
	}
	if long := strings.Count(string(o.buf), `"watch":"long"`); long > 500 {
		t.Errorf("%d frames of the long one in the first write", long)
	}
	if !strings.Contains(string(o.buf), `"watch":"short"`) {
		t.Error("the short one had no turn")
	}
	seen := uint64(0)
	for len(o.buf) > 0 {
		for line := range strings.SplitSeq(strings.TrimSpace(string(o.buf)), "\n") {
			if f := parse(t, []byte(line)); f.Watch == "long" && f.Frame == frameEvent {
				if seen++; f.Event.Index != seen || f.Prev != seen-1 {
					t.Fatalf("frame %d of the long one is %+v", seen, f)
				}
			}
		}
		o.buf = o.buf[:0]
		if err := c.fill(o); err != nil {
			t.Fatal(err)
		}
	}
	if seen != 5000 {
		t.Errorf("the long one got %d events", seen)
	}
}

func TestReadersShareTheBlocksOfTheLog(t *testing.T) {
	h := newHistory(t, HubConfig{Records: 1})
	for range 200 {
		h.commit(put("a", "k", "x"))
	}
	var blocks logBlocks
	for start := uint64(0); start < 200; {
		first, err := blocks.after(h, start)
		if err != nil || len(first) == 0 || first[0].record.Index != start+1 {
			t.Fatalf("after %d: %v, %v", start, first, err)
		}
		again, err := blocks.after(h, start)
		if err != nil || start+blockRecords <= 200 && again[0] != first[0] {
			t.Errorf("after %d: read twice", start)
		}
		start += uint64(len(first))
	}
	middle, err := blocks.after(h, 70)
	if err != nil || middle[0].record.Index != 71 || len(middle) != blockRecords-6 {
		t.Errorf("after 70: %d items, %v", len(middle), err)
	}
	if none, err := blocks.after(h, 200); err != nil || len(none) != 0 {
		t.Errorf("after the end: %v, %v", none, err)
	}
	h.trim(100)
	if _, err := blocks.after(h, 50); !isError(err, events.ErrCompacted) && err != nil {
		t.Error(err)
	}
	if got, err := blocks.after(h, 99); err != nil || got[0].record.Index != 100 {
		t.Errorf("at the edge: %v, %v", got, err)
	}
}

func TestStreamsBearTheHeadersThatProxiesHeed(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.server.URL+"?encoding=sse&after=start", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.h.commit(put("a", "k", "line\\nbreak"))
	answer, err := w.server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	first := make([]byte, 4096)
	read := 0
	for strings.Count(string(first[:read]), "\n\n") < 3 {
		n, err := answer.Body.Read(first[read:])
		if read += n; err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	position := w.h.Position().String()
	want := "retry: 2000\n\n" +
		"event: resumed\nid: 0-00000000\ndata: {\"frame\":\"resumed\",\"after\":\"0-00000000\",\"head\":\"" + position + "\",\"staleMs\":3,\"leaderKnown\":true}\n\n" +
		"event: event\nid: " + position + "\ndata: {\"frame\":\"event\",\"prev\":0,\"event\":{\"index\":1,\"position\":\"" + position + "\",\"time\":\"1970-01-01T00:00:01Z\",\"id\":"
	if got := string(first[:read]); !strings.HasPrefix(got, want) {
		t.Errorf("the stream begins with\n%s\nwant\n%s", got, want)
	}
}
