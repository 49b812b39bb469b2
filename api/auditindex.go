package api

import (
	"errors"

	"confman/events"
	"confman/projections"
)

const (
	// effortPerEvent is how many rows of the indexes may be read for each event
	// that may be looked at.
	effortPerEvent = 4
	// windowLeast and windowMost are how many events are gone through at once
	// where the walk has to collect what it finds.
	windowLeast, windowMost = 4 << 10, 64 << 10
)

// auditWalk goes through what a query selects, a stretch at a time, and holds no
// history in between. Between two stretches the horizon may move; what the walk
// still had to look at must not have been trimmed.
type auditWalk struct {
	reader Reader
	rest   projections.Query // After and Before enclose what was not looked at
	window uint64
	tired  bool // the stretch ended for want of effort
}

func (x *exchange) auditWalk(q projections.Query) auditWalk {
	return auditWalk{reader: x.Reader, rest: q, window: windowLeast}
}

// done reports whether there is nothing more to look at.
func (w *auditWalk) done() bool { return w.rest.After+1 >= w.rest.Before }

// mark is the index up to which everything was looked at, itself included.
func (w *auditWalk) mark() uint64 {
	if w.rest.Ascending {
		return w.rest.After
	}
	return w.rest.Before
}

// looked notes that nothing up to an index, itself included, is to be looked at.
func (w *auditWalk) looked(index uint64) {
	if w.rest.Ascending {
		w.rest.After = index
	} else {
		w.rest.Before = index
	}
}

// stretch hands over records until one is not taken, the effort is spent or the
// window ends. It is [events.ErrCompacted] when what it looked at was trimmed
// meanwhile: then some of it may have been missed.
func (w *auditWalk) stretch(take func(events.Record) (taken bool, err error)) error {
	after := w.rest.After
	if err := w.read(take); err != nil {
		return err
	}
	h, release := w.reader.History(w.reader.State().Index())
	defer release()
	if after+1 >= h.Oldest() {
		return nil
	}
	_, err := h.Position(after) // says that it is not kept
	return err
}

func (w *auditWalk) read(take func(events.Record) (taken bool, err error)) error {
	if w.done() {
		return nil
	}
	q := w.rest
	if q.Ascending && q.Key != "" {
		q.Before = min(q.Before, q.After+1+w.window)
	}
	// As of the last event in question: nothing newer has to be stepped over.
	h, release := w.reader.History(q.Before - 1)
	defer release()
	var unfinished *projections.Unfinished
	w.tired = false
	for r, err := range h.Select(q) {
		if w.tired = errors.As(err, &unfinished); w.tired {
			if q.Ascending {
				w.looked(unfinished.At - 1)
			} else {
				w.looked(unfinished.At + 1)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if taken, err := take(r); !taken || err != nil {
			return err
		}
		w.looked(r.Index)
	}
	w.rest.After = q.Before - 1
	w.window = min(4*w.window, windowMost)
	return nil
}
