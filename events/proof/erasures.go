package proof

import (
	"maps"
	"slices"

	"confman/events"
)

// erasures account for the records that are marked as erased. Their memory is
// that of the erased records.
type erasures struct {
	report *Report
	marked map[uint64]remains // what is there of them
	named  map[uint64]remains // what should be
}

// remains is what is left of a record, or should be.
type remains struct {
	digest events.Digest
	before *events.Chain // the chain at the index before; nil: not known
	by     uint64        // the erasure that says so
}

func newErasures(r *Report) *erasures {
	return &erasures{report: r, marked: map[uint64]remains{}, named: map[uint64]remains{}}
}

// found notes a record that is marked.
func (e *erasures) found(r events.Record, stored []byte) {
	e.report.Erased++
	e.marked[r.Index] = remains{digest: events.DigestOf(stored)}
}

// follows notes what the chain is before a record that is marked.
func (e *erasures) follows(index uint64, before events.Chain) {
	m := e.marked[index]
	m.before = &before
	e.marked[index] = m
}

// after takes an erasure that comes after the records that it names: all those
// from the first one checked on have been seen.
func (e *erasures) after(by uint64, d events.HistoryErased) {
	for _, r := range d.Records {
		if r.Index < e.report.From || r.Index >= by {
			continue
		}
		e.named[r.Index] = remains{r.Remains, &r.Before, by}
		if _, ok := e.marked[r.Index]; !ok {
			e.report.add(r.Index, NotErased, "event %d took values out of it, and they are there", by)
		}
	}
}

// before takes an erasure when the records that it names are still to come. A
// newer one came first and counts.
func (e *erasures) before(by uint64, d events.HistoryErased) {
	for _, r := range d.Records {
		if _, ok := e.named[r.Index]; !ok {
			e.named[r.Index] = remains{r.Remains, &r.Before, by}
		}
	}
}

// end says which marked records no erasure accounts for.
func (e *erasures) end(partial bool) {
	for _, index := range slices.Sorted(maps.Keys(e.marked)) {
		is := e.marked[index]
		switch named, ok := e.named[index]; {
		case ok && named.digest == is.digest:
			if is.before != nil && *is.before != *named.before {
				e.report.add(index-1, Rechained, "the chain there is %s, the erasure of event %d in event %d says %s", *is.before, index, named.by, *named.before)
			}
		case partial: // by an event that is not there
			e.report.Pending++
		case ok:
			e.report.add(index, Altered, "what is left of it has digest %s, the erasure in event %d says %s", is.digest, named.by, named.digest)
		default:
			e.report.add(index, Unerased, "it is marked as erased, and no event up to %d says so", e.report.To)
		}
	}
}
