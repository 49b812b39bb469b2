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

// Levels of a disk. OK: everything goes on. Soft: raise the alarm, give up
// leadership. Hard: refuse writes before they are proposed.
const (
	OK Level = iota
	Soft
	Hard
)

func (l Level) String() string {
	return [...]string{"ok", "soft", "hard"}[l]
}

// Defaults of SpaceConfig. What a node may still write after it has refused the
// last proposal must fit below the hard mark: entries on their way, three
// memtables of 16 MiB with as much in tables (96 MiB), one compaction in
// progress (two tables of up to 64 MiB), a preallocated log segment (64 MiB) and
// the next one. The soft mark leaves as much again, for a snapshot spool and for
// a human.
const (
	DefaultHardBytes = 512 << 20
	DefaultSoftBytes = 1 << 30
)

// SpaceConfig says what to watch.
type SpaceConfig struct {
	Dir        string
	SoftBytes  uint64        // Soft below it; 0 is 1 GiB
	HardBytes  uint64        // Hard below it; 0 is 512 MiB; must be below SoftBytes
	SlackBytes uint64        // a level is left only when free space is above its mark by this; 0 is 1/8 of HardBytes
	Interval   time.Duration // 0 is one second
	Log        zerolog.Logger
	Changed    func(level Level, free uint64)          // called from the watcher at each change; may be nil
	Free       func(dir string) (free uint64, e error) // nil is FreeBytes
}

// Space watches the free space of a file system. Its level goes down at once and
// up with hysteresis, so that it does not flap at a mark.
type Space struct {
	config SpaceConfig
	level  atomic.Int32
	free   atomic.Uint64
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}
}

// WatchSpace looks once, then at every interval until Close. It fails when the
// marks make no sense or the file system cannot be asked. Changed is not called
// for the first look: ask Level.
func WatchSpace(config SpaceConfig) (*Space, error) {
	c := &config
	if c.SoftBytes == 0 {
		c.SoftBytes = DefaultSoftBytes
	}
	if c.HardBytes == 0 {
		c.HardBytes = DefaultHardBytes
	}
	if c.SlackBytes == 0 {
		c.SlackBytes = c.HardBytes / 8
	}
	if c.HardBytes >= c.SoftBytes {
		return nil, fmt.Errorf("watch space: hard mark %d must be below soft mark %d", c.HardBytes, c.SoftBytes)
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.Changed == nil {
		c.Changed = func(Level, uint64) {}
	}
	if c.Free == nil {
		c.Free = FreeBytes
	}
	s := &Space{config: config, stop: make(chan struct{}), done: make(chan struct{})}
	free, err := c.Free(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("watch space: %w", err)
	}
	s.free.Store(free)
	s.level.Store(int32(s.next(OK, free)))
	go s.run()
	return s, nil
}

// Level returns the level of the last look.
func (s *Space) Level() Level { return Level(s.level.Load()) }

// Free returns the free bytes of the last look.
func (s *Space) Free() uint64 { return s.free.Load() }

// Close stops watching and returns when Changed is no longer running.
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
			s.look()
		}
	}
}

// look keeps the level when the file system cannot be asked.
func (s *Space) look() {
	free, err := s.config.Free(s.config.Dir)
	if err != nil {
		s.config.Log.Error().Err(err).Msg("cannot tell the free space")
		return
	}
	s.free.Store(free)
	was := s.Level()
	now := s.next(was, free)
	if now == was {
		return
	}
	s.level.Store(int32(now))
	s.config.Log.Warn().Stringer("was", was).Stringer("level", now).Uint64("freeMiB", free>>20).Msg("free space")
	s.config.Changed(now, free)
}

func (s *Space) next(was Level, free uint64) Level {
	soft, hard := s.config.SoftBytes, s.config.HardBytes
	if was >= Soft {
		soft += s.config.SlackBytes
	}
	if was >= Hard {
		hard += s.config.SlackBytes
	}
	switch {
	case free < hard:
		return Hard
	case free < soft:
		return Soft
	}
	return OK
}
