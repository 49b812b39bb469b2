package replication

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
	"confman/projections"
)

// State is the present as this node knows it.
func (n *Node) State() *projections.State { return n.present.load() }

// Await returns when State holds the event index, or [events.ErrBehind] when
// the context ends before.
func (n *Node) Await(ctx context.Context, index uint64) error {
	return n.present.awaitIndex(ctx, index)
}

// History is the history as of an event index that State has reached, from the
// horizon of the present on. Release it when done.
func (n *Node) History(index uint64) (h *projections.History, release func()) {
	views := n.views.Load()
	if views == nil {
		return projections.NewHistory(projections.NoRows{}, 0), func() {}
	}
	r := views.At(index)
	return n.State().History(r, index), func() { _ = r.Close() }
}

// Linearizable returns when State holds every write that was acknowledged
// anywhere before the call, or [events.ErrUnavailable] when that cannot be
// known.
func (n *Node) Linearizable(ctx context.Context) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	index, err := e.confirmations.join(ctx)
	if err != nil {
		return err
	}
	return n.present.awaitRaft(ctx, index)
}

// maxConfirmation bounds one confirmation: beyond it there is no quorum that
// would answer.
const maxConfirmation = 2 * time.Second

// readIndex is the Raft index of the newest command that a linearizable read
// beginning now must see. The leader confirms it, others ask the leader.
func (e *engine) readIndex() (uint64, error) {
	if e.raft.State() == raft.Leader {
		return e.confirm()
	}
	leader := e.leader()
	if leader.Address == "" {
		return 0, fmt.Errorf("no leader is known: %w", events.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxConfirmation)
	defer cancel()
	var answer readIndexAnswer
	if err := e.ask.call(ctx, leader.Address, pathReadIndex, nil, &answer); err != nil {
		return 0, fmt.Errorf("leader %s cannot confirm: %w: %w", leader.ID, events.ErrUnavailable, err)
	}
	return answer.RaftIndex, nil
}

// confirm is the leader's side of readIndex: with a barrier behind it in this
// term, its commit index as of now, once a majority of voters has answered
// something that was sent after now.
func (e *engine) confirm() (uint64, error) {
	begun, term := time.Now(), e.raft.CurrentTerm()
	if e.readyTerm.Load() != term {
		return 0, fmt.Errorf("the leader has just been elected: %w", events.ErrUnavailable)
	}
	committed := e.raft.CommitIndex()
	// This has Raft send heartbeats at once; what it reports may rest on
	// answers to older ones.
	if err := e.raft.VerifyLeader().Error(); err != nil {
		return 0, fmt.Errorf("leadership is not confirmed: %w: %w", events.ErrUnavailable, err)
	}
	if err := e.awaitMajority(term, begun); err != nil {
		return 0, err
	}
	if e.raft.CurrentTerm() != term || e.raft.State() != raft.Leader {
		return 0, fmt.Errorf("leadership was lost: %w", events.ErrUnavailable)
	}
	return e.newestCommand(committed)
}

func (e *engine) awaitMajority(term uint64, since time.Time) error {
	late := time.NewTimer(maxConfirmation)
	defer late.Stop()
	for {
		answer := e.transport.NextAck() // before looking
		if e.majorityAnswered(term, since) {
			return nil
		}
		select {
		case <-answer:
		case <-late.C:
			return fmt.Errorf("no majority of voters confirms: %w", events.ErrUnavailable)
		}
	}
}

// majorityAnswered reports whether a majority of voters, this node included,
// has answered what was sent to it in this term since a moment. Raft's own
// confirmation also counts answers to older messages, and learners'.
func (e *engine) majorityAnswered(term uint64, since time.Time) bool {
	answered := map[raft.ServerID]bool{raft.ServerID(e.self.ID): true}
	for _, id := range e.transport.AckedSince(term, since) {
		answered[id] = true
	}
	voters, agree := 0, 0
	for _, s := range e.servers() {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if answered[s.ID] {
			agree++
		}
	}
	return 2*agree > voters
}

// newestCommand is the index of the last entry at or below one that the state
// will ever fold: no-ops never reach it. 0 when it is compacted away, and so in
// every state.
func (e *engine) newestCommand(index uint64) (uint64, error) {
	var entry raft.Log
	for ; index > e.present.load().RaftIndex(); index-- {
		err := e.logs.GetLog(index, &entry)
		if errors.Is(err, raft.ErrLogNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if entry.Type == raft.LogCommand {
			break
		}
	}
	return index, nil
}

// confirmations shares one confirmation among all reads that began before it:
// who comes while one is under way waits for the next.
type confirmations struct {
	confirm func() (uint64, error)

	mu      sync.Mutex // guards the fields below
	running bool
	next    *confirmation
}

type confirmation struct {
	done  chan struct{}
	index uint64
	err   error
}

func (c *confirmations) join(ctx context.Context) (uint64, error) {
	c.mu.Lock()
	if c.next == nil {
		c.next = &confirmation{done: make(chan struct{})}
	}
	mine := c.next
	if !c.running {
		c.running = true
		go c.run()
	}
	c.mu.Unlock()
	select {
	case <-mine.done:
		return mine.index, mine.err
	case <-ctx.Done():
		return 0, fmt.Errorf("leadership was not confirmed in time: %w", events.ErrUnavailable)
	}
}

// run confirms for as long as somebody waits. Each confirmation is bounded, so
// it ends by itself.
func (c *confirmations) run() {
	for {
		c.mu.Lock()
		now := c.next
		c.next = nil
		c.running = now != nil
		c.mu.Unlock()
		if now == nil {
			return
		}
		now.index, now.err = c.confirm()
		close(now.done)
	}
}
