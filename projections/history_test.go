package projections_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// each collects what an answer yields, up to its first error.
func each[T any](t testing.TB, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// eachMoment runs on the history as of some indexes of each simulation, the
// first, the last and those inside transactions and Raft entries among them.
func eachMoment(t *testing.T, check func(t *testing.T, s *sim, n uint64, h *projections.History)) {
	eachSeed(t, 10, func(t *testing.T, s *sim) {
		for n := uint64(0); n <= s.model.index; n++ {
			check(t, s, n, projections.NewHistory(s.store.at(n), n))
			if t.Failed() {
				t.Fatalf("as of event %d", n)
			}
		}
	})
}

func TestTheVersionsOfAKeyAreItsHistory(t *testing.T) {
	eachMoment(t, func(t *testing.T, s *sim, n uint64, h *projections.History) {
		for _, ns := range simSpaces {
			for _, key := range simKeys {
				want := slices.Clone(s.model.versionsAt(ns, key, n))
				slices.Reverse(want)
				var got []version
				for _, e := range each(t, h.Versions(ns, key)) {
					got = append(got, version{e.Revision, e.Version, e.Live(), string(e.Value.JSON), e.Description, e.UpdatedBy})
				}
				if !slices.Equal(got, want) {
					t.Errorf("versions of %s/%s: %+v, want %+v", ns, key, got, want)
				}
				e, err := h.Entry(ns, key)
				if err != nil || len(want) == 0 && e.Revision != 0 || len(want) > 0 && (e.Revision != want[0].index || e.Live() != want[0].live) {
					t.Errorf("%s/%s is %+v, %v, want %+v", ns, key, e, err, want)
				}
			}
		}
	})
}

func TestANamespaceIsReadAsOfAnEvent(t *testing.T) {
	eachMoment(t, func(t *testing.T, s *sim, n uint64, h *projections.History) {
		for _, ns := range simSpaces {
			live := s.model.liveAt(ns, n)
			for _, after := range []string{"", "x", "z/1"} {
				var want []string
				for _, key := range slices.Sorted(maps.Keys(live)) {
					if key > after {
						want = append(want, key)
					}
				}
				var got []string
				for _, e := range each(t, h.EntriesAfter(ns, after)) {
					got = append(got, e.Key)
					if v := live[e.Key]; v.index != e.Revision || v.value != string(e.Value.JSON) || v.number != e.Version {
						t.Errorf("%s/%s is %+v, want %+v", ns, e.Key, e, v)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s after %q holds %v, want %v", ns, after, got, want)
				}
			}
			var last happening
			for _, e := range s.model.space(ns).since {
				if e.index <= n {
					last = e
				}
			}
			if got, err := h.Namespace(ns); err != nil || got.Revision != last.index || got.Live() != (last.index > 0 && last.kind != "namespace.deleted") {
				t.Errorf("%s is %+v, %v, want what %+v left", ns, got, err, last)
			}
		}
	})
}

func TestRecordsAreReadForwardsAndBackwards(t *testing.T) {
	eachMoment(t, func(t *testing.T, s *sim, n uint64, h *projections.History) {
		indexes := func(records []events.Record) (all []uint64) {
			for _, r := range records {
				all = append(all, r.Index)
			}
			return all
		}
		count := func(from, to uint64) (all []uint64) {
			for i := max(from, 1); i <= to; i++ {
				all = append(all, i)
			}
			return all
		}
		from := s.rng.Uint64N(n + 3)
		if got := indexes(each(t, h.Records(from))); !slices.Equal(got, count(from, n)) {
			t.Errorf("from %d: %v", from, got)
		}
		want := count(1, n)
		if from > 0 {
			want = count(1, min(n, from-1))
		}
		slices.Reverse(want)
		if got := indexes(each(t, h.RecordsBefore(from))); !slices.Equal(got, want) {
			t.Errorf("before %d: %v, want %v", from, got, want)
		}
		for _, i := range []uint64{0, n + 1} {
			if r, err := h.Record(i); !errors.Is(err, events.ErrNotFound) {
				t.Errorf("record %d: %+v, %v, want ErrNotFound", i, r, err)
			}
		}
		p, err := h.Position(n)
		if want := s.chainAt(n).At(n); err != nil || p != want {
			t.Errorf("position of %d: %v, %v, want %v", n, p, err, want)
		}
		if n == 0 {
			return
		}
		want1 := s.records[n-1]
		r, err := h.Record(n)
		if err != nil || string(r.AppendStored(nil)) != string(want1.AppendStored(nil)) || r.Chain != want1.Chain {
			t.Errorf("record %d: %+v, %v, want %+v", n, r, err, want1)
		}
	})
}

func (s *sim) chainAt(n uint64) events.Chain {
	if n == 0 {
		return events.Chain{}
	}
	return s.records[n-1].Chain
}

func TestTheIndexAtATimeIsTheLastEventUpToIt(t *testing.T) {
	eachMoment(t, func(t *testing.T, s *sim, n uint64, h *projections.History) {
		for _, r := range s.records {
			for _, step := range []time.Duration{-1, 0, 1} {
				at, want := r.Time.Add(step), uint64(0)
				for _, e := range s.model.happened[:n] {
					if !e.time.After(at) {
						want = e.index
					}
				}
				if got, err := h.IndexAt(at); err != nil || got != want {
					t.Fatalf("at %v: %d, %v, want %d", at, got, err, want)
				}
			}
		}
	})
}

func TestVerifyFindsWhatWasTamperedWith(t *testing.T) {
	s := simulated(t)
	n := s.model.index
	for from := uint64(1); from <= n; from++ {
		if err := projections.NewHistory(s.store.at(n), n).Verify(from, s.chainAt(from-1)); err != nil {
			t.Fatalf("the history as it was, from %d: %v", from, err)
		}
	}
	row := func(i uint64) []byte { return s.store.versions[string(recordKey(i))][0].Value }
	found := func(what string, i, end uint64) {
		t.Helper()
		err := projections.NewHistory(s.store.at(end), end).Verify(1, events.Chain{})
		if err == nil {
			t.Errorf("%s at %d of %d was not found", what, i, n)
		} else if missing := fmt.Sprintf("event %d is missing", i); what == "a dropped record" && err.Error() != missing {
			t.Errorf("%s: %v, want %s", what, err, missing)
		}
	}
	for i := uint64(1); i <= n; i++ {
		whole := row(i)
		set := func(value []byte) { s.store.versions[string(recordKey(i))][0].Value = value }
		for at := range whole {
			altered := slices.Clone(whole)
			altered[at] ^= 1 << s.rng.IntN(8)
			set(altered)
			found("a changed bit", i, n)
		}
		set(whole[:len(whole)-1])
		found("a shortened record", i, n)
		set(whole)

		saved := maps.Clone(s.store.versions)
		delete(s.store.versions, string(recordKey(i)))
		s.store.keys = nil
		found("a dropped record", i, n)
		for j := i; j < n; j++ { // and those after it moved up
			s.store.versions[string(recordKey(j))] = saved[string(recordKey(j+1))]
		}
		delete(s.store.versions, string(recordKey(n)))
		if i < n {
			found("a record cut out", i, n-1)
		}
		s.store.versions, s.store.keys = maps.Clone(saved), nil
		for j := n; j >= i; j-- { // a copy of this one put before it
			s.store.versions[string(recordKey(j+1))] = []projections.Row{{Key: recordKey(j + 1), Value: row(j), Index: j}}
		}
		found("a record put in", i, n+1)
		s.store.versions, s.store.keys = saved, nil
	}
	if err := projections.NewHistory(s.store.at(n), n).Verify(2, events.Chain{1}); err == nil {
		t.Error("another chain before the second event was not found")
	}
}

func TestABrokenSourceIsReportedByEveryAnswer(t *testing.T) {
	h := projections.NewHistory(broken{}, 5)
	for name, ask := range map[string]func() error{
		"Record":        func() error { _, err := h.Record(1); return err },
		"Position":      func() error { _, err := h.Position(1); return err },
		"IndexAt":       func() error { _, err := h.IndexAt(time.Now()); return err },
		"Entry":         func() error { _, err := h.Entry("a", "b"); return err },
		"Namespace":     func() error { _, err := h.Namespace("a"); return err },
		"Policy":        func() error { _, err := h.Policy("a"); return err },
		"Draft":         func() error { _, err := h.Draft("a", "b"); return err },
		"Request":       func() error { _, err := h.Request("r"); return err },
		"Closed":        func() error { return firstError(h.ClosedRequests("")) },
		"Records":       func() error { return firstError(h.Records(1)) },
		"RecordsBefore": func() error { return firstError(h.RecordsBefore(0)) },
		"EntriesAfter":  func() error { return firstError(h.EntriesAfter("a", "")) },
		"Versions":      func() error { return firstError(h.Versions("a", "b")) },
		"Select":        func() error { return firstError(h.Select(projections.Query{Actor: "a"})) },
		"Select up":     func() error { return firstError(h.Select(projections.Query{Actor: "a", Ascending: true})) },
		"Select a key":  func() error { return firstError(h.Select(projections.Query{Namespace: "a", Key: "b"})) },
		"Select key up": func() error {
			return firstError(h.Select(projections.Query{Namespace: "a", Key: "b", Ascending: true}))
		},
		"Select all": func() error { return firstError(h.Select(projections.Query{})) },
		"Verify":     func() error { return h.Verify(1, events.Chain{}) },
		"Load":       func() error { _, err := projections.Load(broken{}, 5, projections.Origin{}); return err },
	} {
		if err := ask(); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v, want the source's error", name, err)
		}
	}
}

func TestAHistoryThatHasNotBegunIsEmpty(t *testing.T) {
	h := projections.NewHistory(projections.NoRows{}, 0)
	if p, err := h.Position(0); err != nil || p.String() != "0-00000000" {
		t.Errorf("position %v, %v", p, err)
	}
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	if n := len(each(t, h.RecordsBefore(0))) + len(each(t, h.Select(projections.Query{Actor: "a"}))) + len(each(t, h.Versions("a", "b"))); n != 0 {
		t.Errorf("%d answers", n)
	}
	s, err := projections.Load(projections.NoRows{}, 0, projections.Origin{Index: 3, Term: 1})
	if err != nil || s.RaftIndex() != 3 || !reflect.DeepEqual(s.Everything(true), projections.Empty().Everything(true)) {
		t.Errorf("loaded %+v, %v", s, err)
	}
}
