package disk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"confman/projections"
)

// ErrBusy says that the store is being renewed already.
var ErrBusy = errors.New("is being renewed already")

// errOvertaken says that rows were written again, at indexes that had been
// copied, or that the store was replaced meanwhile.
var errOvertaken = errors.New("overtaken by other changes")

// Renewal says how Renew makes a store anew.
type Renewal struct {
	// Applied is the event index up to which all rows have been written.
	Applied func() uint64
	// Build writes the rows as of an event index, in rising order of indexes. nil:
	// the rows of the store are copied, without what Trim leaves out.
	Build func(at uint64, write func([]projections.Row) error) error
	Trim  Trim
	// ReserveBytes is the free space that must be left at any moment.
	ReserveBytes uint64
}

// Renewed says how a renewal went.
type Renewed struct {
	Held   time.Duration // how long writes were held up at the end
	Passes int           // over the rows that came meanwhile
}

const (
	renewTries   = 5       // to get through between rewrites
	renewPasses  = 8       // over what came meanwhile, at most
	smallPass    = 1 << 20 // bytes after which the next pass may be the last
	renewStretch = 1 << 20 // bytes between two pauses
)

// Renew replaces the store by a new one of the same content, or less, while
// writes and reads go on: what Build makes, or a copy, and then, in passes that
// become shorter, what was written meanwhile; writes are held up for the last of
// them only. Nothing is left in the files of what the rows no longer hold. The
// newest marker stays, and Trim must not be beyond it. Readers keep the old rows
// until they close.
//
// It works for as long as it pauses, so that writers find a machine that is half
// idle. It fails with ErrBusy while another Renew runs, with ErrNoSpace, and with
// the context; nothing has changed then, nor after a crash. ErrSync is fatal, as in
// Install.
func (s *Store) Renew(ctx context.Context, r Renewal) (Renewed, error) {
	if !s.renewals.running.TryLock() {
		return Renewed{}, fmt.Errorf("renew the store: it %w", ErrBusy)
	}
	defer s.renewals.running.Unlock()
	if m := s.Marker(); r.Trim.Oldest > m.Index {
		return Renewed{}, fmt.Errorf("renew the store from event %d: the newest marker is at %d: %w", r.Trim.Oldest, m.Index, ErrBehind)
	}
	for try := 1; ; try++ {
		done, err := s.renew(ctx, r)
		if errors.Is(err, errOvertaken) && try < renewTries {
			continue
		}
		if err != nil {
			return done, fmt.Errorf("renew the store: %w", err)
		}
		return done, nil
	}
}

func (s *Store) renew(ctx context.Context, r Renewal) (done Renewed, err error) {
	old, err := s.acquire()
	if err != nil {
		return done, err
	}
	defer old.release()
	size, err := s.DiskBytes()
	if err != nil {
		return done, err
	}
	if err := Preflight(s.config.Dir, size+r.ReserveBytes); err != nil {
		return done, err
	}
	number, err := s.nextGeneration()
	if err != nil {
		return done, err
	}
	g, _, err := s.openGeneration(number)
	if err != nil {
		return done, err
	}
	f := &filler{store: s, to: g, reserve: r.ReserveBytes, rest: func(d time.Duration) error { return wait(ctx, d) }}
	s.renewals.reset()
	done, switched, err := s.renewInto(f, old, r)
	s.renewals.reset()
	f.cancel()
	if err == nil || switched { // it is the store now
		return done, err
	}
	s.mu.Lock()
	g.retired = true
	s.mu.Unlock()
	return done, errors.Join(err, g.drop())
}

// renewInto reports whether the new generation took the place of the old one.
func (s *Store) renewInto(f *filler, old *generation, r Renewal) (done Renewed, switched bool, err error) {
	at := s.renewals.cover(r.Applied)
	if r.Build != nil {
		err = r.Build(at, f.write)
	} else {
		err = f.copy(r.Trim.keep(old.entries(0, at)))
	}
	next := func() error { // copies what came since the last time
		since := at
		at = s.renewals.cover(r.Applied)
		return f.copy(old.entries(since, at))
	}
	for f.written = smallPass; err == nil && f.written >= smallPass && done.Passes < renewPasses; done.Passes++ {
		f.written = 0
		err = next()
	}
	if err != nil {
		return done, false, err
	}
	s.marking.Lock() // from here on no marker passes what is durable in the new generation
	defer s.marking.Unlock()
	if err := next(); err != nil {
		return done, false, err
	}
	m := s.Marker()
	if r.Build != nil {
		m.Views = s.config.Views
	}
	if m, err = s.writeMarker(f.to, m, nil); err != nil {
		return done, false, err
	}
	s.step(stepMarked)
	if err := next(); err != nil {
		return done, false, err
	}
	if done.Held, err = s.takeOver(f, old, at, m); err != nil {
		return done, false, err
	}
	return done, true, s.succeed(old, f.to)
}

// succeed makes the new generation the one that is opened next, and lets the old
// one go. Until it has, a crash finds the old one, whose marker is the same: what
// it lacks is in Raft's log after that. s.marking is held.
func (s *Store) succeed(old, g *generation) error {
	if err := s.adopt(g); err != nil {
		return err
	}
	s.step(stepSwitched)
	s.mu.Lock()
	old.retired = true
	s.mu.Unlock()
	old.release() // the store's own share
	return nil
}

// takeOver copies what is above an index while writes wait, and makes the new
// generation the one in use.
func (s *Store) takeOver(f *filler, old *generation, since uint64, m Marker) (held time.Duration, err error) {
	s.renewals.writing.Lock()
	defer s.renewals.writing.Unlock()
	began := time.Now()
	f.hurry = true
	if err := f.copy(old.entries(since, ^uint64(0))); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current == nil:
		return 0, ErrClosed
	case s.current != old || s.renewals.overtaken:
		return 0, errOvertaken
	}
	s.current, s.marker = f.to, m
	f.to.discard()
	return time.Since(began), nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// filler writes into a generation that is not in use yet, at a pace.
type filler struct {
	store   *Store
	to      *generation
	reserve uint64
	rest    func(time.Duration) error
	hurry   bool // no pauses any more

	batch   *badger.WriteBatch // nil: none is open
	bytes   int                // in the batch
	began   time.Time          // of the stretch that ends with the batch
	written int                // bytes since the last reset
}

// copy writes all entries and returns when they can be read.
func (f *filler) copy(entries iter.Seq2[entry, error]) error {
	f.began = time.Now()
	for e, err := range entries {
		if err != nil {
			return err
		}
		if f.batch == nil {
			f.batch = f.to.db.NewManagedWriteBatch()
			f.batch.SetMaxPendingTxns(4) // bounds the memory
		}
		if err := putEntry(f.batch, e); err != nil {
			return err
		}
		if f.bytes += len(e.key) + len(e.value); f.bytes >= renewStretch {
			if err := f.flush(); err != nil {
				return err
			}
		}
	}
	return f.flush()
}

// write writes rows, as copy does entries.
func (f *filler) write(rows []projections.Row) error {
	if f.began.IsZero() {
		f.began = time.Now()
	}
	for _, row := range rows {
		f.bytes += len(row.Key) + len(row.Value)
	}
	if err := f.to.write(rows); err != nil {
		return err
	}
	return f.pause()
}

func (f *filler) flush() error {
	if f.batch != nil {
		if err := f.batch.Flush(); err != nil {
			return err
		}
		f.batch = nil
	}
	return f.pause()
}

func (f *filler) cancel() {
	if f.batch != nil {
		f.batch.Cancel()
	}
}

// pause ends a stretch: it looks whether to go on, and rests for as long as the
// stretch has taken.
func (f *filler) pause() error {
	bytes := f.bytes
	f.written, f.bytes = f.written+bytes, 0
	if f.hurry || bytes == 0 {
		return nil
	}
	if err := Preflight(f.store.config.Dir, f.reserve+f.to.owed()); err != nil {
		return err
	}
	if err := f.rest(time.Since(f.began)); err != nil {
		return err
	}
	f.began = time.Now()
	f.store.mu.Lock()
	defer f.store.mu.Unlock()
	if f.store.current == nil {
		return ErrClosed
	}
	return nil
}

// renewals is what those who write and Renew know of each other.
type renewals struct {
	running sync.Mutex // held by Renew

	writing   sync.Mutex // held while rows are written; guards the fields below
	covered   uint64     // what a renewal has copied; 0: none runs
	overtaken bool       // a row at or below that was written
	written   uint64     // the highest index of a row
	rewritten uint64     // what that was when rows below it were last written over
}

func (r *renewals) reset() {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.covered, r.overtaken = 0, false
}

// cover returns the event index up to which rows are copied next. From now on a
// row at or below it that is written makes the renewal start over.
func (r *renewals) cover(applied func() uint64) uint64 {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.covered = applied()
	return r.covered
}

// overtake notes that rows are written. r.writing is held.
func (r *renewals) overtake(rows []projections.Row) {
	before := r.written
	for _, row := range rows {
		r.overtaken = r.overtaken || row.Index <= r.covered
		r.written = max(r.written, row.Index)
		if row.Index < before {
			r.rewritten = before
		}
	}
}

// disturbed reports whether rows were written over since those of an index were
// there.
func (r *renewals) disturbed(index uint64) bool {
	r.writing.Lock()
	defer r.writing.Unlock()
	return r.rewritten > index
}
