package projections_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

func TestTheStateFollowsAHistoryIntoAnotherCluster(t *testing.T) {
	p, store := begun(t), newRows()
	step := func(c events.Command) uint64 {
		store.write(p.must(p.decide(c, time.Unix(2000, 0), "")).Rows)
		return p.Index()
	}
	p.State = projections.Empty()
	formed := step(events.FormCluster{ID: "a", FirstKey: events.CreateKey{
		ID: "k", Name: "first", Digest: "d", Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}},
	}})
	step(events.RaiseLevel{Level: 5})
	recovered := step(events.RecoverCluster{Recovered: events.ClusterRecovered{Cluster: "b", Previous: "a"}})
	before := *p.State
	step(set("a", "x", 7))
	restored := step(events.RestoreCluster{Restored: events.ClusterRestored{Cluster: "c", Previous: "b"}})
	if now := p.Cluster(); now.ID != "c" || !slices.Equal(now.Former, []string{"a", "b"}) || now.Revision != restored || now.Level != 5 || now.FormedAt.IsZero() {
		t.Errorf("the cluster is %+v", now)
	}
	if now := before.Cluster(); now.ID != "b" || !slices.Equal(now.Former, []string{"a"}) {
		t.Errorf("the state before is of %+v", now)
	}
	loaded, err := projections.Load(store.at(restored), restored, projections.Origin{})
	if err != nil || loaded.Cluster().ID != "c" || !loaded.Cluster().Was("a") {
		t.Errorf("loaded as %+v, %v", loaded.Cluster(), err)
	}
	h := p.History(store.at(p.Index()), p.Index())
	for index, want := range map[uint64]string{0: "", formed: "a", recovered - 1: "a", recovered: "b", restored - 1: "b", restored: "c"} {
		if c, err := h.ClusterAt(index); err != nil || c.ID != want {
			t.Errorf("at event %d it is the history of %q, %v, want %q", index, c.ID, err, want)
		}
	}
	step(events.TrimHistory{To: events.Horizon{Oldest: restored, Chain: events.Chain{1}, Time: time.Unix(2000, 0)}})
	h = p.History(store.at(p.Index()), p.Index())
	if c, err := h.ClusterAt(restored - 1); err != nil || c.ID != "b" {
		t.Errorf("at the edge it is the history of %q, %v", c.ID, err)
	}
	if _, err := h.ClusterAt(restored - 2); !errors.Is(err, events.ErrCompacted) {
		t.Errorf("before the edge: %v", err)
	}
}
