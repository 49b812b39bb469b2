package replication

import (
	"fmt"
	"testing"

	"github.com/rs/zerolog"

	"confman/projections"
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
	r := store.At(store.Marker().Index)
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
	again := c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers}, listen(t, config.Address))
	again.awaitReady(t)
	if e := again.State().Entry("ns", "k"); e.Value.Text() != "v" {
		t.Errorf("the entry is %+v", e)
	}
	if got := again.engine.Load().store.Marker().Views; got != projections.ViewsVersion {
		t.Errorf("the marker is of layout %d", got)
	}
}
