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
		free uint64
		want Level
	}{
		{150, OK},
		{99, Soft},
		{100, Soft},
		{109, Soft},
		{110, OK},
		{49, Hard},
		{50, Hard},
		{59, Hard},
		{60, Soft},
		{55, Soft},
		{109, Soft},
		{200, OK},
		{10, Hard},
		{200, OK},
		{100, OK},
	}
	synctest.Test(t, func(t *testing.T) {
		var free atomic.Uint64
		free.Store(1000)
		var changes []string
		s, err := WatchSpace(SpaceConfig{
			SoftBytes: 100, HardBytes: 50, SlackBytes: 10, Interval: time.Minute, Log: zerolog.Nop(),
			Free:    func(string) (uint64, error) { return free.Load(), nil },
			Changed: func(l Level, free uint64) { changes = append(changes, fmt.Sprintf("%v %d", l, free)) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, look := range looks {
			free.Store(look.free)
			time.Sleep(time.Minute) //nolint:forbidigo // of the bubble's clock
			synctest.Wait()
			if s.Level() != look.want || s.Free() != look.free {
				t.Errorf("look %d: %d free: %v of %d, want %v", i, look.free, s.Level(), s.Free(), look.want)
			}
		}
		s.Close()
		s.Close()
		want := []string{"soft 99", "ok 110", "hard 49", "soft 60", "ok 200", "hard 10", "ok 200"}
		if !slices.Equal(changes, want) {
			t.Errorf("changes %v, want %v", changes, want)
		}
	})
}

func TestSpaceKeepsItsLevelWhenTheDiskCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Bool
		s, err := WatchSpace(SpaceConfig{
			SoftBytes: 100, HardBytes: 50, Log: zerolog.Nop(),
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

func TestSpaceRefusesMarksThatMakeNoSense(t *testing.T) {
	if _, err := WatchSpace(SpaceConfig{Dir: t.TempDir(), SoftBytes: 10, HardBytes: 10}); err == nil {
		t.Error("hard = soft was taken")
	}
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
