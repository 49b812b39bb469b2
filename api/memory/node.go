package memory

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/oklog/ulid/v2"

	"confman/events"
	"confman/projections"
)

// Term is the Raft term of everything that the node commits.
const Term = 3

// Config is what a [Node] needs. The zero value will do.
type Config struct {
	Rules events.Rules
	// Announce is told of records once readers can see them. It must not block.
	Announce func([]events.Record)
}

// Node keeps one history. It has no goroutines and nothing to close.
type Node struct {
	config  Config
	state   atomic.Pointer[projections.State]
	changed atomic.Pointer[chan struct{}] // closed at the next event
	waiting atomic.Int64
	rows    rows

	mu   sync.Mutex // one writer; guards raft
	raft uint64
}

// New is a node whose history has not begun.
func New(c Config) *Node {
	n := &Node{config: c, rows: rows{versions: map[string][]projections.Row{}}}
	n.state.Store(projections.Empty())
	changed := make(chan struct{})
	n.changed.Store(&changed)
	return n
}

// Fork is a node with the history so far. What either writes from now on the
// other does not see. It announces nothing.
func (n *Node) Fork() *Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	fork := New(Config{Rules: n.config.Rules})
	fork.state.Store(n.state.Load())
	fork.rows.take(&n.rows)
	fork.raft = n.raft
	return fork
}

// Submit decides a command, commits and announces what it comes to.
func (n *Node) Submit(_ context.Context, c events.Command, s events.Stamp) (events.Outcome, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.commit(c, s)
}

// commit is Submit. n.mu is held.
func (n *Node) commit(c events.Command, s events.Stamp) (events.Outcome, error) {
	now := n.state.Load()
	if s.Claim != nil {
		if r, ok := now.Receipt(s.Claim.ID); ok {
			if r.Fingerprint != s.Claim.Fingerprint {
				return events.Outcome{}, fmt.Errorf("request %s: %w", r.ID, events.ErrReused)
			}
			return events.Outcome{Index: r.Index, Count: r.Count, Replayed: true}, nil
		}
	}
	p, err := n.config.Rules.Decide(now, c, s)
	var low *events.LevelError
	if errors.As(err, &low) {
		if _, err := n.commit(events.RaiseLevel{Level: low.Needs}, events.Stamp{Time: s.Time, ID: ulid.Make(), Actor: events.System}); err != nil {
			return events.Outcome{}, err
		}
		return n.commit(c, s)
	}
	if err != nil {
		return events.Outcome{}, err
	}
	f := projections.Begin(now)
	n.raft++
	results, err := f.Entry(projections.Origin{Index: n.raft, Term: Term}, []events.Proposal{p})
	if err != nil {
		return events.Outcome{}, err
	}
	n.rows.write(f.Rows)
	if err := n.erase(f.Records); err != nil {
		return events.Outcome{}, err
	}
	n.state.Store(f.State())
	changed := make(chan struct{})
	close(*n.changed.Swap(&changed))
	if n.config.Announce != nil {
		n.config.Announce(f.Records)
	}
	return results[0].Outcome, results[0].Err
}

// State is the present.
func (n *Node) State() *projections.State { return n.state.Load() }

// Linearizable returns at once: the state has everything that there is.
func (*Node) Linearizable(context.Context) error { return nil }

// Await returns when the state has reached an index; [events.ErrBehind] when the
// context ends before.
func (n *Node) Await(ctx context.Context, index uint64) error {
	n.waiting.Add(1)
	defer n.waiting.Add(-1)
	for {
		changed := *n.changed.Load() // before looking
		if n.State().Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("event %d, this node stands at %d: %w", index, n.State().Index(), events.ErrBehind)
		}
	}
}

// Waiting is how many wait in Await.
func (n *Node) Waiting() int { return int(n.waiting.Load()) }

// History is the history as of an index that State has reached.
func (n *Node) History(index uint64) (*projections.History, func()) {
	return n.State().History(rowsAt{&n.rows, index}, index), func() {}
}

// erase rewrites the rows that hold what is erased, if any of the records says
// so.
func (n *Node) erase(records []events.Record) error {
	for _, r := range records {
		e, err := r.Event()
		if err != nil {
			return err
		}
		if d, ok := e.Data.(events.HistoryErased); ok {
			rows, err := projections.Erase(rowsAt{&n.rows, r.Index}, d)
			if err != nil {
				return err
			}
			n.rows.write(rows)
		}
	}
	return nil
}
