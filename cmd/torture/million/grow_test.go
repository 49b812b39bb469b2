package million

import (
	"path/filepath"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

func config(dir string, n int) Config {
	return Config{
		Dir: dir, Node: "n1", Address: "127.0.0.1:1", Key: "a-key-of-an-admin", Story: "../testdata/petclinic.jsonl",
		Events: n, Seed: 7, Began: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Span: 365 * 24 * time.Hour,
	}
}

func TestTheSameSeedMakesTheSameHistory(t *testing.T) {
	var first Grown
	for i := range 2 {
		g, err := Grow(config(t.TempDir(), 3000))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = g
		} else if g != first {
			t.Errorf("%+v and then %+v", first, g)
		}
	}
	c := config(t.TempDir(), 3000)
	c.Seed++
	if g, err := Grow(c); err != nil || g.Head == first.Head {
		t.Errorf("another seed: %+v, %v", g, err)
	}
}

func TestTheHistoryIsWholeAndOfEveryKindAndInItsTime(t *testing.T) {
	c := config(t.TempDir(), 20_000)
	g, err := Grow(c)
	if err != nil {
		t.Fatal(err)
	}
	store, err := disk.Open(disk.Config{Dir: filepath.Join(c.Dir, "views"), Node: c.Node, Cluster: g.Cluster, Views: projections.ViewsVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	rows := store.At(g.Head.Index)
	defer rows.Close()
	h := projections.NewHistory(rows, g.Head.Index)
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	kinds, transactions, actors := map[events.Kind]int{}, map[string]bool{}, map[string]bool{}
	for r, err := range h.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Event()
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Data.Kind()]++
		transactions[e.Transaction], actors[e.Actor] = true, true
	}
	for _, k := range []events.Kind{
		"config.created", "config.updated", "config.deleted", "draft.saved", "publish-request.submitted", "publish-request.approved", "publish-request.published",
	} {
		if kinds[k] < 20 {
			t.Errorf("%d events %s", kinds[k], k)
		}
	}
	last, err := h.Record(g.Head.Index)
	if end := c.Began.Add(c.Span); err != nil || end.Sub(last.Time).Abs() > c.Span/20 {
		t.Errorf("it ends at %v, want about %v: %v", last.Time, end, err)
	}
	t.Logf("%+v: %v, %d transactions, %d actors", g, kinds, len(transactions), len(actors))
}
