package projections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"

	"confman/events"
)

func erasureKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{erasureView}, index)
}

// appendErasures appends a row for each record that an event takes something
// out of. It stands at the record's own index, as what Erase writes does.
func appendErasures(rows []Row, d events.HistoryErased, by uint64) []Row {
	for _, r := range d.Records {
		rows = append(rows, row(erasureKey(r.Index), events.Erasure{ErasedRecord: r, By: by}, r.Index))
	}
	return rows
}

// Erasure is the last one of something in a record, and whether there is one,
// whenever it was.
func (h *History) Erasure(index uint64) (e events.Erasure, found bool, err error) {
	e, err = get[events.Erasure](h.src, erasureKey(index))
	return e, e.By > 0, err
}

// Erase is what an erasure makes of the rows: the records that it names, and the
// versions of the entries and drafts that hold what is taken out, each at the
// index that it has. The source reads as of the erasure, or later. The caller
// writes the rows over the ones that are there. Erasing again changes nothing.
//
// The rows are those that folding the records as they are then would make.
func Erase(src Source, d events.HistoryErased) (rows []Row, err error) {
	taken := map[string]*taken{}
	for _, erased := range d.Records {
		value, _, err := src.Get(recordKey(erased.Index))
		if errors.Is(err, ErrNoRow) {
			continue // trimmed
		}
		if err != nil {
			return nil, fmt.Errorf("erase in record %d: %w", erased.Index, err)
		}
		r, err := parseRecordRow(erased.Index, value)
		if err != nil {
			return nil, err
		}
		after, err := eraseRecord(r, erased)
		if err == nil {
			err = note(taken, r, after)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{Key: recordKey(r.Index), Value: after.AppendStored(bytes.Clone(r.Chain[:])), Index: r.Index})
	}
	for _, key := range slices.Sorted(maps.Keys(taken)) {
		if rows, err = taken[key].appendVersions(rows, src, key); err != nil {
			return nil, fmt.Errorf("erase in the versions of %q: %w", key, err)
		}
	}
	return rows, nil
}

// eraseRecord is a record with what an erasure takes out of it. That all nodes
// come to the same bytes is checked: they are under the chain. When the erasure is
// folded again, later ones may have taken more out of the record.
func eraseRecord(r events.Record, erased events.ErasedRecord) (events.Record, error) {
	was := events.DigestOf(r.AppendStored(nil))
	if was == erased.Remains {
		return r, nil
	}
	without, err := r.Erase(erased.Values)
	if err != nil {
		return r, err
	}
	is := events.DigestOf(without.AppendStored(nil))
	switch {
	case r.Erased && is == was:
		return r, nil
	case was != erased.Digest:
		return r, fmt.Errorf("record %d is not the one that the erasure names: digest %s, want %s", r.Index, was, erased.Digest)
	case is != erased.Remains:
		return r, fmt.Errorf("record %d without what is erased has digest %s, the erasure says %s", r.Index, is, erased.Remains)
	}
	return without, nil
}

// taken is what an erasure takes out of the records of one key, which tells the
// versions of its entry and its draft that hold it.
type taken struct {
	values   []events.Value
	set      map[uint64]bool // indexes of the records whose own value it is
	replaced map[uint64]bool // numbers of the versions of the entry
}

// note adds what a record held before and does not hold any more.
func note(all map[string]*taken, before, after events.Record) error {
	e, err := after.Event()
	if err != nil {
		return err
	}
	was, err := before.Holds()
	if err != nil {
		return err
	}
	is, err := after.Holds()
	if err != nil {
		return err
	}
	key := entryKey(e.Namespace, e.Key)
	t := all[key]
	if t == nil {
		t = &taken{set: map[uint64]bool{}, replaced: map[uint64]bool{}}
		all[key] = t
	}
	for place, v := range was {
		if is[place].Type == events.Erased && len(v.JSON) > 0 && !t.has(v) {
			t.values = append(t.values, v)
		}
	}
	if is[events.ThisValue].Type == events.Erased {
		t.set[after.Index] = true
	}
	if is[events.PreviousValue].Type == events.Erased {
		t.replaced[events.PreviousVersionOf(e.Data)] = true
	}
	return nil
}

func (t *taken) has(v events.Value) bool {
	return slices.ContainsFunc(t.values, func(gone events.Value) bool { return bytes.Equal(gone.JSON, v.JSON) })
}

// appendVersions appends the versions of the entry and the draft without what is
// taken out.
func (t *taken) appendVersions(rows []Row, src Source, key string) ([]Row, error) {
	rows, err := rewriteVersions(rows, src, viewKey(draftView, key), func(d *events.Draft) (*events.Value, bool) {
		return &d.Value, t.set[d.Saved] || t.has(d.Value)
	})
	if err != nil {
		return rows, err
	}
	return rewriteVersions(rows, src, viewKey(entryView, key), func(e *events.Entry) (*events.Value, bool) {
		return &e.Value, t.set[e.Revision] || t.replaced[e.Version] || t.has(e.Value)
	})
}

// rewriteVersions appends those versions of a row whose value is erased, without
// it.
func rewriteVersions[T any](rows []Row, src Source, key []byte, value func(*T) (v *events.Value, erased bool)) ([]Row, error) {
	for version, err := range src.Versions(key) {
		if err != nil {
			return rows, err
		}
		if version.Delete {
			continue
		}
		was := new(T)
		if err := json.Unmarshal(version.Value, was); err != nil {
			return rows, err
		}
		v, erased := value(was)
		if !erased || v.Type == events.Erased {
			continue
		}
		*v = events.Value{Type: events.Erased}
		rows = append(rows, rowOf(key, was, version.Index))
	}
	return rows, nil
}

// rowOf is a row as the fold writes it.
func rowOf(key []byte, value any, index uint64) Row {
	if e, ok := value.(*events.Entry); ok {
		return Row{Key: key, Value: appendEntry(nil, e), Index: index}
	}
	return row(key, value, index)
}

// Held is a record that holds a value, and where in it.
type Held struct {
	events.Record
	Event  events.Event
	Places []events.Place
}

// Holding yields the records whose values have this JSON, whatever their type,
// oldest first. It looks at every record that is kept.
func (h *History) Holding(value []byte) iter.Seq2[Held, error] {
	return func(yield func(Held, error) bool) {
		for r, err := range h.Records(0) {
			if err != nil {
				yield(Held{}, err)
				return
			}
			if !bytes.Contains(r.Body, value) { // values are stored as they are
				continue
			}
			held, err := holding(r, value)
			if (err != nil || len(held.Places) > 0) && !yield(held, err) || err != nil {
				return
			}
		}
	}
}

func holding(r events.Record, value []byte) (held Held, err error) {
	held.Record = r
	if held.Event, err = r.Event(); err != nil {
		return held, err
	}
	values, err := r.Holds()
	if err != nil {
		return held, err
	}
	for _, place := range []events.Place{events.ThisValue, events.PreviousValue} {
		if bytes.Equal(values[place].JSON, value) {
			held.Places = append(held.Places, place)
		}
	}
	return held, nil
}
