package denials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"confman/api/wire"
)

// files is into how many the bytes are divided.
const files = 8

// store is the files. It is for one goroutine at a time, but for its counts.
type store struct {
	config  Config
	perFile int64
	files   []file   // oldest first, at least one
	current *os.File // the newest; nil after a write that failed
	letGo   uint64   // rows, since ever

	bytes   atomic.Int64  // of all files
	missing atomic.Uint64 // attempts, as the rows of all files say
}

// file is one of the store's.
type file struct {
	number uint64
	path   string
	size   int64 // up to the end of the last whole line
	rows   uint64
	lost   uint64    // attempts
	oldest time.Time // of its first row; zero: it has none
}

// count notes one more row.
func (f *file) count(d *wire.Denied, bytes int64) {
	f.size += bytes
	if f.rows++; f.rows == 1 {
		f.oldest = d.Time
	}
	if d.Reason == wire.DeniedLost {
		f.lost += max(1, d.Count)
	}
}

func (s *store) pathOf(number uint64) string {
	return filepath.Join(s.config.Dir, fmt.Sprintf("denied-%012d.ndjson", number))
}

// write appends rows and returns how many of them are written for good. After an
// error the others may be given again.
func (s *store) write(rows []wire.Denied) (written int, err error) {
	defer s.publish()
	if err := s.reopen(); err != nil {
		return 0, err
	}
	for i := range rows {
		if err := s.append(&rows[i]); err != nil {
			return i, fmt.Errorf("append to the log of denials: %w", err)
		}
	}
	return len(rows), nil
}

// append writes a row at the end of the newest file, which is open, or of a new one
// where that is full. After an error the end is where it was, as soon as the file
// is opened again.
func (s *store) append(d *wire.Denied) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(d); err != nil {
		return err
	}
	if size := s.files[len(s.files)-1].size; size > 0 && size+int64(line.Len()) > s.perFile {
		if err := s.rotate(); err != nil {
			return err
		}
	}
	if _, err := s.current.Write(line.Bytes()); err != nil {
		_ = s.current.Close()
		s.current = nil
		return err
	}
	s.files[len(s.files)-1].count(d, int64(line.Len()))
	return nil
}

// reopen opens the newest file, unless it is open, without what stands after its
// last whole line.
func (s *store) reopen() error {
	if s.current != nil {
		return nil
	}
	newest := &s.files[len(s.files)-1]
	f, err := os.OpenFile(newest.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > newest.size {
		err = f.Truncate(newest.size)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	newest.size = min(newest.size, info.Size()) // somebody else may have emptied it
	s.current = f
	return nil
}

// rotate begins a file, and lets go of the oldest ones that are too many. The row
// that says so is the new file's first.
func (s *store) rotate() error {
	if err := s.close(); err != nil {
		return err
	}
	number := s.files[len(s.files)-1].number + 1
	s.files = append(s.files, file{number: number, path: s.pathOf(number)})
	if err := s.reopen(); err != nil {
		s.files = s.files[:len(s.files)-1]
		return err
	}
	before := s.letGo
	for len(s.files) > files || s.total() > s.config.Bytes-s.perFile && len(s.files) > 1 {
		if err := os.Remove(s.files[0].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // the next rotation tries again
		}
		s.letGo += s.files[0].rows
		s.files = slices.Delete(s.files, 0, 1)
	}
	if s.letGo == before {
		return nil
	}
	return s.admit()
}

// admit writes what rotation has let go of.
func (s *store) admit() error {
	now := s.config.Now().UTC()
	row := wire.Denied{Time: now, Node: s.config.Node, Reason: wire.DeniedRotated, Count: s.letGo}
	oldest := now
	if first := s.files[0]; first.rows > 0 {
		oldest = first.oldest
	}
	row.Detail = fmt.Sprintf("%d rows were let go of in all; the oldest that is kept is of %s", s.letGo, oldest.Format(time.RFC3339))
	return s.append(&row)
}

func (s *store) total() (bytes int64) {
	for _, f := range s.files {
		bytes += f.size
	}
	return bytes
}

// publish sets the counts that others may read.
func (s *store) publish() {
	var missing uint64
	for _, f := range s.files {
		missing += f.lost
	}
	s.bytes.Store(s.total())
	s.missing.Store(missing)
}

// close closes the newest file; the next write opens it again.
func (s *store) close() error {
	if s.current == nil {
		return nil
	}
	err := errors.Join(s.current.Sync(), s.current.Close())
	s.current = nil
	return err
}
