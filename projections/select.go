package projections

import (
	"fmt"
	"iter"
	"slices"

	"confman/events"
)

// Query selects records. They match all that is given; an empty member matches
// everything.
type Query struct {
	Namespace   string        // with all below it; [events.Root]: everything, also what is about no namespace
	Exact       bool          // Namespace without what is below it
	Key         string        // in exactly Namespace
	Actor       string        // who did it
	Kinds       []events.Kind // any of them
	Request     string        // the publish request it comes from
	Correlation string
	Transaction string

	After, Before uint64 // indexes between which to look, both exclusive; Before 0: up to the newest
	Ascending     bool   // the oldest first
	// Effort bounds how many rows of the indexes are read, more or less; beyond it
	// Select ends with [Unfinished]. 0: as many as it takes.
	Effort int
}

// Unfinished says that a selection ended for want of effort: what comes from
// index At on, itself included, was not looked at.
type Unfinished struct{ At uint64 }

func (u *Unfinished) Error() string { return fmt.Sprintf("looked no further than event %d", u.At) }

// Select yields the records that a query selects, decoded, and ends at the
// horizon. It walks the indexes of all that is asked for, each from one record
// that may match to the next, and reads no other records.
//
// The history of a key has no index of its own: it is the versions of its entry
// and its draft, which can only be read from the newest on. So Ascending with a
// Key collects the indexes between After and Before, 8 bytes each; and where
// Before lies well below the history's own index, a history as of Before spares
// the way down to there.
func (h *History) Select(q Query) iter.Seq2[events.Record, error] {
	if q.After = max(q.After, h.Oldest()-1); q.Before == 0 || q.Before > h.index {
		q.Before = h.index + 1
	}
	return func(yield func(events.Record, error) bool) {
		if q.After+1 >= q.Before {
			return
		}
		for r, err := range h.candidates(q) {
			var e events.Event
			if err == nil {
				e, err = r.Event()
			}
			if err != nil {
				yield(r, err)
				return
			}
			if q.matches(e) && !yield(r.WithEvent(e), nil) {
				return
			}
		}
	}
}

// candidates yields the records that may match, up to its first error.
func (h *History) candidates(q Query) iter.Seq2[events.Record, error] {
	if found := h.list(q); found != nil {
		return func(yield func(events.Record, error) bool) { h.fetch(q, found, yield) }
	}
	all := h.RecordsBefore(q.Before)
	if q.Ascending {
		all = h.Records(q.After + 1)
	}
	return func(yield func(events.Record, error) bool) {
		for r, err := range all {
			if err == nil && (r.Index <= q.After || r.Index >= q.Before) || !yield(r, err) {
				return
			}
		}
	}
}

// fetch reads the records that are listed between the query's bounds.
func (h *History) fetch(q Query, found list, yield func(events.Record, error) bool) {
	defer found.close()
	for i := q.first(); ; {
		at, ok, err := found.seek(i)
		if err == nil && (!ok || at <= q.After || at >= q.Before) {
			return
		}
		var r events.Record
		if err == nil {
			r, err = h.Record(at)
		}
		if !yield(r, err) || err != nil {
			return
		}
		if i = at + 1; !q.Ascending {
			i = at - 1
		}
	}
}

// first is where the walk begins.
func (q *Query) first() uint64 {
	if q.Ascending {
		return q.After + 1
	}
	return q.Before - 1
}

// matches judges the record itself: the lists may hold a few that do not match.
func (q *Query) matches(e events.Event) bool {
	within := e.Namespace == q.Namespace || q.Namespace == ""
	if !q.Exact && q.Key == "" {
		within = within || events.Within(e.Namespace, q.Namespace)
	}
	return within &&
		(q.Key == "" || e.Key == q.Key) &&
		(q.Actor == "" || e.Actor == q.Actor) &&
		(q.Request == "" || e.Request == q.Request) &&
		(q.Correlation == "" || e.CorrelationID == q.Correlation) &&
		(q.Transaction == "" || e.Transaction == q.Transaction) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Data.Kind()))
}

// list is what holds all records that may match, or nil where that is all.
func (h *History) list(q Query) list {
	w := walk{src: h.src, up: q.Ascending, effort: &effort{left: q.Effort, limited: q.Effort > 0, from: q.first()}}
	all := common{effort: w.effort}
	named := func(view byte, name string) {
		if name != "" {
			all.lists = append(all.lists, w.posting(view, name))
		}
	}
	named(byTransaction, q.Transaction)
	named(byCorrelation, q.Correlation)
	named(byRequest, q.Request)
	switch {
	case q.Key != "":
		all.lists = append(all.lists, w.key(q))
	case q.Exact:
		named(byNamespace, q.Namespace)
	case q.Namespace != "" && q.Namespace != events.Root:
		all.lists = append(all.lists, w.union(w.posting(byNamespace, q.Namespace), w.posting(bySubtree, q.Namespace)))
	}
	named(byActor, q.Actor)
	if len(q.Kinds) > 0 {
		var kinds []list
		for _, k := range q.Kinds {
			kinds = append(kinds, w.posting(byKind, string(k)))
		}
		all.lists = append(all.lists, w.union(kinds...))
	}
	if len(all.lists) == 0 {
		return nil
	}
	return &all
}

// key lists what is about one entry or its draft. An erasure changes neither.
func (w walk) key(q Query) list {
	key := entryKey(q.Namespace, q.Key)
	return w.union(
		w.versions(viewKey(entryView, key), q), w.versions(viewKey(draftView, key), q),
		w.posting(byKind, string(events.HistoryErased{}.Kind())),
	)
}
