package projections

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// History answers from the views as of one event index. It costs index walks
// and point reads, never a scan of the whole.
type History struct {
	src   Source
	index uint64
}

// NewHistory is the history as of the index that the source reads at.
func NewHistory(src Source, index uint64) *History { return &History{src, index} }

// Index is the event that the history is read as of.
func (h *History) Index() uint64 { return h.index }

// Record returns one record, or an error that is [events.ErrCompacted] when it
// is no longer kept and [events.ErrNotFound] when it is not there yet.
func (h *History) Record(index uint64) (events.Record, error) {
	if index == 0 || index > h.index {
		return events.Record{}, fmt.Errorf("event %d of %d: %w", index, h.index, events.ErrNotFound)
	}
	value, _, err := h.src.Get(recordKey(index))
	if errors.Is(err, ErrNoRow) {
		return events.Record{}, fmt.Errorf("event %d: %w", index, events.ErrCompacted)
	}
	if err != nil {
		return events.Record{}, err
	}
	return parseRecordRow(index, value)
}

// Records yields the records from one index on, in order.
func (h *History) Records(from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
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

// RecordsBefore yields the records below one index (0: all), newest first.
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

// Position is that of an index, 0 included.
func (h *History) Position(index uint64) (events.Position, error) {
	if index == 0 {
		return events.Chain{}.At(0), nil
	}
	r, err := h.Record(index)
	return r.Position(), err
}

// IndexAt is the last event at or before a time; 0 when all are later.
func (h *History) IndexAt(t time.Time) (uint64, error) {
	low, high := uint64(0), h.index // the answer is in low..high
	for low < high {
		middle := high - (high-low)/2
		r, err := h.Record(middle)
		if err != nil && !errors.Is(err, events.ErrCompacted) {
			return 0, err
		}
		if err != nil || !r.Time.After(t) {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low, nil
}

// Entry is a key as of the index, deleted ones too, or the zero value.
func (h *History) Entry(namespace, key string) (events.Entry, error) {
	return get[events.Entry](h.src, viewKey(entryView, entryKey(namespace, key)))
}

// Namespace is a namespace as of the index, a deleted one too, or the zero
// value. Its Contents are not known.
func (h *History) Namespace(path string) (events.Namespace, error) {
	return get[events.Namespace](h.src, viewKey(namespaceView, path))
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
// deletions included.
func (h *History) Versions(namespace, key string) iter.Seq2[events.Entry, error] {
	return func(yield func(events.Entry, error) bool) {
		for row, err := range h.src.Versions(viewKey(entryView, entryKey(namespace, key))) {
			var e events.Entry
			if err == nil {
				err = json.Unmarshal(row.Value, &e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ByNamespace yields the indexes of the records about exactly this namespace
// below an index (0: all), newest first. The empty name is that of records
// about no namespace.
func (h *History) ByNamespace(namespace string, before uint64) iter.Seq2[uint64, error] {
	return h.postings(byNamespace, namespace, before)
}

// ByActor is ByNamespace for what one principal did.
func (h *History) ByActor(actor string, before uint64) iter.Seq2[uint64, error] {
	return h.postings(byActor, actor, before)
}

func (h *History) postings(view byte, name string, before uint64) iter.Seq2[uint64, error] {
	if before == 0 || before > h.index {
		before = h.index + 1
	}
	last := postingKey(view, name, before-1)
	prefix := last[:len(last)-8]
	return func(yield func(uint64, error) bool) {
		for row, err := range h.src.Reverse(prefix, last) {
			if err != nil {
				yield(0, err)
				return
			}
			indexes := postingIndexes(row)
			for _, i := range slices.Backward(indexes) {
				if i < before && !yield(i, nil) {
					return
				}
			}
		}
	}
}

func postingIndexes(row Row) []uint64 {
	indexes := []uint64{indexOf(row.Key)}
	for steps := row.Value; len(steps) > 0; {
		step, n := binary.Uvarint(steps)
		if n <= 0 {
			break
		}
		indexes = append(indexes, indexes[len(indexes)-1]+step)
		steps = steps[n:]
	}
	return indexes
}

// indexOf reads the index at the end of a key.
func indexOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }

// Verify recomputes the chain over the records from one index on, up to the
// history's end, and compares what each record claims. before is the chain at
// from-1.
func (h *History) Verify(from uint64, before events.Chain) error {
	next := from
	for r, err := range h.Records(from) {
		if err != nil {
			return err
		}
		if r.Index != next {
			return fmt.Errorf("event %d is missing", next)
		}
		if before = before.Next(r.AppendStored(nil)); before != r.Chain {
			return fmt.Errorf("event %d was altered: its chain is %s, computed %s", r.Index, r.Chain, before)
		}
		next++
	}
	if next != h.index+1 {
		return fmt.Errorf("event %d is missing", next)
	}
	return nil
}
