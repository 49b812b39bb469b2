package client_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

func TestWatchYieldsEachEventOnceWhateverTheNodesDo(t *testing.T) {
	live := visit{says: resumed(3, 5) + event(3, 4) + event(4, 5), silent: true}
	rest := visit{says: resumed(4, 5) + event(4, 5), silent: true}
	first := resumed(3, 5) + event(3, 4)
	other := strings.Replace(place(4), "-", "-f", 1)[:len(place(4))]
	badProgress := frame(wire.Frame{Frame: wire.FrameProgress, Position: other})
	tests := []struct {
		name  string
		steps []visit
		want  string // frames, up to event 5
		after string // what the connections asked for
	}{
		{"nothing wrong", []visit{live}, "r3 4 5", "3"},
		{"hung up between two frames", []visit{{says: first}, rest}, "r3 4 r4 5", "3 4"},
		{"cut in the middle of a line", []visit{{says: first + event(4, 5)[:40]}, rest}, "r3 4 r4 5", "3 4"},
		{"cut before the end of a line", []visit{{says: first + strings.TrimSuffix(event(4, 5), "\n")}, rest}, "r3 4 r4 5", "3 4"},
		{"an event twice", []visit{{says: first + event(3, 4) + event(4, 5)}, rest}, "r3 4 r4 5", "3 4"},
		{"an older event", []visit{{says: first + event(1, 2)}, rest}, "r3 4 r4 5", "3 4"},
		{"a gap", []visit{{says: first + event(5, 6)}, rest}, "r3 4 r4 5", "3 4"},
		{"a gap at the beginning", []visit{{says: resumed(3, 5) + event(4, 5)}, live}, "r3 r3 4 5", "3 3"},
		{"resumed too far on", []visit{{says: first}, {says: resumed(5, 5)}, rest}, "r3 4 r4 5", "3 4 4"},
		{"resumed too early", []visit{{says: first}, {says: resumed(3, 5) + event(3, 4)}, rest}, "r3 4 r4 5", "3 4 4"},
		{"resumed in another history", []visit{{says: first}, {says: frame(wire.Frame{Frame: wire.FrameResumed, After: other})}, rest}, "r3 4 r4 5", "3 4 4"},
		{"a snapshot nobody asked for", []visit{{says: snapshot(5) + snapshotEnd(5, 0)}, live}, "r3 4 5", "3 3"},
		{"an event before the opening", []visit{{says: event(3, 4)}, live}, "r3 4 5", "3 3"},
		{"an entry among events", []visit{{says: first + entry("k", 1, 1)}, rest}, "r3 4 r4 5", "3 4"},
		{"an event without one", []visit{{says: first + `{"frame":"event","prev":4}` + "\n"}, rest}, "r3 4 r4 5", "3 4"},
		{"a position that is not the event's", []visit{{says: first + strings.Replace(event(4, 5), place(5), place(6), 1)}, rest}, "r3 4 r4 5", "3 4"},
		{"a line that is no JSON", []visit{{says: first + "<html>\n"}, rest}, "r3 4 r4 5", "3 4"},
		{"an unknown kind of frame", []visit{{says: first + `{"frame":"weather","prev":9}` + "\n\n" + event(4, 5), silent: true}}, "r3 4 5", "3"},
		{"progress", []visit{{says: first + progress(4)}, rest}, "r3 4 p4 r4 5", "3 4"},
		{"progress past unmatched events", []visit{{says: resumed(3, 4) + progress(4)}, rest}, "r3 p4 r4 5", "3 4"},
		{"progress does not change prev", []visit{{says: resumed(3, 4) + progress(4) + event(3, 5), silent: true}}, "r3 p4 5", "3"},
		{"progress backwards", []visit{{says: first + progress(3)}, rest}, "r3 4 r4 5", "3 4"},
		{"progress in another history", []visit{{says: first + badProgress}, rest}, "r3 4 r4 5", "3 4"},
		{"an event at or below progress", []visit{{says: resumed(3, 5) + progress(4) + event(3, 4)}, rest}, "r3 p4 r4 5", "3 4"},
		{"goaway", []visit{{says: first + goaway() + event(4, 5)}, rest}, "r3 4 r4 5", "3 4"},
		{"goaway at once", []visit{{says: goaway()}, live}, "r3 4 5", "3 3"},
		{"reset because it was stuck", []visit{{says: first + reset(wire.ReasonStuck)}, rest}, "r3 4 r4 5", "3 4"},
		{"nobody there", []visit{{dial: true}, {dial: true}, live}, "r3 4 5", "3 3 3"},
		{"not ready", []visit{{status: 503}, {status: 429}, {status: 502}, {status: 500}, live}, "r3 4 5", "3 3 3 3 3"},
		{"not caught up", []visit{{status: 504, typ: wire.ProblemNotCaughtUp}, live}, "r3 4 5", "3 3"},
		{"a page of HTML", []visit{{says: "<html>", media: "text/html"}, live}, "r3 4 5", "3 3"},
		{"silence", []visit{{says: first, silent: true}, rest}, "r3 4 r4 5", "3 4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &visits{steps: test.steps}
				c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: v, Timeout: time.Second}})
				var got []string
				for f, err := range c.Watch(t.Context(), client.WatchRequest{Namespaces: []string{"pay"}, After: place(3)}) {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, told(f))
					if told(f) == "5" {
						break
					}
				}
				if got := strings.Join(got, " "); got != test.want {
					t.Errorf("yielded %s\nwant    %s", got, test.want)
				}
				var after []string
				for _, a := range v.asked {
					after = append(after, a[:strings.Index(a, "-")])
				}
				if got := strings.Join(after, " "); got != test.after {
					t.Errorf("asked after %s, want %s", got, test.after)
				}
			})
		})
	}
}

func TestSnapshotBeginsAnewWhenItIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{steps: []visit{
			{says: snapshot(5) + entry("a", 1, 1)},
			{says: snapshot(6) + entry("a", 1, 1) + snapshotEnd(6, 2)},               // one is missing
			{says: snapshot(6) + entry("a", 1, 1) + snapshotEnd(7, 1)},               // not its own end
			{says: snapshot(7) + entry("b", 1, 1) + snapshotEnd(7, 1) + event(7, 9)}, // then live
			{says: resumed(9, 9) + event(9, 10), silent: true},                       // resumed from there
		}}
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: v}})
		var got []string
		for f, err := range c.Watch(t.Context(), client.WatchRequest{After: wire.AfterSnapshot}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, told(f)); told(f) == "10" {
				break
			}
		}
		if got, want := strings.Join(got, " "), "{ a { a { a { b } 9 r9 10"; got != want {
			t.Errorf("yielded %s\nwant    %s", got, want)
		}
		if want := []string{"snapshot", "snapshot", "snapshot", "snapshot", place(9)}; !slices.Equal(v.asked, want) {
			t.Errorf("asked after %q, want %q", v.asked, want)
		}
	})
}

// A watch that begins now has begun once the node says where that is; what
// happens while it is cut is not lost.
func TestWatchFromNowGoesOnFromWhereItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{steps: []visit{{dial: true}, {says: resumed(8, 8)}, {says: resumed(8, 9) + event(8, 9), silent: true}}}
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: v}})
		for f, err := range c.Watch(t.Context(), client.WatchRequest{}) {
			if err != nil {
				t.Fatal(err)
			}
			if told(f) == "9" {
				break
			}
		}
		if want := []string{"now", "now", place(8)}; !slices.Equal(v.asked, want) {
			t.Errorf("asked after %q, want %q", v.asked, want)
		}
	})
}

func TestWhatEndsAWatch(t *testing.T) {
	opened := resumed(8, 8)
	tests := []struct {
		name  string
		steps []visit
		want  error
		reset string // reason of the ResetError; empty: none
		asked int
	}{
		{"unauthenticated", []visit{{status: 401}}, client.ErrUnauthenticated, "", 1},
		{"forbidden", []visit{{status: 403}}, client.ErrForbidden, "", 1},
		{"malformed", []visit{{status: 400}}, client.ErrInvalid, "", 1},
		{"too old", []visit{{status: 410, typ: wire.ProblemCompacted}}, client.ErrCompacted, wire.ReasonCompacted, 1},
		{"other history", []visit{{status: 409, typ: wire.ProblemOtherHistory}}, client.ErrConflict, wire.ReasonOtherHistory, 1},
		{"reset: compacted", []visit{{says: opened + reset(wire.ReasonCompacted)}}, client.ErrCompacted, wire.ReasonCompacted, 1},
		{"reset: other history", []visit{{says: opened + reset(wire.ReasonOtherHistory)}}, client.ErrConflict, wire.ReasonOtherHistory, 1},
		{"reset: revoked", []visit{{says: opened + reset(wire.ReasonRevoked)}}, client.ErrUnauthenticated, wire.ReasonRevoked, 1},
		{"reset: expired", []visit{{says: opened + reset(wire.ReasonExpired)}}, client.ErrUnauthenticated, wire.ReasonExpired, 1},
		{"reset: forbidden", []visit{{says: opened + reset(wire.ReasonForbidden)}}, client.ErrForbidden, wire.ReasonForbidden, 1},
		{"reset: invalid", []visit{{says: opened + reset(wire.ReasonInvalid)}}, client.ErrInvalid, wire.ReasonInvalid, 1},
		{"reset: for a reason of a later release", []visit{{says: opened + reset("moon")}}, client.ErrReset, "moon", 1},
		{"reset at the first frame", []visit{{says: reset(wire.ReasonCompacted)}}, client.ErrCompacted, wire.ReasonCompacted, 1},
		{"the same nonsense three times", []visit{{says: opened + event(1, 2)}}, client.ErrBadAnswer, "", 3},
		{"nonsense with failures between", []visit{{says: opened + event(1, 2)}, {dial: true}, {says: "x\n"}, {status: 503}, {says: "y\n"}}, client.ErrBadAnswer, "", 5},
		{"HTML for ever", []visit{{says: "<html>", media: "text/html"}}, client.ErrBadAnswer, "", 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := &visits{steps: test.steps}
				c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: v}})
				var errs []error
				for f, err := range c.Watch(t.Context(), client.WatchRequest{Namespaces: []string{"pay"}, After: place(8)}) {
					if err != nil {
						errs = append(errs, err)
					} else if f.Frame != wire.FrameResumed {
						t.Errorf("yielded %+v", f)
					}
				}
				if len(errs) != 1 || !errors.Is(errs[0], test.want) || !strings.HasPrefix(errs[0].Error(), "watch pay: ") {
					t.Fatalf("ended with %v, want %v", errs, test.want)
				}
				var r *client.ResetError
				if errors.As(errs[0], &r) != (test.reset != "") || errors.Is(errs[0], client.ErrReset) != (test.reset != "") {
					t.Fatalf("%v: reset %v, want %q", errs[0], r, test.reset)
				}
				if r != nil && (r.Reason != test.reset || r.Detail != "because" || r.Oldest != place(7) || r.Newest != place(9) || r.Position != place(8)) {
					t.Errorf("%+v", r)
				}
				if len(v.asked) != test.asked {
					t.Errorf("asked %d times, want %d", len(v.asked), test.asked)
				}
			})
		})
	}
}

// After an older backup was restored, the position of a watch lies ahead of the
// cluster. It would wait until the cluster has come as far, and then be refused.
func TestPositionAheadOfTheWholeClusterIsOfAnotherHistory(t *testing.T) {
	for at, lost := range map[uint64]bool{7: true, 8: false, 0: false} {
		synctest.Test(t, func(t *testing.T) {
			v := &visits{at: at, steps: []visit{{status: 504, typ: wire.ProblemNotCaughtUp}, {says: frame(wire.Frame{Frame: wire.FrameReset, Reason: wire.ReasonBehind})}, {status: 401}}}
			c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: v}, ReadYourWrites: true})
			if _, err := c.WhoAmI(t.Context()); err != nil || c.Index() != 100 { // of the history that is gone
				t.Fatal(err)
			}
			for _, err := range c.Watch(t.Context(), client.WatchRequest{After: place(8)}) {
				var r *client.ResetError
				if errors.As(err, &r) != lost || lost && (r.Reason != wire.ReasonOtherHistory || r.Position != place(8)) {
					t.Errorf("the cluster stands at %d: %v", at, err)
				}
			}
			if want := map[bool]int{true: 1, false: 3}[lost]; len(v.asked) != want {
				t.Errorf("the cluster stands at %d: asked %d times, want %d", at, len(v.asked), want)
			}
			if lost && c.Index() != 0 {
				t.Errorf("reads still wait for event %d of the history that is gone", c.Index())
			}
			if v.sent[0].Get(wire.HeaderMinIndex) != "" {
				t.Error("a watch from a position was to wait for a read's index")
			}
		})
	}
}

func TestAStartThatIsNoPositionIsRefused(t *testing.T) {
	c := newClient(t, client.Config{Endpoints: []string{"http://127.0.0.1:1"}})
	for _, err := range c.Watch(ctx(t), client.WatchRequest{After: "yesterday"}) {
		if !errors.Is(err, client.ErrInvalid) {
			t.Error(err)
		}
	}
}

func TestWatchAsksForWhatItWasTold(t *testing.T) {
	n := newNode(t, func(w http.ResponseWriter, r *http.Request) { problem(w, 403, wire.ProblemForbidden, "no") })
	c := newClient(t, client.Config{Endpoints: []string{n.URL}, Key: "secret"})
	request := client.WatchRequest{Namespaces: []string{"a/b", "c"}, Key: "k", Prefix: "p", Events: wire.EventsAll, NoValues: true, After: "42"}
	for range c.Watch(ctx(t), request) {
	}
	got := n.asked()[0]
	if want := "/api/v1/watch?after=42&events=all&key=k&namespace=a%2Fb&namespace=c&prefix=p&values=none"; got.RequestURI != want {
		t.Errorf("asked %s\nwant  %s", got.RequestURI, want)
	}
	if got.Header.Get("Accept") != wire.MediaNDJSON+", "+wire.MediaProblem || got.Header.Get("Accept-Encoding") != "identity" || got.Header.Get(wire.HeaderAPIKey) != "secret" {
		t.Errorf("headers %v", got.Header)
	}
}
