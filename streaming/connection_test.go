package streaming

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

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
			if err == context.DeadlineExceeded {
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

func TestASnapshotComesBeforeWhatFollowsIt(t *testing.T) {
	for _, encoding := range []string{SSE, NDJSON, WebSocket} {
		w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
		w.h.commit(put("a", "k1", "old"), put("a", "k2", "x"), put("a/b", "k1", "y"), put("b", "k1", "z"))
		w.h.commit(put("a", "k1", "new"))
		w.h.commit(remove("a", "k2"))
		c := follow(t, w, "namespace=a&after=snapshot&encoding="+encoding)
		if f := c.want(frameSnapshot); index(t, f.Position) != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		first, second := c.want(frameEntry), c.want(frameEntry)
		if first.Entry.Namespace != "a" || string(first.Entry.Value) != `"new"` || second.Entry.Namespace != "a/b" {
			t.Errorf("%s: entries %+v, %+v", encoding, first.Entry, second.Entry)
		}
		if f := c.want(frameSnapshotEnd); f.Entries != 2 || index(t, f.Position) != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		w.h.commit(put("b", "k", "not this"))
		w.h.commit(put("a/b", "k9", "live"))
		if f := c.want(frameEvent); f.Event.Index != 8 || f.Prev != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		c.stop()
	}
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
	say("watch w3 9-00000000 b")  // waits, and holds up nobody
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

// Silence is broken often enough that nobody takes the connection for dead, and
// what is said is true.
func TestAQuietStreamSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		s := newStreams(t, h, Limits{})
		c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Watch(t.Context(), Subscription{Start: Start{Now: true}, Filter: Filter{Namespaces: []string{"a"}}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		last, silence, farthest := time.Now(), time.Duration(0), uint64(0)
		go func() {
			for ctx.Err() == nil {
				h.commit(put("b", "k", "elsewhere"))
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}()
		context.AfterFunc(ctx, c.cancel)
		c.serve(session{write: func(p []byte) error {
			silence, last = max(silence, time.Since(last)), time.Now()
			for line := range strings.SplitSeq(strings.TrimSpace(string(p)), "\n") {
				if f := parse(t, []byte(line)); f.Frame == frameProgress {
					farthest = index(t, f.Position)
				}
			}
			return nil
		}})
		if silence > 15*time.Second {
			t.Errorf("silent for %v", silence)
		}
		if farthest < 40 {
			t.Errorf("after a minute of one event a second elsewhere the last progress is %d", farthest)
		}
	})
}

func TestProgressComesAfterAThousandOthers(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{Heartbeat: time.Hour}, &caller{})
	c := follow(t, w, "namespace=a&encoding=ndjson")
	c.want(frameResumed)
	for range 1100 {
		w.h.commit(put("b", "k", "elsewhere"))
	}
	if f := c.want(frameProgress); index(t, f.Position) > 1000 {
		t.Errorf("the first progress is %s", f.Position)
	}
	behind := follow(t, w, "namespace=a&encoding=ndjson&after=start")
	behind.want(frameResumed)
	if f := behind.want(frameProgress); index(t, f.Position) > 1000 {
		t.Errorf("catching up, the first progress is %s", f.Position)
	}
}

// Who resumes where nothing of its own has come since is told at once that it is
// up to date.
func TestCatchingUpEndsWithProgress(t *testing.T) {
	w, _ := newWorld(t, HubConfig{Records: 10}, Limits{Heartbeat: time.Hour}, &caller{})
	for range 100 {
		w.h.commit(put("b", "k", "elsewhere"))
	}
	for _, after := range []string{"50", "95"} {
		c := follow(t, w, "namespace=a&encoding=ndjson&after="+after)
		c.want(frameResumed)
		if f := c.want(frameProgress); index(t, f.Position) != 100 {
			t.Errorf("after %s: progress up to %s", after, f.Position)
		}
		c.stop()
	}
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

func TestPositionsAreJudgedBeforeTheStream(t *testing.T) {
	h := newHistory(t, HubConfig{Records: 4})
	for range 20 {
		h.commit(put("a", "k", "x"))
	}
	h.trim(10)
	good := h.all()[11].Position()
	for _, test := range []struct {
		after string
		want  error
	}{
		{"8", events.ErrCompacted}, {"0", events.ErrCompacted}, {"9", nil}, {h.all()[8].Position().String(), nil}, {"10", nil}, {"20", nil},
		{good.String(), nil}, {"12-00000000", events.ErrForeign}, {"21", events.ErrBehind}, {"999999999999", events.ErrBehind},
		{"start", nil}, {"now", nil}, {"", nil}, {"snapshot", nil},
	} {
		s := newStreams(t, h, Limits{})
		c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
		if err != nil {
			t.Fatal(err)
		}
		from, err := ParseStart(test.after)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Watch(t.Context(), Subscription{Start: from, Wait: time.Millisecond})
		if test.want == nil && err != nil || test.want != nil && !isError(err, test.want) {
			t.Errorf("after %q: %v, want %v", test.after, err, test.want)
		}
		c.Close()
		if !h0(s) {
			t.Errorf("after %q: slots are left", test.after)
		}
	}
	for _, bad := range []string{"-1", "1-", "01", "x", "1-XYZ", "1-9F3C2A1B", "18446744073709551616", " 1", "snapshot "} {
		if from, err := ParseStart(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, from)
		}
	}
}

func TestAFuturePositionIsWaitedFor(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
	w.h.commit(put("a", "k", "1"))
	c := follow(t, w, "after=3&encoding=sse")
	for range 3 {
		w.h.commit(put("a", "k", "x"))
	}
	c.want(frameResumed)
	if f := c.want(frameEvent); f.Event.Index != 4 || f.Prev != 3 {
		t.Errorf("%+v", f)
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
	if _, err := connect("carol"); !isError(err, ErrTooMany) {
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

func TestFiltersAreChecked(t *testing.T) {
	for _, f := range []Filter{
		{}, {Namespaces: []string{"/"}}, {Namespaces: []string{"a", "a/b"}, Key: "x/y"}, {Prefix: "x/"}, {Events: "all"},
		{Events: "config"}, {Events: "config.updated,namespace"}, {Events: "key.revoked"},
	} {
		if err := f.Check(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []Filter{
		{Namespaces: []string{""}},
		{Namespaces: []string{"a//b"}},
		{Namespaces: slices.Repeat([]string{"a"}, MaxNamespaces+1)},
		{Key: "a/../b"},
		{Key: "a", Prefix: "b"},
		{Prefix: strings.Repeat("x", 513)},
		{Events: "conf"},
		{Events: "config,"},
		{Events: "config.exploded"},
		{Events: strings.Repeat("config,", 40) + "config"},
	} {
		if err := f.Check(); !isError(err, events.ErrInvalid) {
			t.Errorf("%+v: %v", f, err)
		}
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
