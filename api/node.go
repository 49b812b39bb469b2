package api

import (
	"context"
	"io"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// Writer submits commands.
type Writer interface {
	// Submit has a command decided, committed and applied, or finds that the
	// same request was done before. When it returns, [Reader.State] on this node
	// holds the outcome. Its error is a refusal, [events.ErrReused],
	// [events.NotLeaderError], [events.ErrUnavailable], [events.ErrNoSpace], or
	// [events.ErrUnknown].
	Submit(ctx context.Context, c events.Command, s events.Stamp) (events.Outcome, error)
}

// Reader is this node's view of the history.
type Reader interface {
	// State is the present as this node knows it. It never goes back.
	State() *projections.State
	// Linearizable returns once State holds every write that was acknowledged
	// before the call; [events.ErrUnavailable] when that cannot be known.
	Linearizable(ctx context.Context) error
	// Await returns once State().Index() >= index; [events.ErrBehind], saying
	// where the node stands, when ctx ends first.
	Await(ctx context.Context, index uint64) error
	// History is the history as of an index that State has reached. It is good
	// until released.
	History(index uint64) (h *projections.History, release func())
}

// Cluster is what the node knows of its cluster and may do to it. Changes are
// the leader's: elsewhere they are an [events.NotLeaderError].
type Cluster interface {
	// Standing is cheap and takes no lock: reads ask for it.
	Standing() Standing
	// Status asks around.
	Status(ctx context.Context) (Status, error)
	AddMember(ctx context.Context, id, address string, learner bool) error
	RemoveMember(ctx context.Context, id string) error
	// PromoteMember makes a learner a voter.
	PromoteMember(ctx context.Context, id string) error
	// TransferLeadership hands over to a member, or, when to is empty, to
	// whichever is furthest ahead.
	TransferLeadership(ctx context.Context, to string) error
	// Snapshot makes this node's state durable now. NodeID is left to the caller.
	Snapshot(ctx context.Context) (wire.Snapshot, error)
}

// Keeper keeps the files of a node.
type Keeper interface {
	// Rebuild makes the views anew from the records while the node goes on, and
	// verifies the chain; progress is told the event reached and the last one. It
	// is an [events.ErrConflict] while the files are being made anew already, and
	// ends with the context.
	Rebuild(ctx context.Context, progress func(at, to uint64)) error
	// Backup writes all that the node holds as of an event, 0 for the present, whose
	// position begin is told first. It is whole only if there is no error. As of the
	// same event it is the same again, or an error.
	Backup(ctx context.Context, w io.Writer, at uint64, begin func(events.Position)) error
}

// Standing is a node's place in the cluster at one moment, as far as it knows.
type Standing struct {
	Role         string // one of wire.MemberLeader …
	Leader       string // HOST:PORT of the leader; empty when unknown
	LeaderID     string
	Term         uint64
	SinceContact time.Duration // since a leader was heard; 0 at the leader, negative when never
	Lag          uint64        // events that the node knows of and has not applied
	Quorum       bool          // whether a write could be committed now
	Reasons      []string      // why the node is not ready to serve; empty when it is
}

// Status is the cluster as the answering node sees it. The members' URL is left
// to the caller.
type Status struct {
	Members  []wire.Member
	Quorum   wire.Quorum
	Problems []wire.ClusterProblem // worst first
}
