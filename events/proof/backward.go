package proof

import (
	"maps"
	"slices"
	"time"

	"confman/events"
)

// Backward checks a history whose records come newest first, as a backup has
// them. It keeps two records, the statements about the chain, and what concerns
// erased records.
type Backward struct {
	report   Report
	options  Options
	horizon  events.Horizon
	held     *heldRecord // the record before, which waits for the chain that leads to it
	suspect  *heldRecord // the one after it, when nothing led to it
	time     time.Time
	gaps     gaps
	erasures *erasures
	said     []statement // newest first
	wanted   map[uint64]bool
	seen     map[uint64]events.Chain // of what is wanted
	trimmed  bool                    // the newest trim was seen
}

// heldRecord is a record whose Body is its own.
type heldRecord struct {
	events.Record
	stored []byte
}

// statement is an event that states something about the chain.
type statement struct {
	index uint64
	data  events.Data
}

// NewBackward is a verifier of the history that ends at an index with a chain and
// begins at a horizon.
func NewBackward(index uint64, chain events.Chain, horizon events.Horizon, o Options) *Backward {
	b := &Backward{options: o, horizon: horizon, wanted: map[uint64]bool{}, seen: map[uint64]events.Chain{}}
	b.report = Report{Cluster: o.Cluster, From: horizon.First(), To: index, Chain: chain}
	b.gaps.report = &b.report
	b.erasures = newErasures(&b.report)
	for _, p := range o.Positions {
		b.wanted[p.Index] = true
	}
	for _, c := range o.Checkpoints {
		b.wanted[c.Index] = true
	}
	return b
}

// Add reports something that the caller found around the records.
func (b *Backward) Add(index uint64, kind Kind, format string, args ...any) {
	b.report.add(index, kind, format, args...)
}

// Next is the index that should come next.
func (b *Backward) Next() uint64 {
	if b.held == nil {
		return b.report.To
	}
	return b.held.Index - 1
}

// Record takes the next record. It keeps nothing of its Body.
func (b *Backward) Record(r events.Record) {
	if r.Index < b.report.From || r.Index == 0 {
		return // before the horizon: bytes that may be there or not
	}
	now := &heldRecord{r, r.AppendStored(nil)}
	now.Body = now.stored[len(now.stored)-len(r.Body):]
	if b.held == nil {
		b.newest(now)
	} else if r.Index >= b.held.Index {
		b.stray(now)
		return
	} else if r.Index+1 < b.held.Index {
		b.gaps.add(r.Index+1, b.held.Index-1)
		b.suspect = nil
	} else {
		b.follow(now)
	}
	if b.held != nil && r.Time.After(b.time) {
		b.report.add(b.held.Index, Altered, "its time is before that of the event before it")
	}
	b.held, b.time = now, r.Time
	b.note(now)
}

// newest compares the first record with what the history is said to end with.
func (b *Backward) newest(r *heldRecord) {
	if r.Index < b.report.To {
		b.gaps.add(r.Index+1, b.report.To)
	}
	if r.Index == b.report.To && r.Chain != b.report.Chain {
		b.report.add(r.Index, Altered, "its chain is %s, the history is said to end with %s", r.Chain, b.report.Chain)
	}
}

// follow checks that a record leads to the one after it. When it does not, either
// may be to blame; the record before it tells.
func (b *Backward) follow(r *heldRecord) {
	computed := r.Chain.Next(b.held.stored)
	right := b.held.Erased || computed == b.held.Chain
	if b.held.Erased { // then the erasure says what leads to it
		b.erasures.follows(b.held.Index, r.Chain)
	}
	if s := b.suspect; s != nil && (right || computed.Next(s.stored) != s.Chain) {
		b.blame(s)
	}
	b.suspect = nil
	if !right {
		b.suspect = b.held
	}
}

func (b *Backward) blame(r *heldRecord) {
	b.report.add(r.Index, Altered, "it does not lead from the chain before it to its own")
}

// stray judges a record that should have come before.
func (b *Backward) stray(r *heldRecord) {
	switch {
	case b.gaps.fill(r.Index):
		b.note(r)
	case r.Index <= b.report.To:
		b.report.add(r.Index, Duplicated, "it comes again after event %d", b.held.Index)
	default:
		b.report.add(r.Index, Inserted, "the history is said to end with event %d", b.report.To)
	}
}

// note takes what a record states, and what is stated about it.
func (b *Backward) note(r *heldRecord) {
	b.report.Records++
	if b.wanted[r.Index] {
		b.seen[r.Index] = r.Chain
	}
	if r.Erased {
		b.erasures.found(r.Record, r.stored)
	} else if e, ok := b.erasures.named[r.Index]; ok {
		b.report.add(r.Index, NotErased, "event %d took values out of it, and they are there", e.by)
	}
	if !states(r.Record) {
		return
	}
	e, err := r.Event()
	if err != nil {
		b.report.add(r.Index, Altered, "it cannot be read: %v", err)
		return
	}
	switch d := e.Data.(type) {
	case events.HistoryErased:
		b.erasures.before(r.Index, d)
	case events.HistoryTrimmed:
		if !b.trimmed && d.Horizon != b.horizon {
			b.report.add(r.Index, Altered, "it trims the history to begin with event %d, the state says %d", d.First(), b.horizon.First())
		}
		b.trimmed = true
	case events.HistoryCheckpointed:
		b.wanted[d.Checkpoint.Index] = true
		b.said = append(b.said, statement{r.Index, d})
	default:
		b.said = append(b.said, statement{r.Index, d})
	}
}

// End is what was found. The verifier must not be used any more.
func (b *Backward) End() Report {
	edge := b.report.From - 1
	b.seen[edge] = b.horizon.Chain
	if edge == 0 {
		b.seen[edge] = events.Chain{}
	}
	switch {
	case b.held != nil && b.held.Index > b.report.From:
		b.gaps.add(b.report.From, b.held.Index-1)
	case b.held != nil:
		b.follow(&heldRecord{Record: events.Record{Chain: b.seen[edge]}})
	case b.report.To >= b.report.From:
		b.gaps.add(b.report.From, b.report.To)
	}
	if b.suspect != nil {
		b.blame(b.suspect)
	}
	if b.horizon.First() > 1 && !b.trimmed {
		b.report.add(0, Altered, "the state says that the history begins with event %d, and no event trims it", b.horizon.First())
	}
	b.gaps.end()
	b.erasures.end(b.options.Partial)
	b.testify()
	b.report.sort()
	return b.report
}

// testify holds the statements against the chain, oldest first.
func (b *Backward) testify() {
	w := newWitnesses(&b.report, b.options, func(index uint64) (events.Chain, bool) {
		chain, ok := b.seen[index]
		return chain, ok
	})
	slices.Reverse(b.said)
	indexes := slices.Sorted(maps.Keys(b.seen))
	for len(indexes)+len(b.said) > 0 {
		if len(b.said) > 0 && (len(indexes) == 0 || b.said[0].index <= indexes[0]) {
			w.event(b.said[0].index, b.said[0].data)
			b.said = b.said[1:]
			continue
		}
		w.passes(indexes[0], b.seen[indexes[0]])
		indexes = indexes[1:]
	}
	w.end()
}
