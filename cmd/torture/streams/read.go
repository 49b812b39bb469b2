package streams

import (
	"fmt"
	"slices"
	"time"

	"confman/api/wire"
)

// Read is the answer of GET …/config/{key} at one node: Entry is nil when there
// is none.
type Read struct {
	Node           string
	Namespace, Key string
	Told           uint64 // the node had shown this event before
	Index          uint64 // that the answer says it reflects
	Entry          *wire.ConfigEntry
}

// CheckRead returns what deviates in a read that followed a frame of the same
// node: it must reflect what the frame told, and be the state that it says it is.
func (l *Log) CheckRead(r Read) error {
	if r.Index < r.Told {
		return fmt.Errorf("%s announced event %d and then read as of %d: not visible when told", r.Node, r.Told, r.Index)
	}
	return l.same(r)
}

func (l *Log) same(r Read) error {
	want := l.entryAt(name{r.Namespace, r.Key}, r.Index)
	switch {
	case r.Index > l.Head():
		return fmt.Errorf("%s reads as of %d, the log ends at %d", r.Node, r.Index, l.Head())
	case (r.Entry != nil) != want.live:
		return fmt.Errorf("%s/%s at %s as of %d: there %v, in the log %v", r.Namespace, r.Key, r.Node, r.Index, r.Entry != nil, want.live)
	case r.Entry != nil && (r.Entry.Index != want.index || r.Entry.Version != want.number || textOf(r.Entry.Value) != want.text):
		return fmt.Errorf("%s/%s at %s as of %d: %q, version %d of event %d, want %+v", r.Namespace, r.Key, r.Node, r.Index,
			textOf(r.Entry.Value), r.Entry.Version, r.Entry.Index, want)
	}
	return nil
}

// Poll is the answer to a long poll: a read that waits until the entry changes
// after the event Known.
type Poll struct {
	Read
	Known uint64
	Began time.Time
	Wait  time.Duration
	Took  time.Duration
}

// CheckPoll returns what deviates in a long poll: it must be the state that it
// says it is, and may come without a change only when the wait is over or the
// node was asked to stop.
func (l *Log) CheckPoll(p Poll, breaks []Break) error {
	if err := l.same(p.Read); err != nil {
		return err
	}
	changed := l.entryAt(name{p.Namespace, p.Key}, p.Index).index > p.Known
	asked := Leg{Node: p.Node, Began: p.Began, Ended: p.Began.Add(p.Took)}
	stopped := slices.ContainsFunc(breaks, func(b Break) bool { return b.Told && b.reaches(asked) })
	if !changed && p.Took < p.Wait && !stopped {
		return fmt.Errorf("%s/%s at %s answered after %v of %v as of %d, with nothing new since %d", p.Namespace, p.Key, p.Node, p.Took, p.Wait, p.Index, p.Known)
	}
	return nil
}
