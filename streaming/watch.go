package streaming

import (
	"errors"
	"iter"
	"sync/atomic"

	"confman/events"
)

// A watch works in turns of about this much, so that the others of its
// connection get theirs.
const (
	turnBytes   = 32 << 10 // written, but no more than goes out with one write
	turnRecords = 1024     // looked at
	// progressEvery is after how many records without a match a watch says how
	// far it is.
	progressEvery = 1000
)

// watch is a cursor and a filter. What is not atomic belongs to the goroutine
// that serves its connection.
type watch struct {
	id     string
	filter Filter
	sel    selector
	conn   *Connection
	waiter waiter

	opened  bool
	begins  events.Position // after this
	entries *entryReader    // while the snapshot is being sent
	cursor  uint64          // every record up to here was looked at
	prev    uint64          // index of the last event sent, or where the watch began
	pending *item           // matches; held back until it is known whether its transaction goes on
	settled bool            // it has caught up once, and said so
	quiet   bool            // nothing was sent since the last beat
	waited  bool            // the last beat told nothing
	over    bool

	seen      atomic.Uint64 // the cursor, for others
	delivered atomic.Uint64
}

// entryReader is the part of a snapshot that is not sent yet.
type entryReader struct {
	at    events.Position
	count uint64
	next  func() (events.Entry, bool)
	stop  func()
}

// begin puts the watch where it starts.
func (w *watch) begin(at events.Position, snap Snapshot) {
	w.begins, w.cursor, w.prev = at, at.Index, at.Index
	w.seen.Store(at.Index)
	w.waiter.told.Store(at.Index)
	if snap != nil {
		next, stop := iter.Pull(w.selected(snap))
		w.entries = &entryReader{at: at, next: next, stop: stop}
	}
}

// selected yields the entries of a snapshot that the watch is about and that its
// caller may see.
func (w *watch) selected(snap Snapshot) iter.Seq[events.Entry] {
	return func(yield func(events.Entry) bool) {
		for _, subtree := range w.sel.subtrees() {
			for e := range snap.Entries(subtree) {
				if w.sel.names(e.Namespace, e.Key) && w.conn.caller.Rights.SeesEntry(e.Namespace, e.Key) && !yield(e) {
					return
				}
			}
		}
	}
}

// close gives back what the watch holds.
func (w *watch) close() {
	w.over, w.pending = true, nil
	if w.entries != nil {
		w.entries.stop()
		w.entries = nil
	}
}

// turn appends what there is for the watch, up to the bounds of a turn. again
// says that there may be more.
func (w *watch) turn(o *output) (again bool, err error) {
	w.waiter.ready.Store(false) // before looking: what comes after it wakes us
	limit := min(len(o.buf)+turnBytes, writeBytes)
	w.open(o)
	if w.entries != nil {
		w.snapshot(o, limit)
	}
	if w.left() {
		if err := w.flush(o, false); err != nil {
			return false, err
		}
	}
	var room [blockRecords]*item
	for looked := 0; len(o.buf) < limit && looked < turnRecords; {
		items, err := w.read(room[:0])
		if err != nil {
			return false, err
		}
		if len(items) == 0 {
			w.seen.Store(w.cursor)
			return false, w.skipped(o)
		}
		for _, i := range items {
			if err := w.take(o, i, limit); err != nil {
				return false, err
			}
			if looked++; len(o.buf) >= limit {
				break
			}
		}
	}
	w.seen.Store(w.cursor)
	if w.left() {
		w.seen.Store(w.cursor - 1)
	}
	return true, nil
}

// left reports whether a turn had no room any more for the last event of a
// transaction.
func (w *watch) left() bool { return w.pending != nil && !w.pending.record.More }

// open appends the frame that says where the watch begins.
func (w *watch) open(o *output) {
	if w.opened {
		return
	}
	w.opened, w.quiet = true, false
	if w.entries != nil {
		o.begin(frameSnapshot, w.id, "snapshot") // who loses the connection now begins anew
		o.position("position", w.begins)
	} else {
		o.begin(frameResumed, w.id, w.begins.String())
		o.position("after", w.begins)
		o.position("head", w.conn.streams.Source.Position())
	}
	w.conn.streams.contact(o)
	o.end()
}

// contact appends how well the node knows that it is up to date.
func (s *Streams) contact(o *output) {
	since, known := s.Source.Contact()
	if since >= 0 {
		o.number("staleMs", uint64(since.Milliseconds()))
	}
	if known {
		o.text(`,"leaderKnown":true`)
	} else {
		o.text(`,"leaderKnown":false`)
	}
}

// snapshot appends entries, and the end of the snapshot when it is reached.
func (w *watch) snapshot(o *output, limit int) {
	for w.quiet = false; len(o.buf) < limit; w.entries.count++ {
		e, ok := w.entries.next()
		if !ok {
			o.begin(frameSnapshotEnd, w.id, w.entries.at.String())
			o.position("position", w.entries.at)
			o.number("entries", w.entries.count)
			o.end()
			w.entries = nil
			return
		}
		o.begin(frameEntry, w.id, "")
		o.text(`,"entry":`)
		o.buf = w.conn.streams.AppendEntry(o.buf, &e, w.sel.bare)
		o.end()
	}
}

// read is what follows the cursor: from the tail, or else from the log.
func (w *watch) read(room []*item) ([]*item, error) {
	s := w.conn.streams
	found, before := s.Hub.tail.after(room, w.cursor, cap(room))
	if !before || s.Source.Position().Index <= w.cursor {
		return found, nil
	}
	found, err := s.Hub.log.after(s.Source, w.cursor)
	if edge := s.Source.Edge(); w.cursor < edge.Index || errors.Is(err, events.ErrCompacted) {
		asked := events.Position{Index: w.cursor}
		return nil, &Compacted{Asked: asked, Oldest: edge, Newest: s.Source.Position()}
	}
	return found, err
}

// take looks at the next record. It appends one event at most past the limit: then
// the last one of a transaction is left to the next turn.
func (w *watch) take(o *output, i *item, limit int) error {
	w.cursor = i.record.Index
	if w.sel.matches(&i.event) && w.conn.caller.Rights.Sees(&i.event) {
		if err := w.flush(o, true); err != nil {
			return err
		}
		w.pending = i
	}
	if !i.record.More && len(o.buf) < limit {
		if err := w.flush(o, false); err != nil {
			return err
		}
	}
	if w.pending == nil && w.cursor-w.waiter.told.Load() >= progressEvery {
		w.progress(o, i.record.Position())
	}
	return nil
}

// skipped says how far the watch is when it has read all there is: the first
// time, so that a client that resumes knows that it is up to date, and after it
// has not said so for long enough to have been woken for it.
func (w *watch) skipped(o *output) error {
	behind := w.cursor - w.waiter.told.Load()
	if w.pending != nil || behind == 0 || w.settled && behind < skippedMost {
		w.settled = true
		return nil
	}
	w.settled = true
	at, err := w.conn.streams.positionAt(w.cursor)
	if err == nil {
		w.progress(o, at)
	}
	return err
}

// flush appends the event that was held back. more says that another one of its
// transaction follows.
func (w *watch) flush(o *output, more bool) error {
	i := w.pending
	if i == nil {
		return nil
	}
	if err := o.event(frameEvent, w.id, i, w.sel.bare, w.prev, more); err != nil {
		return err
	}
	w.pending, w.prev, w.quiet = nil, i.record.Index, false
	w.waiter.told.Store(w.prev)
	w.delivered.Add(1)
	w.conn.sent++
	return nil
}

// progress says that every matching event up to a position was sent.
func (w *watch) progress(o *output, at events.Position) {
	w.conn.streams.progress(o, w.id, at)
	w.quiet = false
	w.waiter.told.Store(at.Index)
}

// progress appends that every matching event up to a position was sent.
func (s *Streams) progress(o *output, watch string, at events.Position) {
	id := ""
	if o.encoding == SSE {
		id = at.String()
	}
	o.begin(frameProgress, watch, id)
	o.position("position", at)
	s.contact(o)
	o.end()
}

// beat says how far the watch is: at once if it is quiet, else at every other
// beat.
func (w *watch) beat(o *output) error {
	if !w.opened || w.entries != nil {
		return nil
	}
	if !w.quiet && !w.waited {
		w.quiet, w.waited = true, true
		return nil
	}
	at := w.waiter.told.Load()
	if mark := w.conn.streams.Hub.rung.Load(); !w.waiter.ready.Load() && w.pending == nil {
		// Nobody woke this watch for a record up to the mark: none of them
		// concerns it.
		w.cursor = max(w.cursor, mark)
		at = max(at, w.cursor)
		w.seen.Store(w.cursor)
	}
	position, err := w.conn.streams.positionAt(at)
	if err != nil {
		return err
	}
	w.progress(o, position)
	w.quiet, w.waited = true, false
	return nil
}
