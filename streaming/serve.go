package streaming

import (
	"errors"
	"os"
	"time"
)

// writeBytes is about how much goes out with one write, when there is as much,
// and turnsAtOnce how many turns watches get before the connection looks up.
const (
	writeBytes  = 64 << 10
	turnsAtOnce = 64
)

// fill gives the ready watches their turns, until there is about as much as goes
// out with one write. Those that have more stay in line. Its error ends the
// connection.
func (c *Connection) fill(o *output) error {
	renewed, err := c.renew()
	if err != nil {
		return err
	}
	if renewed {
		c.endForbidden(o)
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
func (c *Connection) renew() (renewed bool, err error) {
	now := c.streams.Hub.rights.Load()
	expires := c.caller.Rights.Expires()
	if now == c.rights && (expires.IsZero() || c.streams.Now().Before(expires)) {
		return false, nil
	}
	c.rights = now
	return true, c.caller.Rights.Renew()
}

// endForbidden ends the watches on namespaces in which the caller may see nothing
// any more. Of others the caller sees less.
func (c *Connection) endForbidden(o *output) {
	for _, w := range c.list() {
		if why := c.forbidden(w.sel); why != nil {
			c.endWatch(w, o, why)
		}
	}
}

// forbidden is the end of what is about a namespace in which the caller may see
// nothing any more, or nil.
func (c *Connection) forbidden(sel selector) *End {
	for _, n := range sel.namespaces {
		if !c.caller.Rights.SeesWithin(n) {
			return &End{Reason: ReasonForbidden, Detail: c.caller.Principal + " may not see anything of namespace " + n + " any more"}
		}
	}
	return nil
}

// session is what serving a connection needs beside the connection.
type session struct {
	write   func([]byte) error          // all of it, or an error that ends the connection
	beat    func(*output) error         // nil: nothing more than the watches do
	message func(*output, []byte) error // of the client
	inbox   <-chan []byte               // closed when the client has left
	late    <-chan lateStart
	beats   *time.Timer // serve's own
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
	s.beats = time.NewTimer(c.pause(true))
	defer s.beats.Stop()
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
	case <-s.beats.C:
		s.beats.Reset(c.pause(false))
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
