package events

import "time"

// Horizon is where a history begins to be served. Events below it are treated as
// gone, whether or not their bytes still exist.
type Horizon struct {
	// Oldest is the first event that is served; 0, like 1: all are.
	Oldest uint64 `json:"oldest"`
	// Chain is the chain at the edge, the event before Oldest: a position there
	// can still be resumed from and proved.
	Chain Chain `json:"chain"`
	// Time is that of the edge: the state as of the edge was true from then on.
	Time time.Time `json:"time"`
}

// First is the first event that is served, 1 before any trim.
func (h Horizon) First() uint64 { return max(h.Oldest, 1) }

// Edge is the position of the event before the first that is served: the oldest
// that can be resumed from. Its index is 0 before any trim.
func (h Horizon) Edge() Position { return h.Chain.At(h.First() - 1) }

// HistoryTrimmed moves the horizon.
type HistoryTrimmed struct {
	Horizon
}

// Kind is "history.trimmed".
func (HistoryTrimmed) Kind() Kind { return "history.trimmed" }

// TrimHistory moves the horizon forwards, at most to behind the newest event; a
// horizon that is as far already stays. The caller gives the chain and the time
// of the event before To.Oldest as its history has them, and cuts no Raft entry
// in two, and so no transaction.
type TrimHistory struct {
	To Horizon
}

func (c TrimHistory) decide(d *decision) error {
	if newest := d.view.Index(); c.To.Oldest > newest+1 {
		return Invalid("/oldest", "is %d, and the newest event is %d", c.To.Oldest, newest)
	}
	now := d.view.Cluster()
	d.holds(Subject{Noun: TheCluster}, now.Revision)
	if c.To.Oldest > now.Horizon.First() {
		d.record("", "", HistoryTrimmed{c.To})
	}
	return nil
}
