package torture

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"confman/replication/faults"
)

// verify ends the load and checks that the cluster kept what it acknowledged.
func (l *load) verify(rng *rand.Rand) {
	c := l.c
	c.t.Helper()
	c.awaitReady(c.nodes...)
	acked := l.end()
	h := c.oneHistory()
	keeps(c.t, h, acked)
	c.checkPast(h, l.namespace, l.keys, rng, 50)
	c.t.Logf("%d writes acknowledged, %d events, longest gap %v", len(acked), len(h), l.longestGap())
}

func TestNoAcknowledgedWriteIsLostWhenNodesAreKilled(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 4, rng.Uint64())
	for i := range rounds(3, 20) {
		l.more(10 + rng.IntN(100))
		victims := []*node{c.nodes[rng.IntN(3)]}
		switch i % 3 {
		case 0:
			victims = []*node{c.leader()}
		case 1:
			victims = c.nodes
		}
		t.Logf("kill -9 of %s", ids(victims))
		for _, n := range victims {
			n.signal(syscall.SIGKILL)
		}
		for _, n := range victims {
			n.exit()
		}
		if len(victims) == 1 {
			l.more(10) // the others go on
		}
		for _, i := range rng.Perm(len(victims)) {
			victims[i].start()
		}
		c.awaitReady(c.nodes...)
	}
	l.more(10)
	l.verify(rng)
}

func TestNoAcknowledgedWriteIsLostInAPowerCut(t *testing.T) {
	rng := random(t)
	disks := make([]*faults.Disk, 3)
	for i := range disks {
		disks[i] = faults.NewDisk(t, 2<<30)
	}
	c := form(t, plan{
		data: func(i int) string { return filepath.Join(disks[i].Dir(), "data") },
	})
	c.namespace("app")
	l := c.startLoad("app", 4, rng.Uint64())
	for i := range rounds(2, 10) {
		l.more(50 + rng.IntN(300))
		dark := []int{0, 1, 2}
		if i%2 == 1 {
			dark = []int{slices.Index(c.nodes, c.leader())}
		}
		if i%2 == 0 { // so that the views have a marker in the middle of the load
			c.must(http.StatusOK, c.nodes[rng.IntN(3)], http.MethodPost, "/api/v1/cluster/snapshot", nil)
		}
		for _, d := range dark {
			disks[d].PowerCut()
		}
		for _, d := range dark {
			c.nodes[d].kill9()
		}
		t.Logf("power cut at %v", dark)
		for _, d := range dark {
			disks[d].Remount()
			c.nodes[d].start()
		}
		c.awaitReady(c.nodes...)
	}
	l.more(10)
	l.verify(rng)
}

func ids(nodes []*node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.id
	}
	return strings.Join(names, ", ")
}
