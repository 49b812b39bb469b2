package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/rs/zerolog"
)

// Extent is what a log holds: its first and its last entry, zero when it is empty,
// and [Log.HeldFrom].
type Extent struct {
	First, Last, LastTerm, Held uint64
}

// Examine reads every entry of the log in dir and checks it against its checksum,
// as Open and the reads after it do, and changes nothing in dir: the log must not
// be open. What opening would write to, the table of segments and the newest
// segment, is copied to a temporary directory, and the other segments are linked
// from there. It fails with ErrCorrupt when an entry is not what was written.
func Examine(dir string) (e Extent, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("examine the raft log in %s: %w", dir, err)
		}
	}()
	if _, err := os.Stat(filepath.Join(dir, metadb.FileName)); errors.Is(err, fs.ErrNotExist) {
		return Extent{}, nil
	}
	temp, err := os.MkdirTemp("", "confman-log-")
	if err != nil {
		return Extent{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := mirror(dir, temp); err != nil {
		return Extent{}, err
	}
	log, err := Open(Config{Dir: temp, Log: zerolog.Nop(), Fatal: func(error) {}}) // it is returned, too
	if err != nil {
		return Extent{}, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return log.extent()
}

// extent reads all entries.
func (l *Log) extent() (e Extent, err error) {
	if e.Held, err = l.HeldFrom(); err != nil {
		return e, err
	}
	if e.First, err = l.FirstIndex(); err != nil {
		return e, err
	}
	if e.Last, err = l.LastIndex(); err != nil || e.Last == 0 {
		return e, err
	}
	var entry raft.Log
	for i := e.First; i <= e.Last; i++ {
		if err := l.GetLog(i, &entry); err != nil {
			return e, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	e.LastTerm = entry.Term
	return e, nil
}

// mirror makes a directory that can be opened as a log in place of another. The
// newest segment is the last by name: they are named by their first index.
func mirror(dir, temp string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		return err
	}
	if n := len(segments); n > 0 {
		for _, path := range segments[:n-1] {
			if err := os.Symlink(path, filepath.Join(temp, filepath.Base(path))); err != nil {
				return err
			}
		}
		if err := copyFile(segments[n-1], temp); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(dir, metadb.FileName), temp)
}

func copyFile(path, to string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(filepath.Join(to, filepath.Base(path)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
