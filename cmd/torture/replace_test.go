package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// A new node is sent a snapshot only when the leader's log no longer has its
// beginning. Raft keeps so many entries below a snapshot, and of the log only a
// segment that is full loses any: 64 MiB must have been written too.
const (
	trailing  = 20480
	fillBytes = 2 << 10 // of a value; an event has the one before it too
)

func TestANodeThatLostItsDataIsRefusedUnderItsOldID(t *testing.T) {
	c := form(t, plan{})
	c.namespace("app")
	lost := c.nodes[2]
	lost.kill9()
	if err := os.RemoveAll(lost.dir); err != nil {
		t.Fatal(err)
	}
	c.checkRefused(lost)
	lost.args = c.serve(lost, "--join", c.leader().url())
	c.checkRefused(lost)

	// Two that lost theirs are a majority, and must not begin anew.
	also := c.nodes[1]
	also.kill9()
	if err := errors.Join(os.RemoveAll(also.dir), os.RemoveAll(lost.dir)); err != nil {
		t.Fatal(err)
	}
	lost.args = c.serve(lost, "--peers", c.peers)
	also.start()
	c.checkRefused(lost)
	also.exit()
}

func TestANodeComesInThroughASnapshotWhileWritesGoOnHoweverOftenItIsKilled(t *testing.T) {
	rng := random(t)
	began := time.Now()
	memory := inMemory(t) // 20,000 fsyncs would be most of the test
	c := form(t, plan{size: 1, data: func(int) string { return filepath.Join(memory, "n1") }})
	c.namespace("app")
	c.fill(c.nodes[0], "app", trailing+1000, fillBytes)
	first := c.nodes[0]
	c.must(http.StatusOK, first, http.MethodPost, "/api/v1/cluster/snapshot", nil)
	l := c.startLoad("app", 2, rng.Uint64())
	stage := rng.IntN(3)
	for i := range rounds(2, 18) { // each a node of its own, so that each begins empty
		n := c.join(fmt.Sprintf("torn-%d", i), first)
		c.tearJoin(n, rng, stage+i)
		if i == 0 {
			continue // it stays
		}
		c.retire(n)
	}
	whole := c.join("whole", first)
	whole.start()
	c.awaitVoter(whole)
	if err := whole.logged("snapshot installed"); err != nil {
		t.Error(err)
	}
	t.Logf("all are in after %v", time.Since(began))
	acked := l.end()
	l = c.startLoad("app", 2, rng.Uint64()) // whose clients know all three
	first.kill9()                           // the other two have votes now
	l.more(10)
	first.start()
	c.awaitReady(c.nodes...)
	acked = append(acked, l.end()...)
	h := c.oneHistory()
	keeps(t, h, acked)
	c.checkPast(h, "app", l.keys, rng, 20)
	t.Logf("%d writes acknowledged meanwhile, longest gap %v", len(acked), l.longestGap())
}

// inMemory is a directory that needs no disk, where there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "torture-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// checkRefused starts a node whose directory is gone: it must end, and say what
// to do.
func (c *cluster) checkRefused(n *node) {
	c.t.Helper()
	n.start()
	select {
	case <-n.life().ended:
	case <-time.After(5 * time.Second):
		c.t.Fatalf("%s lost its data and runs under its old ID", n.id)
	}
	if code := n.exit(); code != 1 {
		c.t.Errorf("%s ended with code %d, want 1", n.id, code)
	}
	for _, part := range []string{"confman cluster remove " + n.id, "--join", "--id NEW-ID"} {
		if !strings.Contains(n.tail(2), part) {
			c.t.Errorf("the refusal does not say %q:\n%s", part, n.tail(2))
		}
	}
}

// join adds a node that is to join at another.
func (c *cluster) join(id string, at *node) *node {
	n := c.add(id)
	n.args = c.serve(n, "--join", at.url())
	return n
}

// awaitVoter waits until a node is ready and its vote counts.
func (c *cluster) awaitVoter(n *node) {
	c.t.Helper()
	c.awaitReady(n)
	await(c.t, n.id+" votes", func() error {
		status, err := c.client(c.key, c.leader()).Cluster(c.t.Context())
		for _, m := range status.Members {
			if m.ID == n.id && m.Voter && m.Role == wire.MemberFollower {
				return nil
			}
		}
		return errors.Join(err, fmt.Errorf("members: %+v", status.Members))
	})
}

// tearJoin starts a joining node and kills it at a random moment after a stage
// of the snapshot's installation has begun; then it must come in all the same.
func (c *cluster) tearJoin(n *node, rng *rand.Rand, round int) {
	c.t.Helper()
	stages := []string{
		"views/snapshots/received-*", // being received
		"views/snapshots/META",       // received, being installed
		"views/generation-000002",    // being built
	}
	stage := stages[round%len(stages)]
	n.start()
	await(c.t, n.id+" is at "+stage, func() error {
		if found, _ := filepath.Glob(filepath.Join(n.dir, stage)); len(found) == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	<-time.After(time.Duration(rng.IntN(60)) * time.Millisecond)
	n.kill9()
	c.t.Logf("%s killed after %s had begun, left: %v", n.id, stage, n.files("views/*", "views/snapshots/*"))
	n.start()
	c.awaitVoter(n)
}

// files lists what a node's directory has.
func (n *node) files(patterns ...string) (names []string) {
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join(n.dir, p))
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	return names
}

// retire takes a member out; its process ends by itself.
func (c *cluster) retire(n *node) {
	c.t.Helper()
	if err := c.client(c.key).RemoveMember(c.t.Context(), n.id, client.Write{}); err != nil {
		c.t.Fatalf("remove %s: %v", n.id, err)
	}
	if code := n.exit(); code == 0 {
		c.t.Errorf("%s was removed and ended with code 0", n.id)
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(other *node) bool { return other == n })
}
