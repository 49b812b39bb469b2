package replication

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
	"time"

	"confman/events"
	"confman/events/proof"
)

func checkpointKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

// kinds are those of a node's events, oldest first.
func (n *testNode) kinds(t *testing.T) (kinds []events.Kind) {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	for r, err := range h.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Event()
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Data.Kind())
	}
	return kinds
}

const checkpointed = events.Kind("history.checkpointed")

func TestTheLeaderSignsWhenSomethingHappenedAndThenRests(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) {
		config.Proof = ProofConfig{Key: checkpointKey(1), Interval: 10 * time.Millisecond}
	}
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	signed := func() (count int) {
		for _, k := range n.kinds(t) {
			if k == checkpointed {
				count++
			}
		}
		return count
	}
	eventually(t, "the first checkpoint", func() bool { return signed() == 1 })
	if _, err := n.Submit(ctx, put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another one", func() bool { return signed() == 2 })
	before := n.State().Index()
	var last lastSigned
	for range 3 { // it looks again, and nothing came
		if err := n.signDue(ctx, &last); err != nil {
			t.Fatal(err)
		}
	}
	if n.State().Index() != before || last.event != before {
		t.Errorf("an idle cluster signs: %v", n.kinds(t))
	}
	report, err := n.Verify(ctx, 0, 0, func(uint64) {})
	if err != nil || !report.OK() || report.Checkpoints != 2 || report.Sealed != before-1 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAnotherKeyIsEndorsedByTheOneBefore(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	sign := func(p ProofConfig) *testNode {
		t.Helper()
		p.Interval = time.Hour
		c.with = func(config *Config) { config.Proof = p }
		if len(c.nodes) == 0 {
			c.form(1)
		} else {
			c.restart("n1")
		}
		n := c.leader()
		before := n.State().Index()
		if _, err := n.SignCheckpoint(testContext(t), stamp()); len(p.Key) > 0 && (err != nil || n.State().Index() == before) {
			t.Fatal(err)
		} else if len(p.Key) == 0 && !errors.Is(err, events.ErrConflict) {
			t.Fatalf("without a key: %v", err)
		}
		return n
	}
	trust := proof.Options{Trust: []ed25519.PublicKey{publicKey(checkpointKey(1))}}
	check := func(n *testNode) proof.Report {
		v := proof.NewVerifier(trust)
		h, release := n.History(n.State().Index())
		defer release()
		v.Begin(1, events.Chain{})
		for r, err := range h.Records(0) {
			if err != nil {
				t.Fatal(err)
			}
			v.Record(r)
		}
		return v.End()
	}
	sign(ProofConfig{})
	n := sign(ProofConfig{Key: checkpointKey(1)})
	if n.State().Cluster().FeatureLevel() < 4 {
		t.Errorf("feature level %d", n.State().Cluster().FeatureLevel())
	}
	n = sign(ProofConfig{Key: checkpointKey(2), Earlier: []ed25519.PrivateKey{checkpointKey(1)}})
	if r := check(n); !r.OK() || r.Checkpoints < 2 || r.Sealed != n.State().Index()-1 {
		t.Errorf("an endorsed key: %+v", r)
	}
	n = sign(ProofConfig{Key: checkpointKey(3), Earlier: []ed25519.PrivateKey{checkpointKey(1)}})
	if r := check(n); r.OK() || r.Findings[0].Kind != proof.Untrusted {
		t.Errorf("a key that the one before does not endorse: %+v", r)
	}
	trust = proof.Options{Trust: []ed25519.PublicKey{publicKey(checkpointKey(1)), publicKey(checkpointKey(3))}}
	if r := check(n); !r.OK() || len(r.Warnings) != 1 {
		t.Errorf("a key that the one before does not endorse, and that is trusted: %+v", r)
	}
	if r, err := n.Verify(testContext(t), 0, 0, func(uint64) {}); err != nil || len(r.Warnings) != 1 || n.Verified().Failures != 0 || n.Verified().Success.IsZero() {
		t.Errorf("the node itself finds fault with it: %+v, %v", r, err)
	}
	if !slices.Contains(n.kinds(t), "checkpoint.key-changed") {
		t.Error("no change of keys is recorded")
	}
}

func TestTheSameRequestSignsOnce(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) { config.Proof = ProofConfig{Key: checkpointKey(1), Interval: time.Hour} }
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	first, err := n.SignCheckpoint(ctx, claimed("c1"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := n.SignCheckpoint(ctx, claimed("c1"))
	if err != nil || !again.Replayed || again.Index != first.Index {
		t.Errorf("%+v, %v, want the outcome at %d", again, err, first.Index)
	}
}
