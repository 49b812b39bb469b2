package streaming

import (
	"sync"

	"confman/events"
)

// Bounds of the tail, where HubConfig does not say.
const (
	DefaultTailRecords = 16 << 10
	DefaultTailBytes   = 32 << 20
)

// item is a record together with what all its readers share.
type item struct {
	record events.Record
	event  events.Event

	full, bare encoding // with values and without
}

// encoding is a record as clients see it, made when the first one needs it.
type encoding struct {
	once sync.Once
	json []byte
	err  error
}

func newItem(r events.Record) (*item, error) {
	e, err := r.Event()
	if err != nil {
		return nil, err
	}
	return &item{record: r, event: e}, nil
}

// wire is the member "event" of a frame.
func (i *item) wire(bare bool) ([]byte, error) {
	e := &i.full
	if bare {
		e = &i.bare
	}
	e.once.Do(func() { e.json, e.err = i.record.AppendWire(nil, !bare) })
	return e.json, e.err
}

// itemOverhead is what an item takes beside its record's body, the event in it
// and the encoding of it, roughly, in bytes.
const itemOverhead = 1 << 10

// size is what the item takes once it is encoded.
func (i *item) size() int { return 3*len(i.record.Body) + itemOverhead }

// tail holds the newest records of the history without a gap.
type tail struct {
	records, bytes int // at most

	mu    sync.RWMutex // guards the fields below
	items []*item
	size  int
}

// add appends records. What does not follow on the tail's end begins it anew.
func (t *tail) add(items []*item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.items); n > 0 && items[0].record.Index != t.items[n-1].record.Index+1 {
		t.clear()
	}
	for _, i := range items {
		t.size += i.size()
	}
	t.items = append(t.items, items...)
	gone := 0
	for len(t.items)-gone > t.records || t.size > t.bytes && len(t.items)-gone > 1 {
		t.size -= t.items[gone].size()
		t.items[gone] = nil // append copies only what is left
		gone++
	}
	t.items = t.items[gone:]
}

func (t *tail) clear() { t.items, t.size = nil, 0 }

// reset forgets everything.
func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
}

// after appends to dst the items that follow an index, at most n. before says
// that the tail begins later than that: what lies between is in the log.
func (t *tail) after(dst []*item, index uint64, n int) (found []*item, before bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.items) == 0 {
		return dst, true
	}
	first := t.items[0].record.Index
	if index+1 < first {
		return dst, true
	}
	from := index + 1 - first
	if from >= uint64(len(t.items)) {
		return dst, false
	}
	to := min(from+uint64(n), uint64(len(t.items)))
	return append(dst, t.items[from:to]...), false
}

// at is the item at an index, or nil.
func (t *tail) at(index uint64) *item {
	if index == 0 {
		return nil
	}
	var one [1]*item
	if found, before := t.after(one[:0], index-1, 1); !before && len(found) == 1 {
		return found[0]
	}
	return nil
}

// last is the index at the tail's end, 0 when it is empty.
func (t *tail) last() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if len(t.items) == 0 {
		return 0
	}
	return t.items[len(t.items)-1].record.Index
}
