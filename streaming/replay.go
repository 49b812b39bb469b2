package streaming

import (
	"errors"
	"iter"
	"math"
	"net/http"
	"strconv"
	"time"

	"confman/events"
)

// Replay is a window of the past that is delivered as a watch would have
// delivered it, in frames of its own.
type Replay struct {
	Filter Filter
	After  events.Position // the window begins after this
	To     events.Position // and ends with this, which the node has reached
	// Records yields the records after an index in order: at least those that the
	// filter selects. Its error is [events.ErrCompacted] when some of them are no
	// longer kept.
	Records func(after uint64) iter.Seq2[events.Record, error]

	Speed        float64       // times its own pace; 0: as fast as it can be read
	MaxPause     time.Duration // no gap is made longer; 0: any
	Begins, Ends time.Time     // of the first and the last event of the window
}

const (
	// replayRecords and blockBytes bound what of the history is in memory at once.
	replayRecords = 256
	// pausedRecords is how many a replay that may pause begins with: most would be
	// stale before they are due.
	pausedRecords = 4
	// longPause is one in which a replay holds nothing: there may be thousands.
	longPause = 50 * time.Millisecond
	// replayStale is how long that may be used: what is erased meanwhile must not
	// come out of a pause.
	replayStale = time.Second
	// replayLook is how often a replay that pauses looks whether its caller may
	// still see it.
	replayLook = 500 * time.Millisecond
	// shortestPause is made; shorter ones are saved up, for one write each is too
	// many.
	shortestPause = 5 * time.Millisecond
	// longestPause is what is made of any that is longer, so that times do not
	// overflow.
	longestPause = 10_000 * time.Hour
)

// reasonDone ends a replay that has delivered everything. It is told to nobody.
const reasonDone = "done"

// ServeReplay streams a window of the past as server-sent events or as lines of
// JSON, as the connection was made for, and closes the connection. It answers
// 200; the caller must not have.
func (c *Connection) ServeReplay(w http.ResponseWriter, r *http.Request, past Replay) *End {
	return c.serveHTTP(w, r, func(s session) *End {
		p := &replay{Replay: past, conn: c, sel: past.Filter.selector(), cursor: past.After.Index, prev: past.After.Index}
		return p.run(s.write)
	})
}

// replay is one that is being served. It holds no part of the history but the
// batch.
type replay struct {
	Replay
	conn *Connection
	sel  selector

	cursor  uint64 // every record up to here was looked at
	prev    uint64 // index of the last event sent, or where the window begins
	pending *item  // matches; held back until it is known whether its transaction goes on
	batch   []*item
	most    int       // records that the next batch has
	read    time.Time // when the batch was
	pace    pace
	until   time.Time // nothing is due before
	opened  bool
	spoke   time.Time // when something was last written
	sent    uint64
}

// run writes until the window's end, or until the connection ends, and returns
// why.
func (p *replay) run(write func([]byte) error) *End {
	s := p.conn.streams
	for {
		o := s.output(p.conn.encoding)
		wait, why := p.step(o)
		if len(o.buf) > 0 {
			err := write(o.buf)
			s.count(p.conn.sent, len(o.buf))
			p.conn.sent, p.spoke = 0, s.Now()
			if err != nil {
				return leftBecause(err)
			}
		}
		s.recycle(o)
		if why != nil {
			return why
		}
		if wait > longPause {
			p.batch, p.most = nil, pausedRecords
		}
		if wait > 0 && !p.rest(wait) {
			return &End{Reason: reasonLeft}
		}
	}
}

// step appends what is due, and says how long until there is more. A result ends
// the replay, and was appended, where it can be told.
func (p *replay) step(o *output) (wait time.Duration, why *End) {
	c := p.conn
	if !p.opened {
		p.opened, p.spoke = true, c.streams.Now()
		o.replay(frameReplayStart, p.After.String(), p)
	}
	done := false
	err := p.allowed()
	if wait = p.until.Sub(c.streams.Now()); err == nil && wait <= 0 {
		wait, done, err = p.fill(o)
		p.until = c.streams.Now().Add(wait)
	}
	if err == nil && !done && p.pending == nil && len(o.buf) == 0 {
		err = p.progress(o)
	}
	if err != nil {
		why := endOf(c.logged(err))
		if why.Reason == ReasonShutdown || why.Reason == ReasonUnavailable {
			o.goaway(why.Reason, why.Detail)
		} else {
			o.ended("", why, p.position())
		}
		return 0, why
	}
	if done {
		o.replay(frameReplayEnd, ReplayedID, p)
		return 0, &End{Reason: reasonDone}
	}
	return wait, nil
}

// allowed is why the replay may not go on, or nil.
func (p *replay) allowed() error {
	if err := p.conn.asked(); err != nil {
		return err
	}
	renewed, err := p.conn.renew()
	if err != nil || !renewed {
		return err
	}
	if why := p.conn.forbidden(p.sel); why != nil {
		return why
	}
	return nil
}

// rest waits, as long at most as a look or word is not due; false when the
// connection has ended.
func (p *replay) rest(wait time.Duration) bool {
	timer := time.NewTimer(min(wait, replayLook))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.conn.wake:
	case <-p.conn.ctx.Done():
		return false
	}
	return true
}

// fill appends the events that are due, until there is about as much as goes out
// with one write. wait is how long until the next one is; done says that there is
// none.
func (p *replay) fill(o *output) (wait time.Duration, done bool, err error) {
	if p.pending != nil && !p.pending.record.More { // there was no room for it
		if err := p.flush(o, false); err != nil {
			return 0, false, err
		}
	}
	for looked := 0; len(o.buf) < writeBytes && looked < turnRecords; looked++ {
		i, err := p.next()
		if err != nil {
			return 0, false, err
		}
		if i == nil {
			return 0, true, p.flush(o, false)
		}
		if p.sel.matches(&i.event) && p.conn.caller.Rights.Sees(&i.event) {
			if err := p.flush(o, p.pending != nil && p.pending.event.Transaction == i.event.Transaction); err != nil {
				return 0, false, err
			}
			if wait := p.pace.wait(i.record, p.Speed, p.MaxPause, p.conn.streams.Now()); wait > 0 {
				p.cursor = i.record.Index - 1
				return wait, false, nil
			}
			p.pending = i
		}
		p.batch, p.cursor = p.batch[1:], i.record.Index
		if !i.record.More && len(o.buf) < writeBytes { // else with the next write
			if err := p.flush(o, false); err != nil {
				return 0, false, err
			}
		}
	}
	return 0, false, nil
}

// flush appends the event that was held back. more says that another one of its
// transaction follows.
func (p *replay) flush(o *output, more bool) error {
	i := p.pending
	if i == nil {
		return nil
	}
	if err := o.event(frameReplay, "", i, p.sel.bare, p.prev, more); err != nil {
		return err
	}
	p.pending, p.prev = nil, i.record.Index
	p.sent++
	p.conn.sent++
	return nil
}

// next is the next record of the window, nil at its end.
func (p *replay) next() (*item, error) {
	s := p.conn.streams
	if len(p.batch) > 0 && (p.pending != nil || s.Now().Sub(p.read) < replayStale) {
		return p.batch[0], nil
	}
	most := p.most
	switch {
	case most == 0 && p.Speed > 0:
		most = pausedRecords
	case most == 0:
		most = replayRecords
	}
	p.batch, p.most, p.read = p.batch[:0], min(2*most, replayRecords), s.Now()
	if p.cursor >= p.To.Index {
		return nil, nil
	}
	bytes := 0
	var failed error
	for r, err := range p.Records(p.cursor) {
		if failed = err; err != nil || r.Index > p.To.Index {
			break
		}
		i, err := newItem(r)
		if failed = err; err != nil {
			break
		}
		i.detach()
		p.batch = append(p.batch, i)
		if bytes += len(r.Body); len(p.batch) == most || bytes >= blockBytes {
			break
		}
	}
	if err := p.kept(failed); err != nil || len(p.batch) == 0 {
		return nil, err
	}
	return p.batch[0], nil
}

// kept is the error about a reading of the history, which says what is kept when
// that does not reach back to the replay any more.
func (p *replay) kept(err error) error {
	s := p.conn.streams
	if edge := s.Source.Edge(); p.cursor < edge.Index || errors.Is(err, events.ErrCompacted) {
		return &Compacted{Asked: events.Position{Index: p.cursor}, Oldest: edge, Newest: s.Source.Position()}
	}
	return err
}

// progress appends how far the replay is when it has been silent for long.
func (p *replay) progress(o *output) error {
	s := p.conn.streams
	if s.Now().Sub(p.spoke) < 2*s.Limits.Heartbeat {
		return nil
	}
	at, err := s.positionAt(p.cursor)
	if err := p.kept(err); err != nil {
		return err
	}
	s.progress(o, "", at)
	return nil
}

// position is how far the replay is, as well as it can be told.
func (p *replay) position() events.Position {
	at := p.cursor
	if p.pending != nil {
		at = p.prev
	}
	position, err := p.conn.streams.positionAt(at)
	if err != nil { // of what is no longer kept
		return events.Position{Index: at}
	}
	return position
}

// pace says when events of the past are due.
type pace struct {
	index uint64    // of the record that was asked about last, 0 before the first
	time  time.Time // when it happened
	due   time.Time // when it is to be sent
}

// wait is how long until a record is due; 0 or less: it is. The first one is at
// once.
func (p *pace) wait(r events.Record, speed float64, most time.Duration, now time.Time) time.Duration {
	if speed == 0 {
		return 0
	}
	if p.index == 0 {
		*p = pace{r.Index, r.Time, now}
	}
	if p.index != r.Index {
		gap := time.Duration(math.Min(float64(r.Time.Sub(p.time))/speed, float64(longestPause)))
		if most > 0 {
			gap = min(gap, most)
		}
		*p = pace{r.Index, r.Time, p.due.Add(gap)}
	}
	if wait := p.due.Sub(now); wait >= shortestPause {
		return wait
	}
	return 0
}

// ReplayedID is the ID of the last server-sent event of a replay. An EventSource
// connects again when a stream ends, and with this it is told to stop.
const ReplayedID = "end"

// replay appends the frame that begins or ends a replay.
func (o *output) replay(kind, id string, p *replay) {
	s := p.conn.streams
	speed := "max"
	if p.Speed > 0 {
		speed = strconv.FormatFloat(p.Speed, 'g', -1, 64)
	}
	o.begin(kind, "", id)
	o.text(`,"replay":{"from":"`, p.After.String(), `","to":"`, p.To.String(), `","speed":"`, speed, `"`)
	o.number("oldest", s.Source.Edge().Index+1)
	o.number("head", s.Source.Position().Index)
	o.time("begins", p.Begins)
	o.time("ends", p.Ends)
	if p.sent > 0 {
		o.number("events", p.sent)
	}
	o.text("}")
	o.end()
}

// time appends a member with a time, unless that is zero.
func (o *output) time(member string, t time.Time) {
	if !t.IsZero() {
		o.text(`,"`, member, `":"`, t.UTC().Format(time.RFC3339Nano), `"`)
	}
}
