package disk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"confman/projections"
)

const (
	partBytes      = 256 << 10 // longer values are cut into parts
	valueThreshold = 2 * partBytes
	maxParts       = 255
	maxKeyBytes    = 32 << 10
)

// MaxValueBytes is the length of the longest value of a row.
const MaxValueBytes = maxParts * partBytes

// ErrTooLarge says that a row's key is longer than 32 KiB or its value longer
// than MaxValueBytes.
var ErrTooLarge = errors.New("row is too large")

// In Badger a row is one entry under 'r' and its key, holding the value or its
// first part; the entry's user byte counts the parts that follow, which lie under
// 'x', the key and the part's number, at the same index.
const (
	rowSpace  = 'r'
	partSpace = 'x'
)

func rowKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), rowSpace), key...)
}

func partKey(key []byte, part int) []byte {
	k := append(append(make([]byte, 0, 3+len(key)), partSpace), key...)
	return binary.BigEndian.AppendUint16(k, uint16(part))
}

// batch writes rows to a Badger store. Cancel it when done, also after flush.
type batch struct {
	db    *badger.DB
	wb    *badger.WriteBatch
	parts bool // the batch holds parts that cannot be read yet
}

func newBatch(db *badger.DB) *batch {
	return &batch{db: db, wb: db.NewManagedWriteBatch()}
}

func (b *batch) cancel() { b.wb.Cancel() }

func (b *batch) flush() error { return b.wb.Flush() }

// add adds a row. Its value must not change before the batch is flushed.
func (b *batch) add(row projections.Row) error {
	switch {
	case row.Index == 0:
		return errors.New("a row needs an index")
	case len(row.Key) > maxKeyBytes:
		return fmt.Errorf("key of %d bytes: %w", len(row.Key), ErrTooLarge)
	case len(row.Value) > MaxValueBytes:
		return fmt.Errorf("value of %d bytes: %w", len(row.Value), ErrTooLarge)
	case row.Delete:
		return b.remove(row)
	}
	head, rest := row.Value, []byte(nil)
	if len(head) > partBytes {
		head, rest = head[:partBytes], head[partBytes:]
	}
	parts := 0
	for ; len(rest) > 0; parts++ {
		n := min(len(rest), partBytes)
		e := badger.NewEntry(partKey(row.Key, parts+1), rest[:n])
		if err := b.wb.SetEntryAt(e, row.Index); err != nil {
			return err
		}
		rest = rest[n:]
	}
	b.parts = b.parts || parts > 0
	e := badger.NewEntry(rowKey(row.Key), head).WithMeta(byte(parts))
	return b.wb.SetEntryAt(e, row.Index)
}

// remove ends a row and all parts that its key ever left behind: those of the
// value that ends here and those of longer ones before it.
func (b *batch) remove(row projections.Row) error {
	if b.parts { // they must be visible to be found
		if err := b.wb.Flush(); err != nil {
			return err
		}
		b.wb.Cancel()
		b.wb, b.parts = b.db.NewManagedWriteBatch(), false
	}
	txn := b.db.NewTransactionAt(row.Index, false)
	defer txn.Discard()
	for part := 1; part <= maxParts; part++ {
		key := partKey(row.Key, part)
		if _, err := txn.Get(key); errors.Is(err, badger.ErrKeyNotFound) {
			break
		} else if err != nil {
			return err
		}
		if err := b.wb.DeleteAt(key, row.Index); err != nil {
			return err
		}
	}
	return b.wb.DeleteAt(rowKey(row.Key), row.Index)
}
