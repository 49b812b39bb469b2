package denials

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"confman/api/wire"
)

// DefaultBytes is what the files hold together by default.
const DefaultBytes = 64 << 20

const (
	minBytes   = 1 << 20
	window     = time.Second // in which equal attempts become one row, and after which rows are written
	maxWaiting = 4096        // rows of a window
)

// Config is what a [Log] needs. Dir, Node and Now are required.
type Config struct {
	Dir   string // made if need be; holds nothing else
	Node  string // ID of the node, told in every row
	Bytes int64  // that the files may hold together, at least 1 MiB; default [DefaultBytes]
	Log   zerolog.Logger
	Now   func() time.Time
}

// Log is the record of one node. Its methods may be called from any goroutine.
type Log struct {
	config Config
	wake   chan struct{}      // holds an item while rows wait
	stop   context.CancelFunc // of run
	done   chan struct{}      // closed when that has ended
	lost   atomic.Uint64      // attempts that no row tells of, since the start
	failed atomic.Uint64      // writes, since the start

	mu       sync.Mutex // guards the rows of this window; never held while a disk is written
	waiting  []wire.Denied
	equal    map[attempt]int // where in waiting
	overflow uint64          // attempts that found no room among them
	attempts map[string]uint64

	writing sync.Mutex    // guards what is on disk and on its way there
	taken   []wire.Denied // of an earlier window, not written yet
	store   *store
	failing bool // the last write did
}

// attempt is what makes attempts equal. One that names no route, as those of
// nobody do, is equal to all others from its address. Readings differ by what was
// read.
type attempt struct {
	reason, principal, keyID, remote, method, route, namespace, key string
}

func attemptOf(d *wire.Denied) attempt {
	a := attempt{reason: d.Reason, principal: d.Principal, keyID: d.KeyID, remote: d.Remote, route: d.Route}
	if d.Route != "" {
		a.method = d.Method
	}
	if d.Reason == wire.DeniedRead {
		a.namespace, a.key = d.Namespace, d.Key
	}
	return a
}

// Open opens the log, or makes one. A directory that cannot be written is an
// error.
func Open(c Config) (*Log, error) {
	c.Bytes = cmp.Or(c.Bytes, DefaultBytes)
	if c.Dir == "" || c.Node == "" || c.Now == nil {
		return nil, errors.New("open the log of denials: Dir, Node and Now are required")
	}
	if c.Bytes < minBytes {
		return nil, fmt.Errorf("open the log of denials: %d bytes are too few, at least %d are needed", c.Bytes, minBytes)
	}
	s, torn, err := openStore(c)
	if err != nil {
		return nil, fmt.Errorf("open the log of denials: %w", err)
	}
	l := &Log{
		config: c, store: s, equal: map[attempt]int{}, attempts: map[string]uint64{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if torn {
		c.Log.Warn().Str("dir", c.Dir).Msg("the last line of the log of denials was torn when the node ended; it is counted as lost")
		l.waiting = append(l.waiting, l.lostRow(1, "a line was torn when the node ended"))
		l.wake <- struct{}{}
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(ctx)
	return l, nil
}

// Record has an attempt written within a second, with this node's ID and the
// time. It never waits for a disk. Texts that are too long are cut; what cannot be
// printed in them is replaced. A row that names no route stands for all from its
// address.
func (l *Log) Record(d wire.Denied) {
	d = bounded(d)
	d.Node, d.Time = l.config.Node, l.config.Now().UTC()
	n, a := max(1, d.Count), attemptOf(&d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts[d.Reason] += n
	if i, ok := l.equal[a]; ok {
		l.waiting[i].Count = max(1, l.waiting[i].Count) + n
		return
	}
	if len(l.waiting) >= maxWaiting {
		l.overflow += n
		l.lost.Add(n)
		return
	}
	l.equal[a] = len(l.waiting)
	l.waiting = append(l.waiting, d)
	l.nudge()
}

func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes what waits, a window after its first row.
func (l *Log) run(ctx context.Context) {
	defer close(l.done)
	pause := time.NewTimer(window)
	defer pause.Stop()
	for {
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
		pause.Reset(window)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		if l.flush() != nil {
			l.nudge()
		}
	}
}

// flush writes what waits. What cannot be written is tried again the next time.
func (l *Log) flush() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	for {
		if len(l.taken) == 0 {
			var overflow uint64
			if l.taken, overflow = l.take(); overflow > 0 {
				l.taken = append(l.taken, l.lostRow(overflow, "there was no room for them"))
			}
		}
		if len(l.taken) == 0 {
			return nil
		}
		n, err := l.store.write(l.taken)
		l.taken = l.taken[n:]
		l.tell(err)
		if err != nil {
			return err
		}
	}
}

// take is what waits; the next window begins.
func (l *Log) take() (rows []wire.Denied, overflow uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, overflow = l.waiting, l.overflow
	l.waiting, l.overflow = nil, 0
	clear(l.equal)
	return rows, overflow
}

// tell logs the first failure of several, and their end.
func (l *Log) tell(err error) {
	switch {
	case err != nil:
		l.failed.Add(1)
		if !l.failing {
			l.config.Log.Error().Err(err).Msg("denials are not written; they are kept while there is room, and tried again every second")
		}
	case l.failing:
		l.config.Log.Info().Uint64("lost", l.lost.Load()).Msg("denials are written again")
	}
	l.failing = err != nil
}

func (l *Log) lostRow(n uint64, why string) wire.Denied {
	return wire.Denied{Time: l.config.Now().UTC(), Node: l.config.Node, Reason: wire.DeniedLost, Detail: why, Count: n}
}

// Close writes what waits and closes the files. What is recorded afterwards is
// lost.
func (l *Log) Close() error {
	l.stop()
	<-l.done
	err := l.flush()
	l.writing.Lock()
	defer l.writing.Unlock()
	if err = errors.Join(err, l.store.close()); err != nil {
		return fmt.Errorf("close the log of denials: %w", err)
	}
	return nil
}

// Stats say how the log stands. They are had without waiting for a disk.
type Stats struct {
	Attempts map[string]uint64 // since the start, by reason
	Lost     uint64            // of them, those that no row tells of
	Errors   uint64            // writes that failed, since the start
	Bytes    int64             // of all files
	// Missing is how many attempts are known to be missing among the rows that are
	// kept, those of earlier processes too.
	Missing uint64
}

// Stats returns how the log stands.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{
		Attempts: maps.Clone(l.attempts), Lost: l.lost.Load(), Errors: l.failed.Load(),
		Bytes: l.store.bytes.Load(), Missing: l.store.missing.Load() + l.overflow,
	}
}
