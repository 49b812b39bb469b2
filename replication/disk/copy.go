package disk

import (
	"fmt"
	"io"
)

// Copy writes every row with all its versions up to at.Index to w, as a stream
// that Install reads. It is consistent at that index while writes go on, and
// needs the memory of one block. at must be a position that has been applied. It
// fails, and the stream has no end, when rows were written over since: a value was
// erased by an event after at.
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
	for e, err := range g.entries(0, at.Index) {
		if err == nil {
			err = enc.add(&e)
		}
		if err != nil {
			return fmt.Errorf("copy as of %d: %w", at.Index, err)
		}
	}
	if s.renewals.disturbed(at.Index) { // rows may show what only a later event did
		return fmt.Errorf("copy as of %d: %w", at.Index, errOvertaken)
	}
	if err := enc.end(); err != nil {
		return fmt.Errorf("copy as of %d: %w", at.Index, err)
	}
	return nil
}
