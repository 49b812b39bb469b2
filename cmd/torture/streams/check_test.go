package streams_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	. "confman/cmd/torture/streams"
)

func TestFaithfulStreamsPass(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range filters() {
		half, end := l.Head()/2, l.Head()
		for _, legs := range [][]Leg{
			{faithful(t, audit, f, 0, end, wire.AfterStart)},
			{faithful(t, audit, f, half, end, wire.AfterNow)},
			{faithful(t, audit, f, half, end, wire.AfterSnapshot)},
			{faithful(t, audit, f, 0, half, l.Position(0)), faithful(t, audit, f, half, end, l.Position(half))},
		} {
			s := Stream{Name: what, Encoding: wire.EncodingSSE, Filter: f, Legs: legs}
			for _, d := range l.Check(s, nil, end) {
				t.Error(d)
			}
		}
	}
}

// anomaly is a way to spoil a faithful stream.
type anomaly struct {
	name  string
	says  string
	spoil func(s *Stream)
}

// nth is the place of the nth frame of a kind.
func nth(s *Stream, kind string, n int) int {
	for i, f := range s.Legs[0].Frames {
		if f.Frame.Frame == kind {
			if n == 0 {
				return i
			}
			n--
		}
	}
	panic("the test's stream has too few frames " + kind)
}

// cut takes the frame at i out.
func cut(s *Stream, i int) {
	frames := append([]Frame{}, s.Legs[0].Frames...)
	s.Legs[0].Frames = append(frames[:i], frames[i+1:]...)
}

// insert puts a frame in before the one at i.
func insert(s *Stream, i int, f Frame) {
	frames := append([]Frame{}, s.Legs[0].Frames[:i]...)
	s.Legs[0].Frames = append(append(frames, f), s.Legs[0].Frames[i:]...)
}

// remake changes the event of the nth event frame.
func remake(s *Stream, n int, change func(*wire.Event)) {
	f := &s.Legs[0].Frames[nth(s, wire.FrameEvent, n)]
	e := *f.Event
	change(&e)
	f.Event = &e
}

func anomalies(audit []wire.AuditEvent) []anomaly {
	frames := func(s *Stream) []Frame { return s.Legs[0].Frames }
	return []anomaly{
		{"dropped", "missing before it", func(s *Stream) { cut(s, nth(s, wire.FrameEvent, 4)) }},
		{"dropped before progress", "was not delivered", func(s *Stream) { cut(s, len(frames(s))-2) }},
		{"dropped at the end", "never arrived", func(s *Stream) { s.Legs[0].Frames = frames(s)[:len(frames(s))-2] }},
		{"doubled", "again, or late", func(s *Stream) { i := nth(s, wire.FrameEvent, 4); insert(s, i, frames(s)[i]) }},
		{"swapped", "again, or late", func(s *Stream) {
			i := nth(s, wire.FrameEvent, 6)
			frames(s)[i], frames(s)[i+1] = frames(s)[i+1], frames(s)[i]
		}},
		{"wrong prev", "has prev", func(s *Stream) { frames(s)[nth(s, wire.FrameEvent, 3)].Prev-- }},
		{"prev counts progress", "has prev", func(s *Stream) { frames(s)[nth(s, wire.FrameEvent, 0)].Prev++ }},
		{"progress too far", "was not delivered", func(s *Stream) {
			i := nth(s, wire.FrameEvent, 5)
			insert(s, i, progressTo(audit, frames(s)[i].Event.Index))
		}},
		{"progress goes back", "was proved", func(s *Stream) {
			i := nth(s, wire.FrameEvent, 9)
			insert(s, i, progressTo(audit, frames(s)[i-1].Event.Index-1))
		}},
		{"torn transaction", "its transaction goes on: true", func(s *Stream) {
			for i, f := range frames(s) {
				if f.More {
					s.Legs[0].Frames[i].More = false
					return
				}
			}
		}},
		{"endless transaction", "its transaction goes on: false", func(s *Stream) {
			for i, f := range frames(s) {
				if f.Event != nil && !f.More {
					s.Legs[0].Frames[i].More = true
					return
				}
			}
		}},
		{"another's namespace", "does not belong", func(s *Stream) {
			i := nth(s, wire.FrameEvent, 5)
			for index := frames(s)[i].Event.Index - 1; ; index-- {
				if !strings.HasPrefix(audit[index-1].Namespace, "app") || audit[index-1].Namespace == "application" {
					e := told(audit, int(index)-1, false)
					insert(s, i, Frame{Frame: wire.Frame{Frame: wire.FrameEvent, Event: e, Prev: frames(s)[i].Prev}, ID: e.Position, Kind: wire.FrameEvent})
					return
				}
			}
		}},
		{"another value", "value", func(s *Stream) {
			remake(s, 2, func(e *wire.Event) { e.Data = json.RawMessage(strings.Replace(string(e.Data), `"v`, `"w`, 1)) })
		}},
		{"another version", "version", func(s *Stream) {
			remake(s, 2, func(e *wire.Event) {
				e.Data = json.RawMessage(strings.Replace(string(e.Data), `"version":`, `"version":1`, 1))
			})
		}},
		{"another position", "position", func(s *Stream) {
			remake(s, 2, func(e *wire.Event) { e.Position = e.Position[:len(e.Position)-1] + "x" })
		}},
		{"another actor", "actor", func(s *Stream) { remake(s, 2, func(e *wire.Event) { e.Actor = "bob" }) }},
		{"another history", "the log has", func(s *Stream) {
			s.Legs[0].Frames[0].After, s.Legs[0].Frames[0].ID, s.Legs[0].Asked = "0-11111111", "0-11111111", "0-11111111"
		}},
		{"not invented", "not in the log", func(s *Stream) {
			i := len(frames(s)) - 2
			f := frames(s)[i]
			e := *f.Event
			e.Index = 100000
			f.Event = &e
			insert(s, len(frames(s)), f)
		}},
		{"another id", "SSE id", func(s *Stream) { frames(s)[nth(s, wire.FrameEvent, 2)].ID = "" }},
		{"another kind", "SSE event", func(s *Stream) { frames(s)[nth(s, wire.FrameEvent, 2)].Kind = "message" }},
		{"no opening", "where none may be", func(s *Stream) { cut(s, 0) }},
		{"leader not known to be known", "leader is known", func(s *Stream) { frames(s)[0].LeaderKnown = nil }},
		{"silent end", "ended without a reason", func(s *Stream) { s.Legs[0].End = EndedByServer }},
		{"unreadable", "could not be read", func(s *Stream) { s.Legs[0].End = EndedBroken }},
		{"end for no reason", "ended by goaway shutdown", func(s *Stream) { end(s, wire.FrameGoaway, wire.ReasonShutdown) }},
		{"end for an unknown reason", "ended by goaway whim", func(s *Stream) { end(s, wire.FrameGoaway, "whim") }},
		{"compacted too early", "ended by reset compacted", func(s *Stream) {
			end(s, wire.FrameReset, wire.ReasonCompacted)
			f := &frames(s)[len(frames(s))-1]
			f.Oldest, f.Newest = audit[1].Position, audit[len(audit)-1].Position
		}},
		{"more after the end", "after the end", func(s *Stream) {
			end(s, wire.FrameGoaway, wire.ReasonUnavailable)
			insert(s, len(frames(s)), progressTo(audit, uint64(len(audit))))
		}},
		{"failed", "refused with 500", func(s *Stream) { s.Legs[0] = Leg{Node: "n1", Asked: "start", Status: 500} }},
		{"refused to a browser", "EventSource gives up", func(s *Stream) { s.Legs[0] = Leg{Node: "n1", Asked: "start", Status: 503, ByID: true} }},
	}
}

func end(s *Stream, kind, reason string) {
	insert(s, len(s.Legs[0].Frames), Frame{Frame: wire.Frame{Frame: kind, Reason: reason}, Kind: kind})
}

func progressTo(audit []wire.AuditEvent, index uint64) Frame {
	yes := true
	p := audit[index-1].Position
	return Frame{Frame: wire.Frame{Frame: wire.FrameProgress, Position: p, LeaderKnown: &yes}, ID: p, HasID: true, Kind: wire.FrameProgress}
}

func TestEveryAnomalyIsCaught(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	f := Filter{Namespaces: []string{"app"}}
	matches := l.Matches(f)
	for _, a := range anomalies(audit) {
		s := Stream{Name: "spoilt", Encoding: wire.EncodingSSE, Filter: f}
		s.Legs = []Leg{faithful(t, audit, f, 0, matches[len(matches)-1], wire.AfterStart)}
		a.spoil(&s)
		caught(t, a.name, l.Check(s, nil, l.Head()), a.says)
	}
}

func caught(t *testing.T, name string, found []string, says string) {
	t.Helper()
	if !strings.Contains(strings.Join(found, "\n"), says) {
		t.Errorf("%s: want something said of %q, found %q", name, says, found)
	}
}

func TestEveryAnomalyOfASnapshotIsCaught(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	f := Filter{Namespaces: []string{"app"}}
	for _, a := range []anomaly{
		{"missing entry", "the next one should be", func(s *Stream) { cut(s, 2) }},
		{"missing last entry", "lacks 1 entries", func(s *Stream) { cut(s, nth(s, wire.FrameSnapshotEnd, 0)-1) }},
		{"wrong count", "says", func(s *Stream) { s.Legs[0].Frames[nth(s, wire.FrameSnapshotEnd, 0)].Entries++ }},
		{"doubled entry", "the next one should be", func(s *Stream) { insert(s, 2, s.Legs[0].Frames[1]) }},
		{"older entry", "want {index", func(s *Stream) {
			e := *s.Legs[0].Frames[1].Entry
			e.Index--
			s.Legs[0].Frames[1].Entry = &e
		}},
		{"another value", "value", func(s *Stream) {
			e := *s.Legs[0].Frames[1].Entry
			e.Value = json.RawMessage(`"else"`)
			s.Legs[0].Frames[1].Entry = &e
		}},
		{"of two moments", "ends at", func(s *Stream) {
			end := &s.Legs[0].Frames[nth(s, wire.FrameSnapshotEnd, 0)]
			end.Position, end.ID = l.Position(l.Head()/2+1), l.Position(l.Head()/2+1)
		}},
		{"not asked for", "asked for", func(s *Stream) { s.Legs[0].Asked = wire.AfterNow }},
		{"progress inside", "where none may be", func(s *Stream) { insert(s, 2, progressTo(audit, l.Head()/2)) }},
	} {
		s := Stream{Name: "spoilt", Encoding: wire.EncodingSSE, Filter: f}
		s.Legs = []Leg{faithful(t, audit, f, l.Head()/2, l.Head(), wire.AfterSnapshot)}
		a.spoil(&s)
		caught(t, a.name, l.Check(s, nil, l.Head()), a.says)
	}
}

func TestValuesThatWereNotWantedAreCaught(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{wire.AfterSnapshot, wire.AfterStart} {
		s := Stream{Name: "bare", Encoding: wire.EncodingNDJSON, Filter: Filter{Bare: true}}
		s.Legs = []Leg{faithful(t, audit, Filter{}, 0, l.Head(), asked)}
		caught(t, asked, l.Check(s, nil, 0), "where none belongs")
	}
	s := Stream{Name: "full", Encoding: wire.EncodingNDJSON}
	s.Legs = []Leg{faithful(t, audit, Filter{Bare: true}, 0, l.Head(), wire.AfterStart)}
	caught(t, "without values", l.Check(s, nil, 0), "is missing")
}

func TestAResumeElsewhereThanAtTheEndIsCaught(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	half, f := l.Head()/2, Filter{}
	s := Stream{Name: "gap", Encoding: wire.EncodingSSE, Filter: f, Legs: []Leg{
		faithful(t, audit, f, 0, half, wire.AfterStart), faithful(t, audit, f, half+4, l.Head(), l.Position(half+4)),
	}}
	caught(t, "asked for another", l.Check(s, nil, 0), "the leg before ended at")
	s.Legs[1].Asked = l.Position(half)
	caught(t, "answered with another", l.Check(s, nil, 0), "asked for "+l.Position(half))
}

func TestOnlyTheFaultsThatWereMadeExcuseASilentEnd(t *testing.T) {
	audit := story(t)
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	leg := faithful(t, audit, Filter{}, 0, l.Head(), wire.AfterStart)
	leg.End = EndedByServer
	within := Break{Node: "n1", From: moment.Add(30 * time.Second), To: moment.Add(31 * time.Second)}
	for _, test := range []struct {
		name    string
		change  func(*Break)
		excused bool
	}{
		{"killed", func(*Break) {}, true},
		{"another node", func(b *Break) { b.Node = "n2" }, false},
		{"before", func(b *Break) { b.From, b.To = moment.Add(-2*time.Second), moment.Add(-time.Second) }, false},
		{"after", func(b *Break) { b.From, b.To = moment.Add(time.Hour), moment.Add(2*time.Hour) }, false},
		{"only proxied connections", func(b *Break) { b.Proxied = true }, false},
		{"asked to stop", func(b *Break) { b.Told = true }, false},
	} {
		b := within
		test.change(&b)
		found := l.Check(Stream{Name: "s", Encoding: wire.EncodingSSE, Legs: []Leg{leg}}, []Break{b}, 0)
		if (len(found) == 0) != test.excused {
			t.Errorf("%s: excused %v, want %v: %q", test.name, len(found) == 0, test.excused, found)
		}
	}
}
