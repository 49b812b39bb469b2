package streams

import (
	"fmt"
	"strings"
	"time"

	"confman/api/wire"
)

// Frame is a frame as it arrived. ID and Kind are what an SSE event had in its
// fields id and event; HasID tells an empty id from none.
type Frame struct {
	wire.Frame
	At    time.Time
	ID    string
	HasID bool
	Kind  string
}

// Stream is all that one subscriber was told, on however many connections.
type Stream struct {
	Name     string
	Encoding string // wire.EncodingSSE, wire.EncodingNDJSON or wire.EncodingWebSocket
	Filter   Filter
	Legs     []Leg
}

// Leg is the part of a stream that one connection brought. Status is 0 when the
// server did not answer at all.
type Leg struct {
	Node    string
	Proxied bool   // through a proxy that has faults of its own
	Asked   string // a position, or one of the wire.After constants
	ByID    bool   // asked by Last-Event-ID, as browsers do

	Began, Ended time.Time
	Status       int
	Problem      wire.Problem // when Status is 400 or more
	Frames       []Frame
	Slow         bool // the client stopped reading now and then: a node that stops may not wait for it
	End          End
	Err          error // how reading ended
}

// End says who ended a leg.
type End string

// Ways in which a leg ends, as its subscriber sees it.
const (
	EndedByServer End = ""          // a frame that says why, or else a broken connection
	EndedByClient End = "client"    // it closed the connection or unwatched
	EndedByStall  End = "stall"     // the client had not read for a while; the server may have given it up
	EndedStill    End = "still-on"  // the recording ends before the leg
	EndedRefused  End = "refused"   // no stream began
	EndedBroken   End = "malformed" // the client could not read what the server sent
)

func (l Leg) last() (f Frame, ok bool) {
	if len(l.Frames) == 0 {
		return f, false
	}
	return l.Frames[len(l.Frames)-1], true
}

// said is the frame that ended the leg, when one did.
func (l Leg) said() (f Frame, ok bool) {
	f, ok = l.last()
	return f, ok && (f.Frame.Frame == wire.FrameReset || f.Frame.Frame == wire.FrameGoaway)
}

// Live reports whether the leg delivers events now.
func (l Leg) Live() bool {
	f, ok := l.last()
	if !ok || l.End != EndedStill {
		return false
	}
	kind := f.Frame.Frame
	return kind == wire.FrameResumed || kind == wire.FrameSnapshotEnd || kind == wire.FrameEvent || kind == wire.FrameProgress
}

// Next is what the stream's subscriber has to ask for after the leg.
func (l Leg) Next() string {
	if l.Problem.Type == wire.ProblemCompacted {
		return wire.AfterSnapshot
	}
	next := l.Asked
	for _, f := range l.Frames {
		next = f.next(next)
	}
	return next
}

// next is what to ask for once the frame has arrived, where it was known before.
func (f Frame) next(before string) string {
	switch f.Frame.Frame {
	case wire.FrameResumed:
		return f.After
	case wire.FrameSnapshot:
		return wire.AfterSnapshot
	case wire.FrameEvent:
		if f.Event != nil {
			return f.Event.Position
		}
	case wire.FrameProgress, wire.FrameSnapshotEnd:
		return f.Position
	case wire.FrameReset:
		if f.Reason == wire.ReasonCompacted {
			return wire.AfterSnapshot
		}
	}
	return before
}

// Break is a fault that the test made: for its time it excuses legs at a node
// that end without a word.
type Break struct {
	Node     string
	Proxied  bool // only connections through the proxy
	Told     bool // the node was asked to stop: it has to say so first
	From, To time.Time
}

// excuses reports whether a leg may end without a word because of the fault.
func (b Break) excuses(l Leg) bool { return b.reaches(l) && (!b.Told || l.Slow) }

func (b Break) reaches(l Leg) bool {
	return b.Node == l.Node && (!b.Proxied || l.Proxied) && b.From.Before(l.Ended) && !b.To.Before(l.Began)
}

// String is the leg in one line.
func (l Leg) String() string {
	via := l.Node
	if l.Proxied {
		via += " by proxy"
	}
	var frames strings.Builder
	for i, f := range l.Frames {
		if i >= 3 && i < len(l.Frames)-3 {
			if i == 3 {
				frames.WriteString(" …")
			}
			continue
		}
		frames.WriteString(" " + f.String())
	}
	return fmt.Sprintf("%s, after %q: %d, %d frames:%s; end %q %s %v", via, l.Asked, l.Status, len(l.Frames), frames.String(),
		l.End, l.Problem.Detail, l.Err) + map[bool]string{true: " (slow)"}[l.Slow]
}

// String is the frame in a word.
func (f Frame) String() string {
	switch f.Frame.Frame {
	case wire.FrameEvent:
		if f.Event != nil {
			return fmt.Sprintf("event %d", f.Event.Index)
		}
	case wire.FrameResumed:
		return "resumed " + f.After
	case wire.FrameEntry:
		if f.Entry != nil {
			return "entry " + f.Entry.Namespace + "/" + f.Entry.Key
		}
	case wire.FrameReset, wire.FrameGoaway:
		return f.Frame.Frame + " " + f.Reason
	}
	return f.Frame.Frame + " " + f.Position
}
