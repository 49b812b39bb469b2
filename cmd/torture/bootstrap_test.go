package torture

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// mistakeShown is how long an operator's mistake may stay unsaid.
const mistakeShown = 5 * time.Second

func TestAClusterFormsInWhateverOrderItsNodesStart(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel() // they mostly wait
			c := prepare(t, plan{})
			for i, which := range order {
				c.nodes[which].start()
				if i < 2 {
					c.awaitAnswer(c.nodes[which])
				}
			}
			began := time.Now()
			c.awaitReady(c.nodes...)
			t.Logf("formed %v after the last was started", time.Since(began))
			c.namespace("app")
			c.oneHistory()
		})
	}
}

// awaitAnswer waits until a node's port answers.
func (c *cluster) awaitAnswer(n *node) {
	c.t.Helper()
	await(c.t, n.id+" answers", func() error {
		_, err := c.get(n, "/health")
		return err
	})
}

// awaitReason waits until a node that is not ready gives a reason that has the
// text, and its log says the same.
func (c *cluster) awaitReason(n *node, reason string) {
	c.t.Helper()
	await(c.t, n.id+" waits", func() error {
		r, err := c.ready(n)
		if err == nil && (r.Status == wire.StatusReady || !strings.Contains(strings.Join(r.Reasons, "; "), reason)) {
			err = fmt.Errorf("%s: %q, want %q", r.Status, r.Reasons, reason)
		}
		if err != nil {
			return err
		}
		return n.logged(reason)
	})
}

func TestNodesThatWaitForAnotherSayForWhom(t *testing.T) {
	c := prepare(t, plan{})
	third := c.nodes[2]
	for _, n := range c.nodes[:2] {
		n.start()
	}
	reason := "waiting for n3 at " + third.address + ": connection refused"
	for _, n := range c.nodes[:2] {
		c.awaitReason(n, reason)
		a := c.must(http.StatusServiceUnavailable, n, http.MethodPut, entryPath("app", "k"), value("v"))
		if a.problem() != wire.ProblemUnavailable {
			t.Errorf("a write before there is a cluster: %v", a)
		}
	}
	third.start()
	c.awaitReady(c.nodes...)
}

func TestAMistakeInAMemberListOrTokenIsNamed(t *testing.T) {
	t.Run("wrong token", func(t *testing.T) {
		c := prepare(t, plan{})
		c.write("wrong", "another-token-0123456789")
		for i, n := range c.nodes {
			if i == 2 {
				n.args = append(n.args, "--cluster-token-file", c.base+"/wrong")
			}
			n.start()
		}
		c.awaitReason(c.nodes[0], "the cluster token is not that of n3")
		c.awaitReason(c.nodes[2], "the cluster token is not that of n1")
	})
	t.Run("differing lists", func(t *testing.T) {
		c := prepare(t, plan{})
		c.nodes[0].start()
		c.awaitAnswer(c.nodes[0])
		c.nodes[1].args = c.serve(c.nodes[1], "--peers", strings.Replace(c.peers, "n3=", "m3=", 1))
		c.checkMistake(c.nodes[1], "the member lists differ")
	})
	t.Run("another node at the address", func(t *testing.T) {
		c := prepare(t, plan{})
		c.nodes[0].start()
		c.awaitAnswer(c.nodes[0])
		c.nodes[1].args = c.serve(c.nodes[1], "--peers", strings.Replace(c.peers, "n1=", "m1=", 1))
		c.checkMistake(c.nodes[1], "there is n1, the member list of n2 says m1")
	})
	t.Run("not in the list", func(t *testing.T) {
		c := prepare(t, plan{})
		c.nodes[1].args = c.serve(c.nodes[1], "--peers", strings.Replace(c.peers, "n2=", "m2=", 1))
		c.checkMistake(c.nodes[1], "which the list")
	})
	t.Run("a node of another cluster", func(t *testing.T) {
		c, other := form(t, plan{}), form(t, plan{})
		stranger := c.nodes[1]
		for _, n := range append(c.nodes, other.nodes...) {
			n.kill9()
		}
		if err := errors.Join(os.RemoveAll(stranger.dir), os.Rename(other.nodes[1].dir, stranger.dir)); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.nodes {
			n.start()
		}
		leader := c.leader(stranger)
		await(t, "the mistake is named", func() error { return leader.logged("n2 belongs to cluster") })
		c.awaitReason(stranger, "belongs to another cluster")
		c.must(http.StatusServiceUnavailable, stranger, http.MethodGet, "/health/ready", nil)
		c.awaitReady(c.nodes[0], c.nodes[2])
	})
	t.Run("the same ID twice", func(t *testing.T) {
		c := prepare(t, plan{})
		c.nodes[1].args = c.serve(c.nodes[1], "--peers", c.peers+",n2=127.0.0.1:1")
		c.checkMistake(c.nodes[1], "n2 is listed twice")
	})
	t.Run("port taken", func(t *testing.T) {
		c := prepare(t, plan{})
		c.nodes[0].start()
		c.awaitAnswer(c.nodes[0])
		c.nodes[1].args = c.serve(c.nodes[1], "--peers", c.peers, "--listen", c.nodes[0].address)
		c.checkMistake(c.nodes[1], "address already in use")
	})
}

// checkMistake starts a node that must end soon, with one line that says why.
func (c *cluster) checkMistake(n *node, says string) {
	c.t.Helper()
	n.start()
	select {
	case <-n.life().ended:
	case <-time.After(mistakeShown):
		c.t.Fatalf("%s runs on, want it to say %q", n.id, says)
	}
	if code := n.exit(); code == 0 {
		c.t.Errorf("%s ended with code 0", n.id)
	}
	last := n.tail(1)
	if !strings.HasPrefix(last, "confman: ") || !strings.Contains(last, says) {
		c.t.Errorf("the last line of %s is %q, want it to say %q", n.id, last, says)
	}
}

func TestADirectoryInTheWrongPlaceIsNamed(t *testing.T) {
	c, other := form(t, plan{}), form(t, plan{size: 1})
	t.Run("joining another cluster", func(t *testing.T) {
		stray := other.nodes[0]
		stray.kill9()
		stray.args = other.serve(stray, "--join", c.nodes[0].url())
		other.checkMistake(stray, "belongs to cluster")
	})
	third := c.nodes[2]
	third.term()
	copied := c.add(third.id)
	if err := os.CopyFS(copied.dir+"-copy", os.DirFS(third.dir)); err != nil {
		t.Fatal(err)
	}
	t.Run("another address", func(t *testing.T) {
		moved := third.place()
		moved.address = copied.address
		moved.args = c.serve(moved, "--peers", strings.Replace(c.peers, third.address, moved.address, 1))
		moved.start()
		defer moved.kill9()
		c.awaitReason(moved, "the members know n3 at "+third.address+", and it is at "+moved.address+" now")
	})
	third.start()
	c.awaitReady(third)
	t.Run("a copy beside the original", func(t *testing.T) {
		copied.dir, copied.log = copied.dir+"-copy", copied.log+"-copy"
		copied.args = c.serve(copied)
		c.checkMistake(copied, "n3 of this cluster runs at "+third.address+" already")
	})
	c.awaitReady(c.nodes[:3]...)
}

// place is a node that is down, to be started with other settings.
func (n *node) place() *node {
	return &node{t: n.t, id: n.id, address: n.address, scheme: n.scheme, dir: n.dir, log: n.log + "-elsewhere"}
}
