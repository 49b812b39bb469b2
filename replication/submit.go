package replication

import (
	"context"
	"errors"
	"fmt"

	"confman/events"
)

// maxAttempts bounds how often a command is decided again because others
// changed what it is about meanwhile. Each attempt that is stale means that
// another write went through.
const maxAttempts = 256

// Submit has a command decided and its events committed. The error is a
// refusal, or says that it was never tried ([events.ErrNotLeader],
// [events.ErrUnavailable], [events.ErrNoSpace]) or that the outcome is unknown
// ([events.ErrUnknown]). A request whose receipt is found is not done again: its
// first outcome is returned, marked as replayed.
func (n *Node) Submit(ctx context.Context, c events.Command, s events.Stamp) (events.Outcome, error) {
	e, err := n.running()
	if err != nil {
		return events.Outcome{}, err
	}
	if err := e.leads(); err != nil {
		return events.Outcome{}, err
	}
	if err := n.inOrder(c); err != nil {
		return events.Outcome{}, err
	}
	confirmed := false
	for range maxAttempts {
		state := n.present.load()
		if s.Claim != nil {
			if r, done := state.Receipt(s.Claim.ID); done {
				if r.Fingerprint != s.Claim.Fingerprint {
					return events.Outcome{}, fmt.Errorf("the key came with another request before: %w", events.ErrReused)
				}
				return events.Outcome{Index: r.Index, Count: r.Count, Replayed: true}, nil
			}
		}
		p, err := n.decide(ctx, state, c, s)
		var low *events.LevelError
		if errors.As(err, &low) {
			if err := n.raiseLevel(ctx, e, low.Needs); err != nil {
				return events.Outcome{}, err
			}
			continue
		}
		if err != nil || len(p.Bodies) == 0 && p.Claim == nil {
			// Nothing to write: the answer is a read, so it must be as
			// good as a linearizable one.
			if !confirmed {
				if err := n.Linearizable(ctx); err != nil {
					return events.Outcome{}, err
				}
				confirmed = true
				continue
			}
			return events.Outcome{Index: state.Index(), Chain: state.Chain()}, err
		}
		if err := n.admits(c); err != nil {
			return events.Outcome{}, err
		}
		outcome, err := e.proposer.propose(ctx, p)
		if errors.Is(err, events.ErrNotLeader) {
			return outcome, e.notLeader()
		}
		if !errors.Is(err, events.ErrStale) {
			return outcome, err
		}
	}
	return events.Outcome{}, fmt.Errorf("%d other writes to the same came first: %w", maxAttempts, events.ErrUnavailable)
}
