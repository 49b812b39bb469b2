package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// replayed is what a replay sends, at its fastest, frame by frame. The first and
// the last are held to be what they should be.
func (b *bench) replayed(query string, headers ...string) (start sent, frames []sent, end sent) {
	b.t.Helper()
	s := b.watchURL(replayPath+query, append([]string{"Accept: application/x-ndjson"}, headers...)...)
	start = s.next(wire.FrameReplayStart)
	prev, _ := events.ParsePosition(start.Replay.From)
	for f := s.read(); ; f = s.read() {
		if f.Frame.Frame == wire.FrameReplayEnd {
			if f.Replay.Events != uint64(len(frames)) || f.Replay.To != start.Replay.To {
				b.t.Errorf("%s: %s after %d events", query, f.raw, len(frames))
			}
			return start, frames, f
		}
		if f.Frame.Frame != wire.FrameReplay || f.Prev != prev.Index {
			b.t.Fatalf("%s: after event %d comes %q", query, prev.Index, f.raw)
		}
		prev.Index = f.Event.Index
		frames = append(frames, f)
	}
}

func indexes(frames []sent) (all []uint64) {
	for _, f := range frames {
		all = append(all, f.Event.Index)
	}
	return all
}

func TestReplayIsAWindowOfThePast(t *testing.T) {
	b := newBench(t)
	var at []string // positions
	for n := range 12 {
		at = append(at, b.put("pay", "k"+strconv.Itoa(n), strconv.Itoa(n)).header.Get(wire.HeaderPosition))
	}
	first := b.node.State().Index() - 11 // of key k0
	index := func(n int) string { return strconv.FormatUint(first+uint64(n), 10) }
	h, release := b.node.History(b.node.State().Index())
	defer release()
	when := func(n int, later time.Duration) string {
		r, err := h.Record(first + uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		return url.QueryEscape(r.Time.Add(later).Format(time.RFC3339Nano))
	}
	for _, test := range []struct {
		query    string
		from, to int // keys; from -1: since ever
	}{
		{"", -1, 11},
		{"?from=0", -1, 11},
		{"?from=1&speed=max", -1, 11},
		{"?from=" + index(3) + "&to=" + index(7), 3, 7},
		{"?from=" + at[3] + "&to=" + at[7], 3, 7},
		{"?from=" + at[5] + "&to=" + at[5], 5, 5},
		{"?from=" + when(3, 0) + "&to=" + when(7, 0), 3, 7},
		{"?from=" + when(3, 1) + "&to=" + when(7, -1), 4, 6},
		{"?from=" + when(0, -time.Hour*24*365) + "&to=" + when(2, 0), -1, 2},
		{"?to=" + when(11, time.Hour), -1, 11},
		{"?from=" + when(11, time.Hour), 12, 11},
		{"?speed=1e9&from=" + index(2), 2, 11},
		{"?speed=1000000&max_pause=1ms&from=" + index(2), 2, 11},
	} {
		start, frames, end := b.replayed(test.query)
		var want []uint64
		for n := max(test.from, 0); n <= test.to; n++ {
			want = append(want, first+uint64(n))
		}
		from := "0-00000000"
		if test.from > 0 {
			from = at[test.from-1]
		}
		if got := indexes(frames); !slices.Equal(got, want) || start.Replay.From != from || start.Replay.To != at[test.to] {
			t.Errorf("%s: %v from %+v, want %v from %s", test.query, got, *start.Replay, want, from)
		}
		if start.Replay.Oldest != 1 || start.Replay.Head != b.node.State().Index() || len(want) > 0 && (start.Replay.Ends.IsZero() || end.Replay.Begins.IsZero()) {
			t.Errorf("%s: %+v", test.query, *start.Replay)
		}
	}
	if _, frames, _ := b.replayed("?events=all&values=none"); len(frames) != int(b.node.State().Index()) || strings.Contains(frames[len(frames)-1].raw, `"value"`) {
		t.Errorf("all without values: %d events", len(frames))
	}
}

func TestWhatNoReplayCanBe(t *testing.T) {
	b := newGoverned(t)
	for n := range 9 {
		b.put("pay", "k", strconv.Itoa(n))
	}
	b.trim(5)
	for query, word := range map[string]string{
		"?from=soon": "from", "?to=-1": "to", "?speed=0": "speed", "?speed=-3": "speed", "?speed=NaN": "speed", "?speed=1.1e9": "speed", "?speed=fast": "speed",
		"?max_pause=0s": "max_pause", "?max_pause=3": "max_pause", "?from=9&to=7": "before the window", "?namespace=a//b": "namespace",
		"?key=a&prefix=b": "prefix", "?events=weather": "events", "?values=some": "values", "?from=6&from=7": "2 times",
	} {
		b.do("GET", replayPath+query, nil).problem(400, wire.ProblemMalformed, word)
	}
	b.do("GET", replayPath, nil, "Last-Event-ID: soon").problem(400, wire.ProblemMalformed, "no replay")
	for _, query := range []string{"?from=1", "?from=4", "?from=0&to=7", "?to=2"} {
		if p := b.do("GET", replayPath+query, nil).problem(410, wire.ProblemCompacted); !strings.HasPrefix(p.Oldest, "4-") || p.Newest == "" {
			t.Errorf("%s: %+v", query, p)
		}
	}
	b.do("GET", replayPath+"?from=3", nil).problem(410, wire.ProblemCompacted, "event 3 is not kept, the oldest is 5")
	b.do("GET", replayPath+"?from=4", nil).problem(410, wire.ProblemCompacted, "event 4 is not kept, the oldest is 5")
	b.do("GET", replayPath+"?to=2020-01-01T00:00:00Z", nil).problem(410, wire.ProblemCompacted, "2020-01-01T00:00:00Z is before ")
	b.do("GET", replayPath, nil, "Last-Event-ID: 3").problem(410, wire.ProblemCompacted)
	b.do("GET", replayPath+"?from=7-00000000", nil).problem(409, wire.ProblemOtherHistory)
	b.do("GET", replayPath, nil, "Last-Event-ID: 7-00000000", "Accept: application/x-ndjson").problem(409, wire.ProblemOtherHistory)
	b.do("GET", replayPath+"?to=999&wait=1ms", nil).problem(504, wire.ProblemNotCaughtUp)
	if start, frames, _ := b.replayed("?events=all"); start.Replay.Oldest != 5 || frames[0].Event.Index != 5 || frames[0].Prev != 4 {
		t.Errorf("%+v begins with %s", *start.Replay, frames[0].raw)
	}
	if _, frames, _ := b.replayed("?events=all", "Last-Event-ID: 4"); frames[0].Event.Index != 5 {
		t.Errorf("after the edge comes %s", frames[0].raw)
	}
}

// An EventSource resumes by itself, is never sent away by what is over in a
// moment, and stops when it has got everything.
func TestAnEventSourceReplaysToTheEnd(t *testing.T) {
	b := newWatchBench(t)
	var at []string
	for n := range 5 {
		at = append(at, b.put("pay", "k"+strconv.Itoa(n), "1").header.Get(wire.HeaderPosition))
	}
	sse := "Accept: text/event-stream"
	s := b.watchURL(replayPath+"?from="+at[1]+"&to="+at[3], sse)
	if f := s.next(wire.FrameReplayStart); f.id != at[0] || f.event != wire.FrameReplayStart {
		t.Errorf("%+v", f)
	}
	for n := 1; n <= 3; n++ {
		if f := s.next(wire.FrameReplay); f.id != at[n] || f.event != wire.FrameReplay || f.Event.Position != at[n] {
			t.Errorf("%s: %s", f.id, f.raw)
		}
	}
	last := s.next(wire.FrameReplayEnd)
	if f := s.read(); f.raw != "" {
		t.Errorf("after the end comes %s", f.raw)
	}
	for _, done := range []string{last.id, at[3], at[4]} {
		b.do("GET", replayPath+"?from="+at[1]+"&to="+at[3], nil, sse, "Last-Event-ID: "+done).is(204)
	}
	b.do("GET", replayPath, nil, sse, "Last-Event-ID: "+last.id).is(204) // whatever happened since
	s = b.watchURL(replayPath+"?from="+at[0]+"&to="+at[3], sse, "Last-Event-ID: "+at[2])
	if f := s.next(wire.FrameReplayStart); f.Replay.From != at[2] {
		t.Errorf("resumed with %s", f.raw)
	}
	if f := s.next(wire.FrameReplay); f.Prev != f.Event.Index-1 || f.Event.Position != at[3] {
		t.Errorf("resumed with %s", f.raw)
	}
	s.next(wire.FrameReplayEnd)
	if got := b.do("GET", replayPath+"?to=99&wait=1ms", nil, sse, "Last-Event-ID: "+at[0]).is(200); !strings.Contains(got.body, "event: goaway\n") {
		t.Errorf("%s", got.body)
	}
	if got := b.do("HEAD", replayPath, nil).is(200); got.header.Get("Content-Type") != wire.MediaSSE || got.body != "" {
		t.Errorf("%v %q", got.header, got.body)
	}
	ticket := decodeAs[wire.Ticket](b.do("POST", "/api/v1/watch/tickets", `{"namespace":"pay","key":"k2"}`).is(201)).Ticket
	if _, frames, _ := b.replayed("?ticket="+ticket, "X-Api-Key: "); len(frames) != 1 || frames[0].Event.Key != "k2" {
		t.Errorf("a ticket replays %+v", frames)
	}
}

// What a replay sends is, to the byte, what a live watch delivered; and walking an
// index selects what reading it all does.
func TestAReplayRepeatsWhatALiveWatchDelivered(t *testing.T) {
	const full = 1795439019707955868 // one event fills a write, and the next is the end of a transaction
	for _, seed := range []uint64{full, uint64(time.Now().UnixNano())} {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { replayRepeats(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func replayRepeats(t *testing.T, random *rand.Rand) {
	b := newWatchBench(t)
	narrow := "X-Api-Key: " + b.key("narrow", "pay", "viewer", "k1*")
	queries := []string{"", "?namespace=pay", "?namespace=pay/eu&events=all", "?key=k1", "?events=config.deleted", "?namespace=pay&namespace=pay/eu&events=config.updated,namespace", "?prefix=k1&values=none"}
	live := map[string]*stream{}
	for _, q := range queries {
		for who, header := range map[string]string{"root": "X-Api-Key: " + b.root, "narrow": narrow} {
			if strings.Contains(q, "namespace") || who == "root" {
				live[q+" "+who] = b.watch(q, header, "Accept: application/x-ndjson")
				live[q+" "+who].next(wire.FrameResumed)
			}
		}
	}
	from := b.node.State().Index() + 1
	for range 150 {
		var set []string
		for range 1 + random.IntN(3)*random.IntN(2) {
			set = append(set, fmt.Sprintf(`{"namespace":%q,"key":"k%d","value":%d}`, []string{"pay", "pay/eu", "ops"}[random.IntN(3)], random.IntN(12), random.Int()))
		}
		b.do("POST", "/api/v1/transactions", `{"set":[`+strings.Join(set, ",")+`]}`)
		if random.IntN(4) == 0 {
			b.do("DELETE", entryPath("pay", "k"+strconv.Itoa(random.IntN(12))), nil)
		}
	}
	for name, s := range live {
		query, who, _ := strings.Cut(name, " ")
		header := map[string]string{"root": "X-Api-Key: " + b.root, "narrow": narrow}[who]
		_, frames, _ := b.replayed(query+map[bool]string{true: "?", false: "&"}[query == ""]+"from="+strconv.FormatUint(from, 10), header)
		for _, f := range frames {
			want := s.read()
			for want.Frame.Frame == wire.FrameProgress {
				want = s.read()
			}
			if f.raw != strings.Replace(want.raw, `{"frame":"event"`, `{"frame":"replay"`, 1) {
				t.Fatalf("%s: %s\nlive %s", name, f.raw, want.raw)
			}
		}
		if len(frames) == 0 && who == "root" {
			t.Errorf("%s: nothing was to be seen", name)
		}
		s.close()
	}
}

// Whatever ends a replay that pauses is told at once, or, where it shows only in
// the history, with the next word of progress.
func TestAReplayThatPausesIsEnded(t *testing.T) {
	begin := func(b *bench, header string) *stream {
		s := b.watchURL(replayPath+"?speed=0.000001&events=config", "Accept: application/x-ndjson", header)
		s.next(wire.FrameReplayStart)
		if f := s.next(wire.FrameReplay); f.Event.Key != "a" {
			t.Errorf("%s", f.raw)
		}
		return s
	}
	prepared := func(change ...func(*Config)) *bench {
		b := newWatchBench(t, change...)
		b.submit(events.RaiseLevel{Level: events.NewestLevel})
		b.put("pay", "a", "1")
		b.put("pay", "b", "1")
		return b
	}
	t.Run("revoked", func(t *testing.T) {
		b := prepared()
		made := decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "v", Grants: []wire.Grant{{Namespace: "pay", Role: "viewer"}}}))
		s := begin(b, "X-Api-Key: "+made.Key)
		began := time.Now()
		b.do("DELETE", "/api/v1/keys/"+made.ID, nil).is(204)
		if f := s.next(wire.FrameReset); f.Reason != wire.ReasonRevoked || time.Since(began) > time.Second {
			t.Errorf("%s after %s", f.raw, time.Since(began))
		}
	})
	t.Run("trimmed", func(t *testing.T) {
		b := prepared(func(c *Config) { c.Limits.Watches.Heartbeat = 20 * time.Millisecond })
		s := begin(b, "X-Api-Key: "+b.root)
		for range 5 {
			b.put("pay", "c", `"`+time.Now().String()+`"`)
		}
		edge := b.node.State().Index() - 1
		b.trim(edge + 1)
		f := s.read()
		for f.Frame.Frame == wire.FrameProgress {
			f = s.read()
		}
		if f.Reason != wire.ReasonCompacted || !strings.HasPrefix(f.Oldest, strconv.FormatUint(edge, 10)+"-") || f.Newest == "" || s.read().raw != "" {
			t.Errorf("%s", f.raw)
		}
	})
	t.Run("drained", func(t *testing.T) {
		b := prepared()
		s := begin(b, "X-Api-Key: "+b.root)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b.server.Drain(ctx)
		if f := s.next(wire.FrameGoaway); f.Reason != wire.ReasonShutdown || s.read().raw != "" {
			t.Errorf("%s", f.raw)
		}
		b.do("GET", replayPath, nil).problem(503, wire.ProblemUnavailable)
	})
	t.Run("left", func(t *testing.T) {
		b := prepared()
		s := begin(b, "X-Api-Key: "+b.root)
		s.close()
		until(t, "the replay has ended", func() bool { return b.server.streams.Stats().Connections[streaming.NDJSON] == 0 })
	})
}
