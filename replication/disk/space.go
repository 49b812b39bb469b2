package disk

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// ErrNoSpace says that a file system has too little room for what is to come.
var ErrNoSpace = errors.New("not enough free space")

// FreeBytes returns what an unprivileged process may still write to the file
// system of dir (statfs).
func FreeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Frsize), nil
}

// TotalBytes returns the size of the file system of dir.
func TotalBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("size of %s: %w", dir, err)
	}
	return st.Blocks * uint64(st.Frsize), nil
}

// Preflight fails with ErrNoSpace when the file system of dir has less than need
// bytes free. Ask before opening a store and before writing a file of known
// size: Badger's files are mapped, and a full disk ends the process by SIGBUS.
func Preflight(dir string, need uint64) error {
	free, err := FreeBytes(dir)
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("%s: %d MiB free, need %d MiB: %w", dir, free>>20, need>>20, ErrNoSpace)
	}
	return nil
}

// Level says how full a disk is.
type Level int

// Levels of a disk, from the best. OK: everything goes on. Soft: raise the alarm,
// give up leadership. Hard: refuse writes before they are proposed, except those
// that give space back. Critical: take no entry, whoever sends it; what has been
// accepted waits.
const (
	OK Level = iota
	Soft
	Hard
	Critical
)

func (l Level) String() string {
	return [...]string{"ok", "soft", "hard", "critical"}[l]
}

// ParseLevel is the reverse of Level.String. What it does not know, such as what a
// release without levels says, is OK.
func ParseLevel(name string) Level {
	for l := Soft; l <= Critical; l++ {
		if l.String() == name {
			return l
		}
	}
	return OK
}

// Hard marks. MinHardBytes is the least that is safe: half of it, the critical
// mark, must hold what the stores write for the last entry that was taken above
// it, and what a start writes. That is the next segment of the log, allocated at
// once (64 MiB), one memtable's table before the memtable's log goes (8 MiB), a
// new memtable's log (8 MiB), and what is small (markers, the table of segments),
// with more than a quarter to spare. Compaction writes more, and is counted by
// SpaceConfig.Owed.
const (
	DefaultHardBytes = 512 << 20
	MinHardBytes     = 256 << 20
)

// SpaceConfig says what to watch. The soft mark is twice the hard one, the
// critical mark half of it.
type SpaceConfig struct {
	Dir        string
	HardBytes  uint64        // Hard below it; 0 is 512 MiB
	SlackBytes uint64        // a level is left only when free space is above its mark by this; 0 is 1/8 of HardBytes
	Interval   time.Duration // 0 is one second
	Log        zerolog.Logger
	// Owed is what the store may still write of its own accord before it gives
	// anything back; so much counts as not free. It is asked at each interval. nil: nothing.
	Owed    func() uint64
	Changed func()                                    // called after each change of the level; must not block; nil: nobody
	Free    func(dir string) (free uint64, err error) // nil is FreeBytes
}

func (c *SpaceConfig) fill() {
	if c.HardBytes == 0 {
		c.HardBytes = DefaultHardBytes
	}
	if c.SlackBytes == 0 {
		c.SlackBytes = c.HardBytes / 8
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.Owed == nil {
		c.Owed = func() uint64 { return 0 }
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Free == nil {
		c.Free = FreeBytes
	}
}

// Space watches the free space of a file system. Its level goes down at once and
// up with hysteresis, so that it does not flap at a mark.
type Space struct {
	config SpaceConfig
	level  atomic.Int32
	free   atomic.Uint64
	owed   atomic.Uint64
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}

	looking sync.Mutex
}

// WatchSpace looks once, then at every interval until Close. It fails when the
// file system cannot be asked. Changed is not called for the first look.
func WatchSpace(config SpaceConfig) (*Space, error) {
	config.fill()
	s := &Space{config: config, stop: make(chan struct{}), done: make(chan struct{})}
	free, err := config.Free(config.Dir)
	if err != nil {
		return nil, fmt.Errorf("watch space: %w", err)
	}
	s.free.Store(free)
	s.owed.Store(config.Owed())
	s.level.Store(int32(s.next(OK, free)))
	go s.run()
	return s, nil
}

// Level returns the level of the last look.
func (s *Space) Level() Level { return Level(s.level.Load()) }

// Free returns the free bytes of the last look.
func (s *Space) Free() uint64 { return s.free.Load() }

// Owed returns how many of them the store may still take of its own accord.
func (s *Space) Owed() uint64 { return s.owed.Load() }

// Mark is the free space below which a level begins, OK's being the greatest number.
func (s *Space) Mark(l Level) uint64 {
	switch l {
	case Critical:
		return s.config.HardBytes / 2
	case Hard:
		return s.config.HardBytes
	case Soft:
		return 2 * s.config.HardBytes
	}
	return ^uint64(0)
}

// Close stops watching, ends every Await, and returns when Changed is no longer
// running.
func (s *Space) Close() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}

func (s *Space) run() {
	defer close(s.done)
	tick := time.NewTicker(s.config.Interval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.owed.Store(s.config.Owed())
			s.Look()
		}
	}
}

// Look looks now, for the price of a system call, and returns the level. It keeps the
// level when the file system cannot be asked.
func (s *Space) Look() Level {
	s.looking.Lock()
	was := s.Level()
	free, err := s.config.Free(s.config.Dir)
	if err != nil {
		s.looking.Unlock()
		s.config.Log.Error().Err(err).Msg("cannot tell the free space")
		return was
	}
	now := s.next(was, free)
	s.free.Store(free)
	s.level.Store(int32(now))
	s.looking.Unlock()
	if now != was {
		s.config.Log.Warn().Stringer("was", was).Stringer("level", now).Uint64("freeMiB", free>>20).Uint64("owedMiB", s.Owed()>>20).Msg("free space")
		s.config.Changed()
	}
	return now
}

// Await returns nil when there is more than the critical mark free, at once or
// when there is again. It fails with ErrNoSpace when the watch is closed first.
func (s *Space) Await() error {
	if s.Look() < Critical {
		return nil
	}
	tick := time.NewTicker(s.config.Interval)
	defer tick.Stop()
	for s.Level() == Critical {
		select {
		case <-tick.C:
		case <-s.stop:
			return fmt.Errorf("%s: %d MiB free: %w", s.config.Dir, s.Free()>>20, ErrNoSpace)
		}
	}
	return nil
}

func (s *Space) next(was Level, free uint64) Level {
	free -= min(free, s.owed.Load())
	for l := Critical; l > OK; l-- {
		mark := s.Mark(l)
		if was >= l {
			mark += s.config.SlackBytes
		}
		if free < mark {
			return l
		}
	}
	return OK
}
