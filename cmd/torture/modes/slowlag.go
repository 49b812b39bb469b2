package modes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// lagSaid is how many entries a follower lacks when the leader's log says so.
const lagSaid = 4096

// throttle gives a follower 64 kbit/s while so much is written that the others
// drop the log it needs; in a quick run, so much that the leader must say that it
// lags. The leader's metric must be true meanwhile.
func (t *Trial) throttle(ctx context.Context) error {
	f := fault.Throttle("follower at 64 kbit/s", fault.SlowFollower, 64, fault.Follower, 0)
	leader, term, err := t.reign(ctx)
	if err != nil {
		return err
	}
	before, err := t.memory(ctx, t.Nodes())
	if err != nil {
		return err
	}
	var slow *lab.Node
	var found []check.Finding
	saidLeader, saidSlow := leader.LogSize(), int64(0)
	machine := watchStillness()
	_, _, err = t.Strike(ctx, f, func(injury fault.Injury) error {
		slow = injury.Cut[0]
		saidSlow = slow.LogSize()
		if err := t.lengthen(ctx); err != nil {
			return err
		}
		if err := saysEither(ctx, leader, saidLeader, slow, "member lags", "member unreachable"); err != nil {
			found = append(found, says("lag", "%v", err))
		}
		if err := t.trueLag(ctx, leader, slow); err != nil {
			found = append(found, says("lag", "%v", err))
		}
		found = append(found, t.flat(ctx, f.Name, leader, before, slow)...)
		if t.bench.Quick() {
			return nil
		}
		return snapshot(ctx, t.Lab, t.Others(slow)...)
	})
	still := machine.end()
	if err != nil {
		return err
	}
	found = append(found, t.reigns(ctx, f.Name, leader, term, still)...)
	if err := saysEither(ctx, leader, saidLeader, slow, "member has caught up", "member is back"); err != nil {
		found = append(found, says("lag", "%v", err))
	}
	if !t.bench.Quick() {
		if err := hasLine(slow, saidSlow, "snapshot installed"); err != nil {
			found = append(found, says("snapshot", "%v", err))
		}
	}
	t.bench.Report.Judge(fault.SlowFollower, "followers throttled", 1, found)
	return nil
}

// lengthen writes so much that a follower which lacks it lags or, unless the run is
// quick, needs a snapshot.
func (t *Trial) lengthen(ctx context.Context) error {
	if t.bench.Quick() {
		return t.Fill(ctx, lagSaid+2_000)
	}
	return t.outgrow(ctx)
}

// saysEither waits until a leader's log has one of two messages about a member: one
// that answers in time lags, one that does not is unreachable.
func saysEither(ctx context.Context, leader *lab.Node, since int64, member *lab.Node, one, other string) error {
	return within(ctx, 20*time.Second, leader.ID+" says how "+member.ID+" is", func() error {
		if hasLine(leader, since, one, member.ID) == nil {
			return nil
		}
		return hasLine(leader, since, other, member.ID)
	})
}

// snapshot has nodes take one, which lets them drop their log.
func snapshot(ctx context.Context, l *lab.Lab, nodes ...*lab.Node) error {
	for _, n := range nodes {
		if a, err := l.Do(ctx, n, http.MethodPost, "/api/v1/cluster/snapshot", ""); err != nil || a.Status >= http.StatusBadRequest {
			return fmt.Errorf("snapshot at %s: %v %w", n.ID, a, err)
		}
	}
	return nil
}

// trueLag waits until what the leader's metric says of a follower is what the two
// say of themselves. The metric is a second old at most, and counts what the
// leader knows.
func (t *Trial) trueLag(ctx context.Context, leader, slow *lab.Node) error {
	return within(ctx, 20*time.Second, "the metric of the lag is true", func() error {
		ahead, err := t.Cluster(ctx, leader)
		if err != nil {
			return err
		}
		behind, err := t.Cluster(ctx, slow)
		if err != nil {
			return err
		}
		metric, err := t.metric(ctx, leader, fmt.Sprintf("confman_raft_member_lag_entries{member=%q}", slow.ID))
		if err != nil {
			return err
		}
		lag := float64(ahead.RaftIndex) - float64(behind.RaftIndex)
		if tolerated := 500 + lag/10; lag < lagSaid/2 || metric < lag-tolerated || metric > lag+tolerated {
			return fmt.Errorf("it is %v, %s is at entry %d and %s at %d", metric, leader.ID, ahead.RaftIndex, slow.ID, behind.RaftIndex)
		}
		return nil
	})
}

// metric is the value of one series of a node.
func (t *Trial) metric(ctx context.Context, n *lab.Node, series string) (float64, error) {
	a, err := t.Get(ctx, n, "/metrics")
	if err != nil {
		return 0, fmt.Errorf("metrics of %s: %w", n.ID, err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(a.Body)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", n.ID, series)
}

// hasLine returns nil when a line of a node's log, from a place on, has all texts.
func hasLine(n *lab.Node, since int64, texts ...string) error {
	said, err := n.LogSince(since)
	if err != nil {
		return err
	}
	for line := range strings.Lines(said) {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return nil
		}
	}
	return errors.New(n.ID + " does not log " + strings.Join(texts, ", "))
}

// within calls f until it succeeds or a time is up.
func within(ctx context.Context, limit time.Duration, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return lab.Await(ctx, what, f)
}
