package projections_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// eachTrimmed runs on each moment of simulated histories as the newest state
// serves them, once with all rows still there and once without those that a
// trimmed store may drop. edge is the event before the oldest that is served.
func eachTrimmed(t *testing.T, check func(t *testing.T, s *sim, edge, n uint64, h *projections.History)) {
	trims := 0
	eachSeed(t, 10, func(t *testing.T, s *sim) {
		edge := s.newest().Edge().Index
		if edge != s.model.oldest-1 {
			t.Fatalf("the edge is %d, want that before %d", edge, s.model.oldest)
		}
		if edge > 0 {
			trims++
		}
		for _, store := range []*rows{s.store, s.store.without(edge)} {
			for n := uint64(0); n <= s.model.index; n++ {
				check(t, s, edge, n, s.newest().History(store.at(n), n))
				if t.Failed() {
					t.Fatalf("as of event %d, trimmed up to %d", n, edge)
				}
			}
		}
	})
	if trims == 0 && *seedFlag == 0 {
		t.Error("no history was trimmed")
	}
}

// without is a copy that lacks what only reads before the edge need: the records
// up to it, and all but the newest version of other rows.
func (s *rows) without(edge uint64) *rows {
	left := newRows()
	for key, versions := range s.versions {
		keep := 0
		for i, v := range versions {
			if v.Index <= edge {
				keep = i
			}
		}
		if strings.IndexByte("rNSAERCT", key[0]) >= 0 && versions[0].Index <= edge {
			continue
		}
		left.versions[key] = versions[keep:]
	}
	return left
}

// since are the versions of a row, all but those of one that had ended by then.
func (s *rows) since(key string, edge uint64) []projections.Row {
	versions := s.versions[key]
	for i, v := range slices.Backward(versions) {
		if v.Index <= edge && v.Delete {
			return versions[i+1:]
		}
		if v.Index <= edge {
			break
		}
	}
	return versions
}

func TestRecordsBelowTheHorizonAreNotServed(t *testing.T) {
	eachTrimmed(t, func(t *testing.T, s *sim, edge, n uint64, h *projections.History) {
		for i := uint64(1); i <= s.model.index; i++ {
			r, err := h.Record(i)
			switch {
			case i > n && errors.Is(err, events.ErrNotFound), i <= n && i <= edge && errors.Is(err, events.ErrCompacted):
			case i > n || i <= edge || err != nil || r.Chain != s.chainAt(i):
				t.Errorf("record %d: %+v, %v", i, r, err)
			}
			p, err := h.Position(i)
			switch {
			case i < edge && errors.Is(err, events.ErrCompacted), i > n && i != edge && errors.Is(err, events.ErrNotFound):
			case i < edge || i > n && i != edge || err != nil || p != s.chainAt(i).At(i):
				t.Errorf("position of %d: %v, %v", i, p, err)
			}
		}
		if p, err := h.Position(0); edge > 0 && !errors.Is(err, events.ErrCompacted) || edge == 0 && err != nil {
			t.Errorf("position of 0: %v, %v", p, err)
		}
		var want []uint64
		for i := edge + 1; i <= n; i++ {
			want = append(want, i)
		}
		for _, from := range []uint64{0, edge + 1} {
			if got := indexes(each(t, h.Records(from))); !slices.Equal(got, want) {
				t.Errorf("from %d: %v, want %v", from, got, want)
			}
		}
		for from := uint64(1); from <= edge; from++ {
			if err := firstError(h.Records(from)); !errors.Is(err, events.ErrCompacted) {
				t.Errorf("from %d: %v, want ErrCompacted", from, err)
			}
		}
		slices.Reverse(want)
		if got := indexes(each(t, h.RecordsBefore(0))); !slices.Equal(got, want) {
			t.Errorf("backwards: %v, want %v", got, want)
		}
		if err := h.Verify(h.Oldest(), h.Horizon().Chain); n >= edge && err != nil {
			t.Error(err)
		}
	})
}

func indexes(records []events.Record) (all []uint64) {
	for _, r := range records {
		all = append(all, r.Index)
	}
	return all
}

func TestTheStateIsReadAsOfTheEdgeAndNotBefore(t *testing.T) {
	eachTrimmed(t, func(t *testing.T, s *sim, edge, n uint64, h *projections.History) {
		for _, ns := range simSpaces {
			if n < edge {
				_, entry := h.Entry(ns, "x")
				_, namespace := h.Namespace(ns)
				_, policy := h.Policy(ns)
				_, draft := h.Draft(ns, "x")
				_, request := h.Request("r0001")
				for _, err := range []error{
					entry, namespace, policy, draft, request, firstError(h.EntriesAfter(ns, "")), firstError(h.Versions(ns, "x")), firstError(h.ClosedRequests("")),
				} {
					if !errors.Is(err, events.ErrCompacted) {
						t.Errorf("%s before the edge: %v, want ErrCompacted", ns, err)
					}
				}
				continue
			}
			live := s.model.liveAt(ns, n)
			if got := each(t, h.EntriesAfter(ns, "")); len(got) != len(live) {
				t.Errorf("%s holds %d entries, want %d", ns, len(got), len(live))
			}
			for _, key := range simKeys {
				var want []uint64 // down to the one that stood at the edge
				for _, v := range slices.Backward(s.model.versionsAt(ns, key, n)) {
					if want = append(want, v.index); v.index <= edge {
						break
					}
				}
				var got []uint64
				for _, e := range each(t, h.Versions(ns, key)) {
					got = append(got, e.Revision)
				}
				if !slices.Equal(got, want) {
					t.Errorf("versions of %s/%s: %v, want %v", ns, key, got, want)
				}
				e, err := h.Entry(ns, key)
				if err != nil || e.Live() != (live[key].index > 0) || len(want) > 0 && e.Revision != want[0] {
					t.Errorf("%s/%s is %+v, %v, want that of %v", ns, key, e, err, want)
				}
			}
		}
	})
}

func TestATimeBeforeTheEdgeIsCompacted(t *testing.T) {
	eachTrimmed(t, func(t *testing.T, s *sim, edge, n uint64, h *projections.History) {
		if n < edge || n%5 > 0 { // all records, for some indexes
			return
		}
		for _, r := range s.records[:n] {
			for _, step := range []time.Duration{-1, 0, 1} {
				at, want := r.Time.Add(step), uint64(0)
				for _, e := range s.model.happened[:n] {
					if !e.time.After(at) {
						want = e.index
					}
				}
				got, err := h.IndexAt(at)
				if err != nil {
					t.Fatal(err)
				}
				if _, kept := h.Position(got); want < edge && !errors.Is(kept, events.ErrCompacted) || want >= edge && got != want {
					t.Fatalf("at %v: %d, want %d", at, got, want)
				}
			}
		}
	})
}

func TestARebuiltStoreHoldsTheSameRows(t *testing.T) {
	eachSeed(t, 15, func(t *testing.T, s *sim) {
		n, edge := s.model.index, s.newest().Edge().Index
		for _, store := range []*rows{s.store, s.store.without(edge)} {
			h, err := projections.OpenHistory(store.at(n), n)
			if err != nil || h.Horizon() != s.newest().Cluster().Horizon {
				t.Fatalf("opened from %+v, %v, want %+v", h.Horizon(), err, s.newest().Cluster().Horizon)
			}
			anew := newRows()
			write := func(rows []projections.Row) error { anew.write(rows); return nil }
			state, err := projections.Rebuild(h, store.at(edge), write, func(uint64) {})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := state.Everything(false), s.newest().Everything(false); !reflect.DeepEqual(got, want) {
				t.Fatalf("rebuilt from %d\n%+v, want\n%+v", edge, got, want)
			}
			for _, r := range []*rows{anew, store} { // of receipts only those that still stand are copied
				for key := range r.versions {
					if got, want := anew.versions[key], store.since(key, edge); key[0] != 'x' && len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
						t.Fatalf("row %q is %+v, was %+v", key, got, want)
					}
				}
			}
			loaded, err := projections.Load(anew.at(n), n, s.raft)
			if err != nil || !reflect.DeepEqual(loaded.Everything(true), s.newest().Everything(true)) {
				t.Fatalf("loads as\n%+v, %v", loaded.Everything(true), err)
			}
		}
	})
}

func TestARebuildFindsAnAlteredRecordAfterTheEdge(t *testing.T) {
	s := simulated(t)
	n := s.model.index
	edge := s.entries[len(s.entries)/2].after
	cluster := events.Cluster{Horizon: events.Horizon{Oldest: edge.Index() + 1, Chain: edge.Chain(), Time: edge.Time()}}
	for _, tt := range []struct {
		at    uint64
		chain byte
		found bool
	}{{edge.Index(), 0, false}, {edge.Index() + 1, 0, true}, {n, 0, true}, {0, 1, true}} {
		store := newRows()
		store.write(s.written)
		altered := cluster
		altered.Horizon.Chain[0] ^= tt.chain
		store.write([]projections.Row{clusterRow(t, altered, n)})
		if tt.at > 0 {
			row := store.versions[string(recordKey(tt.at))]
			row[0].Value = []byte(strings.Replace(string(row[0].Value), `"actor":"`, `"actor":"x`, 1))
		}
		h, err := projections.OpenHistory(store.at(n), n)
		if err != nil {
			t.Fatal(err)
		}
		_, err = projections.Rebuild(h, store.at(edge.Index()), func([]projections.Row) error { return nil }, func(uint64) {})
		if (err != nil) != tt.found {
			t.Errorf("altered at %d, edge %d, chain of the edge %d: %v", tt.at, edge.Index(), tt.chain, err)
		}
	}
}

// etcd #18089, #19179: a deletion at the very edge was lost to watchers that
// resumed there.
func TestADeletionAtTheOldestIsStillReadAndResumedTo(t *testing.T) {
	p, store := begun(t), newRows()
	at := time.Unix(2000, 0)
	step := func(c events.Command) uint64 {
		store.write(p.must(p.decide(c, at, "")).Rows)
		return p.Index()
	}
	step(events.RaiseLevel{Level: 2})
	step(set("a", "y", 1))
	seen := p.Position()
	deleted := step(events.DeleteEntry{Namespace: "a", Key: "y"})
	step(set("a", "z", 1))
	before := p.State
	step(events.TrimHistory{To: events.Horizon{Oldest: deleted, Chain: chainOf(seen, before, store, t), Time: at}})

	for _, n := range []uint64{before.Index(), p.Index()} { // opened before the trim too: the horizon is the present's
		h := p.History(store.at(n), n)
		if got, err := h.Position(seen.Index); err != nil || got != seen {
			t.Errorf("resuming after %v is after %v, %v", seen, got, err)
		}
		records := each(t, h.Records(seen.Index+1))
		e, err := records[0].Event()
		if err != nil || e.Data.Kind() != "config.deleted" || records[0].Index != deleted {
			t.Errorf("resumed with %+v, %v, want the deletion at %d", e, err, deleted)
		}
		if _, err := h.Position(seen.Index - 1); !errors.Is(err, events.ErrCompacted) {
			t.Errorf("one before the edge: %v, want ErrCompacted", err)
		}
		if err := firstError(h.Records(seen.Index)); !errors.Is(err, events.ErrCompacted) {
			t.Errorf("the record at the edge: %v, want ErrCompacted", err)
		}
	}
	h := p.History(store.at(seen.Index), seen.Index)
	if e, err := h.Entry("a", "y"); err != nil || !e.Live() {
		t.Errorf("as of the edge a/y is %+v, %v, want it live", e, err)
	}
}

// chainOf is the whole chain at a position.
func chainOf(p events.Position, s *projections.State, store *rows, t *testing.T) events.Chain {
	t.Helper()
	r, err := s.History(store.at(s.Index()), s.Index()).Record(p.Index)
	if err != nil {
		t.Fatal(err)
	}
	return r.Chain
}

func TestATrimForgetsNoReceipt(t *testing.T) {
	p := begun(t)
	at := time.Unix(2000, 0).UTC()
	p.must(p.decide(events.RaiseLevel{Level: 2}, at, ""))
	p.must(p.decide(set("a", "x", 2), at, "once"))
	want, _ := p.receipt("once")
	edge := p.State
	p.must(p.decide(events.TrimHistory{To: events.Horizon{Oldest: edge.Index() + 1, Chain: edge.Chain(), Time: at}}, at, ""))
	if got, ok := p.receipt("once"); !ok || got != want {
		t.Errorf("receipt %+v, %v, want %+v", got, ok, want)
	}
	if p.Oldest() != p.Index() {
		t.Errorf("the oldest is %d, want the trim itself, %d", p.Oldest(), p.Index())
	}
}

func TestAHistoryOfAHigherLevelStopsThisRelease(t *testing.T) {
	p := begun(t)
	body, err := events.Event{Actor: "a", Data: events.ClusterUpgraded{Level: events.NewestLevel + 1}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	const says = "run a newer one"
	if _, err := p.Apply(events.Record{Index: p.Index() + 1, Body: body}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("folded: %v", err)
	}
	store := newRows()
	store.write(begun(t).must(p.decide(set("b", "x", 1), time.Unix(1, 0), "")).Rows)
	n := uint64(4)
	store.write([]projections.Row{clusterRow(t, events.Cluster{Level: events.NewestLevel + 1}, n)})
	if _, err := projections.Load(store.at(n), n, projections.Origin{}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("loaded: %v", err)
	}
}
