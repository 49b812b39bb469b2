package crowd

import (
	"fmt"
	"time"

	"confman/api/wire"
)

// watch is what its reader knows of one watch.
type watch struct {
	open  bool
	last  uint64 // index of the last event, before the first that of where it began
	past  uint64 // index up to which the server has said that nothing was missed
	count uint64 // events
	ended string // why; empty while it goes on
}

// event holds an event against the one before it. The next is held against this
// one, whatever is wrong with it.
func (w *watch) event(h head) error {
	last := w.last
	w.last = h.index
	w.count++
	switch {
	case w.ended != "":
		return fmt.Errorf("event %d after the end", h.index)
	case !w.open:
		return fmt.Errorf("event %d before the frame that says where the watch begins", h.index)
	case h.prev != last:
		return fmt.Errorf("event %d follows %d, and the last one was %d", h.index, h.prev, last)
	case h.index <= max(last, w.past):
		return fmt.Errorf("event %d after event %d and progress to %d", h.index, last, w.past)
	}
	return nil
}

// other takes a frame that is not an event's.
func (w *watch) other(f *wire.Frame) (err error) {
	switch f.Frame {
	case wire.FrameResumed:
		if w.open {
			return fmt.Errorf("resumed after %s for a second time", f.After)
		}
		w.open = true
		w.last, err = indexOf(f.After)
	case wire.FrameProgress:
		var index uint64
		if index, err = indexOf(f.Position); err == nil && index < max(w.last, w.past) {
			return fmt.Errorf("progress to %s after event %d and progress to %d", f.Position, w.last, w.past)
		}
		w.past = index
	case wire.FrameReset, wire.FrameGoaway:
		w.ended = f.Frame + " " + f.Reason
	default:
		return fmt.Errorf("frame %q", f.Frame)
	}
	return err
}

// stream is one connection. Its methods are called with the crowd's mutex held.
type stream struct {
	crowd   *Crowd
	fd      int
	watches []watch // a part of the crowd's
	split   splitter
	timed   bool      // its lags are measured
	now     time.Time // of the read that is taken apart
	wrong   error     // the first thing that should not have been
}

// frame takes the JSON of one frame.
func (s *stream) frame(data []byte) {
	c := s.crowd
	h, ok := scan(data)
	if !ok {
		f, slow, err := decode(data)
		if err == nil && f.Frame != wire.FrameEvent {
			err = s.other(&f, slow.watch)
		}
		if err != nil || f.Frame != wire.FrameEvent {
			s.note(err)
			return
		}
		h = slow
		c.counts.Decoded++
	}
	c.counts.Events++
	if h.watch >= len(s.watches) {
		s.note(fmt.Errorf("event %d of watch w%d, which was not asked for", h.index, h.watch))
		return
	}
	s.note(s.watches[h.watch].event(h))
	if s.timed {
		if at, ok := stampOf(h.rest); ok {
			c.lags = append(c.lags, s.now.Sub(at))
		}
	}
}

// other takes a frame that is not an event's. Goaway ends all watches.
func (s *stream) other(f *wire.Frame, number int) error {
	if f.Frame == wire.FrameGoaway {
		s.end(f.Frame + " " + f.Reason)
		return nil
	}
	if number < 0 || number >= len(s.watches) {
		return fmt.Errorf("frame %s of watch w%d, which was not asked for", f.Frame, number)
	}
	return s.watches[number].other(f)
}

// end ends the watches that have not ended yet.
func (s *stream) end(why string) {
	for i := range s.watches {
		if s.watches[i].ended == "" {
			s.watches[i].ended = why
		}
	}
}

// note keeps the first error.
func (s *stream) note(err error) {
	if s.wrong == nil {
		s.wrong = err
	}
}
