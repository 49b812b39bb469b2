package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
)

// metaName is the file that makes a received snapshot whole: without it, what
// lies in the directory is half-written.
const metaName = "META"

// received is the content of the file META.
type received struct {
	File     string   `json:"file"`
	Size     int64    `json:"size"`
	Boundary Boundary `json:"boundary"`
}

// Sink takes one snapshot: call Mark for one of this node, Write for one from
// the leader. It has one user at a time.
type Sink struct {
	snapshots *Snapshots
	boundary  Boundary
	marked    bool
	file      *guardedFile // nil until the first Write
	closed    bool
	err       error // of the first Close
}

var _ raft.SnapshotSink = (*Sink)(nil)

// Mark makes the rows up to p durable and records p together with Raft's index,
// term and membership: that is the snapshot. It copies nothing. p is the
// position that raft.FSM.Snapshot captured.
func (k *Sink) Mark(p Position) error {
	if k.closed || k.file != nil {
		return errors.New("mark: the sink is closed or has been written to")
	}
	err := k.snapshots.config.Store.Mark(Marker{Position: p, Snapshot: k.boundary})
	k.snapshots.tried(err)
	if err != nil {
		return k.snapshots.failed(err)
	}
	k.marked = true
	return nil
}

// Write appends to a received snapshot. It fails with ErrNoSpace before the
// reserve is touched.
func (k *Sink) Write(b []byte) (int, error) {
	if k.closed || k.marked {
		return 0, errors.New("write snapshot: the sink is closed or has been marked")
	}
	if k.file == nil {
		f, err := k.snapshots.create("received-*")
		if err != nil {
			return 0, fmt.Errorf("receive snapshot: %w", k.snapshots.failed(err))
		}
		k.file = f
	}
	n, err := k.file.Write(b)
	if err != nil {
		err = fmt.Errorf("receive snapshot: %w", k.snapshots.failed(err))
	}
	return n, err
}

// ID returns what Snapshots.Open takes.
func (k *Sink) ID() string { return k.boundary.id() }

// Close finishes the snapshot. A second call, which Raft makes, returns what the
// first did.
func (k *Sink) Close() error {
	if k.closed {
		return k.err
	}
	k.closed = true
	switch {
	case k.file != nil:
		k.err = k.snapshots.failed(k.finish())
	case !k.marked:
		k.err = errors.New("close snapshot: neither marked nor written")
	}
	return k.err
}

// Cancel drops what was written. A marker stays: it is true. Cancel after Close
// does nothing.
func (k *Sink) Cancel() error {
	if k.closed {
		return nil
	}
	k.closed = true
	if k.file == nil {
		return nil
	}
	return errors.Join(k.file.file.Close(), os.Remove(k.file.file.Name()))
}

// finish makes the file durable, then META, and drops the one before.
func (k *Sink) finish() error {
	s, fsync := k.snapshots, k.snapshots.config.Store.fsync
	path := k.file.file.Name()
	if err := k.file.file.Close(); err != nil {
		return fmt.Errorf("receive snapshot: %w", err)
	}
	for _, p := range []string{path, s.dir} {
		if err := fsync(p); err != nil {
			return fmt.Errorf("receive snapshot: %w: %w", ErrSync, err)
		}
	}
	r := &received{File: filepath.Base(path), Size: k.file.size, Boundary: k.boundary}
	if err := writeSealed(filepath.Join(s.dir, metaName), r, fsync); err != nil {
		return fmt.Errorf("receive snapshot: %w", err)
	}
	s.mu.Lock()
	before := s.received
	s.received = r
	s.mu.Unlock()
	if before == nil {
		return nil
	}
	return os.Remove(filepath.Join(s.dir, before.File))
}

// loadReceived finds the received snapshot and removes everything else. One that
// is damaged goes too: nothing depends on it before it is installed, and the
// leader sends another.
func (s *Snapshots) loadReceived() error {
	r := &received{}
	err := readSealed(filepath.Join(s.dir, metaName), r)
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(filepath.Join(s.dir, r.File)); err == nil && info.Size() != r.Size {
			err = fmt.Errorf("%s: %d bytes, want %d: %w", r.File, info.Size(), r.Size, ErrCorrupt)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.config.Log.Warn().Err(err).Msg("dropping a damaged received snapshot")
	}
	if err == nil && r.Boundary.Index > s.config.Store.Marker().Snapshot.Index {
		s.received = r
	}
	return s.removeStrays()
}

func (s *Snapshots) removeStrays() error {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if s.received != nil && (f.Name() == metaName || f.Name() == s.received.File) {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// dropReceived removes a received snapshot, META first.
func (s *Snapshots) dropReceived(r *received) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.received != r {
		return nil
	}
	s.received = nil
	return errors.Join(os.Remove(filepath.Join(s.dir, metaName)), os.Remove(filepath.Join(s.dir, r.File)))
}
