package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/dgraph-io/badger/v4"
)

// entries yields what Badger holds of the indexes above since up to upTo: the
// keys backwards, so that the versions of a key come oldest first. Whoever writes
// them into another store must write them in that order: Badger may drop a
// deletion that lies in an older table than the value it deletes, and the value
// would be back. Parts of which no row is made any more are left out. An entry is
// good until the next one.
func (g *generation) entries(since, upTo uint64) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		g.store.mu.Lock()
		g.hold(since)
		g.store.mu.Unlock()
		defer func() {
			g.store.mu.Lock()
			g.letGo(since)
			g.store.mu.Unlock()
		}()
		txn := g.db.NewTransactionAt(upTo, false)
		defer txn.Discard()
		it := txn.NewIterator(badger.IteratorOptions{AllVersions: true, Reverse: true, SinceTs: since})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			e := entry{key: item.Key(), index: item.Version(), parts: item.UserMeta(), end: item.IsDeletedOrExpired()}
			if e.key[0] == partSpace && !e.end {
				switch used, err := g.usesPart(e.key, e.index); {
				case err != nil:
					yield(e, err)
					return
				case !used:
					continue
				}
			}
			more := false
			err := item.Value(func(v []byte) error {
				if !e.end {
					e.value = v
				}
				more = yield(e, nil)
				return nil
			})
			if err != nil {
				yield(e, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// usesPart reports whether the row at the index of a part has it: one that was
// written again with a shorter value has not.
func (g *generation) usesPart(part []byte, index uint64) (bool, error) {
	key, number := part[1:len(part)-2], binary.BigEndian.Uint16(part[len(part)-2:])
	txn := g.db.NewTransactionAt(index, false)
	defer txn.Discard()
	row, err := txn.Get(rowKey(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return row.Version() == index && uint16(row.UserMeta()) >= number, nil
}

// Trim says what of a history that begins at an event is not needed to read as of
// the event before it and later. The zero value says: all is needed.
type Trim struct {
	Oldest uint64
	// OfEvent tells the event that a row belongs to and goes with; of a row that
	// stands for something in the present it reports false.
	OfEvent func(key []byte) (index uint64, ok bool)
}

// keep leaves out what a trim says: rows of events below the oldest, and all
// versions below it but the newest of each key, that one too if it is an end.
// entries must come as generation.entries gives them.
func (t Trim) keep(entries iter.Seq2[entry, error]) iter.Seq2[entry, error] {
	if t.Oldest == 0 {
		return entries
	}
	return func(yield func(entry, error) bool) {
		var held entry // the newest version so far of those below the oldest; no key: none
		release := func() bool {
			e := held
			held = entry{}
			return e.key == nil || e.end || yield(e, nil)
		}
		for e, err := range entries {
			if err != nil {
				yield(e, err)
				return
			}
			if held.key != nil && !bytes.Equal(held.key, e.key) && !release() {
				return
			}
			if index, ok := t.eventOf(e.key); ok && index < t.Oldest {
				continue
			}
			if e.index < t.Oldest {
				held = entry{key: bytes.Clone(e.key), value: bytes.Clone(e.value), index: e.index, parts: e.parts, end: e.end}
				continue
			}
			if !release() || !yield(e, nil) {
				return
			}
		}
		release()
	}
}

func (t Trim) eventOf(key []byte) (uint64, bool) {
	if key[0] == partSpace {
		return t.OfEvent(key[1 : len(key)-2])
	}
	return t.OfEvent(key[1:])
}
