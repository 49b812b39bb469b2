package webhooks

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"confman/events"
)

// Leadership goes back and forth between two nodes while events come and the
// endpoint fails now and then: what is taken, repetitions left out, is every
// event in order, and nobody writes the cursor who does not lead (the cluster
// complains when it goes back).
func TestNothingIsLostWhenTheLeaderChanges(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	bad := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	e := newReceiver(t, func(int, http.ResponseWriter, *http.Request) int {
		mu.Lock()
		defer mu.Unlock()
		if bad.IntN(4) == 0 {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	c := newCluster()
	w := hookTo(e.server.URL)
	w.Values = true
	c.hook(w)
	nodes := []string{"a", "b"}
	stops := map[string]func(){}
	for _, name := range nodes {
		_, stops[name] = c.deliver(t, name, local)
	}
	var ids []string
	for n := range 12 {
		leader := nodes[n%2]
		c.elect(leader)
		ids = append(ids, c.changes(t, "pay", 1+random.IntN(40))...)
		if at := random.IntN(len(ids)) + 1; n%3 != 0 { // in the middle of it
			eventually(t, fmt.Sprintf("only %d of %d", len(e.got()), at), func() bool { return slices.Contains(e.got(), ids[at-1]) })
		}
		if n%4 == 3 { // as a stop does, which writes the cursor first
			stops[leader]()
			_, stops[leader] = c.deliver(t, leader, local)
		}
	}
	e.taken(t, ids)
	eventually(t, "the cursor is not written", func() bool { return c.now("w").Cursor >= uint64(len(ids)) })
}

// A crash, other than a stop, writes nothing: what was not written down is sent
// again, with the same IDs.
func TestACrashRepeatsAndDoesNotSkip(t *testing.T) {
	e := newReceiver(t, nil)
	c := newCluster()
	c.hook(hookTo(e.server.URL))
	_, stop := c.deliver(t, "a", local)
	c.refuse(&events.NotLeaderError{})
	c.elect("a")
	ids := c.changes(t, "pay", 10)
	e.taken(t, ids)
	stop()
	c.refuse(nil)
	c.deliver(t, "b", local)
	c.elect("b")
	eventually(t, "the next leader does not begin where the history says", func() bool { return len(e.got()) == 20 })
	if got := e.got(); !slices.Equal(got, append(slices.Clone(ids), ids...)) {
		t.Errorf("sent %q", got)
	}
}

// Webhooks come, change and go while the node leads.
func TestWebhooksAreTakenUpAndLetGo(t *testing.T) {
	first, second := newReceiver(t, nil), newReceiver(t, nil)
	c := newCluster()
	c.elect("a")
	d, _ := c.deliver(t, "a", local)
	ids := c.changes(t, "pay", 3)
	c.hook(hookTo(first.server.URL))
	first.taken(t, ids)
	eventually(t, "the cursor is not written", func() bool { return c.now("w").Cursor >= 3 })
	w := c.now("w")
	w.URL = second.server.URL
	c.hook(w)
	more := c.changes(t, "pay", 3)
	second.taken(t, more)
	c.unhook("w")
	eventually(t, "a deleted webhook is served on", func() bool { return d.endpoint("w") == nil })
	c.changes(t, "pay", 3)
	if n, m := len(first.got()), len(second.got()); n != 3 || m != 3 {
		t.Errorf("%d and %d attempts, want 3 and 3", n, m)
	}
}
