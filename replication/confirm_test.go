package replication

import (
	"errors"
	"sync"
	"testing"
	"time"

	"confman/events"
)

// Raft's own VerifyLeader counts the answers of learners. A leader that has lost
// both other voters and still has a learner must not take that for a quorum:
// neither for a linearizable read, nor for telling a caller that a write is
// refused or unneeded, which is a read too.
func TestLeaderCutOffFromTheVotersConfirmsNothing(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: 3 * time.Second} // its lease outlasts the test
	c.form(3)
	leader, ctx := c.leader(), testContext(t)
	l := listen(t, "127.0.0.1:0")
	learner := c.start(Config{Member: Member{"n4", l.Addr().String()}, Dir: t.TempDir(), Join: "http://" + leader.config.Address, Learner: true}, l)
	learner.awaitReady(t)
	if _, err := leader.Submit(ctx, put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	if err := leader.Linearizable(ctx); err != nil {
		t.Fatalf("with all voters: %v", err)
	}

	var cut sync.WaitGroup
	for id, n := range c.nodes {
		if id != leader.config.ID && id != "n4" {
			cut.Go(func() { _ = n.engine.Load().transport.Close() })
		}
	}
	cut.Wait()
	if err := leader.engine.Load().raft.VerifyLeader().Error(); err != nil {
		t.Fatalf("Raft does not confirm by the learner, so this test shows nothing: %v", err)
	}
	if err := leader.Linearizable(ctx); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("a linearizable read: %v", err)
	}
	stale := put("pay", "k", "w")
	stale.If.Versions = []uint64{99}
	if _, err := leader.Submit(ctx, stale, stamp()); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("a refusal: %v", err)
	}
	if _, err := leader.Submit(ctx, put("pay", "k", "v"), stamp()); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("a write of what is there already: %v", err)
	}
}
