package streaming

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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

// What is visible but not announced yet may concern a watch, though nobody has
// woken it: progress must not go past it.
func TestProgressStaysBehindWhatIsNotAnnouncedYet(t *testing.T) {
	h := newHistory(t, HubConfig{})
	s := newStreams(t, h, Limits{})
	c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h.commit(put("a", "k", "1"))
	if err := c.Watch(t.Context(), Subscription{Start: Start{Now: true}}); err != nil {
		t.Fatal(err)
	}
	o := s.output(NDJSON)
	if err := c.fill(o); err != nil {
		t.Fatal(err)
	}
	visible := h.append(put("a", "k", "2"))
	for range 3 {
		if err := c.list()[0].beat(o); err != nil {
			t.Fatal(err)
		}
	}
	h.hub.Publish(visible)
	awaitTrue(t, "it is woken", func() bool { return len(c.wake) > 0 && c.list()[0].waiter.ready.Load() })
	if err := c.fill(o); err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for line := range strings.SplitSeq(strings.TrimSpace(string(o.buf)), "\n") {
		switch f := parse(t, []byte(line)); f.Frame {
		case frameProgress:
			last = index(t, f.Position)
		case frameEvent:
			if f.Event.Index <= last {
				t.Errorf("event %d comes after progress to %d", f.Event.Index, last)
			}
			return
		}
	}
	t.Errorf("the event does not come: %s", o.buf)
}
