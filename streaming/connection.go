package streaming

import (
	"context"
	"fmt"
	"sync"
	"time"

	"confman/events"
)

// Connection is one client and its watches. Open watches with Watch, then let
// one of the Serve methods run it to its end.
type Connection struct {
	streams  *Streams
	caller   Caller
	encoding string
	number   uint64
	since    time.Time
	wake     chan struct{}   // something is ready, or the connection is to end
	ctx      context.Context //nolint:containedctx // ends with the connection
	cancel   context.CancelFunc

	rights uint64 // the hub's count at which the caller was looked up
	sent   uint64 // events since they were last counted

	mu      sync.Mutex // guards the fields below
	watches map[string]*watch
	ready   []*watch // in the order in which they became so
	slots   int      // of the limits, taken
	ending  *End     // why the connection is to end
	abort   func()   // makes a write that is going on fail
}

// Subscription is what a watch is about and where it begins.
type Subscription struct {
	ID     string // names the watch on its connection; may be empty where there is only one
	Filter Filter
	Start  Start
	Wait   time.Duration // at most this long for a position that the node has not reached
}

// Watch opens a watch. Before the connection is served, its error is for the
// caller to tell: a refusal, [*Compacted], [events.ErrForeign],
// [events.ErrBehind], [ErrTooMany] or [ErrFull].
func (c *Connection) Watch(ctx context.Context, sub Subscription) error {
	w, err := c.add(sub)
	if err != nil {
		return err
	}
	start, err := c.find(ctx, sub)
	if err != nil {
		c.drop(w)
		return err
	}
	c.start(w, start)
	return nil
}

// start is where a watch begins.
type start struct {
	at   events.Position
	snap Snapshot // nil: without one
}

// find finds where a watch begins, and waits for it if need be.
func (c *Connection) find(ctx context.Context, sub Subscription) (start, error) {
	if sub.Start.Snapshot {
		snap := c.streams.Source.Snapshot()
		return start{snap.Position(), snap}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sub.Wait)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	at, err := sub.Start.find(ctx, c.streams.Source)
	return start{at: at}, err
}

// add makes a watch that does not run yet.
func (c *Connection) add(sub Subscription) (*watch, error) {
	if err := sub.Filter.Check(); err != nil {
		return nil, err
	}
	w := &watch{id: sub.ID, filter: sub.Filter, sel: sub.Filter.selector(), conn: c}
	w.waiter.topics = w.sel.topics()
	w.waiter.wake = func() { c.queue(w) }
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches[sub.ID] != nil {
		return nil, events.Invalid("/id", "%q is taken by another watch of this connection", sub.ID)
	}
	if most := c.streams.Limits.PerConnection; len(c.watches) >= most {
		return nil, fmt.Errorf("%w: at most %d on one connection", ErrTooMany, most)
	}
	if len(c.watches) >= c.slots {
		if err := c.streams.reserveMore(c.caller.Principal); err != nil {
			return nil, err
		}
		c.slots++
	}
	c.watches[sub.ID] = w
	return w, nil
}

// start lets a watch run. It registers first and looks second.
func (c *Connection) start(w *watch, from start) {
	w.begin(from.at, from.snap)
	w.waiter.ready.Store(true)
	c.streams.Hub.register(&w.waiter)
	c.queue(w)
}

// drop forgets a watch.
func (c *Connection) drop(w *watch) {
	w.close()
	c.streams.Hub.remove(&w.waiter)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.watches, w.id)
	for c.slots > max(1, len(c.watches)) {
		c.slots--
		c.streams.release(c.caller.Principal, 1)
	}
}

// queue puts a watch that is marked ready in line.
func (c *Connection) queue(w *watch) {
	c.mu.Lock()
	c.ready = append(c.ready, w)
	c.mu.Unlock()
	c.nudge()
}

func (c *Connection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// pop is the watch that has been ready for longest, or nil.
func (c *Connection) pop() *watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) > 0 {
		w := c.ready[0]
		c.ready[0] = nil
		c.ready = c.ready[1:]
		if len(c.ready) == 0 {
			c.ready = nil
		}
		if !w.over {
			return w
		}
	}
	return nil
}

// end asks the connection to end.
func (c *Connection) end(why *End) {
	c.mu.Lock()
	if c.ending == nil {
		c.ending = why
	}
	c.mu.Unlock()
	c.nudge()
}

// endWatch appends why a watch ends, and drops it.
func (c *Connection) endWatch(w *watch, o *output, why *End) {
	told := w.waiter.told.Load()
	at, err := c.streams.positionAt(told)
	switch {
	case w.begins == (events.Position{}): // it never began
		at = events.Position{}
	case told == 0:
		at = events.Chain{}.At(0)
	case err != nil: // of what is no longer kept
		at = events.Position{Index: told}
	}
	o.ended(w.id, why, at)
	c.streams.ended(why.Reason)
	c.drop(w)
}

// endAll appends why the connection ends: to each watch, or, when it may go on
// elsewhere, once.
func (c *Connection) endAll(o *output, why *End) {
	if why.Reason == ReasonShutdown || why.Reason == ReasonUnavailable {
		o.goaway(why.Reason, why.Detail)
		c.streams.ended(why.Reason)
		return
	}
	for _, w := range c.list() {
		c.endWatch(w, o, why)
	}
}

func (c *Connection) list() []*watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]*watch, 0, len(c.watches))
	for _, w := range c.watches {
		all = append(all, w)
	}
	return all
}

// logged notes what is this node's fault.
func (c *Connection) logged(err error) error {
	if endOf(err).Reason == ReasonInternal {
		c.streams.Log.Error().Err(err).Uint64("connection", c.number).Str("principal", c.caller.Principal).Msg("watch failed")
	}
	return err
}

// cut ends a connection at once, whatever it is doing.
func (c *Connection) cut() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.abort != nil {
		c.abort()
	}
}

// abortBy says how a write that is going on is made to fail.
func (c *Connection) abortBy(abort func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort = abort
	if c.ctx.Err() != nil {
		abort()
	}
}

// Close gives back what the connection holds. It is for connections that are not
// served: the Serve methods close theirs.
func (c *Connection) Close() {
	c.cancel()
	for _, w := range c.list() {
		c.drop(w)
	}
	c.streams.forget(c)
}
