package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	raftwal "github.com/hashicorp/raft-wal"
	walfs "github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"

	"confman/replication/raftlog"
)

// Seal ends the segment that is written to, however little it holds, and begins
// another. It returns the index of the last entry. The bytes of an entry go only
// with its whole segment: after Seal, once all entries up to that index are
// deleted, nothing of them is left in any file (see HeldFrom).
//
// raft-wal has no call for it: the log is closed and opened again in between,
// while reads and writes wait, for some milliseconds. A crash leaves what
// FinishRotation repairs. Failure is fatal.
func (l *Log) Seal() (last uint64, err error) {
	watchdog := time.AfterFunc(l.stall, func() { l.fail(fmt.Errorf("seal the raft log: %w, for %v now", ErrStalled, l.stall)) })
	defer watchdog.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, fmt.Errorf("seal the raft log: %w", raftwal.ErrClosed)
	}
	if last, err = l.store.LastIndex(); err == nil {
		err = l.reopen()
	}
	if err != nil {
		err = fmt.Errorf("seal the raft log: %w: %w", ErrFailed, err)
		l.fail(err)
	}
	return last, err
}

// SealBytes is the free space that Seal takes, with the deletion of all that it
// sealed: each begins a segment, and without room for it the log fails for good.
func (l *Log) SealBytes() uint64 { return 2 * uint64(l.config.SegmentSize) }

func (l *Log) reopen() error {
	if err := l.store.Close(); err != nil {
		return err
	}
	if err := forceSeal(l.config.Dir); err != nil {
		return err
	}
	if _, err := FinishRotation(l.config.Dir); err != nil {
		return err
	}
	w, err := openStore(l.config)
	if err != nil {
		return err
	}
	l.store = w
	return nil
}

func openStore(cfg Config) (store, error) {
	return raftwal.Open(cfg.Dir, raftwal.WithSegmentSize(cfg.SegmentSize), raftwal.WithLogger(raftlog.New("raft-wal", cfg.Log)))
}

// forceSeal writes the index and the commit mark that seal a segment behind the
// last entry; FinishRotation does the rest. The log is not open.
func forceSeal(dir string) (err error) {
	meta := &metadb.BoltMetaDB{}
	state, err := meta.Load(dir)
	if err != nil {
		return fmt.Errorf("load the segment table: %w", err)
	}
	defer func() { err = errors.Join(err, meta.Close()) }()
	n := len(state.Segments)
	if n == 0 || !state.Segments[n-1].SealTime.IsZero() {
		return nil
	}
	tail, err := segment.NewFiler(dir, walfs.New()).RecoverTail(state.Segments[n-1])
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if tail.LastIndex() > 0 { // else there is nothing to seal
		_, err = tail.ForceSeal()
	}
	return errors.Join(err, tail.Close())
}

// HeldFrom is the first index that a file of the log has room for, whether or not
// its entry is deleted: below it there is not a byte. 0: there is no file.
func (l *Log) HeldFrom() (first uint64, err error) {
	paths, err := filepath.Glob(filepath.Join(l.config.Dir, "*.wal"))
	if err != nil {
		return 0, err
	}
	for _, path := range paths { // named by their first index, in digits enough to sort
		if _, err := fmt.Sscanf(filepath.Base(path), "%020d-", &first); err != nil {
			return 0, fmt.Errorf("segment %s: %w", path, err)
		}
		return first, nil
	}
	return 0, nil
}
