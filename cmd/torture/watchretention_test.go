package torture

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// kept is how many events the clusters of these tests keep.
const kept = 200

// awaitTrim writes until the history no longer begins with an event, and returns
// the positions that watches can begin at.
func (c *cluster) awaitTrim(event uint64) (oldest, newest string) {
	c.t.Helper()
	for i := 0; ; i++ {
		newest = c.put("app", "k", fmt.Sprint("filling ", i))
		w := c.open(c.leader(), streams.Call{Encoding: wire.EncodingNDJSON, After: wire.AfterStart})
		oldest = w.until(wire.FrameResumed).After
		w.close()
		if indexOf(c.t, oldest) >= event {
			return oldest, newest
		}
		if i == 100*kept {
			c.t.Fatalf("%d events, and those after %s are still kept", indexOf(c.t, newest), oldest)
		}
	}
}

func TestAPositionThatIsNoLongerKeptIsRefusedBeforeTheStreamAndTheWayOnIsSaid(t *testing.T) {
	c := form(t, plan{args: append(calm().args, "--retention-events", fmt.Sprint(kept), "--retention-watch", "0s")})
	early := c.put("app", "k", "early")
	c.put("app", "other", "stays")
	oldest, newest := c.awaitTrim(indexOf(t, early) + 1)
	for _, n := range c.nodes {
		for _, encoding := range encodings() {
			for _, after := range []string{early, "1", "0", "0-00000000", fmt.Sprint(indexOf(t, oldest) - 1)} {
				w := c.open(n, streams.Call{Encoding: encoding, After: after, Filter: streams.Filter{Namespaces: []string{"app"}, Prefix: "o"}})
				if w.status != http.StatusGone || w.problem.Type != wire.ProblemCompacted || indexOf(t, w.problem.Oldest) < indexOf(t, oldest) ||
					indexOf(t, w.problem.Newest) < indexOf(t, newest) {
					t.Errorf("%s after %s, kept from %s to %s: %d %+v", encoding, after, oldest, newest, w.status, w.problem)
					continue
				}
				c.checkSnapshotURL(n, encoding, w.problem.Snapshot)
			}
			for _, after := range []string{oldest, wire.AfterStart} { // exactly at the edge
				w := c.open(n, streams.Call{Encoding: encoding, After: after, Filter: streams.Filter{Events: wire.EventsAll}})
				if w.status == http.StatusGone { // it has moved on
					continue
				}
				begins := w.until(wire.FrameResumed).After
				if f := w.until(wire.FrameEvent); f.Event.Index != indexOf(t, begins)+1 || f.Prev != indexOf(t, begins) {
					t.Errorf("%s after %s: %v, prev %d", encoding, begins, f, f.Prev)
				}
				w.close()
			}
		}
		w := c.open(n, streams.Call{Encoding: wire.EncodingSSE, After: early, ByID: true})
		if w.status != http.StatusGone {
			t.Errorf("Last-Event-ID %s, kept from %s: %d", early, oldest, w.status)
		}
		w = c.open(n, streams.Call{Encoding: wire.EncodingWebSocket})
		w.until(wire.FrameResumed)
		if err := w.socket.Send(t.Context(), streams.Filter{}.Op("w2", early)); err != nil {
			t.Fatal(err)
		}
		if f := w.ends(); f.Watch != "w2" || f.Reason != wire.ReasonCompacted || f.Oldest == "" || f.Newest == "" {
			t.Errorf("a second watch of what is not kept: %s of %q, from %q to %q", f, f.Watch, f.Oldest, f.Newest)
		}
	}
}

// checkSnapshotURL begins anew as a problem says.
func (c *cluster) checkSnapshotURL(n *node, encoding, snapshot string) {
	c.t.Helper()
	u, err := url.Parse(snapshot)
	if err != nil {
		c.t.Error(err)
		return
	}
	query := u.Query()
	query.Del(wire.ParamWatch) // a WebSocket gives it once more
	w := c.open(n, streams.Call{Encoding: encoding, Query: query})
	defer w.close()
	w.until(wire.FrameSnapshot)
	if f := w.until(wire.FrameEntry); f.Entry.Key != "other" {
		c.t.Errorf("%s at %s: the entry %s", encoding, snapshot, f.Entry.Key)
	}
	if f := w.until(wire.FrameSnapshotEnd); f.Entries != 1 {
		c.t.Errorf("%s at %s: %d entries", encoding, snapshot, f.Entries)
	}
	if !strings.HasSuffix(u.Path, "/api/v1/watch") {
		c.t.Errorf("the snapshot is at %s", snapshot)
	}
}

// absent adds subscribers that go away after their first connection until they
// are called.
func (a *audience) absent(ctx context.Context, called <-chan struct{}) {
	for i, f := range filters() {
		s := a.subscriber(encodings()[i%2], wire.AfterStart, f)
		a.done.Go(func() {
			s.Once(ctx)
			select {
			case <-called:
			case <-ctx.Done():
			}
			s.Run(ctx)
		})
	}
}

// awaitForgotten waits until the history no longer begins with what is its end
// now.
func (c *cluster) awaitForgotten() {
	c.t.Helper()
	end := indexOf(c.t, c.put("ops", "end", "forgotten soon"))
	await(c.t, "the history begins later", func() error {
		w := c.open(c.leader(), streams.Call{Encoding: wire.EncodingNDJSON, After: wire.AfterStart})
		defer w.close()
		if oldest := indexOf(c.t, w.until(wire.FrameResumed).After); oldest < end {
			return fmt.Errorf("at %d, want %d", oldest, end)
		}
		return nil
	})
}

func TestSubscribersThatWereAwayTooLongBeginAnewAndNobodyElseDoes(t *testing.T) {
	rng := random(t)
	c := form(t, plan{args: []string{"--retention-events", fmt.Sprint(kept), "--retention-watch", "0s"}})
	tr := c.startTraffic(3, 5*time.Millisecond, rng)
	tr.more(20)
	a, ctx := c.audience(rng, c.nodes...)
	a.narrow = c.mint("narrow", narrow()...).Key
	called := make(chan struct{})
	a.absent(ctx, called)
	a.seat(ctx, 6, 2)
	for range rounds(1, 10) {
		a.suffer(tr, rng, func() {})
	}
	c.awaitForgotten()
	close(called)
	tr.more(50)
	tr.end()
	a.calm()
	a.single(5)
	a.verify()
	anew := 0
	for _, s := range a.subscribers {
		for _, leg := range s.Stream().Legs {
			if leg.Status == http.StatusGone || len(leg.Frames) > 0 && leg.Frames[len(leg.Frames)-1].Reason == wire.ReasonCompacted {
				anew++
			}
		}
	}
	t.Logf("%d times somebody had to begin anew", anew)
	if want := len(filters()); anew < want {
		t.Errorf("%d were away for longer than anything is kept", want)
	}
}
