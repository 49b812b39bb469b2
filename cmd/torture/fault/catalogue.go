package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"confman/cmd/torture/lab"
)

// Failure modes, as docs/failure-modes.md and the flag --mode name them.
const (
	FollowerFailure  = "follower-failure"
	LeaderFailure    = "leader-failure"
	QuorumLoss       = "quorum-loss"
	NetworkPartition = "network-partition"
	SlowFollower     = "slow-follower"
	DiskFull         = "disk-full"
	SnapshotRestore  = "snapshot-restore"
	Bootstrap        = "bootstrap"
	ClientSide       = "client-side"
)

// All are the faults that a cluster under load may meet at any time, each with
// the time that it holds.
func All() []Fault {
	all := []Fault{
		Kill("follower killed", FollowerFailure, Follower, 3*time.Second),
		Terminate("follower terminated", FollowerFailure, Follower, time.Second),
		Kill("leader killed", LeaderFailure, Leader, 2*time.Second),
		Pause("leader paused", LeaderFailure, Leader, 3*time.Second),
		Terminate("leader terminated", LeaderFailure, Leader, time.Second),
		Kill("two killed", QuorumLoss, two, 4*time.Second),
		Kill("all killed", QuorumLoss, Everyone, time.Second),
		Pause("follower paused", SlowFollower, Follower, 4*time.Second),
		Mildly(Strace("one follower's fsync slow", SlowFollower, "fsync,fdatasync:delay_enter=300000", Follower, 6*time.Second)),
		Mildly(Starve("follower starved of CPU", SlowFollower, 10, Follower, 6*time.Second)),
		Strace("leader's fsync stalled", SlowFollower, "fsync,fdatasync:delay_enter=8000000", Leader, 6*time.Second),
		Strace("follower's fsync fails once", DiskFull, "fsync,fdatasync:error=EIO:when=1", Follower, 2*time.Second),
		Strace("leader's fsync fails once", DiskFull, "fsync,fdatasync:error=EIO:when=1", Leader, 2*time.Second),
		PowerCut("power cut of all", QuorumLoss, Everyone, time.Second),
		PowerCut("power cut of the leader", DiskFull, Leader, 2*time.Second),
		snapshots(),
		transfer(),
		Jump("leader's clock 10 min ahead", FollowerFailure, 10*time.Minute, Leader, 5*time.Second),
		Jump("leader's clock 10 min behind", FollowerFailure, -10*time.Minute, Leader, 5*time.Second),
		Jump("follower's clock 10 min ahead", FollowerFailure, 10*time.Minute, Follower, 5*time.Second),
	}
	all = append(all, Partitions()...)
	killTwo := Kill("two followers of five killed", FollowerFailure, followers(2), 3*time.Second)
	killTwo.Nodes = 5
	return append(all, Held(), killTwo, Throttle("follower at 64 kbit/s", SlowFollower, 64, Follower, 6*time.Second))
}

// Mildly says that a fault takes nobody away.
func Mildly(f Fault) Fault {
	f.Mild = true
	return f
}

// Partitions are the faults A to F of network partitions.
func Partitions() []Fault {
	return []Fault{
		Cut("A: follower cut off", NetworkPartition, Follower, 5*time.Second),
		Cut("B: leader cut off", NetworkPartition, Leader, 5*time.Second),
		Deafen("C: leader hears nobody", NetworkPartition, false, Leader, 5*time.Second),
		Deafen("C: nobody hears the leader", NetworkPartition, true, Leader, 5*time.Second),
		Part("D: one pair parted", NetworkPartition, 5*time.Second),
		Lose("E: 30 % of packets lost", NetworkPartition, 30, 5*time.Second),
		Flap("F: leader flaps every 300 ms", NetworkPartition, 300*time.Millisecond, Leader, 20*time.Second),
	}
}

// Held is near the schedule of hashicorp/raft #695, in which a leader's entry was
// replaced on one node by one that had never been acknowledged: the leader is held
// in the fsync of an entry, cut off until another leads, and reached by that one
// before the fsync ends.
func Held() Fault {
	slow := Strace("", "", "fsync,fdatasync:delay_enter=2000000", Leader, 0)
	cut := Cut("", "", Leader, 0)
	return Fault{Name: "leader held in fsync over a partition", Mode: LeaderFailure, Hold: 3 * time.Second, Network: true, Alone: true, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		below, err := slow.Inject(ctx, l, rng)
		if err != nil {
			return below, err
		}
		above, err := cut.Inject(ctx, l, rng)
		both := Both(above, below)
		if err != nil {
			return both, err
		}
		if _, err := l.Leader(ctx, above.Cut...); err != nil {
			return both, err
		}
		return both, l.Heal()
	}}
}

// Fit are those of some faults that a lab can make.
func Fit(l *lab.Lab, all []Fault) []Fault {
	return slices.DeleteFunc(slices.Clone(all), func(f Fault) bool {
		return f.Network && !l.Networked() || f.Disk && l.Nodes()[0].Volume() == nil || f.Clock && !l.Clocks() || f.Nodes > len(l.Nodes())
	})
}

// Named is one of some faults; that there is none such is a mistake of the
// program.
func Named(all []Fault, name string) Fault {
	i := slices.IndexFunc(all, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		panic("no fault is called " + name)
	}
	return all[i]
}

// snapshots has every node take one, which lets it drop its log.
func snapshots() Fault {
	return Fault{Name: "snapshots taken", Mode: SnapshotRestore, Hold: time.Second, Mild: true, Inject: func(ctx context.Context, l *lab.Lab, _ *rand.Rand) (Injury, error) {
		for _, n := range l.Nodes() {
			a, err := l.Do(ctx, n, http.MethodPost, "/api/v1/cluster/snapshot", "")
			if err != nil || a.Status >= http.StatusInternalServerError && a.Status != http.StatusServiceUnavailable {
				return Injury{}, fmt.Errorf("snapshot at %s: %v %w", n.ID, a, err)
			}
		}
		return Injury{}, nil
	}}
}

// transfer hands leadership to another node.
func transfer() Fault {
	return Fault{Name: "leadership handed over", Mode: LeaderFailure, Hold: time.Second, Inject: func(ctx context.Context, l *lab.Lab, _ *rand.Rand) (Injury, error) {
		leader, err := l.Leader(ctx)
		if err != nil {
			return Injury{}, err
		}
		_, err = l.Do(ctx, leader, http.MethodPost, "/api/v1/cluster/transfer-leader", "{}")
		return Injury{}, err
	}}
}
