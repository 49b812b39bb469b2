package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/dgraph-io/badger/v4"
)

// Steps of Install at which a test looks at what a crash would leave.
const (
	stepBuilt    = "built"
	stepSynced   = "synced"
	stepMarked   = "marked"
	stepSwitched = "switched"
	stepRemoved  = "removed"
)

// Install replaces the store by a stream that Copy wrote. The stream is built
// into a new generation and verified; then check, if not nil, may look at it
// and refuse (the caller verifies the hash chain there; it must not close the
// reader); then it is made
// durable, marked at the stream's position with Raft's boundary b, and CURRENT
// is switched. Readers of the old generation keep it until they close.
//
// On any error nothing has changed, except on ErrSync, which is fatal: the next
// Open finds the old or the new content, whole. Other errors are ErrStream,
// ErrNewer, ErrIdentity for a stream of another cluster, and check's own.
func (s *Store) Install(r io.Reader, b Boundary, check func(Header, *Reader) error) (Marker, error) {
	dec, err := newDecoder(r)
	if err != nil {
		return Marker{}, fmt.Errorf("install: %w", err)
	}
	own := s.sign(Marker{}).Cluster
	if !sameIdentity(dec.header.Cluster, own) {
		return Marker{}, fmt.Errorf("install: stream of cluster %q, this is cluster %q: %w", dec.header.Cluster, own, ErrIdentity)
	}
	number, err := s.nextGeneration()
	if err != nil {
		return Marker{}, fmt.Errorf("install: %w", err)
	}
	g, _, err := s.openGeneration(number)
	if err != nil {
		return Marker{}, fmt.Errorf("install: %w", err)
	}
	m, switching, err := s.installInto(g, dec, b, check)
	if err != nil {
		if !switching { // nothing names it yet
			s.mu.Lock()
			g.retired = true
			s.mu.Unlock()
		}
		return Marker{}, errors.Join(fmt.Errorf("install as of %d: %w", dec.header.Index, err), g.drop())
	}
	return m, nil
}

func (s *Store) nextGeneration() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return 0, ErrClosed
	}
	s.allocated++
	return s.allocated, nil
}

// installInto reports whether CURRENT may have been switched when it failed.
func (s *Store) installInto(g *generation, dec *decoder, b Boundary, check func(Header, *Reader) error) (m Marker, switching bool, err error) {
	if err := g.fill(dec); err != nil {
		return m, false, err
	}
	if check != nil {
		if err := check(dec.header, &Reader{g: g, index: dec.header.Index}); err != nil {
			return m, false, fmt.Errorf("refused: %w", err)
		}
	}
	s.step(stepBuilt)
	m = Marker{Cluster: dec.header.Cluster, Position: dec.header.Position, Snapshot: b, Views: dec.header.Views, Installed: true}
	if m, err = s.writeMarker(g, m, nil); err != nil {
		return m, false, err
	}
	s.step(stepMarked)
	return m, true, s.switchTo(g, m)
}

// fill writes the whole stream into an empty generation.
func (g *generation) fill(dec *decoder) error {
	wb := g.db.NewManagedWriteBatch()
	wb.SetMaxPendingTxns(4) // bounds the memory
	defer wb.Cancel()
	for {
		e, err := dec.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := putEntry(wb, e); err != nil {
			return err
		}
	}
	return wb.Flush()
}

// putEntry copies what the decoder will overwrite.
func putEntry(wb *badger.WriteBatch, e entry) error {
	key := bytes.Clone(e.key)
	if e.end {
		return wb.DeleteAt(key, e.index)
	}
	value := bytes.Clone(e.value)
	return wb.SetEntryAt(badger.NewEntry(key, value).WithMeta(e.parts), e.index)
}

// switchTo makes g the generation in use and retires the one before it.
func (s *Store) switchTo(g *generation, m Marker) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	if err := s.adopt(g); err != nil {
		return err
	}
	s.step(stepSwitched)
	s.mu.Lock()
	old := s.current
	if old == nil { // closed meanwhile
		s.mu.Unlock()
		return ErrClosed
	}
	s.current, s.marker, old.retired = g, m, true
	g.discard()
	s.mu.Unlock()
	old.release() // what it may leave is removed by the next Open
	s.step(stepRemoved)
	return nil
}
