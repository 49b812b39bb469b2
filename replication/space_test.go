package replication

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"confman/events"
	"confman/replication/disk"
)

// The free space, in units of the critical mark, that makes each level.
const (
	plenty   = 100
	atSoft   = 3
	atHard   = 1.5
	atNought = 0
)

// disks are the file systems of a test's nodes, as full as it says.
type disks map[string]*atomic.Uint64

func (d disks) set(id string, free float64) { d[id].Store(uint64(free * (1 << 19))) }

// withDisks forms a cluster on disks with plenty of space.
func withDisks(t *testing.T, size int, more ...func(*Config)) (*testCluster, disks) {
	t.Helper()
	d := disks{}
	for i := range size {
		d[fmt.Sprintf("n%d", i+1)] = &atomic.Uint64{}
		d.set(fmt.Sprintf("n%d", i+1), plenty)
	}
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second, with: func(config *Config) {
		free := d[config.ID]
		config.tuning.looks = 20 * time.Millisecond
		config.tuning.free = func(string) (uint64, error) { return free.Load(), nil }
		for _, change := range more {
			change(config)
		}
	}}
	c.form(size)
	return c, d
}

// others are the IDs of all nodes but one, in any order.
func (c *testCluster) others(id string) (ids []string) {
	for other := range c.nodes {
		if other != id {
			ids = append(ids, other)
		}
	}
	return ids
}

func (n *testNode) awaitLevel(t *testing.T, l disk.Level) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s is %v", n.config.ID, l), func() bool { return n.Standing().DiskLevel == l })
}

func TestAFullDiskRefusesWhatTakesSpaceBeforeItIsProposed(t *testing.T) {
	c, d := withDisks(t, 1)
	n, ctx := c.leader(), testContext(t)
	for i, look := range []struct {
		level         disk.Level
		free          float64
		writes, gives bool
	}{
		{disk.Soft, atSoft, true, true},
		{disk.Hard, atHard, false, true},
		{disk.Critical, atNought, false, false},
		{disk.OK, plenty, true, true},
	} {
		d.set("n1", plenty)
		n.awaitLevel(t, disk.OK)
		done, kept := fmt.Sprint("done-", i), fmt.Sprint("kept-", i)
		for _, key := range []string{done, kept} {
			if _, err := n.Submit(ctx, put("pay", key, "v"), claimed(key)); err != nil {
				t.Fatal(err)
			}
		}
		d.set("n1", look.free)
		n.awaitLevel(t, look.level)
		index, last := n.State().Index(), n.engine.Load().raft.LastIndex()
		_, err := n.Submit(ctx, put("pay", "new", fmt.Sprint(i)), stamp())
		if look.writes != (err == nil) || err != nil && !errors.Is(err, events.ErrNoSpace) {
			t.Errorf("%v: a write: %v", look.level, err)
		}
		_, err = n.Submit(ctx, events.DeleteEntry{Namespace: "pay", Key: done}, stamp())
		if look.gives != (err == nil) || err != nil && !errors.Is(err, events.ErrNoSpace) {
			t.Errorf("%v: a deletion: %v", look.level, err)
		}
		if !look.gives && n.engine.Load().raft.LastIndex() != last {
			t.Errorf("%v: something was proposed", look.level)
		}
		if again, err := n.Submit(ctx, put("pay", kept, "v"), claimed(kept)); err != nil || !again.Replayed {
			t.Errorf("%v: a retry of what is done: %+v, %v", look.level, again, err)
		}
		if err := n.Linearizable(ctx); err != nil || n.State().Index() < index {
			t.Errorf("%v: reads: %v at event %d", look.level, err, n.State().Index())
		}
		if ready := len(n.Standing().Reasons) == 0; ready != (look.level == disk.OK) {
			t.Errorf("%v: not ready because of %q", look.level, n.Standing().Reasons)
		}
	}
}

func TestALeaderWithoutSpaceGivesWayToAMemberWithMore(t *testing.T) {
	c, d := withDisks(t, 3)
	first := c.leader().config.ID
	others := c.others(first)
	second, third := others[0], others[1]
	d.set(second, atSoft)
	c.nodes[second].awaitLevel(t, disk.Soft)
	d.set(first, atSoft)
	leads := func(id string) func() bool {
		return func() bool {
			for other, n := range c.nodes {
				if role := n.Standing().Role; (role == "leader") != (other == id) {
					return false
				}
			}
			return true
		}
	}
	eventually(t, "the one with room leads", leads(third))
	d.set(third, atSoft) // nobody has more room
	c.nodes[third].awaitLevel(t, disk.Soft)
	if _, err := c.nodes[third].Submit(testContext(t), put("pay", "k", "v"), stamp()); err != nil {
		t.Errorf("at the soft mark: %v", err)
	}
	d.set(first, plenty)
	eventually(t, "the one whose space came back leads", leads(first))
}

func TestALeaderRefusesWritesThatNoMajorityHasRoomFor(t *testing.T) {
	c, d := withDisks(t, 3)
	n, ctx := c.leader(), testContext(t)
	if _, err := n.Submit(ctx, put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	others := c.others(n.config.ID)
	d.set(others[0], atHard)
	c.nodes[others[0]].awaitLevel(t, disk.Hard)
	if _, err := n.Submit(ctx, put("pay", "k", "one is full"), stamp()); err != nil {
		t.Errorf("two have room: %v", err)
	}
	d.set(others[1], atHard)
	writes := 0
	eventually(t, "the leader refuses", func() bool {
		writes++
		_, err := n.Submit(ctx, put("pay", "k", fmt.Sprint(writes)), stamp())
		if err != nil && (!errors.Is(err, events.ErrNoSpace) || !strings.Contains(err.Error(), others[0]) || !strings.Contains(err.Error(), others[1])) {
			t.Fatalf("it names who is full: %v", err)
		}
		return err != nil
	})
	if _, err := n.Submit(ctx, events.DeleteEntry{Namespace: "pay", Key: "k"}, stamp()); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	d.set(others[0], plenty)
	eventually(t, "the leader takes writes again", func() bool {
		_, err := n.Submit(ctx, put("pay", "k", "again"), stamp())
		return err == nil
	})
}

func TestAFollowerWithoutSpaceStandsStillAndCatchesUpByItself(t *testing.T) {
	c, d := withDisks(t, 3)
	n, ctx := c.leader(), testContext(t)
	full := c.nodes[c.others(n.config.ID)[0]]
	eventually(t, "it holds what the leader holds", func() bool { return full.State().Index() == n.State().Index() })
	d.set(full.config.ID, atNought)
	full.awaitLevel(t, disk.Critical)
	stands, term := full.State().Index(), n.Standing().Term
	var last events.Outcome
	for i := range 300 {
		var err error
		if last, err = n.Submit(ctx, put("pay", "k", fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	if at := full.State().Index(); at > stands || full.engine.Load().raft.LastIndex() > n.engine.Load().raft.LastIndex()-300 {
		t.Errorf("it was at event %d and is at %d, its log ends at %d", stands, at, full.engine.Load().raft.LastIndex())
	}
	if s := full.Standing(); s.Role != "follower" || s.Leader.ID != n.config.ID || s.Term != term {
		t.Errorf("it no longer follows: %+v", s)
	}
	d.set(full.config.ID, plenty)
	eventually(t, "it has caught up", func() bool { return full.State().Index() >= last.Index && len(full.Standing().Reasons) == 0 })
	if full.State().Chain() != n.State().Chain() {
		t.Error("the chains differ")
	}
}

// What has been committed when the disk fills waits, and a node that is closed
// meanwhile has not lost it.
func TestWhatIsCommittedWaitsForSpaceAndOutlivesARestart(t *testing.T) {
	c, d := withDisks(t, 1)
	n, ctx := c.leader(), testContext(t)
	if _, err := n.Submit(ctx, put("pay", "k", "before"), stamp()); err != nil {
		t.Fatal(err)
	}
	n.room.space.Close() // nobody notices but who is about to write
	d.set("n1", atNought)
	_, err := n.Submit(ctx, put("pay", "k", "during"), claimed("during"))
	if !errors.Is(err, events.ErrUnknown) {
		t.Fatalf("committed, not folded: %v", err)
	}
	if _, err := n.Snapshot(ctx); err == nil {
		t.Error("a snapshot was made that covers what is not in the views")
	}
	config, dir := n.config, n.dir
	c.stop("n1")
	n = c.start(Config{Member: config.Member, Dir: dir, Peers: config.Peers}, listen(t, config.Address))
	eventually(t, "it says what it waits for", func() bool {
		s := n.Standing()
		return len(s.Reasons) == 1 && strings.Contains(s.Reasons[0], "waiting for free space") && s.DiskLevel == disk.Critical
	})
	d.set("n1", plenty)
	n.awaitReady(t)
	if again, err := n.Submit(ctx, put("pay", "k", "during"), claimed("during")); err != nil || !again.Replayed {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestOnlyAMemberWithMoreRoomSucceeds(t *testing.T) {
	fit := func(l disk.Level, free uint64) diskOf { return diskOf{level: l, free: free, voter: true, fit: true} }
	own := diskOf{level: disk.OK, voter: true}
	for i, look := range []struct {
		seen members
		own  disk.Level
		want string
	}{
		{members{"me": own, "a": fit(disk.OK, 5), "b": fit(disk.OK, 7)}, disk.Soft, "b"},
		{members{"me": own, "a": fit(disk.Soft, 9), "b": fit(disk.OK, 7)}, disk.Hard, "b"},
		{members{"me": own, "a": fit(disk.Soft, 9), "b": fit(disk.Soft, 7)}, disk.Soft, ""},
		{members{"me": own, "a": fit(disk.Soft, 9), "b": fit(disk.Hard, 7)}, disk.Hard, "a"},
		{members{"me": own, "a": {level: disk.OK, voter: true}, "b": {level: disk.OK, fit: true}}, disk.Critical, ""},
	} {
		if got := look.seen.successor(look.own); got != look.want {
			t.Errorf("look %d: %q, want %q", i, got, look.want)
		}
	}
}

func TestSilenceAloneIsNoFullDisk(t *testing.T) {
	of := func(l disk.Level) diskOf { return diskOf{level: l, voter: true} }
	silent := diskOf{level: disk.Critical, voter: true, silent: true}
	for i, look := range []struct {
		seen members
		full bool
	}{
		{members{"a": of(disk.OK)}, false},
		{members{"a": of(disk.OK), "b": of(disk.Soft), "c": of(disk.Hard)}, false},
		{members{"a": of(disk.OK), "b": of(disk.Hard), "c": of(disk.Hard)}, true},
		{members{"a": of(disk.OK), "b": silent, "c": silent}, false},
		{members{"a": of(disk.OK), "b": silent, "c": of(disk.Hard)}, true},
		{members{"a": of(disk.OK), "b": of(disk.Hard)}, true},
		{members{"a": of(disk.OK), "b": of(disk.OK), "c": silent, "l": {level: disk.Hard}}, false},
	} {
		if named := look.seen.full(disk.Hard); (len(named) > 0) != look.full {
			t.Errorf("look %d: %v", i, named)
		}
	}
}
