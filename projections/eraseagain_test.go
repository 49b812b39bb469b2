package projections_test

import (
	"errors"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// erasure is one of a value of a/x wherever that key has it.
func (p *present) erasure(store *rows, value string) events.EraseValues {
	p.Helper()
	h := projections.NewHistory(store.at(p.Index()), p.Index())
	c := events.EraseValues{Namespace: "a", Key: "x", Reason: "leaked", AsOf: p.Index()}
	for _, held := range each(p.TB, h.Holding([]byte(value))) {
		after, err := held.Erase(held.Places)
		if err != nil {
			p.Fatal(err)
		}
		before, err := h.Chain(held.Index - 1)
		if err != nil {
			p.Fatal(err)
		}
		c.Records = append(c.Records, events.ErasedRecord{
			Index: held.Index, Values: held.Places, Before: before,
			Digest: events.DigestOf(held.AppendStored(nil)), Remains: events.DigestOf(after.AppendStored(nil)),
		})
	}
	return c
}

func (p *present) proposedErasure(store *rows, value string) events.Proposal {
	p.Helper()
	return p.decide(p.erasure(store, value), time.Unix(3000, 0), "")
}

// erased commits an erasure and rewrites the rows.
func (p *present) erased(store *rows, value string) events.HistoryErased {
	p.Helper()
	d := events.HistoryErased{Records: p.erasure(store, value).Records}
	store.write(p.must(p.proposedErasure(store, value)).Rows)
	p.rewrite(store, d)
	return d
}

func (p *present) rewrite(store *rows, d events.HistoryErased) (written int) {
	p.Helper()
	rows, err := projections.Erase(store.at(p.Index()), d)
	if err != nil {
		p.Fatal(err)
	}
	store.write(rows)
	return len(rows)
}

// changing is a history in which a/x has the values 1, then others in turn.
func changing(t *testing.T, values ...int) (*present, *rows) {
	p, store := begun(t), newRows()
	store.write(p.rowsSoFar())
	store.write(p.must(p.decide(events.RaiseLevel{Level: events.NewestLevel}, time.Unix(2000, 0), "")).Rows)
	for _, v := range values {
		store.write(p.must(p.decide(set("a", "x", v), time.Unix(2000, 0), "")).Rows)
	}
	return p, store
}

// rowsSoFar are the rows of the first Raft entry, made again.
func (p *present) rowsSoFar() []projections.Row {
	p.Helper()
	again := &present{TB: p.TB, State: projections.Empty(), raft: projections.Origin{Term: 1}}
	return again.must(again.decide(set("a", "x", 1), time.Unix(1000, 0), "")).Rows
}

// Two erasures touch one record where one value replaced another, and both are to
// go. A node that crashes then folds both again, on rows that have neither: its
// marker may lie between the record and the first of them.
func TestErasuresThatTouchOneRecordAreFoldedAgain(t *testing.T) {
	p, store := changing(t, 22, 33, 44)
	first := p.erased(store, "22")
	second := p.erased(store, "33")
	p.rewrite(store, first)
	p.rewrite(store, second)
	h := projections.NewHistory(store.at(p.Index()), p.Index())
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	for _, value := range []string{"22", "33"} {
		if held := each(t, h.Holding([]byte(value))); len(held) > 0 {
			t.Errorf("%s is in %+v", value, held)
		}
	}
}

// An erasure is applied by every node before anything after it, and in memory: a
// value that a key had often must not cost the square of that.
func TestAnErasureWritesEachRowOnce(t *testing.T) {
	var values []int
	for range 100 {
		values = append(values, 22, 33)
	}
	p, store := changing(t, values...)
	h := projections.NewHistory(store.at(p.Index()), p.Index())
	d := p.erased(store, "22")
	if len(d.Records) != 200 {
		t.Fatalf("%d records", len(d.Records))
	}
	fresh, again := changing(t, values...)
	_ = h
	if n := fresh.rewrite(again, d); n > 300 {
		t.Errorf("%d rows are written for 200 records and 100 versions", n)
	}
}

// Somebody else may have taken something out of the same record since a value was
// looked for; what remains of it is then another than the proposal says, and no
// node could go on.
func TestAnErasureIsStaleWhenAnotherOneCameBefore(t *testing.T) {
	p, store := changing(t, 22, 33, 44)
	first, second := p.proposedErasure(store, "22"), p.proposedErasure(store, "33")
	p.must(first)
	results, _ := p.commit(second)
	if !errors.Is(results[0].Err, events.ErrStale) {
		t.Errorf("the second erasure ended with %v", results[0])
	}
}

// And it is refused when it is decided on the newer state.
func TestAnErasureOfWhatWasFoundBeforeAnotherOneIsRefused(t *testing.T) {
	p, store := changing(t, 22, 33, 44)
	found := p.erasure(store, "33")
	p.erased(store, "22")
	if _, err := (events.Rules{}).Decide(p.State, found, events.Stamp{}); !errors.Is(err, events.ErrConflict) {
		t.Errorf("it is decided with %v", err)
	}
	p.erased(store, "33")
}
