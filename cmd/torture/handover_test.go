package torture

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"confman/api/wire"
	"confman/replication"
)

func TestSIGTERMHandsLeadershipOverAndLosesNothing(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 4, rng.Uint64())
	shortest := time.Hour
	for range rounds(3, 10) {
		l.more(50)
		l.longestGap()
		leader := c.leader()
		if code := leader.term(); code != 0 {
			t.Errorf("%s ended with code %d at SIGTERM", leader.id, code)
		}
		l.more(20)
		gap := l.longestGap()
		t.Logf("SIGTERM at the leader %s: longest gap %v", leader.id, gap)
		shortest = min(shortest, gap)
		leader.start()
		c.awaitReady(leader)
	}
	// A busy machine makes gaps longer, never shorter.
	if shortest >= replication.DefaultElectionTimeout/2 {
		t.Errorf("no gap was shorter than %v: leadership was not handed over but lost", shortest)
	}
	l.verify(rng)
}

func TestEveryNodeCanBeRestartedInTurnUnderLoad(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 4, rng.Uint64())
	for range rounds(1, 5) {
		for _, n := range c.nodes {
			l.more(20)
			if code := n.term(); code != 0 {
				t.Errorf("%s ended with code %d at SIGTERM", n.id, code)
			}
			n.start()
			c.awaitReady(n)
		}
	}
	l.more(20)
	l.verify(rng)
}

func TestANodeThatForwardsAnswersAWriteItself(t *testing.T) {
	rng := random(t)
	p := calm()
	p.args = append(p.args, "--forward")
	c := form(t, p)
	c.namespace("app")
	for i, n := range c.followers(c.leader()) {
		key := fmt.Sprintf("forwarded-%d", i)
		request := []string{wire.HeaderIdempotencyKey, key, wire.HeaderCorrelationID, "correlation-" + key}
		first := c.must(http.StatusCreated, n, http.MethodPut, entryPath("app", key), value(key), request...)
		again := c.must(http.StatusCreated, n, http.MethodPut, entryPath("app", key), value(key), request...)
		if !bytes.Equal(first.body, again.body) || again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
			t.Errorf("%s repeated: %v, first %v", key, again, first)
		}
		if got := first.header[http.CanonicalHeaderKey(wire.HeaderCorrelationID)]; len(got) != 1 || got[0] != "correlation-"+key {
			t.Errorf("%s: correlation IDs %q", key, got)
		}
		c.must(http.StatusOK, n, http.MethodGet, entryPath("app", key)+"?min_index="+first.header.Get(wire.HeaderIndex), nil)
		a := c.must(http.StatusUnauthorized, n, http.MethodPut, entryPath("app", key), value("v"), wire.HeaderAPIKey, "wrong")
		if a.problem() != wire.ProblemUnauthenticated {
			t.Errorf("a wrong key: %v", a)
		}
	}
	l := c.startLoad("app", 4, rng.Uint64())
	l.more(20)
	leader := c.leader()
	leader.kill9()
	l.more(20)
	leader.start()
	c.awaitReady(leader)
	l.verify(rng)
}
