package disk

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"confman/replication/faults"
)

func TestSpaceLevelsHaveHysteresis(t *testing.T) {
	looks := []struct {
		free, owed uint64
		want       Level
	}{
		{150, 0, OK},
		{99, 0, Soft},
		{100, 0, Soft},
		{109, 0, Soft},
		{110, 0, OK},
		{49, 0, Hard},
		{50, 0, Hard},
		{59, 0, Hard},
		{60, 0, Soft},
		{55, 0, Soft},
		{109, 0, Soft},
		{200, 0, OK},
		{10, 0, Critical},
		{34, 0, Critical},
		{35, 0, Hard},
		{24, 0, Critical},
		{200, 0, OK},
		{200, 101, Soft},
		{200, 180, Critical},
		{200, 201, Critical}, // owed more than there is
		{100, 0, Soft},
		{200, 0, OK},
	}
	synctest.Test(t, func(t *testing.T) {
		var free, owed atomic.Uint64
		free.Store(1000)
		var changes []string
		var s *Space
		s, err := WatchSpace(SpaceConfig{
			HardBytes: 50, SlackBytes: 10, Interval: time.Minute, Log: zerolog.Nop(), Owed: owed.Load,
			Free:    func(string) (uint64, error) { return free.Load(), nil },
			Changed: func() { changes = append(changes, fmt.Sprintf("%v %d", s.Level(), s.Free())) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, look := range looks {
			free.Store(look.free)
			owed.Store(look.owed)
			time.Sleep(time.Minute) //nolint:forbidigo // of the bubble's clock
			synctest.Wait()
			if s.Level() != look.want || s.Free() != look.free {
				t.Errorf("look %d: %d free: %v of %d, want %v", i, look.free, s.Level(), s.Free(), look.want)
			}
		}
		s.Close()
		s.Close()
		want := []string{
			"soft 99", "ok 110", "hard 49", "soft 60", "ok 200", "critical 10", "hard 35", "critical 24", "ok 200",
			"soft 200", "critical 200", "soft 100", "ok 200",
		}
		if !slices.Equal(changes, want) {
			t.Errorf("changes %v, want %v", changes, want)
		}
	})
}

func TestWhoAwaitsRoomGoesOnWhenThereIsSomeAndEndsWithTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		free.Store(100)
		s, err := WatchSpace(SpaceConfig{HardBytes: 50, Log: zerolog.Nop(), Free: func(string) (uint64, error) { return free.Load(), nil }})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Await(); err != nil {
			t.Fatal(err)
		}
		free.Store(24) // between two looks of the watch: Await looks itself
		ended := make(chan error, 1)
		await := func() { ended <- s.Await() }
		go await()
		synctest.Wait()
		if len(ended) != 0 {
			t.Fatalf("24 of 25 bytes are free, and the wait ends: %v", <-ended)
		}
		free.Store(31)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		free.Store(0)
		go await()
		synctest.Wait()
		s.Close()
		if err := <-ended; !errors.Is(err, ErrNoSpace) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestSpaceKeepsItsLevelWhenTheDiskCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		s, err := WatchSpace(SpaceConfig{
			HardBytes: 50, Log: zerolog.Nop(),
			Free: func(string) (uint64, error) {
				if fail.Load() {
					return 0, errors.New("stale handle")
				}
				return 70, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		fail.Store(true)
		time.Sleep(10 * time.Second) //nolint:forbidigo // of the bubble: no time passes
		synctest.Wait()
		if s.Level() != Soft {
			t.Errorf("level %v", s.Level())
		}
	})
}

func TestSpaceRefusesAFileSystemThatIsNotThere(t *testing.T) {
	if _, err := WatchSpace(SpaceConfig{Dir: "/does/not/exist"}); err == nil {
		t.Error("a file system that is not there was taken")
	}
}

func TestPreflightSeesTheRealDisk(t *testing.T) {
	d := faults.NewDisk(t, 64<<20)
	if err := Preflight(d.Dir(), 32<<20); err != nil {
		t.Error(err)
	}
	d.Fill(16 << 20)
	if err := Preflight(d.Dir(), 32<<20); !errors.Is(err, ErrNoSpace) {
		t.Errorf("filled: %v", err)
	}
	d.Free()
	if err := Preflight(d.Dir(), 32<<20); err != nil {
		t.Error(err)
	}
}
