package modes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

func quorumLoss() Mode {
	return Mode{fault.QuorumLoss, "a majority is killed, all lose power, a majority is lost for good and the rest recovered", runQuorumLoss}
}

// Promises of a lost quorum.
const (
	turnsAway = "writes are refused with 503 after a majority is gone"
	turnsFast = "answer to a write while a majority is gone"
)

func runQuorumLoss(ctx context.Context, b *Bench) error {
	t, err := b.onDisks(ctx, lab.Config{DiskBytes: sparse})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	b.Report.Promise(turnsAway, 0, 2*time.Second)
	b.Report.Promise(turnsFast, 0, 2*time.Second)
	kill := fault.Kill("majority killed", fault.QuorumLoss, majority, 10*time.Second)
	plan := []fault.Fault{fault.Named(fault.All(), "power cut of all")}
	for round := range b.Rounds(5) {
		if round > 0 && b.Over() {
			break
		}
		t.Calm(ctx, time.Second)
		if err := t.loseQuorum(ctx, kill); err != nil {
			return err
		}
		for _, f := range fault.Fit(t.Lab, plan) {
			t.Calm(ctx, time.Second)
			if _, _, err := t.Strike(ctx, f, nil); err != nil {
				return err
			}
		}
	}
	for round := range b.Rounds(3) {
		if round > 0 && b.Over() {
			break
		}
		t.Calm(ctx, time.Second)
		if err := t.loseForGood(ctx, round); err != nil {
			return err
		}
	}
	return t.Verify(ctx)
}

// onDisks is a trial whose nodes have disks of their own, where that can be.
func (b *Bench) onDisks(ctx context.Context, c lab.Config) (*Trial, error) {
	t, err := b.Trial(ctx, c, load.Config{})
	if errors.Is(err, lab.ErrNoDisk) {
		b.Logf("faults of the disk are left out: %v", err)
		c.DiskBytes = 0
		t, err = b.Trial(ctx, c, load.Config{})
	}
	return t, err
}

// majority is more than half of the nodes, the leader among them or not.
func majority(_ context.Context, l *lab.Lab, rng *rand.Rand) (chosen []*lab.Node, err error) {
	nodes := l.Nodes()
	for _, i := range rng.Perm(len(nodes))[:len(nodes)/2+1] {
		chosen = append(chosen, nodes[i])
	}
	return chosen, nil
}

// loseQuorum kills a majority. Whoever is left refuses writes soon and never
// hangs, and goes on with local reads that say what they are.
func (t *Trial) loseQuorum(ctx context.Context, f fault.Fault) error {
	_, _, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		began := time.Now()
		var left sync.WaitGroup
		for _, n := range t.Others(injury.Nodes...) {
			left.Go(func() {
				found := t.turnedAway(ctx, n, began, f.Hold)
				t.bench.Report.Judge(f.Mode, "nodes left without a quorum", 1, found)
				t.minority(ctx, n)
			})
		}
		left.Wait()
		return nil
	})
	return err
}

// turnedAway writes and reads at a node that is left since a time, again and
// again for a while.
func (t *Trial) turnedAway(ctx context.Context, n *lab.Node, since time.Time, long time.Duration) (found []check.Finding) {
	say := func(format string, args ...any) {
		found = append(found, check.Finding{Check: fault.QuorumLoss, Says: n.ID + " has no quorum, and " + fmt.Sprintf(format, args...)})
	}
	first := true
	for i := 0; time.Since(since) < long && ctx.Err() == nil && len(found) < 5; i++ {
		path := fmt.Sprintf("/api/v1/namespaces/%s/config/without-a-quorum-%d", load.Pulses, i%10)
		asked := time.Now()
		a, err := t.Do(ctx, n, http.MethodPut, path, fmt.Sprintf(`{"value":"without-%s-%d"}`, n.ID, asked.UnixNano()))
		t.bench.Report.Measure(turnsFast, time.Since(asked))
		switch {
		case err != nil:
			say("leaves a write without an answer: %v", err)
		case a.Status < http.StatusMultipleChoices:
			say("acknowledges a write: %v", a)
		case a.Status == http.StatusServiceUnavailable && first:
			first = false
			t.bench.Report.Measure(turnsAway, time.Since(since))
		case a.Status == http.StatusServiceUnavailable || a.Problem() == wire.ProblemOutcomeUnknown:
		case first && a.Status == http.StatusTemporaryRedirect: // to the leader that is gone
		default:
			say("answers a write with %v", a)
		}
		if a, err := t.Get(ctx, n, "/api/v1/namespaces/"+load.Pulses+"/config?limit=1"); err != nil || a.Status != http.StatusOK {
			say("does not serve a local read: %v %v", a, err)
		}
		t.Calm(ctx, 200*time.Millisecond)
	}
	if first {
		say("never refused a write with 503")
	}
	a, err := t.Get(ctx, n, "/api/v1/namespaces/"+load.Pulses+"/config?limit=1&consistency="+wire.ConsistencyLinearizable)
	if err == nil && a.Status < http.StatusInternalServerError {
		say("answers a linearizable read: %v", a)
	}
	return found
}
