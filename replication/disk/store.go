package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"confman/projections"
)

// Defaults and limits of Config.
const (
	DefaultMemTableBytes = 8 << 20
	minMemTableBytes     = 4 << 20 // a part must fit a Badger batch, which is 15 % of it
)

// ErrClosed says that the store has been closed.
var ErrClosed = errors.New("store is closed")

// ErrLocked says that another process has the directory open.
var ErrLocked = errors.New("in use by another process")

// Config says where a store lives and how much memory it may use.
type Config struct {
	Dir           string
	Log           zerolog.Logger
	MemTableBytes int64            // size of a memtable, of which three may exist; 0 is 8 MiB, at least 4 MiB
	Lean          bool             // needs as little memory as it can, however much is written; see lean.go
	Node          string           // written into markers and checked by Open; empty is not checked
	Cluster       string           // the same; empty is not known yet
	Views         int              // version of the rows' layout, written into markers; see Marker.Views
	Fatal         func(error)      // told of writes that failed behind a caller's back; must end the process; nil: they are logged only
	Now           func() time.Time // when a marker was written, for people; nil is the clock
}

// Store is the views on disk. Write, Install and Rebuild have one caller at a time; all
// other methods may be used by any number of goroutines meanwhile.
type Store struct {
	config Config
	lock   *os.File
	fsync  func(path string) error // fsyncPath, except in tests
	step   func(name string)       // called between the steps of Install, in tests
	open   sync.WaitGroup          // generations whose Badger is open

	renewals renewals
	marking  sync.Mutex // held by Mark, and while the generation in use is switched

	mu        sync.Mutex // guards the fields below, and the references of generations
	current   *generation
	allocated uint64 // the highest number that a generation was given
	held      int    // generations whose files are there
	marker    Marker
	horizon   uint64
}

// current is the content of the file CURRENT.
type current struct {
	Generation uint64 `json:"generation"`
}

// Open opens the store in config.Dir or creates it. Leftovers of an interrupted
// install are removed. It fails with ErrLocked, ErrCorrupt (naming the file),
// ErrIdentity or ErrNewer. There must be free space before: Badger dies of
// SIGBUS on a full disk (see Preflight).
func Open(config Config) (*Store, error) {
	s := &Store{config: config, fsync: fsyncPath, step: func(string) {}}
	if err := s.config.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.takeLock(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := s.openCurrent(); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), s.lock.Close())
	}
	return s, nil
}

func (c *Config) validate() error {
	if c.Dir == "" {
		return errors.New("open store: no directory given")
	}
	if c.MemTableBytes == 0 {
		c.MemTableBytes = DefaultMemTableBytes
		if c.Lean {
			c.MemTableBytes = minMemTableBytes
		}
	}
	if c.MemTableBytes < minMemTableBytes {
		return fmt.Errorf("open store: memtables of %d bytes, want at least %d", c.MemTableBytes, minMemTableBytes)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

func (s *Store) takeLock() error {
	f, err := os.OpenFile(filepath.Join(s.config.Dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.config.Dir, ErrLocked), f.Close())
	}
	s.lock = f
	return nil
}

// openCurrent opens the generation that CURRENT names and removes all others.
func (s *Store) openCurrent() error {
	var c current
	err := readSealed(s.currentPath(), &c)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	if err := s.removeOthers(c.Generation); err != nil {
		return err
	}
	if fresh {
		c.Generation = 1
	} else if _, err := os.Stat(s.generationDir(c.Generation)); err != nil {
		return fmt.Errorf("%s names a generation that cannot be read: %w: %w", s.currentPath(), ErrCorrupt, err)
	}
	g, m, err := s.openGeneration(c.Generation)
	if err != nil {
		return err
	}
	if fresh {
		if err := s.adopt(g); err != nil {
			return errors.Join(err, g.drop())
		}
	}
	s.current, s.marker, s.allocated = g, m, g.number
	return nil
}

// adopt makes the directory of g durable and CURRENT name it.
func (s *Store) adopt(g *generation) error {
	for _, dir := range []string{g.dir, s.config.Dir} {
		if err := s.fsync(dir); err != nil {
			return fmt.Errorf("%w: %w", ErrSync, err)
		}
	}
	return writeSealed(s.currentPath(), current{g.number}, s.fsync)
}

// removeOthers removes every generation but keep. A marked one that nothing
// names was not left by a crash: without CURRENT it may be all there is.
func (s *Store) removeOthers(keep uint64) error {
	dirs, err := filepath.Glob(filepath.Join(s.config.Dir, generationPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if dir == s.generationDir(keep) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, markerName)); err == nil && keep == 0 {
			return fmt.Errorf("%s is missing, but %s is there: %w", s.currentPath(), dir, ErrCorrupt)
		}
		s.config.Log.Info().Str("dir", filepath.Base(dir)).Msg("removing what an interrupted install left")
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the store and waits for its readers to be closed. It marks
// nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	g := s.current
	s.current = nil
	s.mu.Unlock()
	if g == nil {
		return nil
	}
	err := g.drop()
	s.open.Wait()
	return errors.Join(err, s.lock.Close())
}

// Write writes rows as one batch and returns when they can be read. They are
// durable at the next marker. Rows must be written in the order of their
// indexes, except that a replay may write again what it wrote before, and that a
// row which is there may be written over, to take a value out of it.
func (s *Store) Write(rows []projections.Row) error {
	s.renewals.writing.Lock()
	defer s.renewals.writing.Unlock()
	g, err := s.acquire()
	if err != nil {
		return err
	}
	defer g.release()
	s.renewals.overtake(rows)
	return g.write(rows)
}

func (g *generation) write(rows []projections.Row) error {
	b := newBatch(g.db)
	defer b.cancel()
	for _, row := range rows {
		if err := b.add(row); err != nil {
			return fmt.Errorf("write row %q at %d: %w", row.Key, row.Index, err)
		}
	}
	if err := b.flush(); err != nil {
		return fmt.Errorf("write %d rows: %w", len(rows), err)
	}
	return nil
}

// DiscardBelow lets compaction drop what is only needed to read below index:
// reads at index and above stay exact, and those of readers that are open. The
// horizon is not stored: set it again after Open.
func (s *Store) DiscardBelow(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.horizon = index
	if s.current != nil {
		s.current.discard()
	}
}

// Retired is how many generations of the store there are besides the one in use:
// old ones that somebody still reads, a new one that is being made.
func (s *Store) Retired() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held - 1
}

// Verify reads all tables and checks their checksums. It fails with ErrCorrupt,
// naming the table. Rows that are still in memory only are not covered.
func (s *Store) Verify() (err error) {
	g, err := s.acquire()
	if err != nil {
		return err
	}
	defer g.release()
	defer func() { // Badger trips over a block whose frame is damaged
		if p := recover(); p != nil {
			err = fmt.Errorf("verify %s: %w: %v", g.views(), ErrCorrupt, p)
		}
	}()
	if err := g.db.VerifyChecksum(); err != nil { // names the table
		return fmt.Errorf("verify: %w: %w", ErrCorrupt, err)
	}
	return nil
}

func (s *Store) currentPath() string { return filepath.Join(s.config.Dir, "CURRENT") }

func (s *Store) generationDir(number uint64) string { return generationPath(s.config.Dir, number) }

func generationPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%06d", generationPrefix, number))
}
