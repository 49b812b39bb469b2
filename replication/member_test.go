package replication

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
)

// awaitDeath waits for the node to say that it cannot go on, and why.
func (n *testNode) awaitDeath(t *testing.T) error {
	t.Helper()
	select {
	case err := <-n.died:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("the node goes on")
		return nil
	}
}

func TestWipedNodeIsRefusedUnderItsOldID(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	if _, err := leader.Submit(testContext(t), put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	var wiped Member
	for _, p := range c.peers {
		if p.ID != leader.config.ID {
			wiped = p
		}
	}
	c.stop(wiped.ID)
	n := c.start(Config{Member: wiped, Dir: t.TempDir(), Peers: append([]Member(nil), c.peers...)}, listen(t, wiped.Address))
	err := n.awaitDeath(t)
	for _, want := range []string{"empty", "confman cluster remove " + wiped.ID, "--join"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if !errors.Is(err, ErrRefused) || n.State().Index() != 0 {
		t.Errorf("%v, at event %d", err, n.State().Index())
	}
}

func TestTwoWipedNodesDoNotBeginASecondHistory(t *testing.T) {
	c := newCluster(t, 3)
	if _, err := c.leader().Submit(testContext(t), put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.peers {
		c.stop(p.ID)
	}
	// A majority of the founders, empty, while the survivor is down.
	a := c.start(Config{Member: c.peers[0], Dir: t.TempDir(), Peers: append([]Member(nil), c.peers...)}, listen(t, c.peers[0].Address))
	b := c.start(Config{Member: c.peers[1], Dir: t.TempDir(), Peers: append([]Member(nil), c.peers...)}, listen(t, c.peers[1].Address))
	eventually(t, "both wait for the third", func() bool {
		return strings.Contains(a.waitsFor(), "waiting for n3 at "+c.peers[2].Address+": connection refused") &&
			strings.Contains(b.waitsFor(), "waiting for n3")
	})
	if a.cluster() != "" || b.cluster() != "" {
		t.Errorf("a second cluster: %q %q", a.cluster(), b.cluster())
	}
}

func TestFoundersWithDifferentListsSayBoth(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	l1, l2 := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	n1, n2 := Member{"n1", l1.Addr().String()}, Member{"n2", l2.Addr().String()}
	c.start(Config{Member: n1, Dir: t.TempDir(), Peers: []Member{n1, n2}}, l1)
	odd := c.start(Config{Member: n2, Dir: t.TempDir(), Peers: []Member{n1, n2, {"n3", "127.0.0.1:9"}}}, l2)
	err := odd.awaitDeath(t)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "n3=127.0.0.1:9") || !strings.Contains(err.Error(), "n1 has "+listing([]Member{n1, n2})) {
		t.Errorf("%v", err)
	}
}

func TestNewNodeJoinsByASnapshotWhileWritesGoOnAndThenVotes(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	self := Member{"n1", l.Addr().String()}
	c := &testCluster{t: t, nodes: map[string]*testNode{}, peers: []Member{self}}
	c.start(Config{Member: self, Dir: t.TempDir(), Peers: []Member{self}, tuning: tuning{trailing: 8, segment: 16 << 10}}, l)
	leader := c.leader()
	ctx := testContext(t)
	for i := range 700 { // beyond Raft's cache of 512 entries
		if _, err := leader.Submit(ctx, put("pay", fmt.Sprintf("k%d", i%7), fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := leader.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	if first, _ := leader.engine.Load().log.FirstIndex(); first < 600 {
		t.Fatalf("the log still begins at %d: the newcomer would not need a snapshot", first)
	}
	stop := make(chan struct{})
	wrote := make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				wrote <- nil
				return
			default:
			}
			if _, err := leader.Submit(ctx, put("pay", "busy", fmt.Sprint(i)), stamp()); err != nil {
				wrote <- err
				return
			}
		}
	}()
	l2 := listen(t, "127.0.0.1:0")
	n2 := c.start(Config{Member: Member{"n2", l2.Addr().String()}, Dir: t.TempDir(), Join: "http://" + self.Address}, l2)
	eventually(t, "n2 votes", func() bool {
		e := n2.engine.Load()
		if e == nil {
			return false
		}
		s, member := e.suffrage("n2")
		return member && s == raft.Voter
	})
	close(stop)
	if err := <-wrote; err != nil {
		t.Errorf("a write failed meanwhile: %v", err)
	}
	if n2.heard.resets == 0 {
		t.Error("no snapshot was installed")
	}
	if err := n2.Linearizable(ctx); err != nil {
		t.Fatal(err)
	}
	index := n2.State().Index()
	if err := leader.Await(ctx, index); err != nil {
		t.Fatal(err)
	}
	h, release := n2.History(index)
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	release()
	for i, want := range []string{"693", "694", "695", "696", "697", "698", "699"} {
		if e := n2.State().Entry("pay", fmt.Sprintf("k%d", i)); e.Value.Text() != want {
			t.Errorf("k%d is %s at version %d, want %s", i, e.Value.Text(), e.Version, want)
		}
	}
	if again := c.restart("n2"); again.awaitReady(t) {
		if again.State().Chain() == (events.Chain{}) {
			t.Error("empty after a restart")
		}
	}
}

func (n *testNode) awaitReady(t *testing.T) bool {
	t.Helper()
	eventually(t, n.config.ID+" is ready", func() bool { return len(n.Standing().Reasons) == 0 })
	return true
}

func TestWaitingNodeIsAddedAndRemoved(t *testing.T) {
	c := newCluster(t, 1)
	ctx := testContext(t)
	l := listen(t, "127.0.0.1:0")
	m := Member{"n2", l.Addr().String()}
	n2 := c.start(Config{Member: m, Dir: t.TempDir()}, l)
	eventually(t, "n2 says what it waits for", func() bool { return strings.Contains(n2.waitsFor(), "confman cluster add n2 "+m.Address) })
	if err := c.leader().AddMember(ctx, m, true); err != nil {
		t.Fatal(err)
	}
	n2.awaitReady(t)
	if got := n2.Standing().Role; got != "learner" {
		t.Errorf("role %s, want learner", got)
	}
	if err := c.leader().AddMember(ctx, m, true); !errors.Is(err, events.ErrConflict) {
		t.Errorf("added twice: %v", err)
	}
	eventually(t, "n2 is promoted", func() bool { return c.leader().PromoteMember(ctx, "n2") == nil })
	eventually(t, "n2 follows", func() bool { return n2.Standing().Role == "follower" })
	if err := c.leader().RemoveMember(ctx, "n2"); err != nil {
		t.Fatal(err)
	}
	if err := n2.awaitDeath(t); !errors.Is(err, ErrRemoved) {
		t.Errorf("%v", err)
	}
	if err := c.leader().RemoveMember(ctx, "n1"); !errors.Is(err, events.ErrConflict) {
		t.Errorf("removed the only voter: %v", err)
	}
}

func TestRemovingIsRefusedWhereItWouldLoseQuorum(t *testing.T) {
	c := newCluster(t, 3)
	leader := c.leader()
	var down, up string
	for id := range c.nodes {
		if id != leader.config.ID {
			down, up = up, id
		}
	}
	c.stop(down)
	if err := leader.RemoveMember(testContext(t), up); !errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), "majority") {
		t.Errorf("removed %s while %s is down: %v", up, down, err)
	}
	if err := leader.RemoveMember(testContext(t), down); err != nil {
		t.Errorf("removing the one that is down: %v", err)
	}
}

func TestDirectoryWithOneStoreWipedIsRefused(t *testing.T) {
	for _, store := range []string{"raft", "views"} {
		t.Run(store, func(t *testing.T) {
			c := newCluster(t, 1)
			n := c.leader()
			c.stop("n1")
			if err := os.RemoveAll(n.dir + "/" + store); err != nil {
				t.Fatal(err)
			}
			config := n.Node.config
			_, err := Open(config)
			if !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "new ID") {
				t.Errorf("%v", err)
			}
			config.ID, config.Peers = "n9", nil
			if _, err := Open(config); !errors.Is(err, ErrDirectory) {
				t.Errorf("under another ID: %v", err)
			}
		})
	}
}

func TestShortenedLogIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	ctx := testContext(t)
	for i := range 5 {
		if _, err := n.Submit(ctx, put("pay", "k", fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	config := n.Node.config
	c.stop("n1")
	cutLog(t, config.Dir)
	died := make(chan error, 16)
	config.Fatal = func(err error) { died <- err }
	node, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	select {
	case err := <-died:
		if !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the node began with a log that lost entries")
	}
}
