package admission

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxCost is the most that one request counts for.
	MaxCost = 16
	// linesPerPlace is how many requests may wait for each place there is.
	linesPerPlace = 4
	// fewFlows are remembered though they hold nothing and wait for nothing: most
	// come back at once.
	fewFlows = 1024
)

// QueueConfig describes a [Queue]. All fields but Waited are required.
type QueueConfig struct {
	Name   string // of what it serves, such as "reads"
	Flag   string // that sets Places, such as "--max-reads"
	Places int
	Wait   time.Duration // the longest that a request waits
	Now    func() time.Time
	Waited func(time.Duration) // told of each request that had to wait and was taken on
}

// Queue gives places to requests, fairly by flow. It has no goroutines, and takes
// no lock while there are places.
type Queue struct {
	config  QueueConfig
	free    atomic.Int64 // places
	waiting atomic.Int64 // requests in line; changes under mu
	flows   sync.Map     // of *flow by name

	mu    sync.Mutex // guards the fields below, and the lines of flows
	turns []*flow    // those that wait, the next one first
	known int        // flows, about
	sweep int        // how many make it worth looking for those to forget
}

// flow is one principal's part.
type flow struct {
	held atomic.Int64 // places

	credit  int // places that it may still take in its turn
	line    []*waiter
	emptied time.Time // when the line was last empty
}

// waiter is a request in line.
type waiter struct {
	cost  int
	since time.Time
	end   chan error // takes one: nil with the place
}

// Pass is a right to be served. The zero value is none.
type Pass struct {
	queue *Queue
	flow  *flow
	cost  int
}

// NewQueue makes one.
func NewQueue(c QueueConfig) *Queue {
	q := &Queue{config: c, sweep: fewFlows}
	q.free.Store(int64(c.Places))
	return q
}

// Enter waits for a place, or for as many as the request costs, which is between 1
// and [MaxCost]. Its error is a [*Refusal], or that of the context. Leave with the
// pass.
func (q *Queue) Enter(ctx context.Context, name string, cost int) (Pass, error) {
	cost = max(1, min(cost, MaxCost, q.config.Places))
	f := q.flow(name)
	if q.waiting.Load() == 0 && q.take(f, cost) {
		return Pass{q, f, cost}, nil
	}
	now := q.config.Now()
	w, err := q.join(f, cost, now)
	if err != nil {
		return Pass{}, err
	}
	if err := q.await(ctx, f, w); err != nil {
		return Pass{}, err
	}
	if q.config.Waited != nil {
		q.config.Waited(q.config.Now().Sub(now))
	}
	return Pass{q, f, cost}, nil
}

// Leave gives the place back. A second time, or of no place, it does nothing.
func (p *Pass) Leave() {
	q := p.queue
	if q == nil {
		return
	}
	p.flow.held.Add(-int64(p.cost))
	q.free.Add(int64(p.cost))
	if q.waiting.Load() > 0 { // whoever joins looks at what is free after it has counted itself
		q.mu.Lock()
		q.serve(q.config.Now())
		q.mu.Unlock()
	}
	*p = Pass{}
}

// Held is how many places are taken, and waiting how many requests wait.
func (q *Queue) Held() (held, waiting int) {
	return q.config.Places - int(q.free.Load()), int(q.waiting.Load())
}

// take takes places for a flow, if there are as many.
func (q *Queue) take(f *flow, cost int) bool {
	for {
		free := q.free.Load()
		if free < int64(cost) {
			return false
		}
		if q.free.CompareAndSwap(free, free-int64(cost)) {
			f.held.Add(int64(cost))
			return true
		}
	}
}

// flow is that of a name.
func (q *Queue) flow(name string) *flow {
	if f, ok := q.flows.Load(name); ok {
		return f.(*flow) //nolint:forcetypeassert // they all are
	}
	f, _ := q.flows.LoadOrStore(name, &flow{})
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.known++; q.known > q.sweep {
		q.forget()
	}
	return f.(*flow) //nolint:forcetypeassert // they all are
}

// forget drops the flows that have nothing; q.mu is held, as by all that follow.
// One that comes back at this moment is counted anew.
func (q *Queue) forget() {
	q.known = 0
	q.flows.Range(func(name, f any) bool {
		if f := f.(*flow); f.held.Load() == 0 && len(f.line) == 0 { //nolint:forcetypeassert // they all are
			q.flows.Delete(name)
		} else {
			q.known++
		}
		return true
	})
	q.sweep = max(fewFlows, 2*q.known)
}

func (q *Queue) await(ctx context.Context, f *flow, w *waiter) error {
	timer := time.NewTimer(q.config.Wait)
	defer timer.Stop()
	select {
	case err := <-w.end:
		return err
	case <-timer.C:
		if err := q.giveUp(f, w); err != nil {
			return err
		}
	case <-ctx.Done():
		if q.giveUp(f, w) != nil {
			return ctx.Err()
		}
	}
	return <-w.end // it was decided meanwhile
}

// giveUp takes a waiter out of its line and says why; nil when it is not in line
// any more.
func (q *Queue) giveUp(f *flow, w *waiter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(f.line, w)
	if at < 0 {
		return nil
	}
	why := q.refusal(f, fmt.Sprintf("none came free in %s", q.config.Wait))
	f.line = slices.Delete(f.line, at, at+1)
	q.left(f)
	q.serve(q.config.Now()) // it may have been the one that was too large
	return why
}

// join puts a request in line.
func (q *Queue) join(f *flow, cost int, now time.Time) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := q.waiting.Load(); n >= int64(linesPerPlace*q.config.Places) && !q.makeRoom(f) {
		return nil, q.refusal(f, fmt.Sprintf("%d wait", n))
	}
	if len(f.line) == 0 {
		f.emptied, f.credit = now, MaxCost
		q.turns = append(q.turns, f)
	}
	w := &waiter{cost: cost, since: now, end: make(chan error, 1)}
	f.line = append(f.line, w)
	q.waiting.Add(1)
	q.serve(now) // somebody may have left since there was no place
	return w, nil
}

// makeRoom drops the newest of the longest line, unless that is this flow's.
func (q *Queue) makeRoom(f *flow) bool {
	longest := f
	for _, other := range q.turns {
		if len(other.line) > len(longest.line) {
			longest = other
		}
	}
	if len(longest.line) <= len(f.line)+1 {
		return false
	}
	last := len(longest.line) - 1
	longest.line[last].end <- q.greedy(longest)
	longest.line[last] = nil
	longest.line = longest.line[:last]
	q.left(longest)
	return true
}

// left notes that a flow's line has become shorter.
func (q *Queue) left(f *flow) {
	q.waiting.Add(-1)
	if len(f.line) == 0 {
		f.line = nil
		q.turns = slices.DeleteFunc(q.turns, func(other *flow) bool { return other == f })
	}
}

// serve gives the places that are free to those whose turn it is. Who is next and
// needs more places than are free keeps the others waiting: else it would starve.
func (q *Queue) serve(now time.Time) {
	for len(q.turns) > 0 {
		f := q.turns[0]
		w := f.line[0]
		late := now.Sub(w.since) > q.patience(f, now)
		switch {
		case late:
			w.end <- q.refusal(f, fmt.Sprintf("your line has not been empty for %s", now.Sub(f.emptied).Round(time.Millisecond)))
		case f.credit < w.cost:
			f.credit += MaxCost
			q.turns = append(q.turns[1:], f)
			continue
		case !q.take(f, w.cost):
			return
		default:
			f.credit -= w.cost
			w.end <- nil
		}
		f.line[0] = nil
		f.line = f.line[1:]
		q.left(f)
	}
}

// patience is how long a request of a flow may have waited.
func (q *Queue) patience(f *flow, now time.Time) time.Duration {
	if now.Sub(f.emptied) > q.config.Wait {
		return q.config.Wait / 10
	}
	return q.config.Wait
}

// refusal is that of a request that does not get a place.
func (q *Queue) refusal(f *flow, why string) *Refusal {
	c := q.config
	flows := len(q.turns)
	if len(f.line) == 0 {
		flows++
	}
	if holds := int(f.held.Load()) + len(f.line); flows > 1 && holds*flows > c.Places {
		return q.greedy(f)
	}
	return &Refusal{ReasonQueue, fmt.Sprintf("it has %d places for %s (%s) and %s", c.Places, c.Name, c.Flag, why), ErrFull}
}

// greedy is the refusal of a flow that has more than its share while others wait.
func (q *Queue) greedy(f *flow) *Refusal {
	c := q.config
	return &Refusal{ReasonQueue, fmt.Sprintf("you have %d places and %d requests in line, and others wait for the %d places for %s (%s)",
		f.held.Load(), len(f.line), c.Places, c.Name, c.Flag), ErrShare}
}
