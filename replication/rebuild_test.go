package replication

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

func TestRebuiltViewsEqualTheIncrementalOnes(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	ctx := testContext(t)
	for i := range 40 {
		if _, err := n.Submit(ctx, put(fmt.Sprintf("ns%d", i%3), fmt.Sprintf("k%d", i%5), fmt.Sprint(i)), claimed(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	config := n.Node.config
	c.stop("n1") // makes a marker
	before := allRows(t, config)
	last := uint64(0)
	position, err := Rebuild(config.Dir, zerolog.Nop(), func(index, _ uint64) { last = index })
	if err != nil {
		t.Fatal(err)
	}
	after := allRows(t, config)
	if len(before) == 0 || len(before) != len(after) {
		t.Fatalf("%d rows before, %d after", len(before), len(after))
	}
	for key, value := range before {
		if after[key] != value {
			t.Errorf("row %q is %q, was %q", key, after[key], value)
		}
	}
	again := c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers}, listen(t, config.Address))
	again.awaitReady(t)
	if got := again.State().Position().String(); got != position || again.State().Index() != last {
		t.Errorf("starts at %s, rebuilt up to %s (%d)", got, position, last)
	}
	if _, err := Rebuild(config.Dir, zerolog.Nop(), func(_, _ uint64) {}); err == nil {
		t.Error("rebuilt under a running node")
	}
}

// allRows reads every version of every row at the newest marker.
func allRows(t *testing.T, c Config) map[string]string {
	t.Helper()
	id, err := readIdentity(viewsDir(c.Dir))
	if err != nil {
		t.Fatal(err)
	}
	store, err := openViews(c.Dir, id, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return rowsAt(t, store, store.Marker().Index)
}

func rowsAt(t *testing.T, store *disk.Store, index uint64) map[string]string {
	t.Helper()
	r := store.At(index)
	defer r.Close()
	rows := map[string]string{}
	for row, err := range r.Scan(nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
		for v, err := range r.Versions(row.Key) {
			if err != nil {
				t.Fatal(err)
			}
			rows[fmt.Sprintf("%s@%d", v.Key, v.Index)] = string(v.Value)
		}
	}
	return rows
}

// The leader and a follower rebuild while writers write and readers read; the
// third node does not, and all three have the same rows.
func TestViewsAreRebuiltOnlineWhileTheClusterGoesOn(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second}
	c.form(3)
	ctx := testContext(t)
	leader := c.leader()
	follower := c.nodes[c.follower()]
	leader.write(t, ctx, 100)
	early, then := leader.State().Index(), leader.State().Entry("pay", "k1").Revision
	if err := follower.Await(ctx, early); err != nil {
		t.Fatal(err)
	}
	writing := untilStopped(func(i int) bool {
		_, err := leader.Submit(ctx, put("pay", fmt.Sprintf("k%d", i%9), fmt.Sprint(i)), claimed(fmt.Sprint(i)))
		return err == nil
	})
	reading := untilStopped(func(int) bool {
		h, release := follower.History(early)
		defer release()
		e, err := h.Entry("pay", "k1")
		return err == nil && e.Revision == then
	})
	for _, n := range []*testNode{leader, follower} {
		at, to := uint64(0), uint64(0)
		if err := n.Rebuild(ctx, func(a, b uint64) { at, to = a, b }); err != nil {
			t.Error(err)
		}
		if at != to || at < early {
			t.Errorf("%s: the last progress was %d of %d", n.config.ID, at, to)
		}
	}
	if !writing() || !reading() {
		t.Error("a write or a read failed meanwhile")
	}
	index := leader.State().Index()
	want := map[string]string{}
	for _, n := range c.nodes {
		if err := n.Await(ctx, index); err != nil {
			t.Fatal(err)
		}
		if n != leader && n != follower {
			want = rowsAt(t, n.engine.Load().store, index)
		}
	}
	for _, n := range []*testNode{leader, follower} {
		if got := rowsAt(t, n.engine.Load().store, index); !maps.Equal(got, want) {
			t.Errorf("%s has %d rows, the node that was not rebuilt has %d, or others", n.config.ID, len(got), len(want))
		}
		if n.heard.resets > 0 {
			t.Errorf("%s: watchers were reset", n.config.ID)
		}
		id := n.config.ID
		again := c.restart(id)
		again.awaitReady(t)
		if got := rowsAt(t, again.engine.Load().store, index); !maps.Equal(got, want) {
			t.Errorf("%s after a restart: %d rows, want %d", id, len(got), len(want))
		}
	}
}

func TestOneRebuildAtATime(t *testing.T) {
	c := newCluster(t, 1)
	n, ctx := c.leader(), testContext(t)
	n.write(t, ctx, 5)
	err := n.Rebuild(ctx, func(uint64, uint64) {
		if err := n.Rebuild(ctx, func(uint64, uint64) {}); !errors.Is(err, events.ErrConflict) {
			t.Errorf("a second one: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// saysHowFarItIs rebuilds a copy of old views as a start does.
func saysHowFarItIs(t *testing.T, config Config, id identity, last uint64) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(config.Dir)); err != nil {
		t.Fatal(err)
	}
	store, err := openViews(dir, id, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var said []string
	err = refreshViews(store, zerolog.Nop(), func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
	if want := fmt.Sprintf("rebuilding the views: event %d of %d", last, last); err != nil || !slices.Contains(said, want) {
		t.Errorf("said %q, %v, want %q", said, err, want)
	}
}

func TestViewsOfAnotherLayoutAreRebuiltAtTheStart(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	if _, err := n.Submit(testContext(t), put("ns", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	config := n.Node.config
	c.stop("n1")
	id, err := readIdentity(viewsDir(config.Dir))
	if err != nil {
		t.Fatal(err)
	}
	store, err := openViews(config.Dir, id, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	// As an older release would have left it: another version, and a view that is wrong by now.
	m := store.Marker()
	m.Views = projections.ViewsVersion + 1
	if err := store.Write([]projections.Row{{Key: []byte("cns\x00k"), Value: []byte(`{"old":true}`), Index: m.Index}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Mark(m); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	saysHowFarItIs(t, config, id, m.Index)
	again := c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers}, listen(t, config.Address))
	again.awaitReady(t)
	if e := again.State().Entry("ns", "k"); e.Value.Text() != "v" {
		t.Errorf("the entry is %+v", e)
	}
	if got := again.engine.Load().store.Marker().Views; got != projections.ViewsVersion {
		t.Errorf("the marker is of layout %d", got)
	}
}
