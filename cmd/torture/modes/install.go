package modes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// installKill is when somebody is killed while a new node is sent a snapshot.
type installKill struct {
	name    string
	leader  bool // is killed, not the new node
	reached func(dir string) bool
	then    func(t *Trial, n *lab.Node) error // to what the killed node has
}

func installKills() []installKill {
	exists := func(pattern string) func(string) bool {
		return func(dir string) bool {
			found, _ := filepath.Glob(filepath.Join(dir, "views", pattern))
			return len(found) > 0
		}
	}
	switched := func(dir string) bool {
		content, _ := os.ReadFile(filepath.Join(dir, "views", "CURRENT"))
		return strings.Contains(string(content), `"generation":2`)
	}
	return []installKill{
		{name: "nobody"},
		{name: "the leader, in mid-install", leader: true, reached: exists("snapshots/received-*")},
		{name: "the node, snapshot received", reached: exists("snapshots/META")},
		{name: "the node, snapshot received and damaged", reached: exists("snapshots/META"), then: damageReceived},
		{name: "the node, restore begun", reached: exists("generation-000002")},
		{name: "the node, switched", reached: switched},
	}
}

// damageReceived flips a bit of the snapshot that waits to be installed, if there
// is still one.
func damageReceived(t *Trial, n *lab.Node) error {
	found, err := filepath.Glob(filepath.Join(n.Data, "views", "snapshots", "received-*"))
	if err != nil || len(found) == 0 {
		return err
	}
	return flip(1)(found[0], 0, t.bench.RNG)
}

// install puts a new node in the place of a follower, which must be sent a
// snapshot, and kills somebody meanwhile.
func (t *Trial) install(ctx context.Context, k installKill) error {
	return t.byHand(ctx, "installing a snapshot, killed: "+k.name, fault.SnapshotRestore, func() error {
		chosen, err := fault.Follower(ctx, t.Lab, t.bench.RNG)
		if err != nil {
			return err
		}
		old := chosen[0]
		leader, err := t.Leader(ctx)
		if err != nil {
			return err
		}
		old.Kill9()
		began := time.Now()
		fresh, err := t.renew(old)
		if err != nil {
			return err
		}
		if k.leader && t.Networked() { // or it is over before anybody can be killed
			if err := t.RateLimit(fresh, 4000); err != nil {
				return err
			}
		}
		var killing sync.WaitGroup
		if k.reached != nil {
			killing.Go(func() { err = t.killInstalling(ctx, k, fresh, leader) })
		}
		if failed := t.comeIn(ctx, old, fresh); failed != nil {
			return failed
		}
		killing.Wait()
		if err != nil {
			return err
		}
		if err := t.AwaitReady(ctx, t.Nodes()...); err != nil {
			return err
		}
		t.bench.Report.Measure(installs, time.Since(began))
		said, err := fresh.LogSince(0)
		var found []check.Finding
		if err == nil && (k.reached == nil || k.leader) && !strings.Contains(said, "snapshot installed") {
			found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: fresh.ID + " does not say that it has installed a snapshot"})
		}
		t.bench.Report.Judge(fault.SnapshotRestore, "snapshots installed on new nodes", 1, found)
		return err
	})
}

// killInstalling kills when the new node has come so far, and starts again.
func (t *Trial) killInstalling(ctx context.Context, k installKill, fresh, leader *lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, lab.Patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond) // it may be a matter of few
	defer tick.Stop()
	for !k.reached(fresh.Data) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s never came so far: %w", fresh.ID, ctx.Err())
		}
	}
	victim := fresh
	if k.leader {
		victim = leader
	}
	victim.Kill9()
	if k.leader && t.Networked() {
		if err := t.Heal(); err != nil {
			return err
		}
	}
	if k.then == nil {
		return victim.Start()
	}
	if err := k.then(t, victim); err != nil {
		return err
	}
	return t.startTwice(ctx, victim)
}

// startTwice starts a node that may end once, because it finds and drops a
// snapshot that is damaged.
func (t *Trial) startTwice(ctx context.Context, n *lab.Node) error {
	if err := n.Start(); err != nil {
		return err
	}
	return lab.Await(ctx, n.ID+" is ready or has ended", func() error {
		if !n.Running() {
			return n.Start()
		}
		r, err := t.Ready(ctx, n)
		if err == nil && r.Status != wire.StatusReady {
			err = errors.New(strings.Join(r.Reasons, "; "))
		}
		return err
	})
}

// renew starts an empty node in the place of one that is down; it waits to be
// added.
func (t *Trial) renew(old *lab.Node) (*lab.Node, error) {
	if err := os.RemoveAll(old.Data); err != nil {
		return nil, err
	}
	t.renewed++
	fresh, err := t.Renew(old, fmt.Sprintf("fresh-%d", t.renewed), nil)
	if err != nil {
		return nil, err
	}
	return fresh, fresh.Start()
}

// comeIn has a node take the place of one that is gone, by the one command that
// there is for it, which is given again when it could not go on.
func (t *Trial) comeIn(ctx context.Context, old, fresh *lab.Node) error {
	return lab.Await(ctx, fresh.ID+" takes the place of "+old.ID, func() error {
		others := slices.DeleteFunc(t.Others(fresh), func(n *lab.Node) bool { return !n.Running() })
		if len(others) == 0 {
			return errors.New("nobody runs")
		}
		ctx, cancel := context.WithTimeout(ctx, lab.Patience) // it waits for as long as it takes
		defer cancel()
		said, err := others[0].Confman(ctx, "cluster", "replace", "--yes", old.ID, fresh.ID, fresh.Address)
		if err == nil && said.Code != 0 {
			err = errors.New(said.String())
		}
		return err
	})
}
