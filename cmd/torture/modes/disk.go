package modes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
	"confman/replication/disk"
)

func diskFull() Mode {
	return Mode{fault.DiskFull, "disks of a follower, the leader, and two fill up; power cuts; a failed fsync; damaged files", runDiskFull}
}

// Free space at each level, with the least --min-free-bytes there may be.
const (
	roomy     = 2 << 30 // a disk
	belowSoft = 3 * disk.MinHardBytes / 2
	belowHard = 3 * disk.MinHardBytes / 4
)

// Promises of a full disk.
const (
	movesAway = "leadership has left a node whose disk is filling up"
	says507   = "writes are refused with 507 after a majority's disks are full"
	goesOn    = "all ready after space was given back"
)

func runDiskFull(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, lab.Config{DiskBytes: roomy, Args: []string{"--min-free-bytes", fmt.Sprint(disk.MinHardBytes)}}, load.Config{})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	for _, what := range []string{movesAway, says507, goesOn} {
		b.Report.Promise(what, 0, 0)
	}
	steps := []func(context.Context) error{t.fullFollower, t.fullLeader, t.fullMajority, t.brokenDisks, t.damagedFiles}
	for round := range b.Rounds(5) {
		if round > 0 && b.Over() {
			break
		}
		for _, step := range steps {
			t.Calm(ctx, time.Second)
			if err := step(ctx); err != nil {
				return err
			}
		}
	}
	return t.Verify(ctx)
}

// full does something that fills disks, and gives the space back.
func (t *Trial) full(ctx context.Context, name string, do func() error) error {
	var freed time.Time
	err := t.byHand(ctx, name, fault.DiskFull, func() error {
		err := do()
		freed = time.Now()
		for _, n := range t.Nodes() {
			_ = os.Remove(rest(n)) // if it is there
			err = errors.Join(err, n.Volume().Free())
		}
		return err
	})
	t.bench.Report.Measure(goesOn, time.Since(freed))
	return err
}

// rest is the file that holds the last bytes of a disk.
func rest(n *lab.Node) string { return filepath.Join(n.Volume().Dir(), "rest") }

// fill leaves so much free on the disks of nodes, and waits until they know: that
// they are at the level, or at a worse one where merges are owed some of the room.
func (t *Trial) fill(ctx context.Context, free int64, level disk.Level, nodes ...*lab.Node) error {
	for _, n := range nodes {
		if err := n.Volume().Fill(max(free, 1<<20)); err != nil {
			return err
		}
		if free == 0 {
			if err := exhaust(n); err != nil {
				return err
			}
		}
	}
	for _, n := range nodes {
		err := lab.Await(ctx, fmt.Sprintf("%s knows that its disk is at %v or worse", n.ID, level), func() error {
			a, err := t.Get(ctx, n, "/metrics")
			_, line, _ := strings.Cut(string(a.Body), "\nconfman_disk_level ")
			if line, _, _ = strings.Cut(line, "\n"); err == nil && line < fmt.Sprint(int(level)) {
				err = fmt.Errorf("it is at level %q", line)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exhaust takes the last byte of a disk, while its node takes some, too.
func exhaust(n *lab.Node) error {
	f, err := os.OpenFile(rest(n), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for page := make([]byte, 4<<10); err == nil; {
		_, err = f.Write(page)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// fullFollower leaves a follower without a byte, and kills it: the others go on,
// and it waits with its start until there is room.
func (t *Trial) fullFollower(ctx context.Context) error {
	return t.full(ctx, "disk of a follower full", func() error {
		chosen, err := fault.Follower(ctx, t.Lab, t.bench.RNG)
		if err != nil {
			return err
		}
		victim, began := chosen[0], time.Now()
		if err := t.fill(ctx, disk.MinHardBytes/4, disk.Critical, victim); err != nil {
			return err
		}
		t.Calm(ctx, time.Second)
		if err := t.fill(ctx, 0, disk.Critical, victim); err != nil {
			return err
		}
		t.Calm(ctx, time.Second)
		for range t.bench.Rounds(20) {
			if err := t.killFull(ctx, victim); err != nil {
				return err
			}
		}
		t.wrote("while a follower's disk was full", began)
		return nil
	})
}

// wrote holds the cluster to it that writes went on since a time.
func (t *Trial) wrote(when string, since time.Time) {
	var found []check.Finding
	if t.Load.Record.Acks(since, time.Now()) == 0 {
		found = append(found, check.Finding{Check: fault.DiskFull, Says: "nothing could be written " + when})
	}
	t.bench.Report.Judge(fault.DiskFull, "times in which writes must go on", 1, found)
}

// killFull kills a node whose disk is full and starts it again: it waits, and
// says for what.
func (t *Trial) killFull(ctx context.Context, n *lab.Node) error {
	n.Kill9()
	if err := n.Start(); err != nil {
		return err
	}
	return lab.Await(ctx, n.ID+" says that it waits for space", func() error {
		if !n.Running() {
			return errors.New("it has ended")
		}
		r, err := t.Ready(ctx, n)
		if err == nil && (len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "waiting for free space")) {
			err = fmt.Errorf("it says %q", r.Reasons)
		}
		return err
	})
}

// fullLeader fills the leader's disk: another leads, and goes on.
func (t *Trial) fullLeader(ctx context.Context) error {
	for _, level := range []disk.Level{disk.Soft, disk.Critical} {
		free := int64(belowSoft)
		if level == disk.Critical {
			free = 0
		}
		err := t.full(ctx, fmt.Sprintf("disk of the leader at the %v mark", level), func() error {
			victim, err := t.Leader(ctx)
			if err != nil {
				return err
			}
			began := time.Now()
			if err := t.fill(ctx, free, level, victim); err != nil {
				return err
			}
			if _, err := t.Leader(ctx, victim); err != nil {
				return err
			}
			t.bench.Report.Measure(movesAway, time.Since(began))
			moved := time.Now()
			t.Calm(ctx, 2*time.Second)
			t.wrote("after leadership had left a full disk", moved)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fullMajority leaves no majority with room: writes are refused with 507 before
// they are tried, deletions pass as long as they can, reads go on.
func (t *Trial) fullMajority(ctx context.Context) error {
	return t.full(ctx, "disks of a majority full", func() error {
		leader, err := t.Leader(ctx)
		if err != nil {
			return err
		}
		gone := "/api/v1/namespaces/" + load.Together + "/config/to-be-deleted"
		for _, path := range []string{gone, gone + "-not"} {
			if a, err := t.Do(ctx, leader, http.MethodPut, path, fmt.Sprintf(`{"value":"before-%d"}`, time.Now().UnixNano())); err != nil || a.Status >= http.StatusMultipleChoices {
				return fmt.Errorf("a write before disks are full: %v %w", a, err)
			}
		}
		victims := t.Others(leader)[:len(t.Nodes())/2+1]
		if err := t.fill(ctx, belowHard, disk.Hard, victims...); err != nil {
			return err
		}
		began := time.Now()
		why, err := t.refused(ctx, http.MethodPut, gone+"-not")
		if err != nil {
			return err
		}
		t.bench.Report.Measure(says507, time.Since(began))
		var found []check.Finding
		for _, n := range victims {
			if !strings.Contains(string(why.Body), n.ID) {
				found = append(found, check.Finding{Check: fault.DiskFull, Says: fmt.Sprintf("%s is full, and the refusal does not say so: %v", n.ID, why)})
			}
		}
		t.bench.Report.Judge(fault.DiskFull, "refusals with 507", 1, found)
		if err := t.whileFull(ctx, http.MethodDelete, gone); err != nil {
			return err
		}
		if err := t.fill(ctx, 0, disk.Critical, victims...); err != nil {
			return err
		}
		if _, err := t.refused(ctx, http.MethodDelete, gone+"-not"); err != nil {
			return err
		}
		// A leader that is elected now cannot commit, nor confirm a read: local ones go on.
		return t.whileFull(ctx, http.MethodGet, "/api/v1/namespaces")
	})
}

// refused waits until the leader refuses a write for lack of space.
func (t *Trial) refused(ctx context.Context, method, path string) (a lab.Answer, err error) {
	return a, lab.Await(ctx, method+" is refused with 507", func() error {
		leader, err := t.leads(ctx)
		if err != nil {
			return err
		}
		body := "" // else what changes something: what does not is not refused
		if method == http.MethodPut {
			body = fmt.Sprintf(`{"value":"full-%d"}`, time.Now().UnixNano())
		}
		a, err = t.Do(ctx, leader, method, path, body)
		if err == nil && a.Status != http.StatusInsufficientStorage {
			err = errors.New(a.String())
		}
		return err
	})
}

// whileFull does what must be possible although disks are full.
func (t *Trial) whileFull(ctx context.Context, method, path string) error {
	leader, err := t.leads(ctx)
	if err != nil {
		return err
	}
	var found []check.Finding
	if a, err := t.Do(ctx, leader, method, path, ""); err != nil || a.Status >= http.StatusMultipleChoices {
		found = append(found, check.Finding{Check: fault.DiskFull, Says: fmt.Sprintf("with full disks, %s is answered with %v %v", method, a, err)})
	}
	t.bench.Report.Judge(fault.DiskFull, "what full disks must not keep from being done", 1, found)
	return nil
}

// leads is whoever leads, ready or not.
func (t *Trial) leads(ctx context.Context) (*lab.Node, error) {
	for _, n := range t.Nodes() {
		if r, err := t.Ready(ctx, n); err == nil && r.Cluster.Role == wire.MemberLeader {
			return n, nil
		}
	}
	return nil, errors.New("nobody leads")
}
