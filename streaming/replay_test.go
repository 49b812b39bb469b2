package streaming

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/events"
)

// window is the part of a history after an index, up to another.
func window(h *history, after, to uint64) Replay {
	records := h.all()
	past := Replay{Records: h.Records, After: events.Chain{}.At(0), To: events.Chain{}.At(0)}
	if after > 0 {
		past.After = records[after-1].Position()
	}
	if to > 0 {
		past.To = records[to-1].Position()
	}
	return past
}

// line is one frame as it was written, and when, since the beginning.
type line struct {
	text string
	frame
	at time.Duration
}

// replayed runs a replay to its end. during, when not nil, hears of each frame.
func replayed(t testing.TB, s *Streams, who Rights, past Replay, during func(line)) (lines []line, why *End) {
	t.Helper()
	c, err := s.Connect(Caller{Principal: "alice", Rights: who}, NDJSON)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	p := &replay{Replay: past, conn: c, sel: past.Filter.selector(), cursor: past.After.Index, prev: past.After.Index}
	why = p.run(func(written []byte) error {
		for text := range strings.SplitSeq(strings.TrimSuffix(string(written), "\n"), "\n") {
			l := line{text, parse(t, []byte(text)), time.Since(began)}
			if lines = append(lines, l); during != nil {
				during(l)
			}
		}
		return nil
	})
	return lines, why
}

func ofKind(lines []line, kind string) []line {
	return slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return l.Frame != kind })
}

// The records of the history are a second apart.
func TestAReplayKeepsItsPace(t *testing.T) {
	for _, test := range []struct {
		speed float64
		most  time.Duration
		gap   time.Duration
	}{
		{0, 0, 0},
		{1, 0, time.Second},
		{0.5, 0, 2 * time.Second},
		{4, 0, 250 * time.Millisecond},
		{1, 300 * time.Millisecond, 300 * time.Millisecond},
		{1e-9, time.Minute, time.Minute},
		{1e9, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHistory(t, HubConfig{})
			for n := range 20 {
				h.commit(put("a", fmt.Sprint("k", n), "v"))
			}
			past := window(h, 3, 13)
			past.Speed, past.MaxPause = test.speed, test.most
			lines, why := replayed(t, newStreams(t, h, Limits{Heartbeat: 100_000 * time.Hour}), &caller{}, past, nil)
			if why.Reason != reasonDone || len(lines) != 12 || lines[0].Frame != frameReplayStart || lines[11].Frame != frameReplayEnd {
				t.Fatalf("×%g ended with %v after %d frames", test.speed, why, len(lines))
			}
			for n, l := range lines[1:11] {
				want := time.Duration(n) * test.gap
				if l.Event.Index != uint64(4+n) || l.Prev != uint64(3+n) || l.at.Round(time.Millisecond) != want {
					t.Errorf("×%g: event %d came after %v, want %v", test.speed, l.Event.Index, l.at, want)
				}
			}
		})
	}
}

// Short pauses are saved up, but not lost.
func TestAFastReplayTakesItsShareOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		const n, speed = 3000, 1000
		for range n {
			h.commit(put("a", "k", "v"))
		}
		past, writes := window(h, 0, n), map[time.Duration]int{}
		past.Speed = speed
		lines, _ := replayed(t, newStreams(t, h, Limits{}), &caller{}, past, func(l line) { writes[l.at]++ })
		last := lines[len(lines)-1]
		if want := n * time.Second / speed; last.Frame != frameReplayEnd || last.at > want || last.at < want-2*shortestPause || len(writes) > n/4 {
			t.Errorf("%d events with %d writes in %v, want %v", n, len(writes), last.at, want)
		}
	})
}

// However slow a replay is, its times do not overflow.
func TestNoPauseIsEndless(t *testing.T) {
	var p pace
	now := time.Now()
	p.wait(events.Record{Index: 1, Time: now}, 1e-18, 0, now)
	if got := p.wait(events.Record{Index: 2, Time: now.Add(time.Hour)}, 1e-18, 0, now); got != longestPause {
		t.Error(got)
	}
}

// What a replay sends is what a watch sent for the same events to the same caller,
// but for the kind of frame.
func TestAReplayIsWhatAWatchDelivered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := newHistory(t, HubConfig{})
	s := newStreams(t, h, Limits{})
	for len(h.all()) < 700 {
		var es []events.Event
		for range 1 + random.IntN(4)*random.IntN(2) {
			es = append(es, put([]string{"a", "a/b", "b"}[random.IntN(3)], fmt.Sprint("k", random.IntN(3)), strings.Repeat("<é>", random.IntN(9000))))
		}
		h.commit(es...)
	}
	head := h.Position().Index
	for _, f := range []Filter{
		{}, {Namespaces: []string{"a"}}, {Namespaces: []string{"a/b", "b"}, Bare: true}, {Key: "k1"}, {Prefix: "k"}, {Events: "all"}, {Key: "none"},
	} {
		for _, who := range []*caller{{}, {only: "a"}} {
			after := random.Uint64N(head)
			past := window(h, after, head)
			past.Filter = f
			lines, why := replayed(t, s, who, past, nil)
			if why.Reason != reasonDone {
				t.Fatalf("%+v: %v", f, why)
			}
			got, want := ofKind(lines, frameReplay), watched(t, s, who, f, after)
			for n := range max(len(got), len(want)) {
				if n >= len(got) || n >= len(want) || got[n].text != strings.Replace(want[n], `{"frame":"event"`, `{"frame":"replay"`, 1) {
					t.Fatalf("%+v after %d, frame %d of %d differs from that of %d", f, after, n, len(got), len(want))
				}
			}
		}
	}
}

// watched are the event frames of a watch, up to where the history stands.
func watched(t testing.TB, s *Streams, who Rights, f Filter, after uint64) (frames []string) {
	t.Helper()
	c, err := s.Connect(Caller{Principal: "alice", Rights: who}, NDJSON)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Watch(t.Context(), Subscription{Filter: f, Start: Start{Position: events.Position{Index: after}}}); err != nil {
		t.Fatal(err)
	}
	for head := s.Source.Position().Index; ; {
		o := s.output(NDJSON)
		if err := c.fill(o); err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(string(o.buf), "\n") {
			if strings.HasPrefix(text, `{"frame":"event"`) {
				frames = append(frames, text)
			}
		}
		if s.List()[0].Index >= head {
			return frames
		}
	}
}

// However long a pause is, the reader hears from the node, and from where it may
// go on.
func TestASilentReplaySaysWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		for range 99 {
			h.commit(put("b", "k", "v"))
		}
		h.commit(put("a", "k", "1"))
		for range 99 {
			h.commit(put("b", "k", "v"))
		}
		h.commit(put("a", "k", "2"))
		past := window(h, 0, 200)
		past.Filter.Namespaces, past.Speed = []string{"a"}, 1
		lines, _ := replayed(t, newStreams(t, h, Limits{}), &caller{}, past, nil)
		last := time.Duration(0)
		for _, l := range lines {
			if l.at-last > 15*time.Second {
				t.Errorf("nothing came from %v to %v", last, l.at)
			}
			if last = l.at; l.Frame == frameProgress && index(t, l.Position) != 199 {
				t.Errorf("progress to %s before event 200", l.Position)
			}
		}
		if got := len(ofKind(lines, frameProgress)); last != 100*time.Second || got < 6 || got > 8 {
			t.Errorf("%d frames of progress in %v", got, last)
		}
	})
}

func TestAReplayEndsWhenItMayNotGoOn(t *testing.T) {
	for name, test := range map[string]struct {
		do     func(*history, *Streams, *caller)
		reason string
		within time.Duration
	}{
		"revoked": {func(h *history, _ *Streams, who *caller) {
			who.revoke()
			h.commit(events.Event{Actor: "admin", Data: events.KeyRevoked{ID: "k1"}})
		}, ReasonRevoked, time.Second},
		"sees nothing more": {func(h *history, _ *Streams, who *caller) {
			who.lose("a")
			h.commit(events.Event{Actor: "admin", Namespace: "a", Data: events.RolesChanged{}})
		}, ReasonForbidden, time.Second},
		"trimmed":  {func(h *history, _ *Streams, _ *caller) { h.trim(60) }, ReasonCompacted, 15 * time.Second},
		"shutdown": {func(_ *history, s *Streams, _ *caller) { s.all()[0].end(&End{Reason: ReasonShutdown}) }, ReasonShutdown, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHistory(t, HubConfig{})
			s := newStreams(t, h, Limits{})
			for range 100 {
				h.commit(put("a", "k", "v"))
			}
			who := &caller{}
			past := window(h, 0, 100)
			past.Speed, past.Filter.Namespaces = 0.001, []string{"a"}
			var done time.Time
			lines, why := replayed(t, s, who, past, func(l line) {
				if l.Frame == frameReplay {
					done = time.Now()
					test.do(h, s, who)
				}
			})
			last := lines[len(lines)-1]
			if why.Reason != test.reason || last.Reason != test.reason || time.Since(done) > test.within {
				t.Errorf("%s: ended with %v and %s after %v", name, why, last.text, time.Since(done))
			}
			if test.reason == ReasonCompacted && (index(t, last.Oldest) != 59 || index(t, last.Newest) != 100 || index(t, last.Position) != 1) {
				t.Errorf("%s: %s", name, last.text)
			}
		})
	}
}

// A value that is erased while a replay pauses does not come out of the pause.
func TestAPauseDoesNotKeepWhatIsErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		h.commit(put("a", "k", "first"))
		h.commit(put("a", "k", "secret"))
		past := window(h, 0, 2)
		past.Speed = 0.1
		lines, _ := replayed(t, newStreams(t, h, Limits{}), &caller{}, past, func(l line) {
			if l.Frame == frameProgress {
				return
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			erased, err := h.records[1].Erase([]events.Place{events.ThisValue})
			if err != nil {
				t.Error(err)
			}
			h.records[1] = erased
		})
		got := ofKind(lines, frameReplay)
		if len(got) != 2 || !strings.Contains(got[1].text, `"type":"erased"`) || strings.Contains(got[1].text, "secret") {
			t.Errorf("%+v", got)
		}
	})
}

// A replay holds no more of the history at once than a batch.
func TestAReplayReadsInBatches(t *testing.T) {
	h := newHistory(t, HubConfig{})
	for range 1000 {
		h.commit(put("a", "k", "v"))
	}
	past, most, taken := window(h, 0, 1000), 0, 0
	past.Records = func(after uint64) iter.Seq2[events.Record, error] {
		return func(yield func(events.Record, error) bool) {
			taken = 0
			for r, err := range h.Records(after) {
				if taken++; !yield(r, err) {
					break
				}
			}
			most = max(most, taken)
		}
	}
	lines, _ := replayed(t, newStreams(t, h, Limits{}), &caller{}, past, nil)
	if got := len(ofKind(lines, frameReplay)); got != 1000 || most > replayRecords {
		t.Errorf("%d events, %d read at once", got, most)
	}
}

// Whoever may read can have thousands of replays that pause: they hold nothing
// meanwhile, and read little after it.
func TestAReplayThatPausesHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(t, HubConfig{})
		for range 100 {
			h.commit(put("a", "k", "v"))
		}
		past, taken := window(h, 0, 100), 0
		past.Speed = 1
		past.Records = func(after uint64) iter.Seq2[events.Record, error] {
			return func(yield func(events.Record, error) bool) {
				for r, err := range h.Records(after) {
					if taken++; !yield(r, err) {
						return
					}
				}
			}
		}
		s := newStreams(t, h, Limits{})
		if _, why := replayed(t, s, &caller{}, past, nil); why.Reason != reasonDone || taken > 100*(pausedRecords+1) {
			t.Errorf("%+v: %d records were read for 100", why, taken)
		}
		c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
		if err != nil {
			t.Fatal(err)
		}
		p := &replay{Replay: past, conn: c, sel: past.Filter.selector()}
		done := make(chan *End)
		go func() { done <- p.run(func([]byte) error { return nil }) }()
		synctest.Wait() // until it pauses
		c.Close()
		if why := <-done; len(p.batch) > 0 {
			t.Errorf("%+v: it paused with %d records", why, len(p.batch))
		}
	})
}

// Over real sockets: IDs to resume from, and an end for who takes nothing.
func TestReplaysAreServed(t *testing.T) {
	h := newHistory(t, HubConfig{})
	big := strings.Repeat("x", 64<<10)
	for range 300 {
		h.commit(put("a", "k", big))
	}
	s := newStreams(t, h, Limits{Stuck: 100 * time.Millisecond})
	ended := make(chan *End, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, SSE)
		if err != nil {
			t.Error(err)
			return
		}
		past := window(h, 0, 300)
		past.Filter.Bare = r.URL.Query().Has("bare")
		ended <- c.ServeReplay(w, r, past)
	}))
	server.Config.ConnContext = ConnContext
	server.Start()
	t.Cleanup(server.Close)
	answer, err := server.Client().Get(server.URL + "?bare")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var ids, kinds []string
	for text := range textLines(answer.Body) {
		name, value, _ := strings.Cut(text, ": ")
		switch name {
		case "id":
			ids = append(ids, value)
		case "event":
			kinds = append(kinds, value)
		case "data":
			var f frame
			if err := json.Unmarshal([]byte(value), &f); err != nil || f.Frame == frameReplay && f.Event.Position != ids[len(ids)-1] {
				t.Fatalf("%v, id %s of %s", err, ids[len(ids)-1], value)
			}
		}
	}
	if len(ids) != 302 || ids[0] != "0-00000000" || ids[301] != ReplayedID || kinds[0] != frameReplayStart || kinds[1] != frameReplay || kinds[301] != frameReplayEnd {
		t.Errorf("%d IDs, %v … %v", len(ids), ids[0], kinds)
	}
	if why := <-ended; why.Reason != reasonDone {
		t.Error(why)
	}

	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if why := <-ended; why.Reason != ReasonStuck {
		t.Errorf("ended with %v", why)
	}
	awaitTrue(t, "all is given back", func() bool { return h0(s) })
}

func textLines(r io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		for lines := bufio.NewScanner(r); lines.Scan() && yield(lines.Text()); {
		}
	}
}
