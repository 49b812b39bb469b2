package disk

import (
	"fmt"
	"io"

	"github.com/dgraph-io/badger/v4"
)

// Copy writes every row with all its versions up to at.Index to w, as a stream
// that Install reads. It is consistent at that index while writes go on, and
// needs the memory of one block. at must be a position that has been applied.
func (s *Store) Copy(w io.Writer, at Position) error {
	g, err := s.acquire()
	if err != nil {
		return err
	}
	defer g.release()
	m := s.sign(Marker{Position: at})
	enc, err := newEncoder(w, Header{
		Format: streamFormat, Cluster: m.Cluster, Node: m.Node, Views: m.Views, Position: m.Position, Time: m.Time,
	})
	if err != nil {
		return fmt.Errorf("copy as of %d: %w", at.Index, err)
	}
	txn := g.db.NewTransactionAt(at.Index, false)
	defer txn.Discard()
	// Backwards, so that the versions of a key come oldest first and are written
	// in that order by the reader: Badger may drop a deletion that lies in an
	// older table than the value it deletes, and the value would be back.
	it := txn.NewIterator(badger.IteratorOptions{AllVersions: true, Reverse: true})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		e := entry{key: item.Key(), index: item.Version(), parts: item.UserMeta(), end: item.IsDeletedOrExpired()}
		err := item.Value(func(v []byte) error {
			if !e.end {
				e.value = v
			}
			return enc.add(&e)
		})
		if err != nil {
			return fmt.Errorf("copy as of %d: %w", at.Index, err)
		}
	}
	if err := enc.end(); err != nil {
		return fmt.Errorf("copy as of %d: %w", at.Index, err)
	}
	return nil
}
