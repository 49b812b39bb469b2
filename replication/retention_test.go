package replication

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
)

func TestEitherLimitLetsEventsGoOnceItIsWorthIt(t *testing.T) {
	for _, tt := range []struct {
		name                    string
		limits                  Retention
		oldest, newest, expired uint64
		want                    uint64
	}{
		{"no limit", Retention{}, 1, 1000, 0, 0},
		{"fewer than may be", Retention{Events: 100}, 1, 50, 0, 0},
		{"as many as may be", Retention{Events: 100}, 1, 100, 0, 0},
		{"within the slack", Retention{Events: 100}, 1, 109, 0, 0},
		{"a tenth more: down to the limit with the trim", Retention{Events: 100}, 1, 110, 0, 12},
		{"counted from the oldest", Retention{Events: 100}, 901, 1009, 0, 0},
		{"again after a trim", Retention{Events: 100}, 901, 1010, 0, 912},
		{"a small limit has a slack of one", Retention{Events: 3}, 1, 4, 0, 3},
		{"and does not trim for the trim", Retention{Events: 3}, 3, 5, 0, 0},
		{"one event: all but the trim", Retention{Events: 1}, 1, 2, 0, 3},
		{"one event, the trim itself", Retention{Events: 1}, 3, 3, 0, 0},
		{"the largest limit", Retention{Events: ^uint64(0)}, 1, 1000, 0, 0},
		{"none too old", Retention{Age: time.Hour}, 5, 1000, 4, 0},
		{"some too old", Retention{Age: time.Hour}, 5, 1000, 7, 8},
		{"one too old: a trim would replace it", Retention{Age: time.Hour}, 5, 1000, 5, 0},
		{"all too old", Retention{Age: time.Hour}, 5, 1000, 1000, 1001},
		{"older ones were trimmed", Retention{Age: time.Hour}, 5, 1000, 3, 0},
		{"both, the number is stricter", Retention{Events: 10, Age: time.Hour}, 1, 1000, 7, 992},
		{"both, the age is stricter", Retention{Events: 900, Age: time.Hour}, 1, 1000, 500, 501},
	} {
		if got := tt.limits.due(tt.oldest, tt.newest, tt.expired); got != tt.want {
			t.Errorf("%s: keep from %d, want %d", tt.name, got, tt.want)
		}
	}
}

// trimmable is a history of three Raft entries: 1 and 2, a write; 3 to 8, a
// transaction of three and two more writes, one of which is of two; 9.
func trimmable(t *testing.T) *projections.History {
	t.Helper()
	f := projections.Begin(projections.Empty())
	decide := func(c events.Command) events.Proposal {
		p, err := events.Rules{}.Decide(f.State(), c, events.Stamp{Time: time.Unix(1000, 0), ID: newULID(), Actor: "tester"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	entry := func(index uint64, batch ...events.Proposal) {
		results, err := f.Entry(projections.Origin{Index: index, Term: 1}, batch)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	entry(3, decide(put("a", "1", "x")))
	three := events.Transact{Set: []events.PutEntry{put("a", "2", "x"), put("a", "3", "x"), put("a", "4", "x")}}
	entry(5, decide(three), decide(put("b", "1", "x")), decide(put("a", "1", "y")))
	entry(8, decide(put("a", "1", "z")))
	store := emptyStore(t)
	if err := store.Write(f.Rows); err != nil {
		t.Fatal(err)
	}
	r := store.At(f.State().Index())
	t.Cleanup(func() { _ = r.Close() })
	return f.State().History(r, f.State().Index())
}

func TestTheHorizonCutsNoTransactionAndNoRaftEntry(t *testing.T) {
	h := trimmable(t)
	for index, want := range []uint64{0, 1, 1, 3, 3, 3, 3, 3, 3, 9, 10, 11} {
		if got, err := entryStart(h, uint64(index)); err != nil || got != want {
			t.Errorf("the entry of event %d begins at %d, %v, want %d", index, got, err, want)
		}
	}
	for keep, want := range map[uint64]uint64{9: 0, 8: 3, 3: 3, 2: 9, 1: 10} {
		to, err := Retention{Events: keep}.horizon(h, time.Unix(2000, 0))
		if err != nil || to.Oldest != want {
			t.Fatalf("keeping %d begins at %d, %v, want %d", keep, to.Oldest, err, want)
		}
		if want == 0 {
			continue
		}
		if edge, err := h.Record(want - 1); err != nil || to.Chain != edge.Chain || !to.Time.Equal(edge.Time) {
			t.Errorf("keeping %d: %+v, want the chain and time of %+v, %v", keep, to, edge, err)
		}
	}
}

func TestWhatAWatchMayNeedStaysWhateverTheNumber(t *testing.T) {
	h := trimmable(t) // all events are of second 1000
	r := Retention{Events: 2, Watch: time.Minute}
	for now, want := range map[int64]uint64{1000: 0, 1059: 0, 1060: 9, 2000: 9} {
		if to, err := r.horizon(h, time.Unix(now, 0)); err != nil || to.Oldest != want {
			t.Errorf("at second %d the history begins at %d, %v, want %d", now, to.Oldest, err, want)
		}
	}
	for _, r := range []Retention{{Watch: -1}, {Watch: time.Hour, Age: time.Minute}} {
		if err := r.validate(); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

func TestRetentionAgeThatIsTooShortIsRefused(t *testing.T) {
	for age, ok := range map[time.Duration]bool{0: true, time.Minute: true, time.Minute - 1: false, -time.Hour: false} {
		if err := (Retention{Age: age}).validate(); (err == nil) != ok {
			t.Errorf("%v: %v", age, err)
		}
	}
}

// The horizon moves by itself and is the same on every node: on the others, on
// one that starts again, one that joins by a snapshot, and one whose views are
// rebuilt.
func TestEveryNodeServesTheSameTrimmedHistory(t *testing.T) {
	const keep = 30
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) {
		config.Retention = Retention{Events: keep}
		config.tuning.retention, config.tuning.trailing = 10*time.Millisecond, 8
	}
	c.form(3)
	ctx := testContext(t)
	first, err := c.leader().Submit(ctx, put("pay", "once", "1"), claimed("k1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if _, err := c.leader().Submit(ctx, put("pay", fmt.Sprintf("k%d", i%7), fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	held := func() uint64 { s := c.leader().State(); return s.Index() + 1 - s.Oldest() }
	eventually(t, "the history is trimmed, and nothing more is due", func() bool { return held() < keep+keep/10 })
	if s := c.leader().State(); held() < keep || s.Oldest() <= first.Index {
		t.Fatalf("the history is %d to %d, want %d events of it", s.Oldest(), s.Index(), keep)
	}
	c.with = nil // nodes that start from here on have no limits
	for _, p := range c.peers {
		c.restart(p.ID) // with it Raft's log is cut off, and what it had in memory
		c.leader()
	}
	l := listen(t, "127.0.0.1:0")
	newcomer := c.start(Config{Member: Member{"n4", l.Addr().String()}, Dir: t.TempDir(), Join: "http://" + c.leader().config.Address, Learner: true}, l)
	newcomer.awaitReady(t)
	c.rebuild(c.follower())

	newcomer.heard.mu.Lock()
	if newcomer.heard.resets == 0 {
		t.Error("the newcomer was sent no snapshot")
	}
	newcomer.heard.mu.Unlock()
	leader := c.leader()
	eventually(t, "all nodes have the same", func() bool {
		for _, n := range c.nodes {
			if n.State().Position() != leader.State().Position() {
				return false
			}
		}
		return true
	})
	for _, n := range c.nodes {
		n.isTrimmedLike(t, leader.State())
	}
	again, err := leader.Submit(ctx, put("pay", "once", "1"), claimed("k1"))
	if err != nil || !again.Replayed || again.Index != first.Index {
		t.Errorf("a request below the horizon asked again: %+v, %v, want its first outcome at %d", again, err, first.Index)
	}
}

// isTrimmedLike checks the edges of what a node serves.
func (n *testNode) isTrimmedLike(t *testing.T, want *projections.State) {
	t.Helper()
	s := n.State()
	if !reflect.DeepEqual(s.Cluster(), want.Cluster()) || s.Edge().Index == 0 || s.Cluster().FeatureLevel() != 2 { // what a trim needs
		t.Errorf("%s: %+v, want %+v", n.config.ID, s.Cluster(), want.Cluster())
	}
	for _, index := range []uint64{s.Edge().Index, s.Index()} {
		h, release := n.History(index)
		if _, err := h.Record(s.Oldest() - 1); !errors.Is(err, events.ErrCompacted) {
			t.Errorf("%s: the record at the edge: %v", n.config.ID, err)
		}
		if p, err := h.Position(s.Edge().Index); err != nil || p != s.Edge() {
			t.Errorf("%s: the position of the edge is %v, %v, want %v", n.config.ID, p, err, s.Edge())
		}
		if r, err := h.Record(s.Oldest()); index == s.Index() && (err != nil || r.Index != s.Oldest()) {
			t.Errorf("%s: the oldest record: %v", n.config.ID, err)
		}
		if err := h.Verify(h.Oldest(), h.Horizon().Chain); err != nil {
			t.Errorf("%s: %v", n.config.ID, err)
		}
		release()
	}
}

// follower is the ID of a founder that does not lead.
func (c *testCluster) follower() string {
	leader := c.leader().config.ID
	for _, p := range c.peers {
		if p.ID != leader {
			return p.ID
		}
	}
	return ""
}

// rebuild stops a node, rebuilds its views and starts it again.
func (c *testCluster) rebuild(id string) {
	c.t.Helper()
	config := c.nodes[id].Node.config
	c.stop(id)
	before := allRows(c.t, config)
	if _, err := Rebuild(config.Dir, zerolog.Nop(), func(_, _ uint64) {}); err != nil {
		c.t.Fatal(err)
	}
	if after := allRows(c.t, config); !maps.Equal(after, before) {
		c.t.Errorf("the rebuild changed rows: %d now, %d before", len(after), len(before))
	}
	c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers}, listen(c.t, config.Address)).awaitReady(c.t)
}

func TestOldEventsGoAndTheTrimItselfStays(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) {
		config.Retention = Retention{Age: time.Hour}
		config.tuning.retention = time.Hour // the test looks itself
	}
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	if _, err := n.Submit(ctx, put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	trim := func(want uint64) {
		t.Helper()
		if err := n.trim(ctx); err != nil {
			t.Fatal(err)
		}
		if s := n.State(); s.Oldest() != want {
			t.Fatalf("the history is %d to %d, want it from %d", s.Oldest(), s.Index(), want)
		}
	}
	trim(1)
	newest := n.State().Index()
	n.config.tuning.ahead = 2 * time.Hour
	trim(newest + 1) // all up to the upgrade that the first trim needs
	newest += 3
	for range 3 {
		trim(newest) // an idle cluster does not trim its trims for ever
	}
	h, release := n.History(newest)
	defer release()
	r, err := h.Record(newest)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := r.Event(); err != nil || e.Data.Kind() != "history.trimmed" || e.Actor != events.System {
		t.Errorf("the newest event is %+v, %v", e, err)
	}
	if e := n.State().Entry("pay", "k"); !e.Live() {
		t.Error("the entry went with its history")
	}
}
