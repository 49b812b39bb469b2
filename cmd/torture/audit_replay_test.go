package torture

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// replayed is a reader of a replay who builds files from what it is told.
type replayed struct {
	c      *cluster
	call   streams.Call
	files  map[string]string
	frames []string // kinds
	events []wire.Event
}

// replay asks a node for a window of the past. Pairs of name and value are of the
// query.
func (c *cluster) replay(n *node, encoding string, pairs ...string) *replayed {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return &replayed{
		c: c, files: map[string]string{},
		call: streams.Call{Address: n.address, Path: "/api/v1/audit/replay", Key: c.key, Encoding: encoding, Query: query},
	}
}

// read reads until the replay ends, or for so many events (0: all), and returns the
// frame that it ended with.
func (r *replayed) read(most int) (last streams.Frame) {
	r.c.t.Helper()
	f, err := streams.Dial(r.c.t.Context(), r.call)
	if err != nil || f.Status != http.StatusOK {
		r.c.t.Fatalf("replay %v: %v, %+v", r.call.Query, err, f)
	}
	defer f.Close()
	f.Patience = patience
	for told := 0; most == 0 || told < most || last.More; {
		frame, err := f.Next()
		if err == io.EOF && (last.Frame.Frame == wire.FrameReplayEnd || last.Frame.Frame == wire.FrameReset) {
			return last
		}
		if err != nil {
			r.c.t.Fatalf("replay %v broke off after %v: %v", r.call.Query, last, err)
		}
		last = frame
		r.frames = append(r.frames, frame.Frame.Frame)
		if frame.Frame.Frame == wire.FrameReplay {
			told++
			r.take(frame)
		}
	}
	return last
}

// take applies an event.
func (r *replayed) take(f streams.Frame) {
	r.c.t.Helper()
	if f.Event == nil {
		r.c.t.Fatalf("a frame without its event: %v", f)
	}
	if n := len(r.events); n > 0 && f.Prev != r.events[n-1].Index {
		r.c.t.Fatalf("event %d follows %d on the replay, and says that it follows %d", f.Event.Index, r.events[n-1].Index, f.Prev)
	}
	r.events = append(r.events, *f.Event)
	if f.HasID && f.ID != f.Event.Position {
		r.c.t.Fatalf("event %s has the id %q", f.Event.Position, f.ID)
	}
	switch f.Event.Type {
	case "config.created", "config.updated", "config.rolled-back":
		var change wire.ConfigChange
		if err := json.Unmarshal(f.Event.Data, &change); err != nil {
			r.c.t.Fatal(err)
		}
		r.files[f.Event.Key] = text(change.Value)
	case "config.deleted":
		delete(r.files, f.Event.Key)
	}
}

// checkWhole checks that a replay came to its end, in frames that no watch has,
// and was told all that it should be of the history.
func (r *replayed) checkWhole(last streams.Frame, h history) {
	r.c.t.Helper()
	if last.Frame.Frame != wire.FrameReplayEnd || last.Replay == nil || last.Replay.Events != uint64(len(r.events)) {
		r.c.t.Fatalf("replay %v of %d events ended with %v, %+v", r.call.Query, len(r.events), last, last.Replay)
	}
	var want, got []uint64
	for _, e := range h {
		inside := r.call.Query.Get("namespace") == "" || e.Namespace == r.call.Query.Get("namespace")
		if inside && (r.call.Query.Get("events") == wire.EventsAll || strings.HasPrefix(e.Action, "config.")) {
			want = append(want, e.Index)
		}
	}
	for _, e := range r.events {
		got = append(got, e.Index)
	}
	if !slices.Equal(got, want) {
		r.c.t.Fatalf("replay %v told %v, want %v", r.call.Query, got, want)
	}
	for i, kind := range r.frames {
		want := wire.FrameReplay
		switch i {
		case 0:
			want = wire.FrameReplayStart
		case len(r.frames) - 1:
			want = wire.FrameReplayEnd
		}
		if kind != want && kind != wire.FrameProgress {
			r.c.t.Fatalf("frame %d of replay %v is %s, want %s", i, r.call.Query, kind, want)
		}
	}
}

func TestAReplayOfTenYearsBuildsTheFilesOfTheRepository(t *testing.T) {
	c := form(t, calm())
	c.namespace(petclinic)
	all := petclinicHistory(t)
	authors := c.authors(all)
	want := map[string]string{}
	for _, f := range all {
		f.entry, f.meta = f.send(t, authors[f.author])
		if delete(want, f.path); f.content != nil {
			want[f.path] = *f.content
		}
	}
	h := c.oneHistory()
	for i, encoding := range []string{wire.EncodingNDJSON, wire.EncodingSSE} {
		for j, pairs := range [][]string{
			nil, {"speed", "max"}, {"speed", "1000000"}, {"speed", "0.001", "max_pause", "2ms"}, {"speed", "2", "events", "all"},
		} {
			r := c.replay(c.nodes[(i+j)%3], encoding, append(pairs, "namespace", petclinic)...)
			began := time.Now()
			last := r.read(0)
			r.checkWhole(last, h)
			if !maps.Equal(r.files, want) {
				t.Errorf("%s %v: %d files, not those of the repository, which has %d", encoding, pairs, len(r.files), len(want))
			}
			t.Logf("%s %v: %d events in %v, of %v", encoding, pairs, len(r.events), time.Since(began), last.Replay.Ends.Sub(last.Replay.Begins))
		}
	}
	c.checkPaces(len(all))
	c.checkTornReplay(want, h)
}

// checkPaces checks that a replay takes the time that it should, at least.
func (c *cluster) checkPaces(events int) {
	c.t.Helper()
	for _, of := range []struct {
		pairs []string
		least func(wire.Replay) time.Duration
	}{
		{[]string{"speed", "4"}, func(r wire.Replay) time.Duration { return r.Ends.Sub(r.Begins) / 4 }},
		{[]string{"speed", "0.0001", "max_pause", "1ms"}, func(wire.Replay) time.Duration { return time.Duration(events/2) * time.Millisecond }},
	} {
		r := c.replay(c.nodes[0], wire.EncodingNDJSON, append(of.pairs, "namespace", petclinic)...)
		began := time.Now()
		last := r.read(0)
		const shortest = 50 * time.Millisecond // what may be saved up, generously
		if took, least := time.Since(began), of.least(*last.Replay)-shortest; took < least {
			c.t.Errorf("%v took %v, want %v at least", of.pairs, took, least)
		}
	}
}

// checkTornReplay reads a replay in pieces, each at another node, as a browser that
// loses its connections does.
func (c *cluster) checkTornReplay(want map[string]string, h history) {
	c.t.Helper()
	r := c.replay(c.nodes[0], wire.EncodingSSE, "namespace", petclinic)
	var last streams.Frame
	for i := 0; last.Frame.Frame != wire.FrameReplayEnd; i++ {
		if i > 0 {
			r.call.Address, r.call.After, r.call.ByID = c.nodes[i%3].address, last.ID, true
		}
		last = r.read(7)
	}
	told := 0
	for _, e := range h {
		if e.Namespace == petclinic && strings.HasPrefix(e.Action, "config.") {
			told++
		}
	}
	if !maps.Equal(r.files, want) || len(r.events) != told {
		c.t.Errorf("in pieces: %d files of %d from %d events of %d", len(r.files), len(want), len(r.events), told)
	}
	for _, id := range []string{last.Replay.To, last.ID} {
		r.call.After = id
		f, err := streams.Dial(c.t.Context(), r.call)
		if err != nil || f.Status != http.StatusNoContent {
			c.t.Fatalf("after the end, Last-Event-ID %q: %v, %+v", id, err, f)
		}
		f.Close()
	}
}
