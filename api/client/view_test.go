package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// shown is all that a view answers: KEY=VERSION, or KEY=default.
func shown(v *client.View) string {
	var b strings.Builder
	for key, e := range v.All() {
		version := fmt.Sprint(e.Version)
		switch {
		case e.Version == 0:
			version = "default"
		case version != string(e.Value):
			version += ":" + string(e.Value)
		}
		fmt.Fprintf(&b, "%s=%s ", key, version)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// viewing opens a view of pay over the visits, within a synctest bubble.
func viewing(t *testing.T, v *visits, config client.ViewConfig) *client.View {
	t.Helper()
	view, err := tryView(t, v, config)
	if err != nil {
		t.Fatal(err)
	}
	return view
}

func tryView(t *testing.T, v *visits, config client.ViewConfig) (*client.View, error) {
	t.Helper()
	if config.Namespace == "" {
		config.Namespace = "pay"
	}
	c := newClient(t, client.Config{Endpoints: []string{"http://n1", "http://n2"}, HTTP: &http.Client{Transport: v}})
	opening, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	view, err := c.View(opening, config)
	if err == nil {
		t.Cleanup(func() { _ = view.Close() })
	}
	return view, err
}

// settled waits until the view stands at an event index, two minutes at most.
func settled(view *client.View, index uint64) {
	for range 120 {
		<-time.After(time.Second)
		synctest.Wait()
		if view.Status().Position == place(index) {
			return
		}
	}
}

func TestViewShowsWhatIsThereWhateverTheNodesDo(t *testing.T) {
	taken := snapshot(5) + entry("a", 1, 1) + entry("b", 1, 2) + snapshotEnd(5, 2)
	later := quiet(snapshot(7) + entry("a", 3, 7) + snapshotEnd(7, 1))
	below := func(prev, index uint64) string {
		return changed(prev, index, "config.updated", "pay/child", "a", `{"value":9,"type":"number","version":9}`, false)
	}
	a2 := func(kind, data string) string { return changed(5, 6, kind, "pay", "a", data, false) }
	a2AndMore := changed(5, 6, "config.updated", "pay", "a", `{"value":2,"type":"number","version":2}`, true)
	tests := []struct {
		name   string
		steps  []visit
		want   string
		at     uint64
		resets int
	}{
		{"a snapshot", []visit{quiet(taken)}, "a=1 b=1", 5, 0},
		{"an empty snapshot", []visit{quiet(snapshot(5) + snapshotEnd(5, 0))}, "", 5, 0},
		{"changes", []visit{quiet(taken + change(5, 6, "a", 2) + change(6, 7, "c", 1) + deletion(7, 8, "b", 2))}, "a=2 c=1", 8, 0},
		{"deleted and created again", []visit{quiet(taken + deletion(5, 6, "a", 2) + change(6, 7, "a", 3))}, "a=3 b=1", 7, 0},
		{"null is a value", []visit{quiet(taken + a2("config.updated", `{"value":null,"type":"json","version":2}`))}, "a=2:null b=1", 6, 0},
		{"a namespace below", []visit{quiet(taken + below(5, 6))}, "a=1 b=1", 6, 0},
		{"an entry of a namespace below", []visit{quiet(strings.Replace(taken, `"pay"`, `"pay/child"`, 1))}, "b=1", 5, 0},
		{"another kind of event", []visit{quiet(taken + a2("draft.saved", `{"value":9,"version":9}`))}, "a=1 b=1", 6, 0},
		{"a rollback", []visit{quiet(taken + a2("config.rolled-back", `{"value":0,"type":"number","version":2,"previous":{"value":1,"version":1},"source":{"version":1,"index":1}}`))}, "a=2:0 b=1", 6, 0},
		{"a rollback of a deletion", []visit{quiet(taken + deletion(5, 6, "a", 2) + changed(6, 7, "config.rolled-back", "pay", "a", `{"value":1,"type":"number","version":3,"source":{"version":1,"index":1}}`, false))}, "a=3:1 b=1", 7, 0},
		{"a rollback to nothing", []visit{quiet(taken + a2("config.deleted", `{"version":2,"previous":{"value":1,"version":1},"source":{"index":1}}`))}, "b=1", 6, 0},
		{"a kind of change of a later release", []visit{quiet(taken + a2("config.polished", `{"value":2,"type":"number","version":2}`))}, "a=2 b=1", 6, 0},
		{"progress", []visit{quiet(taken + progress(9))}, "a=1 b=1", 9, 0},
		{"half a transaction", []visit{quiet(taken + a2AndMore)}, "a=1 b=1", 5, 0},
		{"progress within a transaction", []visit{quiet(taken + a2AndMore + progress(6))}, "a=1 b=1", 5, 0},
		{"a transaction with a cut in it", []visit{{says: taken + a2AndMore}, quiet(resumed(6, 9) + change(6, 7, "b", 2))}, "a=2 b=2", 7, 0},
		{"a transaction that ends below", []visit{quiet(taken + a2AndMore + below(6, 7))}, "a=2 b=1", 7, 0},
		{"half a transaction, then refused", []visit{{says: taken + a2AndMore}, {status: 403}, quiet(resumed(5, 7) + a2AndMore + change(6, 7, "b", 2))}, "a=2 b=2", 7, 0},
		{"half a transaction, resumed, then refused", []visit{{says: taken + a2AndMore}, {says: resumed(6, 7)}, {status: 403}, quiet(resumed(5, 7) + a2AndMore + change(6, 7, "b", 2))}, "a=2 b=2", 7, 0},
		{"cut in the middle of the snapshot", []visit{{says: taken[:len(taken)-60]}, {says: snapshot(6) + entry("z", 1, 1)}, quiet(taken)}, "a=1 b=1", 5, 0},
		{"compacted while it runs", []visit{{says: taken + reset(wire.ReasonCompacted)}, later}, "a=3", 7, 1},
		{"compacted while it was away", []visit{{says: taken}, {status: 410, typ: wire.ProblemCompacted}, later}, "a=3", 7, 1},
		{
			"compacted, and the new snapshot is older than what it has",
			[]visit{{says: taken + change(5, 6, "a", 2)}, {status: 410}, {says: snapshot(5) + entry("a", 1, 1) + snapshotEnd(5, 1)}, later},
			"a=3", 7, 1,
		},
		{
			"another history, which is shorter",
			[]visit{{says: taken + change(5, 6, "a", 2)}, {status: 409, typ: wire.ProblemOtherHistory}, {dial: true}, quiet(snapshot(3) + entry("a", 1, 1) + snapshotEnd(3, 1) + change(3, 4, "a", 2))},
			"a=2", 4, 1,
		},
		{
			"another history, which only the leader proves",
			[]visit{{says: taken + change(5, 6, "a", 2)}, {status: 504, typ: wire.ProblemNotCaughtUp}, quiet(snapshot(3) + entry("a", 1, 1) + snapshotEnd(3, 1))},
			"a=1", 3, 1,
		},
		{"the version goes back", []visit{{says: taken + change(5, 6, "a", 2) + change(6, 7, "a", 1)}, later}, "a=3", 7, 1},
		{"the version stays", []visit{{says: taken + change(5, 6, "a", 1)}, later}, "a=3", 7, 1},
		{"a change without a value", []visit{{says: taken + a2("config.updated", `{"version":2}`)}, later}, "a=3", 7, 1},
		{"a change that is no object", []visit{{says: taken + a2("config.updated", `7`)}, later}, "a=3", 7, 1},
		{"a snapshot with a key twice", []visit{{says: snapshot(5) + entry("a", 1, 1) + entry("a", 2, 2) + snapshotEnd(5, 2)}, later}, "a=3", 7, 1},
		{"the same nonsense again and again", []visit{{says: taken}, {says: "x\n"}, {says: "x\n"}, {says: "x\n"}, later}, "a=3", 7, 1},
		{"a gap", []visit{{says: taken + change(6, 7, "a", 3)}, quiet(resumed(5, 7) + change(5, 6, "a", 2) + change(6, 7, "a", 3))}, "a=3 b=1", 7, 0},
		{"refused for a while", []visit{{says: taken}, {status: 403}, {status: 401}, quiet(resumed(5, 6) + change(5, 6, "a", 2))}, "a=2 b=1", 6, 0},
		{"nobody for a while", []visit{{says: taken}, {dial: true}, {status: 503}, quiet(resumed(5, 6) + change(5, 6, "a", 2))}, "a=2 b=1", 6, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := &visits{steps: test.steps, at: 3}
				view := viewing(t, nodes, client.ViewConfig{})
				settled(view, test.at)
				if len(nodes.asked) > len(test.steps) {
					t.Errorf("asked after %q, want %d connections", nodes.asked, len(test.steps))
				}
				for key, e := range view.All() {
					if again, ok := view.Get(key); !ok || again.Key != key || again.Version != e.Version {
						t.Errorf("All has %+v, Get has %+v, %v", e, again, ok)
					}
				}
				s := view.Status()
				if got := shown(view); got != test.want || s.Position != place(test.at) || s.Resets != test.resets || s.Source != client.SourceLive {
					t.Errorf("shows %q, want %q at %s after %d resets\nstatus %+v", got, test.want, place(test.at), test.resets, s)
				}
			})
		})
	}
}

func TestViewWaitsForItsFirstSnapshot(t *testing.T) {
	tests := []struct {
		name  string
		steps []visit
		want  error
		took  time.Duration // at most
	}{
		{"nobody there", []visit{{dial: true}}, context.DeadlineExceeded, time.Minute},
		{"nobody there: says why", []visit{{dial: true}}, client.ErrUnavailable, time.Minute},
		{"half a snapshot", []visit{quiet(snapshot(5) + entry("a", 1, 1))}, context.DeadlineExceeded, time.Minute},
		{"the key is wrong", []visit{{status: 401}}, client.ErrUnauthenticated, time.Second},
		{"not allowed", []visit{{status: 403}}, client.ErrForbidden, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				_, err := tryView(t, &visits{steps: test.steps}, client.ViewConfig{})
				if took := time.Since(begin); !errors.Is(err, test.want) || took > test.took || !strings.HasPrefix(err.Error(), "view pay: ") {
					t.Errorf("after %v: %v", took, err)
				}
			})
		})
	}
}

func TestDefaultsAnswerForWhatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{steps: []visit{quiet(""), quiet(snapshot(5) + entry("db.a", 1, 1) + snapshotEnd(5, 1) + deletion(5, 6, "db.a", 2))}}
		told := make(chan string, 9)
		view := viewing(t, v, client.ViewConfig{
			Prefix:        "db.",
			Defaults:      map[string]json.RawMessage{"db.a": json.RawMessage(`7`), "db.z": json.RawMessage(`"text"`)},
			DefaultsAfter: time.Second,
			OnChange: func(c client.Change) {
				told <- fmt.Sprintf("%s: %s to %s by %d", c.Key, c.Old.Value, c.New.Value, c.Index)
			},
		})
		if s := view.Status(); shown(view) != "db.a=default db.z=default" || s.Source != client.SourceDefaults || !s.Stale || s.Err == nil || s.Position != "" || !s.Since.IsZero() {
			t.Errorf("before: %s, %+v", shown(view), s)
		}
		settled(view, 6)
		if s := view.Status(); shown(view) != "db.a=default db.z=default" || s.Source != client.SourceLive || s.Stale {
			t.Errorf("after: %s, %+v", shown(view), s)
		}
		if e, _ := view.Get("db.z"); e.Type != wire.TypeString || e.Namespace != "pay" {
			t.Errorf("default %+v", e)
		}
		// The two changes of db.a are told apart or, if the first waited, not at all.
		if len(told) != 0 && len(told) != 2 {
			t.Errorf("told of %d changes", len(told))
		}
	})
}

func TestViewRefusesAConfigThatCannotBeRight(t *testing.T) {
	c := newClient(t, client.Config{Endpoints: []string{"http://127.0.0.1:1"}})
	for _, config := range []client.ViewConfig{
		{},
		{Namespace: "pay", StaleAfter: -1},
		{Namespace: "pay", DefaultsAfter: -1},
		{Namespace: "pay", Defaults: map[string]json.RawMessage{"a": json.RawMessage(`{`)}},
		{Namespace: "pay", Prefix: "db.", Defaults: map[string]json.RawMessage{"a": json.RawMessage(`1`)}},
	} {
		if _, err := c.View(ctx(t), config); !errors.Is(err, client.ErrInvalid) {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

// A view says how old its knowledge is, whatever kind of silence there is.
func TestStalenessIsVisible(t *testing.T) {
	taken := snapshot(5) + entry("a", 1, 1) + snapshotEnd(5, 1)
	unknown := frame(wire.Frame{Frame: wire.FrameResumed, After: place(5), Head: place(5), LeaderKnown: new(false)})
	tests := []struct {
		name  string
		steps []visit
		wait  time.Duration
		stale bool
		age   time.Duration // at least
	}{
		{"just heard", []visit{quiet(taken)}, time.Second, false, 0},
		{"silent for a while", []visit{quiet(taken)}, 19 * time.Second, false, 19 * time.Second},
		{"nobody answers any more", []visit{{says: taken}, {dial: true}}, 31 * time.Second, true, 31 * time.Second},
		{"every node hangs", []visit{quiet(taken), quiet("")}, 31 * time.Second, true, 31 * time.Second},
		{"the node lost its leader after the view heard otherwise", []visit{quiet(taken + contact(5, 40*time.Second))}, time.Second, false, 0},
		{"the node lost its leader", []visit{quiet(taken), quiet(resumed(5, 5, 40*time.Second))}, 31 * time.Second, true, 31 * time.Second},
		{"the node heard from its leader lately", []visit{quiet(taken), quiet(resumed(5, 5, 4*time.Second))}, 31 * time.Second, false, 14 * time.Second},
		{"the node never had a leader", []visit{quiet(taken), quiet(unknown)}, 31 * time.Second, true, 31 * time.Second},
		{"behind the head of the node", []visit{{says: taken}, quiet(resumed(5, 9) + change(5, 6, "a", 2)), quiet("")}, 31 * time.Second, true, 31 * time.Second},
		{"caught up with it", []visit{{says: taken}, quiet(resumed(5, 9) + change(5, 6, "a", 2) + progress(9)), quiet("")}, 15 * time.Second, false, 14 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				view := viewing(t, &visits{steps: test.steps}, client.ViewConfig{})
				<-time.After(test.wait)
				synctest.Wait()
				s := view.Status()
				if s.Stale != test.stale || s.Age < test.age || s.Age > test.wait || time.Since(s.Since) != s.Age {
					t.Errorf("after %v %+v, want stale %v", test.wait, s, test.stale)
				}
			})
		})
	}
}

// A busy stream has no progress in it. Its events tell as much.
func TestViewThatHearsOfEventsIsNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan string)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			return streaming(feed{r.Context(), events}), nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: transport}})
		go func() { events <- snapshot(5) + snapshotEnd(5, 0) }()
		view, err := c.View(t.Context(), client.ViewConfig{Namespace: "pay"})
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		for i := range uint64(100) {
			<-time.After(10 * time.Second)
			events <- change(5+i, 6+i, "a", 1+i)
			synctest.Wait()
			if s := view.Status(); s.Stale || s.Age != 0 {
				t.Fatalf("after %d events: %+v", i+1, s)
			}
		}
	})
}

func TestSlowReceiverMissesWhatWasBetweenNeverTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var says strings.Builder
		says.WriteString(snapshot(5) + entry("a", 1, 1) + entry("b", 1, 2) + snapshotEnd(5, 2))
		const last = 500
		for i := uint64(6); i < last; i++ {
			says.WriteString(change(i-1, i, []string{"a", "b"}[i%2], i))
		}
		says.WriteString(deletion(last-1, last, "b", last))
		said := says.String()
		cut := strings.Index(said, `"frame":"event"`) - 1
		v := &visits{steps: []visit{{says: said[:cut]}, {says: resumed(5, last) + said[cut:]}, quiet(resumed(last, last))}}
		var told []client.Change
		view := viewing(t, v, client.ViewConfig{OnChange: func(c client.Change) {
			<-time.After(time.Minute)
			told = append(told, c)
		}})
		settled(view, last)
		if view.Status().Position != place(last) {
			t.Fatalf("the view waits for its receiver: %+v", view.Status())
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		held := map[string]*wire.ConfigEntry{"a": {Version: 1}, "b": {Version: 1}}
		for _, c := range told {
			if c.Old.Version != held[c.Key].Version || c.New != nil && c.New.Version <= c.Old.Version {
				t.Errorf("told of %s from %+v to %+v, held %+v", c.Key, c.Old, c.New, held[c.Key])
			}
			held[c.Key] = c.New
		}
		if len(told) > 4 || held["a"].Version != last-2 || held["b"] != nil {
			t.Errorf("%d changes lead to %+v and %+v", len(told), held["a"], held["b"])
		}
	})
}

func TestChangedIsClosedByTheNextChangeAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := make(chan string)
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			return streaming(feed{r.Context(), says}), nil
		})
		c := newClient(t, client.Config{Endpoints: []string{"http://n1"}, HTTP: &http.Client{Transport: transport}})
		go func() { says <- snapshot(5) + entry("a", 1, 1) + snapshotEnd(5, 1) }()
		view, err := c.View(t.Context(), client.ViewConfig{Namespace: "pay"})
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		next := view.Changed()
		says <- progress(7)
		says <- changed(5, 8, "config.updated", "pay/child", "a", `{"value":1,"version":1}`, false)
		synctest.Wait()
		select {
		case <-next:
			t.Fatal("closed, and nothing has changed")
		default:
		}
		says <- change(8, 9, "a", 2)
		<-next
		if e, _ := view.Get("a"); e.Version != 2 || view.Changed() == next {
			t.Errorf("woken before the change: %+v", e)
		}
	})
}

// What the events lead to is what a snapshot would have been.
func TestEventsAndSnapshotLeadToTheSameEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := snapshot(5) + snapshotEnd(5, 0)
		for i, kind := range []string{"config.created", "config.updated", "config.rolled-back"} {
			n := uint64(6 + i)
			says += frame(wire.Frame{Frame: wire.FrameEvent, Prev: n - 1, Event: &wire.Event{
				Index: n, Position: place(n), Type: kind, Namespace: "pay", Key: "a", Actor: fmt.Sprint("actor", n), Time: time.Unix(int64(n), 0).UTC(),
				Data: fmt.Appendf(nil, `{"value":%d,"type":"number","version":%d,"description":"d%d","tags":["t%d"],"comment":"c%d"}`, n, i+1, n, n, n),
			}})
		}
		view := viewing(t, &visits{steps: []visit{quiet(says)}}, client.ViewConfig{})
		settled(view, 8)
		got, _ := view.Get("a")
		want := wire.ConfigEntry{
			Namespace: "pay", Key: "a", Value: json.RawMessage("8"), Type: wire.TypeNumber, Version: 3, Index: 8,
			UpdatedAt: time.Unix(8, 0).UTC(), UpdatedBy: "actor8", CreatedAt: time.Unix(6, 0).UTC(), CreatedBy: "actor6",
			Description: "d8", Tags: []string{"t8"}, Comment: "c8",
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}
