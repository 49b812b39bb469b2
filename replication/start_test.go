package replication

import (
	"runtime"
	"testing"
	"time"
)

// While a node starts, whoever sees a state can read its history: a client that
// resumes there must not be told that its position does not exist.
func TestAStateThatIsVisibleHasItsHistory(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	n.grow(t, 500, 128*8)
	for range 5 {
		n = c.restart("n1")
		deadline := time.Now().Add(20 * time.Second)
		for n.engine.Load() == nil {
			if time.Now().After(deadline) {
				t.Fatal("the node does not start")
			}
			index := n.State().Index()
			if index == 0 {
				runtime.Gosched()
				continue
			}
			h, release := n.History(index)
			_, err := h.Record(index)
			release()
			if err != nil {
				t.Fatalf("the state stands at event %d: %v", index, err)
			}
		}
	}
}
