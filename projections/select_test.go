package projections_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// someQuery asks for some of what a history has, or does not have.
func (s *sim) someQuery(n uint64) (q projections.Query) {
	like, err := s.records[s.rng.Uint64N(max(n, 1))].Event() // mostly something that is there
	if err != nil {
		s.Fatal(err)
	}
	maybe := func(of int) bool { return s.rng.IntN(of) == 0 }
	if maybe(2) {
		q.Namespace = pick(s.rng, append([]string{"/", "never", "a", like.Namespace}, simSpaces...))
		q.Exact = maybe(2)
	}
	if q.Namespace != "" && maybe(3) {
		q.Key = pick(s.rng, append([]string{"z", like.Key}, simKeys...))
	}
	if maybe(2) {
		q.Actor = pick(s.rng, append([]string{"nobody", like.Actor}, simActors...))
	}
	for range s.rng.IntN(4) {
		q.Kinds = append(q.Kinds, pick(s.rng, events.Kinds()))
	}
	if len(q.Kinds) > 0 && maybe(2) {
		q.Kinds = append(q.Kinds, like.Data.Kind())
	}
	if maybe(3) {
		q.Correlation = pick(s.rng, []string{"c-1", "c-10", "c"})
	}
	if maybe(5) {
		q.Request = like.Request
	}
	if maybe(5) {
		q.Transaction = like.Transaction
	}
	if maybe(2) {
		q.After = s.rng.Uint64N(n + 2)
	}
	if maybe(2) {
		q.Before = s.rng.Uint64N(n + 3)
	}
	q.Ascending = maybe(2)
	return q
}

// wanted restates what a query selects.
func wanted(q projections.Query, r events.Record, e events.Event) bool {
	place := q.Namespace == "" || e.Namespace == q.Namespace ||
		!q.Exact && q.Key == "" && (q.Namespace == "/" || strings.HasPrefix(e.Namespace, q.Namespace+"/"))
	kind := len(q.Kinds) == 0
	for _, k := range q.Kinds {
		kind = kind || string(k) == string(e.Data.Kind())
	}
	for given, is := range map[*string]string{&q.Key: e.Key, &q.Actor: e.Actor, &q.Request: e.Request, &q.Correlation: e.CorrelationID, &q.Transaction: e.Transaction} {
		if *given != "" && *given != is {
			return false
		}
	}
	return place && kind && r.Index > q.After && (q.Before == 0 || r.Index < q.Before)
}

// scanned is what a query selects from records, by looking at all of them.
func scanned(t testing.TB, records []events.Record, q projections.Query) (all []uint64) {
	for _, r := range records {
		e, err := r.Event()
		if err != nil {
			t.Fatal(err)
		}
		if wanted(q, r, e) {
			all = append(all, r.Index)
		}
	}
	if !q.Ascending {
		slices.Reverse(all)
	}
	return all
}

// As of every moment, before and after a trim, with and without the rows that a
// trim lets go.
func TestSelectYieldsWhatAScanOfAllRecordsWouldFind(t *testing.T) {
	found := 0
	eachTrimmed(t, func(t *testing.T, s *sim, edge, n uint64, h *projections.History) {
		if n == 0 {
			return
		}
		for range 4 {
			q := s.someQuery(n)
			want := scanned(t, s.records[min(edge, n):n], q)
			if got := indexes(each(t, h.Select(q))); !slices.Equal(got, want) {
				t.Errorf("%+v: %v, want %v", q, got, want)
			}
			if got := inSteps(t, h, q, 1+s.rng.IntN(20)); !slices.Equal(got, want) {
				t.Errorf("%+v with little effort: %v, want %v", q, got, want)
			}
			found += len(want)
		}
	})
	if found < 1000 && *seedFlag == 0 {
		t.Errorf("only %d records were found", found)
	}
}

// inSteps goes on wherever a selection ends for want of effort.
func inSteps(t *testing.T, h *projections.History, q projections.Query, effort int) (all []uint64) {
	q.Effort = effort
	for step := 0; step < 10_000; step++ {
		var unfinished *projections.Unfinished
		for r, err := range h.Select(q) {
			if !errors.As(err, &unfinished) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, r.Index)
			}
		}
		switch {
		case unfinished == nil:
			return all
		case q.Ascending:
			q.After = unfinished.At - 1
		default:
			q.Before = unfinished.At + 1
		}
	}
	t.Fatalf("%+v never ends", q)
	return nil
}

// counted counts what is read from a source.
type counted struct {
	projections.Source
	read *int
}

func (c counted) Get(key []byte) ([]byte, uint64, error) {
	*c.read++
	return c.Source.Get(key)
}

func (c counted) Scan(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return c.count(c.Source.Scan(prefix, from))
}

func (c counted) Reverse(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return c.count(c.Source.Reverse(prefix, from))
}

func (c counted) Versions(key []byte) iter.Seq2[projections.Row, error] {
	return c.count(c.Source.Versions(key))
}

func (c counted) count(rows iter.Seq2[projections.Row, error]) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		for row, err := range rows {
			if *c.read++; !yield(row, err) {
				return
			}
		}
	}
}

// long is a history of n writes, of which the first half is ann's, to team/a, and
// the other bob's, to team/b; and eve has done the one in the middle.
func long(t testing.TB, n int) (*rows, uint64) {
	p, store := begun(t), newRows()
	for i := range n {
		space, stamp := "team/a", events.Stamp{Time: time.Unix(2000, 0), Actor: "ann", CorrelationID: fmt.Sprint("c-", i/2)}
		if i > n/2 {
			space, stamp.Actor = "team/b", "bob"
		}
		if i == n/2 {
			stamp.Actor = "eve"
		}
		proposal, err := events.Rules{}.Decide(p.State, set(space, fmt.Sprint("key-", i%7), i), stamp)
		if err != nil {
			t.Fatal(err)
		}
		store.write(p.must(proposal).Rows)
	}
	return store, p.Index()
}

func TestSelectReadsLittleMoreThanItFinds(t *testing.T) {
	store, n := long(t, 2000)
	h := projections.NewHistory(store.at(n), n)
	all := each(t, h.Records(0))
	updated := []events.Kind{"config.updated"}
	for _, q := range []projections.Query{
		{Actor: "eve"},
		{Actor: "eve", Namespace: "team", Kinds: updated},
		{Actor: "bob", Namespace: "team/a"},
		{Actor: "bob", Namespace: "team/a", Kinds: updated},
		{Actor: "eve", Namespace: "team/b"},
		{Namespace: "team/a", Key: "key-3", Actor: "bob"},
		{Correlation: "c-77", Actor: "ann", Kinds: updated},
		{Namespace: "team", Before: 30, Kinds: updated},
		{Namespace: "team/a", After: 40, Before: 60},
	} {
		for _, q.Ascending = range []bool{false, true} {
			want, read := scanned(t, all, q), 0
			h := projections.NewHistory(counted{store.at(n), &read}, n)
			if got := indexes(each(t, h.Select(q))); !slices.Equal(got, want) {
				t.Errorf("%+v: %v, want %v", q, got, want)
			}
			limit := 100 + 4*len(want)
			if q.Key != "" {
				limit += 160 // the versions of one key are its index
			}
			if read > limit {
				t.Errorf("%+v: %d rows were read to find %d records", q, read, len(want))
			}
		}
	}
}

func TestWhoStopsEarlyReadsNoMore(t *testing.T) {
	store, n := long(t, 2000)
	for _, q := range []projections.Query{
		{}, {Namespace: "/"}, {Namespace: "team"}, {Actor: "bob"}, {Actor: "bob", Namespace: "team", Ascending: true}, {Ascending: true},
	} {
		read, found := 0, 0
		h := projections.NewHistory(counted{store.at(n), &read}, n)
		for _, err := range h.Select(q) {
			if found++; err != nil || found == 50 {
				break
			}
		}
		if found != 50 || read > 220 {
			t.Errorf("%+v: %d rows were read for %d records", q, read, found)
		}
	}
}

// An erasure is about a key and changes neither its entry nor its draft.
func TestAKeyIsAskedForWithItsErasures(t *testing.T) {
	p, store := begun(t), newRows()
	step := func(c events.Command) {
		store.write(p.must(p.decide(c, time.Unix(2000, 0), "")).Rows)
	}
	step(events.RaiseLevel{Level: 4})
	step(set("a", "y", 1))
	made := p.Index()
	step(set("a", "y", 2))
	step(set("a", "z", 2))
	step(events.EraseValues{Namespace: "a", Key: "y", Reason: "leaked", Records: []events.ErasedRecord{{Index: made}}})
	erased := p.Index()
	for _, up := range []bool{false, true} {
		want := []uint64{made, made + 1, erased}
		if !up {
			slices.Reverse(want)
		}
		h := projections.NewHistory(store.at(erased), erased)
		if got := indexes(each(t, h.Select(projections.Query{Namespace: "a", Key: "y", Ascending: up}))); !slices.Equal(got, want) {
			t.Errorf("ascending %v: %v, want %v", up, got, want)
		}
	}
}

// A name is not taken for one that begins with it, whatever bytes it has.
func TestNamesWithZeroBytesAreTheirOwn(t *testing.T) {
	p, store := begun(t), newRows()
	for _, id := range []string{"c", "c\x00", "c\x00\x00\x00\x00\x00\x00\x00\x00"} {
		proposal, err := events.Rules{}.Decide(p.State, set("a", "y", len(id)), events.Stamp{Time: time.Unix(2000, 0), Actor: "ann", CorrelationID: id})
		if err != nil {
			t.Fatal(err)
		}
		store.write(p.must(proposal).Rows)
	}
	n := p.Index()
	h := projections.NewHistory(store.at(n), n)
	for _, up := range []bool{false, true} {
		for _, id := range []string{"c", "c\x00", "c\x00\x00\x00\x00\x00\x00\x00\x00"} {
			q := projections.Query{Correlation: id, Ascending: up}
			if got, want := indexes(each(t, h.Select(q))), scanned(t, each(t, h.Records(0)), q); !slices.Equal(got, want) || len(got) != 1 {
				t.Errorf("%q, ascending %v: %v, want %v", id, up, got, want)
			}
		}
	}
}
