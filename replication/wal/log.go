package wal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/rs/zerolog"
)

const (
	defaultSegmentSize = 64 << 20
	defaultStall       = 3 * time.Second // above what garbage collection of an SSD costs, below what clients wait
)

var (
	// ErrFailed marks a write that the disk refused. Whether it is there after a restart is unknown.
	ErrFailed = errors.New("write to the raft log failed")
	// ErrStalled marks a write that has not returned within Config.Stall.
	ErrStalled = errors.New("write to the raft log hangs")
	// ErrCorrupt marks an entry or a value that is not what was written.
	ErrCorrupt = errors.New("raft log is corrupt")
)

// Config says where the log is and who is told when it can no longer be trusted.
type Config struct {
	// Dir holds the log and nothing else. It is created when missing. The caller
	// holds a lock on it: a second process would wait in Open for ever.
	Dir string
	// SegmentSize is the size of one file of the log in bytes, allocated in advance; 0 means 64 MiB.
	SegmentSize int
	// Stall is how long one write may take; 0 means 3 s.
	Stall time.Duration
	// Fatal is called once, with the first failed write, stalled write or corrupt
	// entry, while that call still runs. It must end the process: a node in
	// doubt about its log must neither vote nor acknowledge. Required.
	Fatal func(error)
	Log   zerolog.Logger
}

// store is what a Log wraps; in production raft-wal.
type store interface {
	raft.LogStore
	Set(key, value []byte) error
	Get(key []byte) ([]byte, error)
	Close() error
}

// Log is the log, the term and the vote of one Raft node. It implements
// raft.LogStore, raft.MonotonicLogStore and raft.StableStore; its methods may be
// called concurrently, as Raft does.
type Log struct {
	config Config
	stall  time.Duration
	fatal  func(error)
	failed sync.Once

	mu     sync.RWMutex // held alone while store is replaced; guards the fields below
	store  store
	closed bool

	term atomic.Uint64 // CurrentTerm on disk; 0 while it is being written
	vote atomic.Uint64 // the term of a vote whose candidate has not been named yet
}

// Open opens the log in cfg.Dir, or starts an empty one there, and completes a
// segment rotation that was interrupted. It fails with ErrCorrupt when the newest
// segment has lost entries; damage to the very last ones looks like a crash, so the
// caller must compare LastIndex with what it knows to be durable.
func Open(cfg Config) (*Log, error) {
	if cfg.Fatal == nil {
		return nil, errors.New("open raft log: Config.Fatal is required")
	}
	if cfg.SegmentSize == 0 {
		cfg.SegmentSize = defaultSegmentSize
	}
	if err := create(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open raft log: %w", err)
	}
	if err := mendTail(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open raft log: %w", err)
	}
	repaired, err := FinishRotation(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open raft log: %w", err)
	}
	if repaired {
		cfg.Log.Warn().Str("dir", cfg.Dir).Msg("raft log: completed a segment rotation that was interrupted")
	}
	w, err := openStore(cfg)
	if err != nil {
		return nil, fmt.Errorf("open raft log in %s: %w", cfg.Dir, err)
	}
	l, err := newLog(cfg, w)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return l, nil
}

func newLog(cfg Config, s store) (*Log, error) {
	if cfg.Stall == 0 {
		cfg.Stall = defaultStall
	}
	l := &Log{config: cfg, store: s, stall: cfg.Stall, fatal: cfg.Fatal}
	term, err := l.getUint64(keyTerm)
	if err != nil {
		return nil, err
	}
	l.term.Store(term)
	return l, nil
}

// create makes dir and its name in the parent durable: an entry is only as durable as the path to it.
func create(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncPath(filepath.Dir(dir))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Close releases the files. A rotation that is pending is left to the next Open.
// Writes after Close are refused and not fatal.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if err := l.store.Close(); err != nil {
		return fmt.Errorf("close raft log: %w", err)
	}
	return nil
}

// write runs one write under the watchdog and makes its failure fatal.
func (l *Log) write(what string, do func() error) error {
	watchdog := time.AfterFunc(l.stall, func() {
		l.fail(fmt.Errorf("%s: %w, for %v now", what, ErrStalled, l.stall))
	})
	defer watchdog.Stop()
	l.mu.RLock()
	defer l.mu.RUnlock()
	err := do()
	if err == nil {
		return nil
	}
	if errors.Is(err, raftwal.ErrClosed) {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = fmt.Errorf("%s: %w: %w", what, ErrFailed, err)
	l.fail(err)
	return err
}

func (l *Log) fail(err error) {
	l.failed.Do(func() { l.fatal(err) })
}
