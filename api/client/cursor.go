package client

import (
	"fmt"
	"strconv"
	"strings"

	"confman/api/wire"
)

// cursor is how far a watch has come and what may come next. It moves only by
// frames that were delivered.
type cursor struct {
	after string // where the next connection begins: a position or an After constant; empty before a replay has begun
	past  bool   // of a replay
	index uint64 // of after, where that is a position: everything up to it was seen
	least uint64 // what index a snapshot must have reached

	// Of this connection.
	phase   phase
	prev    uint64 // what the next event has to follow on
	taken   string // position of the snapshot that is under way
	entries int    // how many of them came
}

type phase int

const (
	opening   phase = iota // resumed, snapshot or replay-start
	inEntries              // entry or snapshot-end
	live                   // event, replay or progress
	over                   // nothing: a replay has ended
)

// check reports whether a watch can begin there.
func (k *cursor) check() error {
	if k.past {
		return nil
	}
	switch k.after {
	case wire.AfterNow, wire.AfterStart, wire.AfterSnapshot:
		return nil
	}
	index, err := indexOf(k.after)
	if err != nil {
		return fmt.Errorf("%w: after: %w", ErrInvalid, err)
	}
	k.index = index
	return nil
}

// position is where the watch stands, or empty before it has begun.
func (k *cursor) position() string {
	if _, err := indexOf(k.after); err != nil {
		return ""
	}
	return k.after
}

// connect makes ready for the frames of another connection.
func (k *cursor) connect() { k.phase, k.entries, k.taken = opening, 0, "" }

// admit reports what is wrong with a frame as the next one.
func (k *cursor) admit(f wire.Frame) error {
	switch {
	case k.past && (f.Frame == wire.FrameResumed || f.Frame == wire.FrameSnapshot || f.Frame == wire.FrameEvent): // of the present
	case k.past && k.phase == opening && f.Frame == wire.FrameReplayStart && f.Replay != nil:
		return k.admitBeginning(f.Frame, f.Replay.From)
	case k.past && k.phase == live && f.Frame == wire.FrameReplay && f.Event != nil:
		return k.admitEvent(f)
	case k.past && k.phase == live && f.Frame == wire.FrameReplayEnd:
		return nil
	case k.phase == opening && f.Frame == wire.FrameResumed && k.after != wire.AfterSnapshot:
		return k.admitBeginning(f.Frame, f.After)
	case k.phase == opening && f.Frame == wire.FrameSnapshot && k.after == wire.AfterSnapshot:
		return k.admitSnapshot(f)
	case k.phase == inEntries && f.Frame == wire.FrameEntry && f.Entry != nil:
		return nil
	case k.phase == inEntries && f.Frame == wire.FrameSnapshotEnd:
		if f.Position != k.taken || f.Entries != k.entries {
			return fmt.Errorf("%w: the snapshot at %s ended at %s; %d of %d entries came", ErrBadAnswer, k.taken, f.Position, k.entries, f.Entries)
		}
		return nil
	case k.phase == live && f.Frame == wire.FrameProgress:
		return k.admitProgress(f)
	case k.phase == live && f.Frame == wire.FrameEvent && f.Event != nil:
		return k.admitEvent(f)
	}
	return fmt.Errorf("%w: a frame %q out of place", ErrBadAnswer, f.Frame)
}

func (k *cursor) admitBeginning(kind, after string) error {
	if _, err := indexOf(after); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBadAnswer, kind, err)
	}
	if asked := k.position(); asked != "" && !samePlace(asked, after) {
		return fmt.Errorf("%w: asked to resume after %s, got %s", ErrBadAnswer, asked, after)
	}
	return nil
}

func (k *cursor) admitSnapshot(f wire.Frame) error {
	index, err := indexOf(f.Position)
	switch {
	case err != nil:
		return fmt.Errorf("%w: snapshot: %w", ErrBadAnswer, err)
	case index < k.least:
		return fmt.Errorf("%w: a snapshot at %s, want event %d at least", ErrUnavailable, f.Position, k.least)
	}
	return nil
}

func (k *cursor) admitProgress(f wire.Frame) error {
	index, err := indexOf(f.Position)
	switch {
	case err != nil:
		return fmt.Errorf("%w: progress: %w", ErrBadAnswer, err)
	case index < k.index, index == k.index && !samePlace(f.Position, k.after):
		return fmt.Errorf("%w: progress to %s after %s", ErrBadAnswer, f.Position, k.after)
	}
	return nil
}

func (k *cursor) admitEvent(f wire.Frame) error {
	switch index, err := indexOf(f.Event.Position); {
	case err != nil:
		return fmt.Errorf("%w: event: %w", ErrBadAnswer, err)
	case index != f.Event.Index:
		return fmt.Errorf("%w: event %d has position %s", ErrBadAnswer, f.Event.Index, f.Event.Position)
	case index <= k.index:
		return fmt.Errorf("%w: event %d again; the watch stands at %s", ErrBadAnswer, index, k.after)
	case f.Prev != k.prev:
		return fmt.Errorf("%w: event %d follows on %d, the last one here was %d", ErrBadAnswer, index, f.Prev, k.prev)
	}
	return nil
}

// advance moves on past an admitted frame that was delivered.
func (k *cursor) advance(f wire.Frame) {
	switch f.Frame {
	case wire.FrameResumed:
		k.begin(f.After)
	case wire.FrameSnapshot:
		k.phase, k.taken = inEntries, f.Position
	case wire.FrameEntry:
		k.entries++
	case wire.FrameSnapshotEnd:
		k.begin(f.Position)
	case wire.FrameProgress:
		k.moveTo(f.Position)
	case wire.FrameReplayStart:
		k.begin(f.Replay.From)
	case wire.FrameReplayEnd:
		k.phase = over
	case wire.FrameEvent, wire.FrameReplay:
		k.moveTo(f.Event.Position)
		k.prev = f.Event.Index
	}
}

func (k *cursor) begin(position string) {
	k.phase = live
	k.moveTo(position)
	k.prev = k.index
}

func (k *cursor) moveTo(position string) {
	k.after = position
	k.index, _ = indexOf(position) // admitted
}

// indexOf reads the event index of a position, INDEX or INDEX-HHHHHHHH.
func indexOf(position string) (uint64, error) {
	digits, _, _ := strings.Cut(position, "-")
	index, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("position %.40q: want INDEX-HHHHHHHH", position)
	}
	return index, nil
}

// samePlace reports whether two positions may be the same: a bare index proves
// nothing about the history.
func samePlace(a, b string) bool {
	indexA, proofA, provedA := strings.Cut(a, "-")
	indexB, proofB, provedB := strings.Cut(b, "-")
	return indexA == indexB && (proofA == proofB || !provedA || !provedB)
}
