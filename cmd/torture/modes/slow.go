package modes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

func slowFollower() Mode {
	return Mode{fault.SlowFollower, "fsync slow on one follower and on both, little CPU, 64 kbit/s until it needs a snapshot, the leader's fsync stalled", runSlowFollower}
}

// Promises of a slow follower.
const (
	hundred = "100 writes at the other nodes, " // then the fault's name
	exits   = "leader whose fsync is stalled exits"
	leads   = "another leads after that exit"
)

func runSlowFollower(ctx context.Context, b *Bench) error {
	b.Report.Promise(exits, 0, 4*time.Second) // the watchdog waits 3 s
	b.Report.Promise(leads, 0, time.Second)
	if err := slowDisks(ctx, b); err != nil {
		return err
	}
	return slowMachines(ctx, b)
}

// slowDisks delays fsyncs by more than the election timeout, on followers and at
// the leader.
func slowDisks(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, lab.Config{}, load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	const slow = "fsync,fdatasync:delay_enter=300000"
	for round := 0; round == 0 || !b.Over(); round++ {
		for _, f := range []fault.Fault{
			fault.Strace("fsync +300 ms on one follower", fault.SlowFollower, slow, fault.Follower, b.drags()),
			fault.Strace("fsync +300 ms on every follower", fault.SlowFollower, slow, everyFollower, b.drags()),
		} {
			if err := t.drag(ctx, f); err != nil {
				return err
			}
		}
		if err := t.stall(ctx); err != nil {
			return err
		}
	}
	return t.Verify(ctx)
}

// slowMachines has a follower with little CPU, and one behind a thin link, with an
// election timeout for such.
func slowMachines(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, lab.Config{Args: []string{"--election-timeout", "1s"}}, load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	if err := t.drag(ctx, fault.Starve("follower at 10 % of a core", fault.SlowFollower, 10, fault.Follower, b.drags())); err != nil {
		return err
	}
	if t.Networked() {
		if err := t.throttle(ctx); err != nil {
			return err
		}
	}
	return t.Verify(ctx)
}

// drags is how long a follower is slow.
func (b *Bench) drags() time.Duration {
	if b.Quick() {
		return 6 * time.Second
	}
	return 20 * time.Second
}

// everyFollower is all nodes but the leader.
func everyFollower(ctx context.Context, l *lab.Lab, _ *rand.Rand) ([]*lab.Node, error) {
	leader, err := l.Leader(ctx)
	return l.Others(leader), err
}

// elsewhereTook is how long 100 writes took at nodes that nothing is done to, by
// those that were acknowledged in a time; 0 when none was.
func (t *Trial) elsewhereTook(from, to time.Time, but []*lab.Node) time.Duration {
	acked := 0
	for _, p := range t.Load.Record.Pulses(from, to) {
		slow := slices.ContainsFunc(but, func(n *lab.Node) bool { return n.ID == p.Node })
		if !slow && p.Error == "" && p.Began.Add(p.Took).Before(to) {
			acked++
		}
	}
	return 100 * to.Sub(from) / time.Duration(max(1, acked))
}

// drag slows followers down: the leader and its term hold, its memory stays what
// it was, and as long as a majority is as fast as before, so are writes.
func (t *Trial) drag(ctx context.Context, f fault.Fault) error {
	began := time.Now()
	t.Calm(ctx, 4*time.Second)
	calm := time.Now()
	leader, term, err := t.reign(ctx)
	if err != nil {
		return err
	}
	before, err := t.memory(ctx, t.Nodes())
	if err != nil {
		return err
	}
	var found []check.Finding
	machine := watchStillness()
	var slow []*lab.Node
	e, _, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		slow = injury.Nodes
		from := time.Now()
		t.Calm(ctx, f.Hold)
		if majority := len(t.Nodes())/2 + 1; len(t.Nodes())-len(injury.Nodes) >= majority {
			usual := t.elsewhereTook(began, calm, injury.Nodes)
			t.bench.Report.Promise(hundred+f.Name, 0, usual*10/9)
			took := t.elsewhereTook(from, time.Now(), injury.Nodes)
			t.bench.Report.Measure(hundred+f.Name, took)
			if took > 2*usual {
				found = append(found, says("throughput", "%s: 100 writes took %v at the others, %v before", f.Name, took, usual))
			}
		}
		return nil
	})
	still := machine.end()
	if err != nil {
		return err
	}
	found = append(found, t.reigns(ctx, f.Name, leader, term, still)...)
	found = append(found, t.flat(ctx, f.Name, leader, before, slow...)...)
	if t.Load.Record.Acks(e.From, e.Healed) == 0 {
		found = append(found, says("throughput", "%s: nothing was written", f.Name))
	}
	t.bench.Report.Judge(fault.SlowFollower, "followers slowed down", 1, found)
	return nil
}

// reign is who leads, and its term.
func (t *Trial) reign(ctx context.Context) (leader *lab.Node, term uint64, err error) {
	if leader, err = t.Leader(ctx); err != nil {
		return nil, 0, err
	}
	term, err = t.maxTerm(ctx)
	return leader, term, err
}

// held is what a leader is held to unless the machine itself stood still.
const held = "leader changed while followers were slow, the machine stood still for"

// reigns finds fault with a leader or a term that did not hold. When the machine
// stood still for so long that they could not, that is noted only.
func (t *Trial) reigns(ctx context.Context, what string, leader *lab.Node, term uint64, still time.Duration) []check.Finding {
	now, at, err := t.reign(ctx)
	if err == nil && now == leader && at == term {
		return nil
	}
	name := "nobody"
	if now != nil {
		name = now.ID
	}
	f := says("leader", "%s: %s led in term %d, then %s in term %d: %v; the machine stood still for %v at most", what, leader.ID, term, name, at, err, still)
	if err == nil && still > mostStill {
		t.bench.Logf("not held against it: %s", f.Says)
		t.bench.Report.Measure(held, still)
		return nil
	}
	return []check.Finding{f}
}

// grown is how much more memory a leader may take than what is written takes
// anyway, because others are slow, in bytes.
const grown = 64 << 20

// memory is what nodes hold, by ID, in bytes.
func (t *Trial) memory(ctx context.Context, nodes []*lab.Node) (map[string]int64, error) {
	all := map[string]int64{}
	for _, n := range nodes {
		v, err := check.Measure(ctx, t.Lab, n)
		if err != nil {
			return nil, err
		}
		all[n.ID] = v.Resident
	}
	return all, nil
}

// flat finds fault with a leader that keeps in memory what slow followers lack.
// What is written meanwhile takes memory, too: as much as at a node that is not
// slow, or what is usual when there is none.
func (t *Trial) flat(ctx context.Context, what string, leader *lab.Node, before map[string]int64, slow ...*lab.Node) []check.Finding {
	now, err := t.memory(ctx, t.Others(slow...))
	if err != nil {
		return []check.Finding{says("memory", "%s: %v", what, err)}
	}
	more := func(n *lab.Node) int64 { return now[n.ID] - before[n.ID] }
	anyway := int64(grown)
	for _, n := range t.Others(append(slow, leader)...) {
		anyway = max(anyway, more(n))
	}
	if more(leader) > anyway+grown {
		return []check.Finding{says("memory", "%s: %s had %d MiB, and has %d MiB; what is written takes %d MiB", what, leader.ID, before[leader.ID]>>20, now[leader.ID]>>20, anyway>>20)}
	}
	return nil
}

// stall has the leader's disk hang: it must stop by itself, and say why. The
// process is gone only when the injection lets go of it.
func (t *Trial) stall(ctx context.Context) error {
	t.Calm(ctx, 2*time.Second)
	f := fault.Strace("leader's fsync stalled 8 s", fault.SlowFollower, "fsync,fdatasync:delay_enter=8000000", fault.Leader, 0)
	var leader *lab.Node
	var found []check.Finding
	lives := 0
	_, gap, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		leader = injury.Nodes[0]
		began, said := time.Now(), leader.LogSize()
		lives = leader.Lives()
		err := within(ctx, 7*time.Second, leader.ID+" stops", func() error { return hasLine(leader, said, "this node stops", "hangs") })
		if err != nil {
			found = append(found, says("watchdog", "the fsync of %s is stalled: %v", leader.ID, err))
			return nil
		}
		gone := time.Now()
		t.bench.Report.Measure(exits, gone.Sub(began))
		_, err = t.Leader(ctx, leader)
		t.bench.Report.Measure(leads, time.Since(gone))
		return err
	})
	if err != nil {
		return err
	}
	if leader.Lives() == lives {
		found = append(found, says("watchdog", "%s says that it stops, and goes on", leader.ID))
	}
	t.bench.Report.Measure("write gap: "+f.Name, gap)
	t.bench.Report.Judge(fault.SlowFollower, "leaders stalled", 1, found)
	return nil
}

// says is a finding in a sentence.
func says(name, format string, args ...any) check.Finding {
	return check.Finding{Check: name, Says: fmt.Sprintf(format, args...)}
}
