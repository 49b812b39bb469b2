package projections_test

import (
	"crypto/sha256"
	"maps"
	"reflect"
	"testing"

	"confman/events"
	"confman/projections"
)

// compare holds a record against what the model says happened.
func (s *sim) compare(r events.Record, h happening, first events.Record, last bool) {
	s.Helper()
	e, err := r.Event()
	if err != nil {
		s.Fatal(err)
	}
	got := s.told(r)
	got.index, got.time, got.transactionLength = r.Index, r.Time, h.transactionLength
	if got != h {
		s.Errorf("event %d is\n%+v, want\n%+v", r.Index, got, h)
	}
	opening, err := first.Event()
	if err != nil {
		s.Fatal(err)
	}
	if r.More == last || e.Transaction != opening.Transaction || (e.Transaction != "") != (h.transactionLength > 1) {
		s.Errorf("event %d of a transaction of %d: more %v, transaction %q", r.Index, h.transactionLength, r.More, e.Transaction)
	}
	if r.RaftIndex != s.raft.Index || r.RaftTerm != s.raft.Term {
		s.Errorf("event %d came with Raft entry %d of term %d, its record says %d of %d", r.Index, s.raft.Index, s.raft.Term, r.RaftIndex, r.RaftTerm)
	}
}

// told is what a record says, but for when and where.
func (s *sim) told(r events.Record) happening {
	e, err := r.Event()
	if err != nil {
		s.Fatal(err)
	}
	got := happening{kind: e.Data.Kind(), namespace: e.Namespace, key: e.Key, actor: e.Actor}
	switch d := e.Data.(type) {
	case events.ConfigCreated:
		got.number, got.value, got.description = d.Version, string(d.JSON), d.Description
	case events.ConfigUpdated:
		got.number, got.value, got.description = d.Version, string(d.JSON), d.Description
		got.was, got.wasValue = d.Previous.Version, string(d.Previous.JSON)
	case events.ConfigRolledBack:
		got.number, got.value, got.description = d.Version, string(d.JSON), d.Description
	case events.ConfigDeleted:
		got.number, got.was, got.wasValue = d.Version, d.Previous.Version, string(d.Previous.JSON)
	case events.NamespaceCreated:
		got.description, got.described = deref(d.Description)
	case events.NamespaceUpdated:
		got.description, got.described = deref(d.Description)
	case events.KeyCreated:
		got.value = d.ID
	case events.KeyRevoked:
		got.value = d.ID
	case events.ClusterUpgraded:
		got.number = uint64(d.Level)
	case events.HistoryTrimmed:
		got.number, got.value = d.Oldest, d.Chain.String()
	}
	return got
}

func TestWhateverCommitsKeepsThePromises(t *testing.T) {
	tally := map[string]int{}
	eachSeed(t, 30, func(t *testing.T, s *sim) {
		var chain [32]byte
		for i, r := range s.records {
			if r.Index != uint64(i+1) {
				t.Errorf("record %d has the index %d", i+1, r.Index)
			}
			if i > 0 && r.Time.Before(s.records[i-1].Time) {
				t.Errorf("time goes back at %d", r.Index)
			}
			if chain = sha256.Sum256(append(chain[:], r.AppendStored(nil)...)); chain != r.Chain {
				t.Errorf("the chain breaks at %d", r.Index)
			}
		}
		s.comparePresent(t)
		for what, n := range s.tally {
			tally[what] += n
		}
	})
	for _, what := range []string{
		"refused", "stale", "claimed and nothing to do", "events.PutEntry", "events.DeleteEntry", "events.Transact",
		"events.PutNamespace", "events.DeleteNamespace", "events.CreateKey", "events.RevokeKey",
		"events.RaiseLevel", "events.TrimHistory",
	} {
		if tally[what] == 0 && *seedFlag == 0 {
			t.Errorf("the simulations had no case of: %s (%v)", what, tally)
		}
	}
	t.Log(tally)
}

// comparePresent holds the newest state against the model.
func (s *sim) comparePresent(t *testing.T) {
	now := s.newest()
	total := 0
	for _, ns := range simSpaces {
		live := s.model.liveAt(ns, s.model.index)
		total += len(live)
		got := map[string]version{}
		previous := ""
		for e := range now.Entries(ns) {
			if e.Key <= previous {
				t.Errorf("%s comes after %s", e.Key, previous)
			}
			previous = e.Key
			got[e.Key] = version{e.Revision, e.Version, true, string(e.Value.JSON), e.Description, e.UpdatedBy}
		}
		if !maps.Equal(got, live) {
			t.Errorf("%s holds %+v, want %+v", ns, got, live)
		}
		if is := now.Namespace(ns).Live(); is != s.model.space(ns).live {
			t.Errorf("%s is live: %v", ns, is)
		}
	}
	if now.Cluster().FeatureLevel() != s.model.level || now.Oldest() != s.model.oldest || now.Edge() != s.chainAt(s.model.oldest-1).At(s.model.oldest-1) {
		t.Errorf("level %d, history from %d after %s; want %d, %d", now.Cluster().FeatureLevel(), now.Oldest(), now.Edge(), s.model.level, s.model.oldest)
	}
	all := now.Everything(true)
	if all.Live != total || now.Len() != total {
		t.Errorf("%d live entries counted, there are %d", now.Len(), total)
	}
	if want := s.model.receipts(s.model.index); !reflect.DeepEqual(all.Receipts, want) || all.Aged != len(want) {
		t.Errorf("receipts %+v (%d by age), want %+v", all.Receipts, all.Aged, want)
	}
}

// byRecords is the state after each index, index 0 included, by replaying the
// records one by one.
func (s *sim) byRecords(t *testing.T) []*projections.State {
	states := []*projections.State{projections.Empty()}
	for _, r := range s.records {
		stored, err := events.ParseRecord(r.Index, r.Chain, r.AppendStored(nil))
		if err != nil {
			t.Fatal(err)
		}
		next, err := states[len(states)-1].Apply(stored)
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, next)
	}
	return states
}

func TestReplayingTheRecordsReachesTheSameState(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, s *sim) {
		states := s.byRecords(t)
		for _, e := range s.entries {
			n := e.after.Index()
			if got, want := states[n].Everything(false), e.after.Everything(false); !reflect.DeepEqual(got, want) {
				t.Fatalf("at %d the records give\n%+v, the entries\n%+v", n, got, want)
			}
		}
	})
}

func TestTheViewsAtAnyIndexHoldTheStateAsOfThere(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, s *sim) {
		for n, want := range s.byRecords(t) {
			raft := projections.Origin{Index: 77, Term: 7}
			got, err := projections.Load(s.store.at(uint64(n)), uint64(n), raft)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := got.Everything(false), want.Everything(false); !reflect.DeepEqual(got, want) {
				t.Fatalf("loaded at %d\n%+v, want\n%+v", n, got, want)
			}
			if got.RaftIndex() != raft.Index || got.RaftTerm() != raft.Term {
				t.Fatalf("loaded at Raft entry %d of term %d", got.RaftIndex(), got.RaftTerm())
			}
			all := got.Everything(true)
			if want := s.model.receipts(uint64(n)); !reflect.DeepEqual(all.Receipts, want) || all.Aged != len(want) {
				t.Fatalf("receipts at %d: %+v, want %+v", n, all.Receipts, want)
			}
		}
	})
}

// A node starts at a marker: the views at its index, of which all that was
// written before is whole and anything written later may be torn. Folding the
// entries after it must give what every other node has, in the state and on
// disk.
func TestFoldingAgainFromAMarkerGivesTheSameStateAndRows(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, s *sim) {
		for range 10 {
			i := s.rng.IntN(len(s.entries))
			marker := s.entries[i]
			store := torn(s.written, marker.written, s.rng)
			state, err := projections.Load(store.at(marker.after.Index()), marker.after.Index(), marker.from)
			if err != nil {
				t.Fatal(err)
			}
			folding := projections.Begin(state)
			for _, e := range s.entries[i+1:] {
				if e.data == nil {
					folding.Skip(e.from)
					continue
				}
				batch, err := events.DecodeEntry(e.data)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := folding.Entry(e.from, batch); err != nil {
					t.Fatal(err)
				}
			}
			store.write(folding.Rows)
			if got, want := folding.State().Everything(true), s.newest().Everything(true); !reflect.DeepEqual(got, want) {
				t.Fatalf("from the marker at %d\n%+v, want\n%+v", marker.after.Index(), got, want)
			}
			if !reflect.DeepEqual(store.versions, s.store.versions) {
				t.Fatalf("from the marker at %d: the rows differ", marker.after.Index())
			}
			if folding.State().RaftIndex() != s.raft.Index || folding.State().RaftTerm() != s.raft.Term {
				t.Fatalf("ended at Raft entry %d, want %d", folding.State().RaftIndex(), s.raft.Index)
			}
		}
	})
}

func deref(s *string) (string, bool) {
	if s == nil {
		return "", false
	}
	return *s, true
}
