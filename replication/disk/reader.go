package disk

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/dgraph-io/badger/v4"

	"confman/projections"
)

// ErrNotFound says that a key has no row at the reader's index.
var ErrNotFound = projections.ErrNoRow

// Reader reads the rows as of one event index. It may be used by several
// goroutines, and keeps its store's files until it is closed, whatever is
// installed meanwhile. What it returns belongs to the caller.
type Reader struct {
	g     *generation // nil: the store was closed
	index uint64
}

// At returns a reader of the rows as of index, which must have been written and
// be at or above the horizon (see DiscardBelow). Close it. At never fails: a
// reader of a closed store fails with ErrClosed when it is used.
func (s *Store) At(index uint64) *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.current
	if g != nil {
		g.refs++
		g.hold(index)
	}
	return &Reader{g: g, index: index}
}

// Close ends the reader; its scans must have ended before. Call it once.
func (r *Reader) Close() error {
	g := r.g
	if g == nil {
		return nil
	}
	g.store.mu.Lock()
	g.letGo(r.index)
	g.store.mu.Unlock()
	return g.drop()
}

// Get returns the value of key and the index at which it was written. It fails
// with ErrNotFound when there was no such row or it had ended.
func (r *Reader) Get(key []byte) (value []byte, at uint64, err error) {
	if r.g == nil {
		return nil, 0, ErrClosed
	}
	txn := r.g.db.NewTransactionAt(r.index, false)
	defer txn.Discard()
	item, err := txn.Get(rowKey(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read %q as of %d: %w", key, r.index, err)
	}
	row, err := r.row(item)
	return row.Value, row.Index, err
}

// Scan returns the rows whose keys begin with prefix, in the order of keys,
// beginning at from; a nil from is the first of them.
func (r *Reader) Scan(prefix, from []byte) iter.Seq2[projections.Row, error] {
	space := rowKey(prefix)
	seek := space
	if k := rowKey(from); bytes.Compare(k, seek) > 0 {
		seek = k
	}
	return r.iterate(badger.IteratorOptions{Prefix: space}, seek, func(it *badger.Iterator) bool { return it.ValidForPrefix(space) })
}

// Reverse is Scan backwards, beginning at from or the next key before it; a nil
// from is the last key with the prefix.
func (r *Reader) Reverse(prefix, from []byte) iter.Seq2[projections.Row, error] {
	space := rowKey(prefix)
	end := successor(space)
	seek := end
	if k := rowKey(from); from != nil && bytes.Compare(k, end) < 0 {
		seek = k
	}
	// Badger would stop at once on a key that follows the prefix, if the seek
	// lands on it: so no prefix in the options, and step over that key.
	return r.iterate(badger.IteratorOptions{Reverse: true}, seek, func(it *badger.Iterator) bool {
		for it.Valid() && bytes.Compare(it.Item().Key(), end) >= 0 {
			it.Next()
		}
		return it.ValidForPrefix(space)
	})
}

// Versions returns every version of key at or below the reader's index, newest
// first, those that end the row too. Below the horizon some are gone.
func (r *Reader) Versions(key []byte) iter.Seq2[projections.Row, error] {
	space := rowKey(key)
	opt := badger.IteratorOptions{Prefix: space, AllVersions: true}
	return r.iterate(opt, space, func(it *badger.Iterator) bool {
		return it.Valid() && bytes.Equal(it.Item().Key(), space)
	})
}

func (r *Reader) iterate(opt badger.IteratorOptions, seek []byte, valid func(*badger.Iterator) bool) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		if r.g == nil {
			yield(projections.Row{}, ErrClosed)
			return
		}
		txn := r.g.db.NewTransactionAt(r.index, false)
		defer txn.Discard()
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Seek(seek); valid(it); it.Next() {
			row, err := r.row(it.Item())
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// row puts a row together from its parts.
func (r *Reader) row(item *badger.Item) (projections.Row, error) {
	row := projections.Row{
		Key:    bytes.Clone(item.Key()[1:]),
		Index:  item.Version(),
		Delete: item.IsDeletedOrExpired(),
	}
	if row.Delete {
		return row, nil
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return row, fmt.Errorf("read %q at %d: %w", row.Key, row.Index, err)
	}
	row.Value = value
	parts := int(item.UserMeta())
	if parts == 0 {
		return row, nil
	}
	txn := r.g.db.NewTransactionAt(row.Index, false)
	defer txn.Discard()
	for part := 1; part <= parts; part++ {
		p, err := txn.Get(partKey(row.Key, part))
		if err == nil && p.Version() != row.Index {
			err = fmt.Errorf("is of %d", p.Version())
		}
		if err == nil {
			err = p.Value(func(v []byte) error { row.Value = append(row.Value, v...); return nil })
		}
		if err != nil {
			return row, fmt.Errorf("part %d of %d of row %q at %d: %w: %w", part, parts, row.Key, row.Index, ErrCorrupt, err)
		}
	}
	return row, nil
}

// successor is the smallest key above all keys with the prefix, which is never
// all 0xff: it begins with the row space.
func successor(prefix []byte) []byte {
	s := bytes.Clone(prefix)
	for i := len(s) - 1; ; i-- {
		if s[i]++; s[i] != 0 {
			return s[:i+1]
		}
	}
}
