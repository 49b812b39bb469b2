package replication

import (
	"context"
	"fmt"
	"sync/atomic"

	"confman/events"
	"confman/projections"
)

// present is the state that readers see, and a way to wait for a later one.
type present struct {
	state   atomic.Pointer[projections.State]
	changed atomic.Pointer[chan struct{}]
}

func newPresent() *present {
	p := &present{}
	p.state.Store(projections.Empty())
	ch := make(chan struct{})
	p.changed.Store(&ch)
	return p
}

func (p *present) load() *projections.State { return p.state.Load() }

// store makes a state visible and wakes whoever waits for it.
func (p *present) store(s *projections.State) {
	p.state.Store(s)
	ch := make(chan struct{})
	close(*p.changed.Swap(&ch))
}

// await returns when a state satisfies reached, or with the context.
func (p *present) await(ctx context.Context, reached func(*projections.State) bool) error {
	for {
		changed := *p.changed.Load() // before looking: what comes after it wakes us
		if reached(p.load()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *present) awaitIndex(ctx context.Context, index uint64) error {
	if p.load().Index() >= index {
		return nil
	}
	if err := p.await(ctx, func(s *projections.State) bool { return s.Index() >= index }); err != nil {
		return fmt.Errorf("event %d is not applied here yet, this node is at %d: %w", index, p.load().Index(), events.ErrBehind)
	}
	return nil
}

func (p *present) awaitRaft(ctx context.Context, index uint64) error {
	if p.load().RaftIndex() >= index {
		return nil
	}
	if err := p.await(ctx, func(s *projections.State) bool { return s.RaftIndex() >= index }); err != nil {
		return fmt.Errorf("raft entry %d is not applied here yet, this node is at %d: %w", index, p.load().RaftIndex(), events.ErrUnavailable)
	}
	return nil
}
