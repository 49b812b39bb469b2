package streaming

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestOneConnectionCarriesManyWatches(t *testing.T) {
	w, s := newWorld(t, HubConfig{}, Limits{PerConnection: 4}, &caller{})
	w.h.commit(put("a", "k", "1"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	q := url.Values{"encoding": {WebSocket}, "id": {"w1"}, "namespace": {"a"}, "after": {"start"}}
	conn := dial(ctx, t, w.server, q)
	defer conn.CloseNow()
	say := func(text string) {
		t.Helper()
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(kind, watch string) frame {
		t.Helper()
		for {
			_, m, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("want %s of %s: %v", kind, watch, err)
			}
			f := parse(t, m)
			if f.Frame == frameProgress {
				continue
			}
			if f.Frame != kind || f.Watch != watch && watch != "any" {
				t.Fatalf("heard %+v, want %s of %s", f, kind, watch)
			}
			return f
		}
	}
	hear(frameResumed, "w1")
	hear(frameEvent, "w1")
	say("watch w2 now b")
	hear(frameResumed, "w2")
	w.h.commit(put("b", "k", "2"))
	if f := hear(frameEvent, "w2"); f.Event.Index != 2 {
		t.Errorf("%+v", f)
	}
	say("unwatch w1")
	if f := hear(frameReset, "w1"); f.Reason != ReasonUnwatched || index(t, f.Position) != 1 {
		t.Errorf("%+v", f)
	}
	w.h.commit(put("a", "k", "3"))
	w.h.commit(put("b", "k", "4"))
	if f := hear(frameEvent, "w2"); f.Event.Index != 4 || f.Prev != 2 {
		t.Errorf("%+v", f)
	}
	say("unwatch w1")
	if f := hear(frameReset, "w1"); f.Reason != ReasonInvalid {
		t.Errorf("%+v", f)
	}
	say("watch w3 9-00000000 b") // waits, and holds up nobody
	say("watch w9 99 b")         // as w3, and is taken back
	say("unwatch w9")
	if f := hear(frameReset, "w9"); f.Reason != ReasonUnwatched || f.Position != "" {
		t.Errorf("never begun: %+v", f)
	}
	say("watch w4 2-ffffffff b")  // is of another history
	say("watch w5 now /etc/../x") // is no namespace
	if f := hear(frameReset, "w4"); f.Reason != ReasonOtherHistory {
		t.Errorf("%+v", f)
	}
	if f := hear(frameReset, "w5"); f.Reason != ReasonInvalid {
		t.Errorf("%+v", f)
	}
	say("watch w6 now b")
	hear(frameResumed, "w6")
	say("watch w7 now c")
	hear(frameResumed, "w7")
	say("watch w8 now c")
	if f := hear(frameReset, "w8"); f.Reason != ReasonLimit {
		t.Errorf("%+v", f)
	}
	for range 5 {
		w.h.commit(put("a", "k", "x"))
	}
	if f := hear(frameReset, "w3"); f.Reason != ReasonOtherHistory { // its proof was a guess
		t.Errorf("%+v", f)
	}
	if all := s.List(); len(all) != 3 {
		t.Errorf("%d watches are listed: %+v", len(all), all)
	}
	say("watch w6 now b")
	if f := hear(frameReset, "any"); f.Reason != ReasonInvalid {
		t.Errorf("a taken ID: %+v", f)
	}
}

func TestWhoSendsNonsenseIsToldAndCut(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, text := range []string{"nonsense", strings.Repeat("x", maxMessage+1)} {
		conn := dial(ctx, t, w.server, url.Values{"encoding": {WebSocket}, "id": {"w1"}})
		if _, _, err := conn.Read(ctx); err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			_, _, err = conn.Read(ctx)
		}
		if code := websocket.CloseStatus(err); code != websocket.StatusPolicyViolation && code != websocket.StatusMessageTooBig {
			t.Errorf("%.10s: ended by %v", text, err)
		}
		conn.CloseNow()
	}
}

// A client that is gone without a word answers no ping; one that only listens
// does.
func TestPingsTellWhoIsThere(t *testing.T) {
	w, s := newWorld(t, HubConfig{}, Limits{Heartbeat: 20 * time.Millisecond}, &caller{})
	there := follow(t, w, "id=w&encoding=websocket")
	there.want(frameResumed)
	gone, err := net.Dial("tcp", strings.TrimPrefix(w.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	if _, err := fmt.Fprintf(gone, "GET /?encoding=websocket&id=w HTTP/1.1\r\nHost: x\r\n%s\r\n", upgrade); err != nil {
		t.Fatal(err)
	}
	for n := 0; s.Stats().Ended[ReasonStuck] == 0; n++ {
		if f := there.want(frameProgress); f.Position == "" || n > 1000 {
			t.Fatalf("%d: %+v", n, f)
		}
	}
	w.h.commit(put("a", "k", "still here"))
	there.want(frameEvent)
	if n := s.Stats().Ended[ReasonStuck]; n != 1 {
		t.Errorf("%d were taken for gone", n)
	}
}

// A node that was suspended for minutes has not waited for its clients.
func TestAJumpOfTheClockTakesNobodyForGone(t *testing.T) {
	h := newHistory(t, HubConfig{})
	s := newStreams(t, h, Limits{Heartbeat: 20 * time.Millisecond})
	var ahead atomic.Int64
	s.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	w := &world{t: t, h: h, server: serveOver(t, s, func() *caller { return &caller{} })}
	c := follow(t, w, "id=w&encoding=websocket")
	c.want(frameResumed)
	for range 10 {
		ahead.Add(int64(10 * time.Minute))
		c.want(frameProgress)
	}
	h.commit(put("a", "k", "still here"))
	c.want(frameEvent)
	if ended := s.Stats().Ended; len(ended) > 0 {
		t.Errorf("ended: %v", ended)
	}
}
