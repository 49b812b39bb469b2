package proof

import (
	"bytes"
	"time"

	"confman/events"
)

// recentChains is how far back a checkpoint may look: it stands shortly after
// what it states.
const recentChains = 1 << 16

// Verifier checks a history whose records come oldest first. After something is
// found it goes on where sense can be made of what follows, so that one report
// tells of several faults. It needs constant memory, but for the records that are
// erased.
type Verifier struct {
	report    Report
	options   Options
	begun     bool
	next      uint64 // the index that should come
	link      link   // to the record before it
	older     link   // and the one before that
	torn      bool   // what came last could not be read
	time      time.Time
	recent    map[uint64]events.Chain
	gaps      gaps
	erasures  *erasures
	witnesses *witnesses
	again     uint64 // events below it may come again: a file that overlaps
	stored    []byte
}

// link is what the chain before a record may be: what the record before claims,
// and what was computed for it, where that differs. None: not known.
type link []events.Chain

func (l link) leads(stored []byte, to events.Chain) bool {
	for _, before := range l {
		if before.Next(stored) == to {
			return true
		}
	}
	return false
}

// NewVerifier is a verifier that has seen nothing. Begin it, or let it Read.
func NewVerifier(o Options) *Verifier {
	v := &Verifier{options: o, recent: map[uint64]events.Chain{}}
	v.report.Cluster = o.Cluster
	v.gaps.report = &v.report
	v.erasures = newErasures(&v.report)
	v.witnesses = newWitnesses(&v.report, o, v.chainAt)
	return v
}

// Begin says with which event the history begins, and what the chain is at the
// one before it.
func (v *Verifier) Begin(from uint64, before events.Chain) {
	if from == 1 {
		before = events.Chain{}
	}
	v.begun, v.next, v.link = true, from, link{before}
	v.report.From, v.report.To, v.report.Chain = from, from-1, before
	v.recent[from-1] = before
	v.witnesses.passes(from-1, before)
}

// chainAt is the chain at an event that was seen not long ago, or before the
// first.
func (v *Verifier) chainAt(index uint64) (events.Chain, bool) {
	chain, ok := v.recent[index]
	return chain, ok
}

// Record takes the next record. It keeps nothing of its Body.
func (v *Verifier) Record(r events.Record) {
	v.stored = r.AppendStored(v.stored[:0])
	if !v.begun {
		v.Begin(r.Index, events.Chain{})
		if r.Index != 1 {
			v.link = nil
		}
	}
	if r.Index < v.again && v.isAgain(r) {
		return
	}
	linked := v.link.leads(v.stored, r.Chain)
	torn := v.torn
	v.torn = false
	switch {
	case linked && r.Index == v.next, r.Erased && r.Index == v.next:
	case linked:
		v.report.add(v.next, Altered, "it is numbered %d", r.Index)
		r.Index = v.next
	case r.Index == v.next:
		if v.link != nil {
			v.report.add(r.Index, Altered, "its chain is %s, computed %s", r.Chain, v.link[0].Next(v.stored))
		}
	case r.Index > v.next && torn:
		v.gaps.add(v.next+1, r.Index-1)
	case r.Index > v.next:
		v.gaps.add(v.next, r.Index-1)
	default:
		v.stray(r)
		return
	}
	v.accept(r)
}

// isAgain reports whether a record was seen before, the same.
func (v *Verifier) isAgain(r events.Record) bool {
	chain, seen := v.chainAt(r.Index)
	before, known := v.chainAt(r.Index - 1)
	return seen && known && chain == r.Chain && (r.Erased || before.Next(v.stored) == chain)
}

// stray judges a record whose index has passed.
func (v *Verifier) stray(r events.Record) {
	chain, seen := v.chainAt(r.Index)
	switch {
	case v.gaps.fill(r.Index):
	case seen && chain == r.Chain || !seen && r.Index >= v.report.From:
		v.report.add(r.Index, Duplicated, "it comes again before event %d", v.next)
	case r.Index+1 == v.next && v.older.leads(v.stored, r.Chain):
		v.report.add(r.Index, Inserted, "another record stands before it in its place")
		v.link, v.recent[r.Index] = link{r.Chain}, r.Chain
		v.report.Chain = r.Chain
	default:
		v.report.add(v.next, Inserted, "a record that is numbered %d stands before it", r.Index)
	}
}

// accept takes a record for the next one, right or wrong, and goes on from it.
func (v *Verifier) accept(r events.Record) {
	if r.Time.Before(v.time) {
		v.report.add(r.Index, Altered, "its time %s is before that of the event before it", r.Time.Format(time.RFC3339Nano))
	}
	v.older, v.time = v.link, r.Time
	v.link = link{r.Chain}
	if len(v.older) > 0 && !r.Erased {
		if computed := v.older[0].Next(v.stored); computed != r.Chain {
			v.link = append(v.link, computed)
		}
	}
	v.next = r.Index + 1
	v.recent[r.Index] = r.Chain
	delete(v.recent, r.Index-recentChains)
	v.report.To, v.report.Chain = r.Index, r.Chain
	v.report.Records++
	if r.Erased {
		v.erasures.found(r, v.stored)
		if before, ok := v.chainAt(r.Index - 1); ok {
			v.erasures.follows(r.Index, before)
		}
	}
	if states(r) {
		if e, err := r.Event(); err != nil {
			v.report.add(r.Index, Altered, "it cannot be read: %v", err)
		} else if d, ok := e.Data.(events.HistoryErased); ok {
			v.erasures.after(r.Index, d)
		} else {
			v.witnesses.event(r.Index, e.Data)
		}
	}
	v.witnesses.passes(r.Index, r.Chain)
}

// states reports whether a record may hold something that is of interest here.
// An event begins with its ID, of 26 characters, and its type.
func states(r events.Record) bool {
	head := r.Body[:min(len(r.Body), 80)]
	for _, kind := range []string{`"type":"history.`, `"type":"checkpoint.`, `"type":"cluster.`} {
		if bytes.Contains(head, []byte(kind)) {
			return true
		}
	}
	return false
}

// Broken says that the next record is there and cannot be read.
func (v *Verifier) Broken(err error) {
	if v.torn {
		v.next++
		v.link, v.older = nil, nil
	}
	v.torn = v.begun
	v.report.add(v.next, Altered, "it cannot be read: %v", err)
}

// Until says up to which event records were to come.
func (v *Verifier) Until(to uint64) {
	next := v.next
	if v.torn {
		next++
	}
	if to >= next {
		v.report.add(next, CutShort, "missing: %s", span(next, to))
	}
}

// Ends says what the chain is known to be at the last record.
func (v *Verifier) Ends(chain events.Chain) {
	if v.report.Chain != chain {
		v.report.add(v.report.To, Altered, "the chain there is %s, want %s", v.report.Chain, chain)
	}
}

// GoesOn says that the history goes on after what was read (see Options.Partial).
func (v *Verifier) GoesOn() { v.options.Partial = true }

// Add reports something that the caller found around the records.
func (v *Verifier) Add(index uint64, kind Kind, format string, args ...any) {
	v.report.add(index, kind, format, args...)
}

// End is what was found. The verifier must not be used any more.
func (v *Verifier) End() Report {
	v.gaps.end()
	v.erasures.end(v.options.Partial)
	v.witnesses.end()
	v.report.sort()
	return v.report
}
