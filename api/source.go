package api

import (
	"context"
	"fmt"
	"iter"
	"time"

	"confman/events"
	"confman/projections"
	"confman/streaming"
)

// source shows the node's history to package streaming.
type source struct{ *Server }

// Position is where the node stands.
func (s source) Position() events.Position { return s.Reader.State().Position() }

// Edge is the oldest position that can be resumed from.
func (s source) Edge() events.Position { return s.Reader.State().Cluster().Horizon.Edge() }

// PositionAt is the position of an index that the node has reached.
func (s source) PositionAt(index uint64) (events.Position, error) {
	if edge := s.Edge(); index == edge.Index {
		return edge, nil
	}
	return s.positionOf(index)
}

// Records yields the records after an index without a gap.
func (s source) Records(after uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		h, release := s.Reader.History(s.Reader.State().Index())
		defer release()
		next := after + 1
		for r, err := range h.Records(next) {
			if err == nil && r.Index != next {
				err = fmt.Errorf("event %d: %w", next, events.ErrCompacted)
			}
			if !yield(r, err) || err != nil {
				return
			}
			next++
		}
	}
}

// Await returns when the node has reached an index.
func (s source) Await(ctx context.Context, index uint64) error { return s.await(ctx, index) }

// Snapshot is the present.
func (s source) Snapshot() streaming.Snapshot { return snapshot{s.Reader.State()} }

// Contact is when a leader was last heard, and whether one is known.
func (s source) Contact() (since time.Duration, leaderKnown bool) {
	now := s.Cluster.Standing()
	return now.SinceContact, now.Leader != ""
}

// snapshot shows a state to package streaming.
type snapshot struct{ *projections.State }

// Entries yields the live entries of a subtree, by namespace, then key.
func (s snapshot) Entries(subtree string) iter.Seq[events.Entry] {
	if subtree == events.Root {
		return s.AllEntries("", "")
	}
	return func(yield func(events.Entry) bool) {
		for e := range s.EntriesAfter(subtree, "") {
			if !yield(e) {
				return
			}
		}
		// Between a namespace and those below it others sort, such as a-b
		// between a and a/b.
		for e := range s.AllEntries(subtree+"/", "") {
			if !events.Within(e.Namespace, subtree) || !yield(e) {
				return
			}
		}
	}
}
