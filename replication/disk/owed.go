package disk

import (
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// Badger merges the tables of level 0 with all of the level below them once there
// are levelZeroTables (see Config.levelZero), and gives the old tables up when all
// new ones are written: measured, that took up to 373 MiB within seconds of the last
// write, with 1 KB rows at full speed. It cannot be held back, so it is announced.
const (
	levelZeroTables = 16
	memTables       = 3
)

// levels are the tables of a store, and the memtables that are to become some.
type levels struct {
	sizes    []uint64 // by level
	tables   int      // on level 0
	memories int
	full     int // tables on level 0 at which they are merged
}

// owed is what a compaction of level 0 may write before it gives anything back, 0
// while none comes of the tables and memtables there are, and slack more.
func (l levels) owed(slack int, memTableBytes int64) uint64 {
	if l.tables+l.memories+slack < l.full {
		return 0
	}
	merged := l.sizes[0] + uint64(l.memories)*uint64(memTableBytes)
	for _, size := range l.sizes[1:] {
		if size > 0 {
			return merged + size
		}
	}
	return merged
}

// Owed is what the store may write without another Write before it gives space
// back (see SpaceConfig.Owed), 0 after Close. One more memtable counts as there:
// writes go on until the next look.
func (s *Store) Owed() uint64 {
	g, err := s.acquire()
	if err != nil {
		return 0
	}
	defer g.release()
	return g.owed()
}

func (g *generation) owed() uint64 {
	memory, _ := filepath.Glob(filepath.Join(g.views(), "*.mem")) // the pattern is good
	known := g.db.Levels()
	l := levels{sizes: make([]uint64, len(known)), tables: known[0].NumTables, memories: len(memory), full: g.store.config.levelZero()}
	for i, level := range known {
		l.sizes[i] = uint64(max(level.Size, 0))
	}
	return l.owed(1, g.store.config.MemTableBytes)
}

// OwedIn is what opening the store in dir, which nobody has open, may write beside
// one memtable's table at a time. It is 0 where there is no store, or none that
// can be read: opening it says why.
func OwedIn(dir string) uint64 {
	var c current
	if readSealed(filepath.Join(dir, "CURRENT"), &c) != nil {
		return 0
	}
	views := filepath.Join(generationPath(dir, c.Generation), viewsName)
	f, err := os.Open(filepath.Join(views, badger.ManifestFilename))
	if err != nil {
		return 0
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(views))
	if err != nil {
		return 0
	}
	memory, _ := filepath.Glob(filepath.Join(views, "*.mem"))
	l := levels{sizes: make([]uint64, len(manifest.Levels)+1), memories: len(memory), full: levelZeroTables}
	for id, t := range manifest.Tables {
		if info, err := os.Stat(table.NewFilename(id, views)); err == nil && int(t.Level) < len(l.sizes) {
			l.sizes[t.Level] += uint64(info.Size())
		}
		if t.Level == 0 {
			l.tables++
		}
	}
	return l.owed(0, DefaultMemTableBytes) // what comes after the opening asks again
}
