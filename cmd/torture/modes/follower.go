package modes

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

func followerFailure() Mode {
	return Mode{fault.FollowerFailure, "a follower is killed, terminated, and away until it needs a snapshot", runFollowerFailure}
}

// calm are the settings with which a busy machine deposes no leader, for what is
// promised of times without an election.
func calm() lab.Config { return lab.Config{Args: []string{"--election-timeout", "1s"}} }

func runFollowerFailure(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, calm(), load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	t.Calm(ctx, 5*time.Second)
	base := load.Quantile(t.Load.Record.Pulses(t.loaded, time.Now()), 0.99)
	const p99 = "p99 of writes while a follower is down (promised: twice that of before)"
	b.Report.Promise(p99, 0, 2*base)
	for round := range b.Rounds(10) {
		for _, name := range []string{"follower killed", "follower terminated"} {
			if round > 0 && (b.Over() || name == "follower terminated" && round >= 5) {
				continue
			}
			t.Calm(ctx, time.Second)
			if err := t.strikeFollower(ctx, fault.Named(fault.All(), name), p99); err != nil {
				return err
			}
		}
	}
	if !b.Quick() {
		if err := t.snapshotFollower(ctx); err != nil {
			return err
		}
	}
	return t.Verify(ctx)
}

// strikeFollower takes a follower away and back: nobody else may notice, and it
// says that it is ready only when it is.
func (t *Trial) strikeFollower(ctx context.Context, f fault.Fault, p99 string) error {
	var watching sync.WaitGroup
	var victim *lab.Node
	e, _, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		victim = injury.Nodes[0]
		t.Calm(ctx, f.Hold)
		if a, err := t.Get(ctx, victim, "/health/ready"); err == nil && a.Status == http.StatusOK {
			t.bench.Report.Violate(check.Finding{Check: "readiness", Says: victim.ID + " is down and ready"})
		}
		watching.Go(func() { t.awaitGreen(ctx, victim) })
		return nil
	})
	watching.Wait()
	if err != nil {
		return err
	}
	t.elsewhere(victim, e)
	t.bench.Report.Measure(p99, load.Quantile(elsewhere(t.Load.Record.Pulses(e.From, e.Healed), victim), 0.99))
	return nil
}

// caughtUp is how many events a node may be behind that says that it is ready.
const caughtUp = 100

// awaitGreen waits until a node says that it is ready, and compares it with what
// others had acknowledged before it was asked.
func (t *Trial) awaitGreen(ctx context.Context, n *lab.Node) {
	_ = lab.Await(ctx, n.ID+" is ready", func() error { // whoever heals waits, too
		newest := t.Load.Newest()
		r, err := t.Ready(ctx, n)
		if err != nil || r.Status != wire.StatusReady {
			return fmt.Errorf("%v %w", r.Reasons, err)
		}
		if r.EventIndex+caughtUp < newest {
			t.bench.Report.Violate(check.Finding{Check: "readiness", Says: fmt.Sprintf("%s says that it is ready at event %d, %d was acknowledged", n.ID, r.EventIndex, newest)})
		}
		return nil
	})
}

func elsewhere(pulses []load.Pulse, but *lab.Node) (some []load.Pulse) {
	for _, p := range pulses {
		if p.Node != but.ID {
			some = append(some, p)
		}
	}
	return some
}

// elsewhere holds the other nodes to it that no write and no read failed there
// while the victim was away.
func (t *Trial) elsewhere(victim *lab.Node, e fault.Entry) {
	pulses := elsewhere(t.Load.Record.Pulses(e.From, e.To), victim)
	reads := elsewhere(t.Load.Record.PulseReads(e.From, e.To), victim)
	var found []check.Finding
	for what, all := range map[string][]load.Pulse{"write": pulses, "linearizable read": reads} {
		for _, p := range all {
			if p.Error != "" {
				found = append(found, check.Finding{Check: "elsewhere", Says: fmt.Sprintf("%s: a %s at %s failed after %v: %s", e.Fault, what, p.Node, p.Took, p.Error)})
			}
		}
	}
	t.bench.Report.Judge("elsewhere", "writes and reads at other nodes", len(pulses)+len(reads), found)
}

// trailingLogs is how many Raft entries a node keeps for followers that are
// behind, whatever it has in snapshots.
const trailingLogs = 20_480

// snapshotFollower keeps a follower away until the others have dropped the log
// that it needs.
func (t *Trial) snapshotFollower(ctx context.Context) error {
	f := fault.Kill("follower away until it needs a snapshot", fault.FollowerFailure, fault.Follower, 0)
	var victim *lab.Node
	_, _, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		victim = injury.Nodes[0]
		if err := t.outgrow(ctx); err != nil {
			return err
		}
		return snapshot(ctx, t.Lab, t.Others(victim)...)
	})
	if err == nil {
		err = hasLine(victim, 0, "snapshot installed")
	}
	return err
}

// outgrow writes until a snapshot lets nodes drop all that they had of the log: a
// segment of it, and the entries that they keep after that.
func (t *Trial) outgrow(ctx context.Context) error {
	if err := t.pour(ctx, segment); err != nil {
		return err
	}
	return t.Fill(ctx, trailingLogs+2_000)
}
