package streams

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"confman/api/wire"
)

// Check holds a stream against the log, which reaches at least as far, and
// returns what deviates. breaks are the faults that the test made; reach is the
// index that the stream must have proved in the end, 0 for no matter which.
func (l *Log) Check(s Stream, breaks []Break, reach uint64) (deviations []string) {
	j := judge{log: l, stream: s, matches: l.Matches(s.Filter)}
	asked := ""
	for i := range s.Legs {
		j.leg = &s.Legs[i]
		if i > 0 && j.leg.Asked != asked {
			j.say("asks for %q, the leg before ended at %q", j.leg.Asked, asked)
		}
		j.read()
		j.ended(breaks)
		asked = j.leg.Next()
		for _, d := range j.found {
			deviations = append(deviations, fmt.Sprintf("%s, leg %d at %s: %s", s.Name, i+1, j.leg.Node, d))
		}
		j.found = nil
	}
	if missing := j.next(j.proved); missing != 0 && missing <= reach {
		deviations = append(deviations, fmt.Sprintf("%s ends at %d, event %d never arrived", s.Name, j.proved, missing))
	}
	return deviations
}

// judge reads the legs of one stream.
type judge struct {
	log     *Log
	stream  Stream
	matches []uint64

	leg     *Leg
	place   place
	proved  uint64 // every match up to here was delivered, or was in the snapshot
	prev    uint64 // the event before, or where the watch began
	entries []name // of the snapshot, those still to come
	count   int    // of entries that came
	found   []string
}

// place is where in the order of frames a leg is.
type place int

const (
	beginning place = iota
	snapshot
	live
	over
)

func (j *judge) say(format string, args ...any) {
	j.found = append(j.found, fmt.Sprintf(format, args...))
}

// next is the first match after an index, 0 when there is none.
func (j *judge) next(after uint64) uint64 {
	i, _ := slices.BinarySearch(j.matches, after+1)
	if i == len(j.matches) {
		return 0
	}
	return j.matches[i]
}

// index reads a position, which must be one of the log.
func (j *judge) index(f Frame, position string) uint64 {
	digits, _, _ := strings.Cut(position, "-")
	index, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || position != j.log.Position(index) {
		j.say("%s bears the position %q, the log has %q there", f.Frame.Frame, position, j.log.Position(index))
	}
	return index
}

func (j *judge) read() {
	j.place = beginning
	for _, f := range j.leg.Frames {
		j.envelope(f)
		kind := f.Frame.Frame
		switch {
		case j.place == over:
			j.say("%s after the end", kind)
		case kind == wire.FrameReset || kind == wire.FrameGoaway:
			j.place = over
		case kind == wire.FrameResumed && j.place == beginning:
			j.resumed(f)
		case kind == wire.FrameSnapshot && j.place == beginning:
			j.opened(f)
		case kind == wire.FrameEntry && j.place == snapshot:
			j.entry(f)
		case kind == wire.FrameSnapshotEnd && j.place == snapshot:
			j.closed(f)
		case kind == wire.FrameEvent && j.place == live:
			j.event(f)
		case kind == wire.FrameProgress && j.place == live:
			j.progress(f)
		default:
			j.say("a frame %q where none may be", kind)
		}
	}
}

// envelope judges what every frame has, whatever it says.
func (j *judge) envelope(f Frame) {
	kind := f.Frame.Frame
	switch kind {
	case wire.FrameResumed, wire.FrameSnapshot, wire.FrameProgress:
		if f.LeaderKnown == nil {
			j.say("%s does not say whether a leader is known", kind)
		}
	}
	if j.stream.Encoding != wire.EncodingSSE {
		return
	}
	if f.Kind != kind {
		j.say("%s is the SSE event %q", kind, f.Kind)
	}
	want := ""
	switch kind {
	case wire.FrameEvent:
		if f.Event != nil {
			want = f.Event.Position
		}
	case wire.FrameResumed:
		want = f.After
	case wire.FrameProgress, wire.FrameSnapshotEnd:
		want = f.Position
	case wire.FrameSnapshot:
		want = wire.AfterSnapshot
	case wire.FrameReset, wire.FrameGoaway:
		if !f.HasID {
			return
		}
		want = j.leg.Next() // resuming there must lose nothing
	}
	if f.ID != want {
		j.say("%s bears the SSE id %q, want %q", f, f.ID, want)
	}
}

// moment is how many events may come while a node answers.
const moment = 1000

func (j *judge) resumed(f Frame) {
	j.place = live
	after, head := j.index(f, f.After), j.index(f, f.Head)
	if after > head {
		j.say("resumed after %d, ahead of its head %d", after, head)
	}
	switch asked := j.leg.Asked; asked {
	case wire.AfterSnapshot:
		j.say("resumed, a snapshot was asked for")
	case "", wire.AfterNow:
		if after+moment < head { // now is when the node was asked, the head when it answers
			j.say("begins now, after %d with the head at %d", after, head)
		}
	case wire.AfterStart:
		if after > 0 && !slices.ContainsFunc(j.log.events, func(e wire.AuditEvent) bool { return e.Action == trimmed }) {
			j.say("begins at the start, after %d", after)
		}
	default:
		if f.After != asked && strings.Contains(asked, "-") || strconv.FormatUint(after, 10) != strings.Split(asked, "-")[0] {
			j.say("resumed after %s, asked for %s", f.After, asked)
		}
	}
	j.proved, j.prev = after, after
}

// trimmed is the kind of the event that ends the retention of older ones.
const trimmed = "history.trimmed"

func (j *judge) progress(f Frame) {
	to := j.index(f, f.Position)
	if missing := j.next(j.proved); missing != 0 && missing <= to {
		j.say("progress to %d, event %d was not delivered", to, missing)
	}
	if to < j.proved {
		j.say("progress to %d after %d was proved", to, j.proved)
	}
	j.proved = max(j.proved, to)
}

// ended judges how a leg ended.
func (j *judge) ended(breaks []Break) {
	l := j.leg
	if l.Status >= 400 {
		j.refused()
		return
	}
	if l.Status == 0 {
		return // nobody answered
	}
	if said, ok := l.said(); ok {
		j.told(said, breaks)
		return
	}
	if l.End == EndedBroken {
		j.say("could not be read: %v", l.Err)
	}
	if l.End == EndedByServer && !slices.ContainsFunc(breaks, func(b Break) bool { return b.excuses(*l) }) {
		j.say("ended without a reason: %v", l)
	}
}

// refused judges the answer to a request for which no stream began.
func (j *judge) refused() {
	p := j.leg.Problem
	switch j.leg.Status {
	case 410:
		oldest, newest := j.index(Frame{}, p.Oldest), j.index(Frame{}, p.Newest)
		asked, _ := strconv.ParseUint(strings.Split(j.leg.Asked, "-")[0], 10, 64)
		if asked >= oldest || oldest > newest || p.Snapshot == "" || p.Type != wire.ProblemCompacted {
			j.say("refused as compacted after %s, oldest %s, newest %s, snapshot %q", j.leg.Asked, p.Oldest, p.Newest, p.Snapshot)
		}
	case 429, 503, 504:
		if j.leg.ByID {
			j.say("refused with %d, at which an EventSource gives up: %s", j.leg.Status, p.Detail)
		}
	default:
		j.say("refused with %d: %s", j.leg.Status, p.Detail)
	}
}

// told judges the frame that ended a leg.
func (j *judge) told(f Frame, breaks []Break) {
	stopped := slices.ContainsFunc(breaks, func(b Break) bool { return b.Told && b.reaches(*j.leg) })
	fits := false
	switch f.Frame.Frame + " " + f.Reason {
	case "reset " + wire.ReasonCompacted:
		fits = j.index(f, f.Oldest) > j.proved && j.index(f, f.Newest) >= j.index(f, f.Oldest)
	case "reset " + wire.ReasonUnwatched:
		fits = j.leg.End == EndedByClient
	case "reset " + wire.ReasonStuck, "goaway " + wire.ReasonStuck:
		fits = j.leg.End == EndedByStall
	case "goaway " + wire.ReasonShutdown, "reset " + wire.ReasonShutdown: // the latter of a watch asked for too late
		fits = stopped
	case "reset " + wire.ReasonBehind, "goaway " + wire.ReasonBehind, "goaway " + wire.ReasonUnavailable:
		fits = true // it may be asked again elsewhere
	}
	if !fits {
		j.say("ended by %s: %s", f, f.Detail)
	}
}
