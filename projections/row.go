package projections

import (
	"errors"
	"iter"
)

// Row is one blind write to the views on disk: the value that a key of a view
// has from event Index on. Rows are a pure function of the history, so writing
// the same history again writes the same rows at the same indexes.
type Row struct {
	Key    []byte
	Value  []byte
	Index  uint64 // the event index at which the row becomes true; the store's timestamp
	Delete bool   // the row ends at Index; Value is nil
}

// ErrNoRow says that a key has no row at the index that was read.
var ErrNoRow = errors.New("no such row")

// Source reads rows as of one event index.
type Source interface {
	// Get returns a row's value and the index it was written at, or ErrNoRow.
	Get(key []byte) (value []byte, at uint64, err error)
	// Scan yields the rows under a prefix in key order, from a key on (nil: the first).
	Scan(prefix, from []byte) iter.Seq2[Row, error]
	// Reverse is Scan backwards, from a key or the next before it (nil: the last).
	Reverse(prefix, from []byte) iter.Seq2[Row, error]
	// Versions yields all versions of a key at or below the index, newest first.
	Versions(key []byte) iter.Seq2[Row, error]
}

// NoRows is the source of a history that has not begun.
type NoRows struct{}

// Get returns ErrNoRow.
func (NoRows) Get([]byte) ([]byte, uint64, error) { return nil, 0, ErrNoRow }

// Scan yields nothing.
func (NoRows) Scan(_, _ []byte) iter.Seq2[Row, error] { return func(func(Row, error) bool) {} }

// Reverse yields nothing.
func (NoRows) Reverse(_, _ []byte) iter.Seq2[Row, error] { return func(func(Row, error) bool) {} }

// Versions yields nothing.
func (NoRows) Versions([]byte) iter.Seq2[Row, error] { return func(func(Row, error) bool) {} }
