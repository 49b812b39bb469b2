package streaming

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"confman/events"
)

// writeBytes is about how much goes out with one write, when there is as much,
// and turnsAtOnce how many turns watches get before the connection looks up.
const (
	writeBytes  = 64 << 10
	turnsAtOnce = 64
)

// Connection is one client and its watches. Open watches with Watch, then let
// one of the Serve methods run it to its end.
type Connection struct {
	streams  *Streams
	caller   Caller
	encoding string
	number   uint64
	since    time.Time
	wake     chan struct{} // something is ready, or the connection is to end
	beats    *time.Timer
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
// [events.ErrBehind] or [ErrTooMany].
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

// fill gives the ready watches their turns, until there is about as much as goes
// out with one write. Those that have more stay in line. Its error ends the
// connection.
func (c *Connection) fill(o *output) error {
	if err := c.renew(); err != nil {
		return err
	}
	for turns := 0; turns < turnsAtOnce && len(o.buf) < writeBytes; turns++ {
		w := c.pop()
		if w == nil {
			return nil
		}
		again, err := w.turn(o)
		switch {
		case err != nil:
			c.endWatch(w, o, endOf(c.logged(err)))
		case again && !w.waiter.ready.Swap(true):
			c.queue(w)
		}
	}
	c.nudge()
	return nil
}

// renew looks the caller up anew after something that may have taken a right.
func (c *Connection) renew() error {
	now := c.streams.Hub.rights.Load()
	expires := c.caller.Rights.Expires()
	if now == c.rights && (expires.IsZero() || c.streams.Now().Before(expires)) {
		return nil
	}
	c.rights = now
	return c.caller.Rights.Renew()
}

// endWatch appends why a watch ends, and drops it.
func (c *Connection) endWatch(w *watch, o *output, why *End) {
	told := w.waiter.told.Load()
	at, err := c.streams.positionAt(told)
	switch {
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
	elsewhere := why.Reason == ReasonShutdown || why.Reason == ReasonUnavailable
	if elsewhere {
		o.goaway(why.Reason, why.Detail)
		c.streams.ended(why.Reason)
	}
	for _, w := range c.list() {
		if !elsewhere {
			c.endWatch(w, o, why)
		}
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

// session is what serving a connection needs beside the connection.
type session struct {
	write   func([]byte) error          // all of it, or an error that ends the connection
	beat    func(*output) error         // nil: nothing more than the watches do
	message func(*output, []byte) error // of the client
	inbox   <-chan []byte               // closed when the client has left
	late    <-chan lateStart
}

// happening is what a connection has waited for: one of these, or that a watch
// is ready.
type happening struct {
	left    bool
	beat    bool
	message []byte
	late    *lateStart
}

// serve writes what its watches have until the connection ends, and returns why.
// Why is also the last thing written, where it can be.
func (c *Connection) serve(s session) *End {
	c.beats = time.NewTimer(c.pause(true))
	defer c.beats.Stop()
	for {
		now := c.await(s)
		o := c.streams.output(c.encoding)
		why := c.step(o, s, now)
		if len(o.buf) > 0 {
			err := s.write(o.buf)
			c.streams.count(c.sent, len(o.buf))
			c.sent = 0
			if err != nil {
				return leftBecause(err)
			}
		}
		c.streams.recycle(o)
		if why != nil {
			return why
		}
	}
}

// await waits until there is something to do.
func (c *Connection) await(s session) happening {
	select {
	case <-c.wake:
		return happening{}
	case <-c.beats.C:
		c.beats.Reset(c.pause(false))
		return happening{beat: true}
	case m, ok := <-s.inbox:
		return happening{message: m, left: !ok}
	case l := <-s.late:
		return happening{late: &l}
	case <-c.ctx.Done():
		return happening{left: true}
	}
}

// step does what there is to do. A result ends the connection.
func (c *Connection) step(o *output, s session, now happening) *End {
	var err error
	switch {
	case now.left:
		return &End{Reason: reasonLeft}
	case now.beat:
		err = c.beat(o, s)
	case now.message != nil:
		err = s.message(o, now.message)
	case now.late != nil:
		c.arrived(o, *now.late)
	}
	if err == nil {
		err = c.asked()
	}
	if err == nil {
		err = c.fill(o)
	}
	if err != nil {
		why := endOf(c.logged(err))
		c.endAll(o, why)
		return why
	}
	if c.encoding != WebSocket && c.count() == 0 {
		return &End{Reason: ReasonUnwatched} // its one watch has ended, and said why
	}
	return nil
}

// asked is the end that somebody asked for, or nil.
func (c *Connection) asked() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		return nil
	}
	return c.ending
}

func (c *Connection) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.watches)
}

// beat is done a few times a minute: every quiet watch says how far it is.
func (c *Connection) beat(o *output, s session) error {
	for _, w := range c.list() {
		if err := w.beat(o); err != nil {
			c.endWatch(w, o, endOf(c.logged(err)))
		}
	}
	if s.beat != nil {
		return s.beat(o)
	}
	return nil
}

// pause is how long until the next beat, or until the caller's rights end.
func (c *Connection) pause(first bool) time.Duration {
	d := c.streams.Limits.Heartbeat
	if first { // spread out those who came together
		d -= time.Duration(c.streams.Random(int64(d / 2)))
	}
	if expires := c.caller.Rights.Expires(); !expires.IsZero() {
		d = min(d, max(time.Millisecond, expires.Sub(c.streams.Now())))
	}
	return d
}

// leftBecause tells a client that went away from one that took nothing.
func leftBecause(err error) *End {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &End{Reason: ReasonStuck, Detail: err.Error()}
	}
	return &End{Reason: reasonLeft, Detail: err.Error()}
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
