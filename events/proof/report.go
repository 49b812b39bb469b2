package proof

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

	"confman/events"
)

// Kind says in which way a history is not what it should be.
type Kind string

// Kinds of findings.
const (
	Altered    Kind = "altered"                    // a record, or something around it, is not what was written
	Dropped    Kind = "dropped"                    // records are missing
	Inserted   Kind = "inserted"                   // a record does not belong there
	Duplicated Kind = "duplicated"                 // a record comes again
	Swapped    Kind = "swapped"                    // records stand in another order
	CutShort   Kind = "cut short"                  // it ends before it should
	Rechained  Kind = "re-chained"                 // records were written anew, with a chain that fits them
	Unerased   Kind = "erased without an erasure"  // a record lacks values, and no event says why
	NotErased  Kind = "not erased"                 // a record has what an event says was taken out
	Untrusted  Kind = "signed by an untrusted key" // a checkpoint, or the change to the key, cannot be relied on
	Uncovered  Kind = "not covered"                // what was to be compared is not in what was read
	Unendorsed Kind = "not endorsed"               // a key that is trusted replaces one that does not endorse it; a warning
)

// Finding is one thing that is wrong.
type Finding struct {
	Index  uint64 `json:"index"` // of the event that it is about; 0: of none in particular
	Kind   Kind   `json:"kind"`
	Detail string `json:"detail"`
}

func (f Finding) String() string {
	if f.Index == 0 {
		return fmt.Sprintf("%s: %s", f.Kind, f.Detail)
	}
	return fmt.Sprintf("event %d: %s: %s", f.Index, f.Kind, f.Detail)
}

// MaxFindings is how many findings a report lists.
const MaxFindings = 100

// Options say what a history is held against. The zero value: against itself.
type Options struct {
	// Cluster is the ID of the cluster whose history it must be where it ends; empty:
	// any.
	Cluster string
	// Trust are the keys whose checkpoints count, and with them those that they
	// endorse. None: those that the history names count.
	Trust []ed25519.PublicKey
	// Key is in force at the end, as the state beside the records says. It helps
	// where the change to it lies before them; empty: not known.
	Key ed25519.PublicKey
	// Checkpoints were kept elsewhere, and Positions noted earlier.
	Checkpoints []events.Checkpoint
	Positions   []events.Position
	// Partial says that the history goes on after what is read: a record may be
	// erased by an event that is not there.
	Partial bool
}

// Report is what was found.
type Report struct {
	Cluster string       `json:"cluster"`
	From    uint64       `json:"from"`    // first event that was to be checked
	To      uint64       `json:"to"`      // last one that was; From-1: none
	Chain   events.Chain `json:"chain"`   // at To, as recomputed
	Records uint64       `json:"records"` // how many were checked
	Erased  uint64       `json:"erased"`  // of those, with values taken out
	// Pending counts the erased ones whose erasure was not there, where that is
	// allowed (see Options.Partial).
	Pending uint64 `json:"pending,omitzero"`
	// Sealed is the newest event that a trusted signature covers, and with it all
	// before it from From on; 0: none does.
	Sealed      uint64    `json:"sealed"`
	Checkpoints uint64    `json:"checkpoints"` // that are right, and trusted
	Unproven    uint64    `json:"unproven"`    // that fit and whose key is not known
	Findings    []Finding `json:"findings"`    // by index
	More        uint64    `json:"more,omitzero"`
	// Warnings are of what may be right and somebody has to know of: nothing in
	// the records tells.
	Warnings []Finding `json:"warnings,omitempty"`
}

// OK reports whether nothing was found.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Position is that of To.
func (r Report) Position() events.Position { return r.Chain.At(r.To) }

func (r *Report) add(index uint64, kind Kind, format string, args ...any) {
	if len(r.Findings) == MaxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, Finding{index, kind, fmt.Sprintf(format, args...)})
}

func (r *Report) warn(index uint64, kind Kind, format string, args ...any) {
	if len(r.Warnings) < MaxFindings {
		r.Warnings = append(r.Warnings, Finding{index, kind, fmt.Sprintf(format, args...)})
	}
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(a.Index, b.Index) })
}

// span writes a range of indexes.
func span(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("event %d", from)
	}
	return fmt.Sprintf("events %d to %d", from, to)
}
