package modes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
)

func snapshotRestore() Mode {
	return Mode{fault.SnapshotRestore, "snapshots that cannot be made or sent, kills in mid-install, good and bad backups", runSnapshotRestore}
}

// Promises about snapshots.
const (
	alarms   = "failed snapshot is counted after it was due"
	installs = "node that needs a snapshot is ready"
)

func runSnapshotRestore(ctx context.Context, b *Bench) error {
	kept, err := b.logs(ctx)
	if err != nil {
		return err
	}
	t, err := b.Trial(ctx, lab.Config{DiskBytes: sparse, Binary: kept.binary, Args: []string{"--election-timeout", "1s"}}, load.Config{})
	if err != nil {
		return err
	}
	defer t.Close()                             //nolint:errcheck // what matters has been verified
	b.Report.Promise(alarms, 0, 20*time.Second) // two intervals
	b.Report.Promise(installs, 0, 0)
	old, err := t.backup(ctx, "older")
	if err != nil {
		return err
	}
	if err := t.failingSnapshots(ctx, kept); err != nil {
		return err
	}
	for i := range installKills() {
		if err := t.install(ctx, installKills()[i]); err != nil {
			return err
		}
	}
	for i := len(installKills()); i < b.Rounds(20) && !b.Over(); i++ {
		t.Calm(ctx, time.Second)
		if err := t.install(ctx, installKills()[t.bench.RNG.IntN(len(installKills()))]); err != nil {
			return err
		}
	}
	newest, err := t.backup(ctx, "newer")
	if err != nil {
		return err
	}
	if err := t.badBackups(ctx, newest); err != nil {
		return err
	}
	if err := t.Verify(ctx); err != nil {
		return err
	}
	for _, one := range []backup{old, newest} {
		if err := t.restored(ctx, one); err != nil {
			return fmt.Errorf("restore the %s backup: %w", one.name, err)
		}
	}
	return nil
}

// failingSnapshots keeps one follower from marking snapshots and the leader from
// sending any, while another follower comes to need one: writes go on, it is
// counted, and all is well as soon as the reason is gone.
func (t *Trial) failingSnapshots(ctx context.Context, kept logged) error {
	return t.byHand(ctx, "snapshots cannot be made or sent", fault.SnapshotRestore, func() error {
		leader, err := t.Leader(ctx)
		if err != nil {
			return err
		}
		others := t.Others(leader)
		marks, waits := others[0], others[1]
		waits.Kill9() // not paused: what is sent to it then waits in the kernel
		generation, err := filepath.Glob(filepath.Join(marks.Data, "views", "generation-*"))
		if err != nil || len(generation) != 1 {
			return fmt.Errorf("generations of %s: %v %w", marks.ID, generation, err)
		}
		writable, err := unwritable(generation[0])
		if err != nil {
			return err
		}
		err = errors.Join(t.unmarked(ctx, marks, kept), writable())
		if err != nil {
			return err
		}
		for _, n := range t.Others(waits) {
			if a, err := t.Do(ctx, n, http.MethodPost, "/api/v1/cluster/snapshot", ""); err != nil || a.Status >= http.StatusBadRequest {
				return fmt.Errorf("snapshot at %s, which nothing keeps from it: %v %w", n.ID, a, err)
			}
		}
		if err := t.unsent(ctx, "unwritable", unwritable, waits); err != nil {
			return err
		}
		if err := t.unsent(ctx, "full", fullDir, waits); err != nil {
			return err
		}
		return t.climbs(ctx, waits)
	})
}

// segment is more megabytes than a file of the Raft log holds: entries are gone
// only when their file is, however many have been dropped.
const segment = 70

// unmarked writes until a node should have made snapshots, which it cannot, and
// until the others have dropped the log that a follower needs.
func (t *Trial) unmarked(ctx context.Context, n *lab.Node, kept logged) error {
	before, err := t.failures(ctx, n)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := t.Fill(ctx, kept.threshold+100); err != nil {
		return err
	}
	due := time.Now()
	if err := t.alarmed(ctx, before, n); err != nil {
		return err
	}
	t.bench.Report.Measure(alarms, max(time.Since(due), time.Millisecond))
	if err := t.pour(ctx, segment); err != nil {
		return err
	}
	err = t.Fill(ctx, kept.trailing)
	t.bench.Logf("the log has grown by %d entries in %v", kept.threshold+100+kept.trailing, time.Since(began).Round(time.Second))
	t.wrote("while snapshots could not be made", due)
	return err
}

// unsent lets a follower go on that needs a snapshot, which nobody can send.
func (t *Trial) unsent(ctx context.Context, why string, block func(string) (func() error, error), waits *lab.Node) (err error) {
	others := t.Others(waits)
	for _, n := range others {
		free, failed := block(filepath.Join(n.Data, "views", "snapshots"))
		defer func() { err = errors.Join(err, free()) }()
		if failed != nil {
			return failed
		}
	}
	before, err := t.failures(ctx, others...)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := waits.Start(); err != nil {
		return err
	}
	if err := t.alarmed(ctx, before, others...); err != nil {
		return fmt.Errorf("the directory of snapshots is %s: %w", why, err)
	}
	t.bench.Report.Measure(alarms, time.Since(began))
	t.Calm(ctx, time.Second)
	t.wrote("while a snapshot could not be sent", began)
	waits.Kill9()
	return nil
}

// failures is how many snapshots of some nodes failed, as they say.
func (t *Trial) failures(ctx context.Context, nodes ...*lab.Node) (count int, err error) {
	for _, n := range nodes {
		a, err := t.Get(ctx, n, "/metrics")
		if err != nil {
			return 0, err
		}
		_, rest, ok := strings.Cut(string(a.Body), "\nconfman_snapshot_failures_total ")
		if !ok {
			return 0, fmt.Errorf("%s does not count failed snapshots", n.ID)
		}
		text, _, _ := strings.Cut(rest, "\n")
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, fmt.Errorf("failed snapshots of %s: %w", n.ID, err)
		}
		count += int(f)
	}
	return count, nil
}

func (t *Trial) alarmed(ctx context.Context, before int, nodes ...*lab.Node) error {
	return lab.Await(ctx, "a snapshot that failed is counted", func() error {
		now, err := t.failures(ctx, nodes...)
		if err == nil && now <= before {
			err = fmt.Errorf("%d, before %d", now, before)
		}
		return err
	})
}

// unwritable keeps everybody, root too, from changing what is in a directory.
func unwritable(dir string) (undo func() error, err error) {
	change := func(how string) error {
		if out, err := exec.Command("chattr", how, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("chattr %s %s: %w: %s", how, dir, err, out)
		}
		return nil
	}
	return func() error { return change("-i") }, change("+i")
}

// fullDir puts a file system without room over a directory.
func fullDir(dir string) (undo func() error, err error) {
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
	return func() error { return syscall.Unmount(dir, syscall.MNT_DETACH) }, err
}

// climbs starts a follower that needs a snapshot and waits until it is ready: what it has applied never
// goes down on the way.
func (t *Trial) climbs(ctx context.Context, n *lab.Node) error {
	place, began, last := n.LogSize(), time.Now(), uint64(0)
	if err := n.Start(); err != nil {
		return err
	}
	var found []check.Finding
	err := lab.Await(ctx, n.ID+" has installed a snapshot", func() error {
		if r, err := t.Ready(ctx, n); err == nil {
			if r.EventIndex < last {
				found = append(found, check.Finding{Check: fault.SnapshotRestore, Says: fmt.Sprintf("%s was at event %d and is at %d", n.ID, last, r.EventIndex)})
			}
			last = max(last, r.EventIndex)
		}
		said, err := n.LogSince(place)
		if err == nil && !strings.Contains(said, "snapshot installed") {
			err = errors.New("its log does not say so")
		}
		return err
	})
	if err == nil {
		err = t.AwaitReady(ctx, n)
	}
	t.bench.Report.Measure(installs, time.Since(began))
	t.bench.Report.Judge(fault.SnapshotRestore, "nodes whose index must not go down", 1, found)
	return err
}
