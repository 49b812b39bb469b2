package disk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/raft"
)

// spool is a copy of the store's rows in a file that has no name any more, so
// that its size is known before it is sent and nothing is left of it after a
// crash. Concurrent readers share it; the last one frees it.
type spool struct {
	boundary Boundary
	ready    chan struct{} // closed when file and err are set
	file     *guardedFile
	err      error
	refs     int // guarded by Snapshots.mu
}

// openSpool joins the spool of the newest marker or makes it.
func (s *Snapshots) openSpool() (*raft.SnapshotMeta, io.ReadCloser, error) {
	b := s.config.Store.Marker().Snapshot
	if b.Index == 0 {
		return nil, nil, ErrNoSnapshot
	}
	s.mu.Lock()
	sp := s.spool
	first := sp == nil || sp.boundary.Index != b.Index
	if first {
		sp = &spool{boundary: b, ready: make(chan struct{})}
		s.spool = sp
	}
	sp.refs++
	s.mu.Unlock()
	if first {
		sp.file, sp.err = s.fill()
		close(sp.ready)
	}
	<-sp.ready
	if sp.err != nil {
		return nil, nil, errors.Join(sp.err, s.leave(sp))
	}
	r := &spoolReader{
		SectionReader: io.NewSectionReader(sp.file.file, 0, sp.file.size),
		close:         sync.OnceValue(func() error { return s.leave(sp) }),
	}
	return sp.boundary.meta(sp.file.size), r, nil
}

// leave gives up a share of sp.
func (s *Snapshots) leave(sp *spool) error {
	s.mu.Lock()
	sp.refs--
	last := sp.refs == 0
	if s.spool == sp && (last || sp.err != nil) {
		s.spool = nil // the next one makes its own
	}
	s.mu.Unlock()
	if !last || sp.file == nil {
		return nil
	}
	return sp.file.file.Close()
}

// fill copies the rows as of what is applied now.
func (s *Snapshots) fill() (*guardedFile, error) {
	store := s.config.Store
	at, marker := s.config.Applied(), store.Marker()
	if at.Index < marker.Index || at.RaftIndex < marker.RaftIndex {
		return nil, fmt.Errorf("applied event %d is behind the marker's %d: %w", at.Index, marker.Index, ErrBehind)
	}
	size, err := store.DiskBytes()
	if err != nil {
		return nil, err
	}
	if err := Preflight(s.dir, size+s.config.ReserveBytes); err != nil {
		return nil, err
	}
	f, err := s.create("spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.file.Name()); err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := errors.Join(store.Copy(w, at), w.Flush()); err != nil {
		return nil, errors.Join(err, f.file.Close())
	}
	return f, nil
}

type spoolReader struct {
	*io.SectionReader
	close func() error
}

func (r *spoolReader) Close() error { return r.close() }

// guardedFile refuses to fill the disk: Badger would die of it.
type guardedFile struct {
	file      *os.File
	dir       string
	reserve   uint64
	size      int64
	unchecked int // bytes since the last look at the free space
}

// checkBytes is how much may be written between two looks at the free space.
const checkBytes = 4 << 20

func (s *Snapshots) create(pattern string) (*guardedFile, error) {
	f, err := os.CreateTemp(s.dir, pattern)
	if err != nil {
		return nil, err
	}
	return &guardedFile{file: f, dir: s.dir, reserve: s.config.ReserveBytes, unchecked: checkBytes}, nil
}

func (f *guardedFile) Write(b []byte) (int, error) {
	if f.unchecked += len(b); f.unchecked >= checkBytes {
		if err := Preflight(f.dir, f.reserve); err != nil {
			return 0, err
		}
		f.unchecked = 0
	}
	n, err := f.file.Write(b)
	f.size += int64(n)
	return n, err
}
