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
	m := s.sign(Marker{Position: at})
	return s.copyAs(w, Header{Cluster: m.Cluster, Node: m.Node, Views: m.Views, Position: m.Position, Time: m.Time})
}

// CopyOf is Copy with a header of the caller's, but for its format and views. With
// the same header the stream is the same, byte for byte, on every node with the
// same rows. Those below the horizon are not the same everywhere: each node gives
// them up when it is worth it.
func (s *Store) CopyOf(w io.Writer, h Header) error {
	h.Views = s.sign(Marker{}).Views
	return s.copyAs(w, h)
}

func (s *Store) copyAs(w io.Writer, h Header) error {
	g, err := s.acquire()
	if err != nil {
		return err
	}
	defer g.release()
	h.Format = streamFormat
	at := h.Position
	enc, err := newEncoder(w, h)
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
