package js_test

import (
	"encoding/json"

	"confman/api/wire"
)

// scripts are what can go wrong. Each plays a stream, the nth of its kind, and
// says whether it ends in the middle of a frame.
var scripts = map[string]func(s *stream, n int) (cut bool){
	"plain": whole, "busy": whole, "ticket": whole, "tail": whole,
	"cut": func(s *stream, n int) bool {
		from := s.begin()
		if n > 6 {
			s.events(from, last)
			s.hold()
			return false
		}
		s.events(from, min(from+6, last))
		return true
	},
	"ends": func(s *stream, n int) bool { // without a word
		from := s.begin()
		s.events(from, min(from+5, last))
		return false
	},
	"twice": onceWrong(func(s *stream, from uint64) {
		s.events(from, from+3)
		s.send(wire.Frame{Frame: wire.FrameEvent, Prev: from + 2, Event: eventAt(from + 3)})
		s.events(from+3, last)
	}),
	"gap": onceWrong(func(s *stream, from uint64) { // one is lost on the way
		s.events(from, from+3)
		s.prev = from + 4
		s.events(from+4, last)
	}),
	"rewind": onceWrong(func(s *stream, from uint64) {
		s.events(from, from+8)
		s.send(wire.Frame{Frame: wire.FrameProgress, Position: at(from + 2)})
		s.events(from+8, last)
	}),
	"elsewhere": func(s *stream, n int) bool { // resumes where nobody asked it to
		if n == 2 {
			s.send(wire.Frame{Frame: wire.FrameResumed, After: at(last - 1)})
			s.prev = last - 1
			s.events(last-1, last)
			return false
		}
		from := s.begin()
		s.events(from, min(from+25, last))
		return true
	},
	"garbage": onceWrong(func(s *stream, from uint64) {
		s.events(from, from+3)
		s.write([]byte(`{"frame":`))
		s.events(from+3, last)
	}),
	"silent": onceWrong(func(s *stream, from uint64) { s.events(from, from+3) }),
	"goodbye": onceWrong(func(s *stream, from uint64) {
		s.events(from, from+3)
		s.send(wire.Frame{Frame: wire.FrameGoaway, Reason: wire.ReasonShutdown})
		s.events(from+3, last) // too late
	}),
	"reset": func(s *stream, _ int) bool {
		from := s.begin()
		s.events(from, from+3)
		s.send(wire.Frame{Frame: wire.FrameReset, Reason: wire.ReasonCompacted, Detail: "fell behind", Oldest: at(9), Newest: at(last)})
		return false
	},
	"lagging": onceWrong(func(s *stream, from uint64) {
		s.send(wire.Frame{Frame: wire.FrameReset, Reason: wire.ReasonBehind})
	}),
	"ticket-expires": onceWrong(func(s *stream, from uint64) {
		s.events(from, from+3)
		s.send(wire.Frame{Frame: wire.FrameReset, Reason: wire.ReasonExpired})
	}),
	"ticket-bad": whole,
	"progress": func(s *stream, n int) bool { // the position moves on without events; prev does not
		from := s.begin()
		if n == 1 {
			s.events(from, 10)
			s.send(wire.Frame{Frame: wire.FrameProgress, Position: at(12)})
			s.prev = 10
			s.events(13, 14) // 11 to 13 did not match
			s.send(wire.Frame{Frame: wire.FrameProgress, Position: at(20)})
			return true
		}
		s.prev = from
		s.events(29, last)
		s.hold()
		return false
	},
	"snapshot": func(s *stream, n int) bool {
		switch {
		case s.after == wire.AfterSnapshot && n == 1: // cut in the middle
			s.snapshot(4, 0)
			return true
		case s.after == wire.AfterSnapshot && n == 2: // an entry is missing
			s.snapshot(8, 9)
		default:
			s.events(s.begin(), last)
		}
		s.hold()
		return false
	},
	"lost": func(s *stream, n int) bool { // at event 25, inside a transaction; then the position is too old
		if n == 1 {
			s.events(s.begin(), 25)
			return true
		}
		if s.after != wire.AfterSnapshot {
			s.send(wire.Frame{Frame: wire.FrameReset, Reason: wire.ReasonCompacted, Oldest: at(28), Newest: at(last)})
			return false
		}
		s.send(wire.Frame{Frame: wire.FrameSnapshot, Position: at(30)})
		for _, i := range []uint64{19, 21, 28} {
			e := eventAt(i)
			s.send(wire.Frame{Frame: wire.FrameEntry, Entry: &wire.ConfigEntry{
				Namespace: e.Namespace, Key: e.Key, Type: wire.TypeString, Version: e.Index, Index: e.Index, Value: json.RawMessage(`"new"`),
			}})
		}
		s.send(wire.Frame{Frame: wire.FrameSnapshotEnd, Position: at(30), Entries: 3})
		s.hold()
		return false
	},
	"torn": func(s *stream, n int) bool { // cut inside a transaction
		from := s.begin()
		if n == 1 {
			s.events(from, 26)
			return true
		}
		s.events(from, last)
		s.hold()
		return false
	},
	"flood": func(s *stream, n int) bool {
		from := s.begin()
		for i := from + 1; i <= flood; i++ {
			s.events(i-1, i)
		}
		s.hold()
		return false
	},
}

// flood is more events than a reader of a WebSocket lets wait.
const flood = 5000

func whole(s *stream, _ int) bool {
	s.events(s.begin(), last)
	s.hold()
	return false
}

// onceWrong is a stream that goes wrong the first time.
func onceWrong(wrong func(s *stream, from uint64)) func(*stream, int) bool {
	return func(s *stream, n int) bool {
		if n > 1 {
			return whole(s, n)
		}
		wrong(s, s.begin())
		s.hold()
		return false
	}
}
