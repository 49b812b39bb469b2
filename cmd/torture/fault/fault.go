package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"confman/cmd/torture/lab"
)

// Fault is one way in which things go wrong.
type Fault struct {
	Name string
	Mode string // the failure mode that it belongs to
	Hold time.Duration
	// Mild faults take nobody away: one may come on top of another fault.
	Mild bool
	// Alone: nothing may come on top, because others must be able to lead.
	Alone bool
	// Network faults need the lab's own network.
	Network bool
	// Disk faults need nodes with disks of their own.
	Disk bool
	// Clock faults need nodes whose clocks can be set.
	Clock bool
	// Nodes is how many the cluster must have at least; 0: any.
	Nodes int
	// Inject does it. The injury must be healed even when there is an error.
	Inject func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error)
}

// Injury is what a fault did.
type Injury struct {
	Nodes []*lab.Node // whose processes end or stand: their connections break
	Told  bool        // they say goodbye first
	Cut   []*lab.Node // that others cannot reach, or not in one direction, or not well
	// Heal undoes it; nil: there is nothing to undo. Nodes of the injury that are
	// down then are started by whoever heals.
	Heal func(ctx context.Context) error
}

// Entry is a fault that was made.
type Entry struct {
	Fault  string    `json:"fault"`
	Mode   string    `json:"mode"`
	Nodes  []string  `json:"nodes,omitempty"`
	Told   bool      `json:"told,omitempty"`
	From   time.Time `json:"from"`
	Healed time.Time `json:"healed"`
	To     time.Time `json:"to"` // every node is ready
	// Ended are nodes that ended although nothing was done to them.
	Ended []string `json:"ended,omitempty"`
}

// Journal is what was done. It may be used by many goroutines at once.
type Journal struct {
	mu      sync.Mutex // guards the fields below
	entries []Entry
}

// Entries are all so far, in the order in which they were over.
func (j *Journal) Entries() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

// Note adds what somebody did by hand.
func (j *Journal) Note(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

// Strike makes a fault, holds it, heals it, waits until all nodes are ready, and
// notes it. during, unless it is nil, is called while the fault holds, in place of
// waiting for f.Hold. An error of it, or of the fault, is returned once healed.
func (j *Journal) Strike(ctx context.Context, l *lab.Lab, f Fault, rng *rand.Rand, during func(Injury) error) (e Entry, err error) {
	e = Entry{Fault: f.Name, Mode: f.Mode, From: time.Now()}
	injury, err := f.Inject(ctx, l, rng)
	e.Told = injury.Told
	for _, n := range injury.Nodes {
		e.Nodes = append(e.Nodes, n.ID)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%s: %w", f.Name, err)
	case during != nil:
		err = during(injury)
	default:
		wait(ctx, f.Hold)
	}
	e.Healed = time.Now()
	if failed := Heal(ctx, l, injury, &e); err == nil {
		err = failed
	}
	e.To = time.Now()
	j.Note(e)
	return e, err
}

// Both is one injury on top of another.
func Both(above, below Injury) Injury {
	both := Injury{Nodes: append(slices.Clone(above.Nodes), below.Nodes...), Told: above.Told, Cut: append(slices.Clone(above.Cut), below.Cut...)}
	both.Heal = func(ctx context.Context) (failed error) {
		for _, one := range []Injury{above, below} {
			if one.Heal != nil {
				failed = errors.Join(failed, one.Heal(ctx))
			}
		}
		return failed
	}
	return both
}

// Heal undoes an injury, starts what ended, and waits until all nodes are ready.
// A node that was injured may end once more: it was about to.
func Heal(ctx context.Context, l *lab.Lab, injury Injury, e *Entry) error {
	ctx = context.WithoutCancel(ctx)
	if injury.Heal != nil {
		if err := injury.Heal(ctx); err != nil {
			return fmt.Errorf("heal %s: %w", e.Fault, err)
		}
	}
	var err error
	for range 2 {
		if err = restart(ctx, l, injury, e); !errors.Is(err, lab.ErrEnded) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("after %s at %s: %w", e.Fault, strings.Join(e.Nodes, ", "), err)
	}
	return nil
}

func restart(ctx context.Context, l *lab.Lab, injury Injury, e *Entry) error {
	for _, n := range l.Nodes() {
		if n.Running() {
			continue
		}
		if !slices.Contains(injury.Nodes, n) {
			code, _ := n.Exit(ctx) // it has ended
			e.Ended = append(e.Ended, fmt.Sprintf("%s, with code %d", n.ID, code))
		}
		if err := n.Start(); err != nil {
			return err
		}
	}
	return l.AwaitReady(ctx, l.Nodes()...)
}

// wait waits, at most as long as the context lasts: its end ends a fault early.
func wait(ctx context.Context, long time.Duration) {
	select {
	case <-time.After(long):
	case <-ctx.Done():
	}
}
