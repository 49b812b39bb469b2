package replication

import (
	"context"
	"time"

	"confman/events"
	"confman/projections"
)

// Steps of a write at the leader, in their order. A write that others overtook is
// decided again, and takes the later steps again.
const (
	StepDecide  = "decide"  // which events follow from the command
	StepQueue   = "queue"   // until the entries before it are handed over
	StepRaft    = "raft"    // until a majority has it on disk
	StepFold    = "fold"    // until readers here see it
	StepPublish = "publish" // until watches are told
)

// Trace is told of a step of a write when the step is over. ctx is that of
// [Node.Submit], which has not returned; it must not block.
type Trace func(ctx context.Context, step string, began, ended time.Time)

// foldTimes are when a batch of entries was folded, the same for all of them.
type foldTimes struct{ began, visible, announced time.Time }

// decide has the rules decide, and tells of it.
func (n *Node) decide(ctx context.Context, state *projections.State, c events.Command, s events.Stamp) (events.Proposal, error) {
	began := time.Now()
	p, err := n.config.Rules.Decide(state, c, s)
	if n.config.Trace != nil {
		n.config.Trace(ctx, StepDecide, began, time.Now())
	}
	return p, err
}

// tell tells of the steps that a proposal took after it was decided.
func (q *pending) tell(ctx context.Context, trace Trace) {
	now := time.Now()
	if q.handed.IsZero() {
		trace(ctx, StepQueue, q.queued, now)
		return
	}
	trace(ctx, StepQueue, q.queued, q.handed)
	if q.folded == nil {
		trace(ctx, StepRaft, q.handed, now)
		return
	}
	trace(ctx, StepRaft, q.handed, q.folded.began)
	trace(ctx, StepFold, q.folded.began, q.folded.visible)
	trace(ctx, StepPublish, q.folded.visible, q.folded.announced)
}
