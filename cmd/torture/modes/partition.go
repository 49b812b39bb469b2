package modes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

func networkPartition() Mode {
	return Mode{fault.NetworkPartition, "A follower, B leader, C one way, D one pair, E loss, F flapping", runNetworkPartition}
}

// Promises of a partition.
const (
	stepsDown = "old leader stops claiming leadership"
	answers   = "write pending at the old leader is answered"
	heals     = "all ready after a partition is healed"
)

func runNetworkPartition(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, swift(), load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	if !t.Networked() {
		return errors.New("network partitions need networks of their own, which need root")
	}
	b.Report.Promise(stepsDown, 0, 200*time.Millisecond) // the lease is 100 ms
	b.Report.Promise(answers, 0, 2*time.Second)
	b.Report.Promise(heals, 0, 2*time.Second)
	for round := range b.Rounds(5) {
		for _, f := range fault.Partitions() {
			if round > 0 && b.Over() {
				break
			}
			t.Calm(ctx, time.Second)
			if err := t.part(ctx, f); err != nil {
				return err
			}
		}
	}
	return t.Verify(ctx)
}

// part makes a partition and holds both sides to what they owe.
func (t *Trial) part(ctx context.Context, f fault.Fault) error {
	leader, err := t.Leader(ctx)
	if err != nil {
		return err
	}
	var before uint64
	e, gap, err := t.Strike(ctx, f, func(injury fault.Injury) error {
		began := time.Now()
		switch f.Name[:1] {
		case "A":
			t.minority(ctx, injury.Cut[0])
		case "B":
			t.deposed(ctx, leader)
		}
		t.Calm(ctx, f.Hold-time.Since(began))
		before, err = t.maxTerm(ctx)
		return err
	})
	if err != nil {
		return err
	}
	r := t.bench.Report
	r.Measure(writeGap+f.Name, gap)
	r.Measure(heals, e.To.Sub(e.Healed))
	var found []check.Finding
	if t.Load.Record.Acks(e.From, e.Healed) == 0 {
		found = append(found, check.Finding{Check: "partition", Says: f.Name + ": nothing could be written while it held"})
	}
	after, err := t.maxTerm(ctx)
	if err != nil {
		return err
	}
	if after > before+1 {
		found = append(found, check.Finding{Check: "partition", Says: fmt.Sprintf("%s: the term grew from %d to %d by healing", f.Name, before, after)})
	}
	r.Judge("partition", "partitions", 1, found)
	return nil
}

// minority holds a node that is cut off to it: it says so, and goes on serving
// local reads that are marked.
func (t *Trial) minority(ctx context.Context, n *lab.Node) {
	err := lab.Await(ctx, n.ID+" says that it knows no leader", func() error {
		a, err := t.Get(ctx, n, "/api/v1/namespaces/"+load.Pulses+"/config?limit=1")
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK || a.Header.Get(wire.HeaderLeaderKnown) != "false" || a.Header.Get(wire.HeaderStaleMs) == "" {
			return fmt.Errorf("leader known %q, stale %q: %v", a.Header.Get(wire.HeaderLeaderKnown), a.Header.Get(wire.HeaderStaleMs), a)
		}
		return nil
	})
	var found []check.Finding
	if err != nil {
		found = append(found, check.Finding{Check: "partition", Says: err.Error()})
	}
	t.bench.Report.Judge("partition", "local reads in the minority", 1, found)
}

// deposed holds a leader that is cut off to it: it stops claiming to lead, refuses
// what only a leader may answer, and leaves no write waiting.
func (t *Trial) deposed(ctx context.Context, n *lab.Node) {
	began, r := time.Now(), t.bench.Report
	pending := make(chan check.Finding, 1)
	go func() { pending <- t.pending(ctx, n) }()
	err := lab.Await(ctx, n.ID+" claims to lead no more", func() error {
		ready, err := t.Ready(ctx, n)
		if err == nil && ready.Cluster.Role == wire.MemberLeader {
			err = errors.New("it does")
		}
		return err
	})
	var found []check.Finding
	if err != nil {
		found = append(found, check.Finding{Check: "partition", Says: err.Error()})
	}
	r.Measure(stepsDown, time.Since(began))
	a, err := t.Get(ctx, n, "/api/v1/namespaces/"+load.Pulses+"/config?limit=1&consistency="+wire.ConsistencyLinearizable)
	if err == nil && a.Status < http.StatusInternalServerError {
		found = append(found, check.Finding{Check: "partition", Says: fmt.Sprintf("%s is cut off and answers a linearizable read: %v", n.ID, a)})
	}
	if f := <-pending; f.Says != "" {
		found = append(found, f)
	}
	r.Judge("partition", "leaders cut off", 1, found)
	t.minority(ctx, n)
}

// pending writes at a leader that is cut off, which must not succeed.
func (t *Trial) pending(ctx context.Context, n *lab.Node) (f check.Finding) {
	began := time.Now()
	a, err := t.Do(ctx, n, http.MethodPut, "/api/v1/namespaces/"+load.Pulses+"/config/pending", fmt.Sprintf(`{"value":"pending-%d"}`, began.UnixNano()))
	t.bench.Report.Measure(answers, time.Since(began))
	switch {
	case err != nil:
		f.Says = fmt.Sprintf("a write at %s, which is cut off, was not answered: %v", n.ID, err)
	case a.Status < http.StatusMultipleChoices:
		f.Says = fmt.Sprintf("a write at %s, which is cut off, was acknowledged: %v", n.ID, a)
	case a.Status >= http.StatusBadRequest && a.Status != http.StatusServiceUnavailable && a.Problem() != wire.ProblemOutcomeUnknown:
		f.Says = fmt.Sprintf("a write at %s, which is cut off, ended with %v", n.ID, strings.TrimSpace(a.String()))
	}
	f.Check = "partition"
	return f
}
