package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Remains is what the files of a store say that nobody has open.
type Remains struct {
	Marker   Marker // the newest; zero: there is none
	Received *Waiting
}

// Waiting is a snapshot that was received whole and waits to be installed.
type Waiting struct {
	Boundary Boundary
	Position Position // of its rows, which may be newer than its label
}

// Look reads the small files of a store and changes nothing. A store that was
// never used is the zero value. It fails with ErrCorrupt, naming the file, or
// ErrNewer.
func Look(dir string) (Remains, error) {
	s := &Store{config: Config{Dir: dir}}
	m, _, err := s.newestMarker()
	if err != nil {
		return Remains{}, fmt.Errorf("look at store: %w", err)
	}
	waiting, err := lookReceived(filepath.Join(dir, "snapshots"))
	if err != nil {
		return Remains{}, fmt.Errorf("look at store: %w", err)
	}
	if waiting != nil && waiting.Boundary.Index <= m.Snapshot.Index {
		waiting = nil
	}
	return Remains{m, waiting}, nil
}

// lookReceived is nil where nothing waits. What is damaged the next start drops.
func lookReceived(dir string) (*Waiting, error) {
	r := received{}
	err := readSealed(filepath.Join(dir, metaName), &r)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCorrupt) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, r.File))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := ReadStream(f)
	if errors.Is(err, ErrStream) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Waiting{r.Boundary, s.Header().Position}, nil
}

// newestMarker is the marker of the generation in use, and its path; the path is
// empty where there is no marker.
func (s *Store) newestMarker() (m Marker, path string, err error) {
	var c current
	err = readSealed(s.currentPath(), &c)
	if errors.Is(err, fs.ErrNotExist) {
		return Marker{}, "", nil
	}
	if err != nil {
		return Marker{}, "", err
	}
	path = filepath.Join(s.generationDir(c.Generation), markerName)
	if m, err = s.loadMarker(path); err != nil || m.Format == 0 {
		path = ""
	}
	return m, path, err
}

// Reassign makes the store of a cluster that of another one, of the same node,
// durably; one that is the other's already stays. Where base is not nil, Raft's
// boundary moves to it as well: the log begins behind it then. The store must not
// be open. It changes nothing but the marker, in one step: a crash leaves the
// whole store as it was, or reassigned. It fails with ErrIdentity when the store
// is of neither cluster.
func Reassign(dir, from, to string, base *Boundary) error {
	s := &Store{config: Config{Dir: dir, Cluster: from}}
	m, path, err := s.newestMarker()
	if errors.Is(err, ErrIdentity) {
		s.config.Cluster = to
		m, path, err = s.newestMarker()
	}
	if err != nil {
		return fmt.Errorf("reassign store: %w", err)
	}
	if path == "" {
		return nil
	}
	if m.Cluster = to; base != nil {
		m.Snapshot = *base
	}
	if err := writeSealed(path, m, fsyncPath); err != nil {
		return fmt.Errorf("reassign store: %w", err)
	}
	return nil
}
