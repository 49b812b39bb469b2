package modes

import (
	"context"
	"fmt"
	"os"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
)

// rollingRestart restarts all nodes, one by one, as an upgrade does.
func (t *Trial) rollingRestart(ctx context.Context) error {
	e := fault.Entry{Fault: "all restarted, one by one", Mode: fault.FollowerFailure, Told: true}
	return t.handled(ctx, e, func() error {
		for _, n := range t.Nodes() {
			code, err := n.Term(ctx)
			if err != nil {
				return err
			}
			if code != 0 {
				return fmt.Errorf("%s ends with code %d when it is asked to", n.ID, code)
			}
			if err := n.Start(); err != nil {
				return err
			}
			if err := t.AwaitReady(ctx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// replaced loses a follower with all that it had, and puts a new node in its place.
func (t *Trial) replaced(ctx context.Context) error {
	return t.byHand(ctx, "follower lost and replaced", fault.FollowerFailure, func() error {
		chosen, err := fault.Follower(ctx, t.Lab, t.bench.RNG)
		if err != nil {
			return err
		}
		chosen[0].Kill9()
		return t.replace(ctx, chosen[0])
	})
}

// backedUp takes a backup under load, which must be whole, and has damaged ones
// refused.
func (t *Trial) backedUp(ctx context.Context) error {
	b, err := t.backup(ctx, "mixed")
	if err != nil {
		return err
	}
	defer os.Remove(b.path)
	said, err := t.Nodes()[0].Confman(ctx, "backup", "verify", b.path)
	if err != nil {
		return err
	}
	var found []check.Finding
	if said.Code != 0 {
		found = append(found, says(fault.SnapshotRestore, "a backup does not verify: %v", said))
	}
	t.bench.Report.Judge(fault.SnapshotRestore, "backups verified", 1, found)
	return t.badBackups(ctx, b)
}
