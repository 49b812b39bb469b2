package modes

import (
	"context"
	"time"

	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

// swift are the settings for which times are promised.
func swift() lab.Config { return lab.Config{Args: []string{"--election-timeout", "150ms"}} }

// writeGap begins the name of a promise about how long nobody can write.
const writeGap = "write gap: "

func leaderFailure() Mode {
	return Mode{fault.LeaderFailure, "the leader is killed, paused, terminated, and held in an fsync over a partition", runLeaderFailure}
}

func runLeaderFailure(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, swift(), load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	plan := []struct {
		fault           fault.Fault
		times           int
		median, longest time.Duration
	}{
		{fault.Named(fault.All(), "leader killed"), 10, 400 * time.Millisecond, 1200 * time.Millisecond},
		{fault.Named(fault.All(), "leader paused"), 10, 400 * time.Millisecond, 1200 * time.Millisecond},
		{fault.Named(fault.All(), "leader terminated"), 5, 0, 50 * time.Millisecond},
		{fault.Named(fault.All(), "leadership handed over"), 5, 0, 50 * time.Millisecond},
		{fault.Held(), 5, 0, 0},
	}
	for _, p := range plan {
		b.Report.Promise(writeGap+p.fault.Name, p.median, p.longest)
	}
	for round := range b.Rounds(10) {
		for _, p := range plan {
			if round > 0 && b.Over() || round >= p.times || p.fault.Network && !t.Networked() {
				continue
			}
			t.Calm(ctx, time.Second)
			_, gap, err := t.Strike(ctx, p.fault, nil)
			if err != nil {
				return err
			}
			b.Report.Measure(writeGap+p.fault.Name, gap)
		}
	}
	return t.Verify(ctx)
}
