package projections

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// History answers from the views as of one event index. It costs index walks
// and point reads, never a scan of the whole.
//
// It begins at a horizon, that of the present rather than that of its index:
// records below [History.Oldest] and states before the edge are
// [events.ErrCompacted], whether or not their rows still exist: each node deletes
// them when it is worth it. The edge itself, the event before the oldest, has a position and a
// state, and no record.
type History struct {
	src     Source
	index   uint64
	horizon events.Horizon
}

// NewHistory is the whole history as of the index that the source reads at, all
// that was trimmed included. What is served is [State.History].
func NewHistory(src Source, index uint64) *History { return &History{src: src, index: index} }

// OpenHistory is the history as of the index that the source reads at, and from
// the horizon on that its rows have.
func OpenHistory(src Source, index uint64) (*History, error) {
	cluster, err := get[events.Cluster](src, []byte{clusterView})
	return &History{src, index, cluster.Horizon}, err
}

// History is the history as of the index that the source reads at, which the
// state has reached, and from the state's horizon on.
func (s *State) History(src Source, index uint64) *History {
	return &History{src, index, s.cluster.Horizon}
}

// Index is the event that the history is read as of.
func (h *History) Index() uint64 { return h.index }

// Oldest is the first event that is served, 1 before any trim. It may be above
// Index.
func (h *History) Oldest() uint64 { return h.horizon.First() }

// Horizon is where the history begins.
func (h *History) Horizon() events.Horizon { return h.horizon }

// ClusterAt is what the history said about the cluster at an event, the edge
// included.
func (h *History) ClusterAt(index uint64) (c events.Cluster, err error) {
	if index < h.Oldest()-1 {
		return c, h.compacted(index)
	}
	for row, err := range h.src.Versions([]byte{clusterView}) {
		if err != nil {
			return c, err
		}
		if row.Index <= index {
			return c, json.Unmarshal(row.Value, &c)
		}
	}
	return c, nil
}

// compacted is the error about an event, or a state, that is not served.
func (h *History) compacted(index uint64) error {
	return fmt.Errorf("event %d is not kept, the oldest is %d: %w", index, h.Oldest(), events.ErrCompacted)
}

// readable returns an error when the state as of the history's index is not
// served.
func (h *History) readable() error {
	if h.index < h.Oldest()-1 {
		return h.compacted(h.index)
	}
	return nil
}

// Record returns one record, or an error that is [events.ErrCompacted] when it
// is no longer kept and [events.ErrNotFound] when it is not there yet.
func (h *History) Record(index uint64) (events.Record, error) {
	if index == 0 || index > h.index {
		return events.Record{}, fmt.Errorf("event %d of %d: %w", index, h.index, events.ErrNotFound)
	}
	if index < h.Oldest() {
		return events.Record{}, h.compacted(index)
	}
	value, _, err := h.src.Get(recordKey(index))
	if errors.Is(err, ErrNoRow) {
		return events.Record{}, h.compacted(index)
	}
	if err != nil {
		return events.Record{}, err
	}
	return parseRecordRow(index, value)
}

// Records yields the records from one index on (0: the oldest), in order. Below
// the oldest it yields [events.ErrCompacted] and ends.
func (h *History) Records(from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		if from == 0 {
			from = h.Oldest()
		}
		if from < h.Oldest() {
			yield(events.Record{}, h.compacted(from))
			return
		}
		for row, err := range h.src.Scan([]byte{recordView}, recordKey(from)) {
			var r events.Record
			if err == nil {
				r, err = parseRecordRow(indexOf(row.Key), row.Value)
			}
			if err == nil && r.Index > h.index {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// RecordsBefore yields the records below one index (0: all), newest first, and
// ends at the horizon.
func (h *History) RecordsBefore(before uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		if before == 0 || before > h.index {
			before = h.index + 1
		}
		for row, err := range h.src.Reverse([]byte{recordView}, recordKey(before-1)) {
			var r events.Record
			if err == nil {
				r, err = parseRecordRow(indexOf(row.Key), row.Value)
			}
			if err == nil && r.Index < h.Oldest() {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func parseRecordRow(index uint64, value []byte) (events.Record, error) {
	var chain events.Chain
	if len(value) < len(chain) {
		return events.Record{}, fmt.Errorf("record %d: %d bytes are too few", index, len(value))
	}
	copy(chain[:], value)
	return events.ParseRecord(index, chain, value[len(chain):])
}

// Chain is that of an index, the edge included: zero before any trim.
func (h *History) Chain(index uint64) (events.Chain, error) {
	if index == h.Oldest()-1 {
		return h.horizon.Chain, nil
	}
	r, err := h.Record(index)
	return r.Chain, err
}

// Position is that of an index, the edge included: 0 before any trim.
func (h *History) Position(index uint64) (events.Position, error) {
	switch edge := h.horizon.Edge(); {
	case index == edge.Index:
		return edge, nil
	case index < edge.Index:
		return events.Position{}, h.compacted(index)
	}
	r, err := h.Record(index)
	return r.Position(), err
}

// IndexAt is the last event at or before a time; 0 when all are later. Where
// that is an event before the edge, some index before the edge is returned,
// which every other answer calls compacted.
func (h *History) IndexAt(t time.Time) (uint64, error) {
	edge := h.Oldest() - 1
	if edge > 0 && t.Before(h.horizon.Time) {
		return edge - 1, nil
	}
	low, high := edge, max(edge, h.index) // the answer is in low..high
	for low < high {
		middle := high - (high-low)/2
		r, err := h.Record(middle)
		if err != nil {
			return 0, err
		}
		if r.Time.After(t) {
			high = middle - 1
		} else {
			low = middle
		}
	}
	return low, nil
}

// Entry is a key as of the index, deleted ones too, or the zero value.
func (h *History) Entry(namespace, key string) (events.Entry, error) {
	if err := h.readable(); err != nil {
		return events.Entry{}, err
	}
	return get[events.Entry](h.src, viewKey(entryView, entryKey(namespace, key)))
}

// Namespace is a namespace as of the index, a deleted one too, or the zero
// value. Its Contents are not known.
func (h *History) Namespace(path string) (events.Namespace, error) {
	if err := h.readable(); err != nil {
		return events.Namespace{}, err
	}
	return get[events.Namespace](h.src, viewKey(namespaceView, path))
}

// Policy is what a namespace itself set as of the index.
func (h *History) Policy(namespace string) (events.Policy, error) {
	if err := h.readable(); err != nil {
		return events.Policy{}, err
	}
	return get[events.Policy](h.src, viewKey(policyView, namespace))
}

// Draft is the draft of a key as of the index, or the zero value.
func (h *History) Draft(namespace, key string) (events.Draft, error) {
	if err := h.readable(); err != nil {
		return events.Draft{}, err
	}
	return get[events.Draft](h.src, viewKey(draftView, entryKey(namespace, key)))
}

// Request is a publish request as of the index, open or closed, or the zero
// value.
func (h *History) Request(id string) (events.Request, error) {
	if err := h.readable(); err != nil {
		return events.Request{}, err
	}
	r, err := get[events.Request](h.src, viewKey(requestView, id))
	if err == nil && r.Revision == 0 {
		return get[events.Request](h.src, viewKey(closedView, id))
	}
	return r, err
}

// ClosedRequests yields the publish requests that were closed as of the index,
// below an ID ("": all), by ID, the newest first.
func (h *History) ClosedRequests(before string) iter.Seq2[events.Request, error] {
	return func(yield func(events.Request, error) bool) {
		if err := h.readable(); err != nil {
			yield(events.Request{}, err)
			return
		}
		var from []byte
		if before != "" {
			from = viewKey(closedView, before)
		}
		for row, err := range h.src.Reverse([]byte{closedView}, from) {
			var r events.Request
			if err == nil {
				err = json.Unmarshal(row.Value, &r)
			}
			if err == nil && r.ID == before {
				continue
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func get[T any](src Source, key []byte) (v T, err error) {
	value, _, err := src.Get(key)
	if errors.Is(err, ErrNoRow) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(value, &v)
}

// EntriesAfter yields the live entries of exactly this namespace as of the
// index whose keys are greater than after, in key order.
func (h *History) EntriesAfter(namespace, after string) iter.Seq2[events.Entry, error] {
	prefix := viewKey(entryView, entryKey(namespace, ""))
	from := viewKey(entryView, entryKey(namespace, after))
	return func(yield func(events.Entry, error) bool) {
		if err := h.readable(); err != nil {
			yield(events.Entry{}, err)
			return
		}
		for row, err := range h.src.Scan(prefix, from) {
			var e events.Entry
			if err == nil {
				err = json.Unmarshal(row.Value, &e)
			}
			if err == nil && (!e.Live() || e.Key == after) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Versions yields every version of a key up to the index, newest first,
// deletions included. The last is the one that stood at the edge, if any: its
// record may be gone.
func (h *History) Versions(namespace, key string) iter.Seq2[events.Entry, error] {
	return func(yield func(events.Entry, error) bool) {
		if err := h.readable(); err != nil {
			yield(events.Entry{}, err)
			return
		}
		for row, err := range h.src.Versions(viewKey(entryView, entryKey(namespace, key))) {
			var e events.Entry
			if err == nil {
				err = json.Unmarshal(row.Value, &e)
			}
			if !yield(e, err) || err != nil || row.Index < h.Oldest() {
				return
			}
		}
	}
}

// Verify recomputes the chain over the records from one index on, up to the
// history's end, and compares what each record claims. before is the chain at
// from-1; what begins at the horizon has it from there. Of a record with
// something erased the chain is taken as it is, and what remains must be what the
// erasure says.
func (h *History) Verify(from uint64, before events.Chain) error {
	next := from
	for r, err := range h.Records(from) {
		if err != nil {
			return err
		}
		if r.Index != next {
			return fmt.Errorf("event %d is missing", next)
		}
		if before, err = h.verify(r, before); err != nil {
			return err
		}
		next++
	}
	if next != h.index+1 {
		return fmt.Errorf("event %d is missing", next)
	}
	return nil
}

// verify compares a record with the chain before it, and returns the chain there.
func (h *History) verify(r events.Record, before events.Chain) (events.Chain, error) {
	stored := r.AppendStored(nil)
	if !r.Erased {
		if is := before.Next(stored); is != r.Chain {
			return is, fmt.Errorf("event %d was altered: its chain is %s, computed %s", r.Index, r.Chain, is)
		}
		return r.Chain, nil
	}
	e, found, err := h.Erasure(r.Index)
	switch {
	case err != nil:
	case !found || e.Remains != events.DigestOf(stored):
		err = fmt.Errorf("event %d was altered: it is marked as erased, and no erasure says so", r.Index)
	case e.Before != before:
		err = fmt.Errorf("event %d or one before it was altered: the chain before it is %s, its erasure says %s", r.Index, before, e.Before)
	}
	return r.Chain, err
}
