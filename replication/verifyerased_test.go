package replication

import (
	"fmt"
	"testing"

	"confman/events"
)

// A verification takes long. What is erased meanwhile is erased by an event after
// the ones that it checks, and the node is not to blame.
func TestAnErasureDuringAVerificationIsNoFinding(t *testing.T) {
	c := newCluster(t, 1)
	ctx := testContext(t)
	n := c.leader()
	for i := range 1 + verifyBatch/100 {
		var set []events.PutEntry
		for k := range 100 {
			set = append(set, put("pay", fmt.Sprintf("k%d", k), fmt.Sprint(i)))
		}
		if _, err := n.Submit(ctx, events.Transact{Set: set}, stamp()); err != nil {
			t.Fatal(err)
		}
	}
	for _, value := range []string{secret, "changed"} {
		if _, err := n.Submit(ctx, put("pay", "password", value), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	erased := false
	r, err := n.Verify(ctx, 0, 0, func(at uint64) {
		if !erased {
			erased = true
			n.erase(t, ctx, "pay", "password", secret)
		}
	})
	if err != nil || !r.OK() || r.Pending != 2 {
		t.Errorf("meanwhile: %+v, %v", r, err)
	}
	if r, err := n.Verify(ctx, 0, 0, func(uint64) {}); err != nil || !r.OK() || r.Pending != 0 || r.Erased != 2 {
		t.Errorf("then: %+v, %v", r, err)
	}
}
