package replication

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
	"confman/projections"
)

// Group commit by queue: whatever waits when the previous entry is handed over
// goes next, at most this much of it, and at most two entries are on their way.
const (
	maxBatchBytes = 1 << 20 // beyond it a batch takes no further proposal
	maxInFlight   = 2
	queueLength   = 4096
	guardOverhead = 16 // bytes of a guard beside its names
)

// proposer puts proposals into Raft entries.
type proposer struct {
	raft    *raft.Raft
	trace   Trace // nil: nobody asks
	queue   chan *pending
	flights chan struct{}
	stop    chan struct{}
	done    sync.WaitGroup
}

// pending is a proposal whose end somebody waits for.
type pending struct {
	proposal events.Proposal
	size     int
	taken    atomic.Bool // by the proposer, or by a caller who gave up before
	queued   time.Time
	end      chan projections.Result

	// Set before the end is sent, and zero where the proposal did not come so far.
	handed time.Time // to Raft
	folded *foldTimes
}

func newPending(proposal events.Proposal) *pending {
	q := &pending{proposal: proposal, queued: time.Now(), end: make(chan projections.Result, 1)}
	for _, b := range proposal.Bodies {
		q.size += len(b)
	}
	for _, g := range proposal.Guards {
		q.size += len(g.Subject.Namespace) + len(g.Subject.Name) + guardOverhead
	}
	return q
}

func newProposer(r *raft.Raft, trace Trace) *proposer {
	p := &proposer{
		raft:    r,
		trace:   trace,
		queue:   make(chan *pending, queueLength),
		flights: make(chan struct{}, maxInFlight),
		stop:    make(chan struct{}),
	}
	p.done.Go(p.run)
	return p
}

// close refuses what waits and returns when nothing is on its way any more.
func (p *proposer) close() {
	close(p.stop)
	p.done.Wait()
}

// propose returns how the proposal ended. The error is ErrStale, ErrNotLeader
// or ErrUnavailable (it was never tried), or ErrUnknown.
func (p *proposer) propose(ctx context.Context, proposal events.Proposal) (events.Outcome, error) {
	q := newPending(proposal)
	select {
	case p.queue <- q:
	case <-p.stop:
		return events.Outcome{}, fmt.Errorf("node is stopping: %w", events.ErrUnavailable)
	case <-ctx.Done():
		return events.Outcome{}, fmt.Errorf("too many writes wait: %w", events.ErrUnavailable)
	}
	select {
	case r := <-q.end:
		if p.trace != nil {
			q.tell(ctx, p.trace)
		}
		return r.Outcome, r.Err
	case <-ctx.Done():
		if q.taken.CompareAndSwap(false, true) {
			return events.Outcome{}, fmt.Errorf("the write waited too long and was not tried: %w", events.ErrUnavailable)
		}
		return events.Outcome{}, fmt.Errorf("no answer in time: %w", events.ErrUnknown)
	}
}

func (p *proposer) run() {
	for {
		select {
		case p.flights <- struct{}{}:
		case <-p.stop:
			p.refuse()
			return
		}
		batch := p.gather()
		if batch == nil {
			p.refuse()
			return
		}
		proposals, now := make([]events.Proposal, len(batch)), time.Now()
		for i, q := range batch {
			proposals[i], q.handed = q.proposal, now
		}
		future := p.raft.Apply(events.EncodeEntry(proposals), 0)
		p.done.Go(func() {
			finish(batch, future)
			<-p.flights
		})
	}
}

// gather waits for one proposal and takes what else waits with it. It returns
// nil when the proposer is stopped.
func (p *proposer) gather() (batch []*pending) {
	size := 0
	take := func(q *pending) {
		if q.taken.CompareAndSwap(false, true) {
			batch = append(batch, q)
			size += q.size
		}
	}
	for len(batch) == 0 {
		select {
		case q := <-p.queue:
			take(q)
		case <-p.stop:
			return nil
		}
	}
	for len(batch) < events.MaxProposals && size < maxBatchBytes {
		select {
		case q := <-p.queue:
			take(q)
		default:
			return batch
		}
	}
	return batch
}

// refuse ends what still waits when the proposer is stopped.
func (p *proposer) refuse() {
	for {
		select {
		case q := <-p.queue:
			if q.taken.CompareAndSwap(false, true) {
				q.end <- projections.Result{Err: fmt.Errorf("node is stopping: %w", events.ErrUnavailable)}
			}
		default:
			return
		}
	}
}

// finish tells each waiting caller how the entry ended.
func finish(batch []*pending, future raft.ApplyFuture) {
	err := outcomeOf(future.Error())
	var done entryDone
	if err == nil {
		done, _ = future.Response().(entryDone)
		if len(done.results) != len(batch) {
			err = fmt.Errorf("the entry was covered by a snapshot: %w", events.ErrUnknown)
		}
	}
	for i, q := range batch {
		q.folded = done.at
		if err != nil {
			q.end <- projections.Result{Err: err}
			continue
		}
		q.end <- done.results[i]
	}
}

// outcomeOf tells what Raft's error means for a write. Only what Raft refuses
// before it puts an entry into its log was never tried; after that, anything but
// success leaves the outcome open.
func outcomeOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return events.ErrNotLeader
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", events.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", events.ErrUnknown, err)
}
