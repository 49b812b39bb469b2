package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	generationPrefix = "generation-"
	markerName       = "MARKER"
	viewsName        = "views"
)

// generation is one Badger store and its marker. It is closed when nobody
// refers to it any more, and removed if another has taken its place.
type generation struct {
	store  *Store
	number uint64
	dir    string
	db     *badger.DB

	// Guarded by store.mu:
	refs      int
	retired   bool
	readers   map[uint64]int // open readers by index
	discarded uint64         // what Badger was told that it may drop
}

func (g *generation) views() string      { return filepath.Join(g.dir, viewsName) }
func (g *generation) markerPath() string { return filepath.Join(g.dir, markerName) }

// openGeneration opens or creates a generation and returns its marker, if it has
// one; the caller holds its one reference.
func (s *Store) openGeneration(number uint64) (*generation, Marker, error) {
	g := &generation{store: s, number: number, dir: s.generationDir(number), refs: 1, readers: map[uint64]int{}}
	if err := os.MkdirAll(g.views(), 0o700); err != nil {
		return nil, Marker{}, err
	}
	m, err := s.loadMarker(g.markerPath())
	if err != nil {
		return nil, Marker{}, err
	}
	if err := errors.Join(dropEmpty(g.views()), verifyViews(g.views(), m.Logs)); err != nil {
		return nil, Marker{}, err
	}
	log := &badgerLog{log: s.config.Log, fatal: s.config.Fatal}
	g.db, err = badger.OpenManaged(badgerOptions(g.views(), s.config).WithLogger(log))
	if errors.Is(err, badger.ErrEncryptionKeyMismatch) { // nothing is encrypted
		err = fmt.Errorf("%s: %w: %w", filepath.Join(g.views(), badger.KeyRegistryFileName), ErrCorrupt, err)
	}
	if err != nil {
		return nil, Marker{}, fmt.Errorf("open %s: %w", g.views(), err)
	}
	log.open.Store(true)
	s.open.Add(1)
	s.mu.Lock()
	s.held++
	s.mu.Unlock()
	return g, m, nil
}

// badgerOptions: one writer, nothing synced (markers are), small files, no
// compression. Badger verifies no checksum: verifyViews has, and Badger's way of
// doing it loses a bad table, or a key of a bad block, without an error.
func badgerOptions(dir string, c Config) badger.Options {
	o := badger.DefaultOptions(dir).
		WithLogger(nil).
		WithSyncWrites(false).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1). // below the horizon; all above it are kept
		WithCompression(options.None).
		WithChecksumVerificationMode(options.NoVerification).
		WithMemTableSize(c.MemTableBytes).
		WithNumMemtables(memTables).
		WithValueThreshold(valueThreshold). // above every value: nothing is in the value log, and no space to be collected there
		WithValueLogFileSize(16 << 20).
		WithBlockCacheSize(0). // blocks lie in mapped files as they are: a cache doubles the time of a read
		WithNumCompactors(2).
		WithBaseLevelSize(256 << 20).
		WithNumLevelZeroTables(c.levelZero()).
		WithNumLevelZeroTablesStall(3 * c.levelZero()).
		WithCompactL0OnClose(false).
		WithMetricsEnabled(false)
	if c.Lean {
		o.TableSizeMultiplier = 1
	}
	return o
}

// acquire returns the generation in use; drop or release it.
func (s *Store) acquire() (*generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil {
		return nil, ErrClosed
	}
	s.current.refs++
	return s.current, nil
}

// discard lets Badger drop what is below the horizon, but for what open readers
// need. store.mu is held.
func (g *generation) discard() {
	below := g.store.horizon
	for index := range g.readers {
		below = min(below, index)
	}
	if below > g.discarded {
		g.discarded = below
		g.db.SetDiscardTs(below)
	}
}

// hold keeps what reads at an index and above need from being discarded, until
// letGo. store.mu is held.
func (g *generation) hold(index uint64) { g.readers[index]++ }

// letGo ends a hold. store.mu is held.
func (g *generation) letGo(index uint64) {
	if g.readers[index]--; g.readers[index] == 0 {
		delete(g.readers, index)
		g.discard() // this one may have kept it back
	}
}

// drop gives up a reference. The last one closes Badger, and removes the
// directory of a retired generation.
func (g *generation) drop() error {
	g.store.mu.Lock()
	g.refs--
	last, retired := g.refs == 0, g.retired
	g.store.mu.Unlock()
	if !last {
		return nil
	}
	defer g.store.open.Done()
	err := g.close()
	if retired {
		err = errors.Join(err, os.RemoveAll(g.dir))
	}
	g.store.mu.Lock()
	g.store.held--
	g.store.mu.Unlock()
	if err != nil {
		return fmt.Errorf("close %s: %w", g.dir, err)
	}
	return nil
}

// close closes Badger, which writes its memtables into tables first. On a disk that
// has no room for them it would die of it, so there it stays open until the
// process ends: its next start has the memtables' logs.
func (g *generation) close() error {
	err := Preflight(g.dir, (memTables+1)*uint64(g.store.config.MemTableBytes))
	if errors.Is(err, ErrNoSpace) {
		g.store.config.Log.Warn().Err(err).Msg("the views are left as after a crash: there is no room to close them")
		return nil
	}
	return g.db.Close()
}

// release is drop for callers whose work does not fail with it.
func (g *generation) release() {
	if err := g.drop(); err != nil {
		g.store.config.Log.Error().Err(err).Msg("closing views")
	}
}

// DiskBytes returns the space that the generation in use takes on disk.
func (s *Store) DiskBytes() (uint64, error) {
	g, err := s.acquire()
	if err != nil {
		return 0, err
	}
	defer g.release()
	entries, err := os.ReadDir(g.views())
	if err != nil {
		return 0, err
	}
	var total uint64
	for _, e := range entries {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(g.views(), e.Name()), &st); err == nil { // else it is gone
			total += uint64(st.Blocks) * 512
		}
	}
	return total, nil
}
