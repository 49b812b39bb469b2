package streaming

import (
	"context"
	"fmt"

	"confman/events"
)

// Start says where a watch begins. The zero value is after position 0.
type Start struct {
	Position  events.Position // after this, where none of the others is set
	Now       bool            // what comes from here on
	Beginning bool            // everything that is kept
	Snapshot  bool            // the entries as they are, then what comes
}

// ParseStart reads now, start, snapshot, a position or a bare event index. The
// empty string is now.
func ParseStart(s string) (Start, error) {
	switch s {
	case "", "now":
		return Start{Now: true}, nil
	case "start":
		return Start{Beginning: true}, nil
	case "snapshot":
		return Start{Snapshot: true}, nil
	}
	p, err := events.ParsePosition(s)
	if err != nil {
		return Start{}, events.Invalid("/after", "%.40q is neither now, start nor snapshot, nor an event index or a position such as 1042-9f3c2a1b", s)
	}
	return Start{Position: p}, nil
}

// find is the position that a watch begins after, once this node has reached it.
func (s Start) find(ctx context.Context, from Source) (events.Position, error) {
	switch {
	case s.Now:
		return from.Position(), nil
	case s.Beginning:
		return from.Edge(), nil
	}
	p := s.Position
	if err := from.Await(ctx, p.Index); err != nil {
		return p, err
	}
	edge := from.Edge()
	if p.Index < edge.Index {
		return p, &Compacted{Asked: p, Oldest: edge, Newest: from.Position()}
	}
	ours, err := from.PositionAt(p.Index)
	if err != nil {
		return p, err
	}
	if p.Proof != "" && p.Proof != ours.Proof {
		return p, fmt.Errorf("position %s, here it is %s: %w", p, ours, events.ErrForeign)
	}
	return ours, nil
}
