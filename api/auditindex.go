package api

import (
	"errors"
	"iter"
	"slices"

	"confman/events"
	"confman/projections"
)

// records yields the records between the query's bounds, in its order, by the
// narrowest index there is: that of the key, the namespace or the actor, or else
// all. The other filters are for the caller to apply.
func (q auditQuery) records(h *projections.History) iter.Seq2[events.Record, error] {
	if q.after+1 >= q.before {
		return func(func(events.Record, error) bool) {}
	}
	switch {
	case q.key != "":
		return q.fetch(h, revisions(h.Versions(q.namespace, q.key)))
	case q.namespace != "":
		return q.fetch(h, h.ByNamespace(q.namespace, q.before))
	case q.actor != "":
		return q.fetch(h, h.ByActor(q.actor, q.before))
	case q.ascending:
		return q.bounded(h.Records(max(q.after+1, h.Oldest())))
	}
	return q.bounded(h.RecordsBefore(q.before))
}

// bounded ends at the first record out of bounds.
func (q auditQuery) bounded(all iter.Seq2[events.Record, error]) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for r, err := range all {
			if err == nil && !q.inRange(r.Index) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// fetch reads the records at indexes that come newest first. For the other
// order all indexes in bounds, 8 bytes each, are collected before.
func (q auditQuery) fetch(h *projections.History, newestFirst iter.Seq2[uint64, error]) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		var collected []uint64
		for index, err := range newestFirst {
			if err != nil {
				yield(events.Record{}, err)
				return
			}
			if index <= q.after {
				break
			}
			if index >= q.before {
				continue
			}
			if q.ascending {
				collected = append(collected, index)
			} else if r, err := h.Record(index); errors.Is(err, events.ErrCompacted) || !yield(r, err) || err != nil {
				return // all older ones were trimmed, too
			}
		}
		for _, index := range slices.Backward(collected) {
			r, err := h.Record(index)
			if errors.Is(err, events.ErrCompacted) {
				continue // retention trims records before the rows that name them
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// revisions are the indexes of the events that made the versions.
func revisions(versions iter.Seq2[events.Entry, error]) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		for e, err := range versions {
			if !yield(e.Revision, err) || err != nil {
				return
			}
		}
	}
}
