package streaming

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/events"
)

func TestARevokedRightEndsEveryStream(t *testing.T) {
	for _, encoding := range []string{SSE, NDJSON, WebSocket} {
		who := &caller{}
		w, s := newWorld(t, HubConfig{}, Limits{}, who)
		c := follow(t, w, "namespace=a&encoding="+encoding)
		c.want(frameResumed)
		who.revoke()
		w.h.commit(events.Event{Actor: "admin", Data: events.KeyRevoked{ID: "k1"}})
		if f := c.want(frameReset); f.Reason != ReasonRevoked || f.Detail == "" {
			t.Errorf("%s: %+v", encoding, f)
		}
		c.ends()
		awaitTrue(t, "the connection is gone", func() bool { return len(s.List()) == 0 && h0(s) })
		if s.Stats().Ended[ReasonRevoked] != 1 {
			t.Errorf("%s: ended %v", encoding, s.Stats().Ended)
		}
	}
}

func h0(s *Streams) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken == 0 && len(s.principals) == 0
}

func TestAKeyThatExpiresEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		s := newStreams(t, h, Limits{})
		who := &caller{until: time.Now().Add(3 * time.Second)}
		c, err := s.Connect(Caller{Principal: "alice", Rights: expiring{who}}, NDJSON)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Watch(t.Context(), Subscription{Start: Start{Now: true}}); err != nil {
			t.Fatal(err)
		}
		var written []byte
		began := time.Now()
		why := c.serve(session{write: func(p []byte) error {
			written = append(written, p...)
			return nil
		}})
		if took := time.Since(began); why.Reason != ReasonExpired || took < 3*time.Second || took > 4*time.Second {
			t.Errorf("ended with %v after %v", why, took)
		}
		if !strings.Contains(string(written), `"frame":"reset","reason":"expired"`) {
			t.Errorf("%s", written)
		}
	})
}

type expiring struct{ *caller }

func (e expiring) Renew() error {
	if !time.Now().Before(e.until) {
		return &End{Reason: ReasonExpired}
	}
	return nil
}

func TestWhoFallsBehindWhatIsKeptIsTold(t *testing.T) {
	h := newHistory(t, HubConfig{Records: 4})
	s := newStreams(t, h, Limits{})
	c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h.commit(put("a", "k", "1"))
	if err := c.Watch(t.Context(), Subscription{Start: Start{Beginning: true}}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		h.commit(put("a", "k", "more"))
	}
	h.trim(10)
	var written []byte
	why := c.serve(session{write: func(p []byte) error {
		written = append(written, p...)
		return nil
	}})
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	f := parse(t, []byte(lines[len(lines)-1]))
	if f.Frame != frameReset || f.Reason != ReasonCompacted || index(t, f.Oldest) != 9 || index(t, f.Newest) != 21 || index(t, f.Position) != 0 {
		t.Errorf("%v, %+v", why, f)
	}
}

func TestLimitsAreKeptAndGivenBack(t *testing.T) {
	h := newHistory(t, HubConfig{})
	s := newStreams(t, h, Limits{Watches: 3, PerPrincipal: 2})
	connect := func(who string) (*Connection, error) {
		return s.Connect(Caller{Principal: who, Rights: &caller{}}, WebSocket)
	}
	watch := func(c *Connection, id string) error {
		return c.Watch(t.Context(), Subscription{ID: id, Start: Start{Now: true}})
	}
	alice, err := connect("alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := watch(alice, "1"); err != nil {
		t.Error(err)
	}
	if err := watch(alice, "2"); err != nil {
		t.Error(err)
	}
	if err := watch(alice, "3"); !isError(err, ErrTooMany) {
		t.Errorf("a third watch: %v", err)
	}
	if _, err := connect("alice"); !isError(err, ErrTooMany) {
		t.Errorf("another connection: %v", err)
	}
	bob, err := connect("bob")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connect("carol"); !isError(err, ErrFull) {
		t.Errorf("a fourth on this node: %v", err)
	}
	alice.drop(alice.watches["2"])
	if carol, err := connect("carol"); err != nil {
		t.Error(err)
	} else {
		carol.Close()
	}
	alice.Close()
	bob.Close()
	if !h0(s) || h.hub.Waiting() != 0 {
		t.Errorf("%d slots are taken, %d wait", s.taken, h.hub.Waiting())
	}
}

func TestDrainingTellsEverybodyAndEnds(t *testing.T) {
	w, s := newWorld(t, HubConfig{}, Limits{}, &caller{})
	var clients []*client
	for n := range 30 {
		c := follow(t, w, "encoding="+[]string{SSE, NDJSON, WebSocket}[n%3])
		c.want(frameResumed)
		clients = append(clients, c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() {
		s.Drain(ctx)
		close(done)
	}()
	for _, c := range clients {
		if f := c.want(frameGoaway); f.Reason != ReasonShutdown {
			t.Errorf("%+v", f)
		}
		c.ends()
	}
	<-done
	if _, err := s.Connect(Caller{Rights: &caller{}}, SSE); !isError(err, ErrDraining) {
		t.Errorf("a client after that: %v", err)
	}
}

// One reader that takes nothing is cut off, and nobody else notices.
func TestAStuckReaderIsCutOff(t *testing.T) {
	for _, encoding := range []string{SSE, NDJSON, WebSocket} {
		w, s := newWorld(t, HubConfig{}, Limits{Stuck: 100 * time.Millisecond}, &caller{})
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		upgrade := ""
		if encoding == WebSocket {
			upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		}
		if _, err := fmt.Fprintf(conn, "GET /?encoding=%s&id=w HTTP/1.1\r\nHost: x\r\n%s\r\n", encoding, upgrade); err != nil {
			t.Fatal(err)
		}
		other := follow(t, w, "encoding=ndjson")
		other.want(frameResumed)
		awaitTrue(t, "both watch", func() bool { return len(s.List()) == 2 })
		big := strings.Repeat("x", 64<<10)
		for n := 1; s.Stats().Ended[ReasonStuck] == 0; n++ {
			if n > 2000 {
				t.Fatalf("%s: still there after %d MiB", encoding, n/16)
			}
			w.h.commit(put("a", "k", big))
			if f := other.want(frameEvent); f.Event.Index != uint64(n) {
				t.Fatalf("%s: the other one got %d, want %d", encoding, f.Event.Index, n)
			}
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Neither a client that waits for the future nor one that takes nothing holds up
// the end of a node.
func TestDrainingWaitsForNobodyLongerThanItMay(t *testing.T) {
	w, s := newWorld(t, HubConfig{}, Limits{}, &caller{})
	follow(t, w, "after=1000000&encoding=sse")
	for _, encoding := range []string{SSE, WebSocket} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		if _, err := fmt.Fprintf(conn, "GET /?encoding=%s&id=w HTTP/1.1\r\nHost: x\r\n%s\r\n", encoding, upgrade); err != nil {
			t.Fatal(err)
		}
	}
	awaitTrue(t, "all are connected", func() bool { return len(s.all()) == 3 })
	written := uint64(0)
	for still := 0; still < 50; still++ { // until nothing more goes out
		w.h.commit(put("a", "k", strings.Repeat("x", 256<<10)))
		if now := s.bytes.Load(); now != written {
			written, still = now, 0
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		s.Drain(ctx)
		close(done)
	}()
	receive(t, done, "it waits all the same")
}

// A role that is taken away ends the watches in which nothing is left to see, and
// no others.
func TestALostRoleEndsWhatItLeavesNothingOf(t *testing.T) {
	who := &caller{}
	w, s := newWorld(t, HubConfig{}, Limits{}, who)
	lost, part, kept := follow(t, w, "namespace=a&encoding=sse"), follow(t, w, "namespace=a&namespace=b&encoding=sse"), follow(t, w, "namespace=b&encoding=sse")
	for _, c := range []*client{lost, part, kept} {
		c.want(frameResumed)
	}
	who.lose("a")
	w.h.commit(events.Event{Actor: "admin", Namespace: "c", Data: events.RolesChanged{}})
	for _, c := range []*client{lost, part} {
		if f := c.want(frameReset); f.Reason != ReasonForbidden || !strings.Contains(f.Detail, "namespace a ") {
			t.Errorf("ended with %+v", f)
		}
		c.ends()
	}
	w.h.commit(put("b", "k", "1"))
	if f := kept.want(frameEvent); f.Event.Namespace != "b" {
		t.Errorf("the other watch: %+v", f)
	}
	if got := s.Stats().Ended[ReasonForbidden]; got != 2 {
		t.Errorf("%d watches ended, want 2", got)
	}
}
