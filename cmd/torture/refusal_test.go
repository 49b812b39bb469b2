package torture

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// soon is how long a write may take to be refused when nobody can commit it.
const soon = 3 * time.Second

func TestAWriteAtAFollowerIsSentToTheLeader(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	leader := c.leader()
	for _, n := range c.followers(leader) {
		for _, path := range []string{entryPath("app", "db/url") + "?x=1%2F2", entryPath("a%2Fb", "k"), "/api/v1/keys"} {
			method := http.MethodPut
			if path == "/api/v1/keys" {
				method = http.MethodPost
			}
			a := c.must(http.StatusTemporaryRedirect, n, method, path, value("v"))
			if want := leader.url() + path; a.header.Get("Location") != want {
				t.Errorf("%s %s at %s: Location %q, want %q", method, path, n.id, a.header.Get("Location"), want)
			}
			if len(a.body) > 0 {
				t.Errorf("%s %s at %s: a body: %q", method, path, n.id, a.body)
			}
		}
	}
	if _, err := c.client(c.key, c.followers(leader)...).Put(t.Context(), "app", "db/url", value("v"), client.Write{}); err != nil {
		t.Errorf("the client does not follow: %v", err)
	}
}

func TestWithoutQuorumWritesAreRefusedAndLocalReadsGoOn(t *testing.T) {
	c := form(t, plan{})
	c.namespace("app")
	sdk := c.client(c.key)
	e, err := sdk.Put(t.Context(), "app", "k", value("before"), client.Write{})
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"leader", "follower"} {
		leader := c.leader()
		survivor := leader
		if which == "follower" {
			survivor = c.followers(leader)[0]
		}
		// What was acknowledged may reach a follower with the next heartbeat.
		c.must(http.StatusOK, survivor, http.MethodGet, entryPath("app", "k")+fmt.Sprintf("?min_index=%d", e.Index), nil)
		for _, n := range c.followers(survivor) {
			n.kill9()
		}
		c.checkWithoutQuorum(survivor, "before")
		for _, n := range c.followers(survivor) {
			n.start()
		}
		c.awaitReady(c.nodes...)
		if e, err = sdk.Put(t.Context(), "app", "k", value("before"), client.Write{}); err != nil {
			t.Fatalf("after the %s has its quorum again: %v", which, err)
		}
	}
	for _, e := range c.oneHistory() {
		if e.NewValue != nil && *e.NewValue == "refused" {
			t.Errorf("event %d is a write that was refused as never tried", e.Index)
		}
	}
}

// checkWithoutQuorum checks what a node that is alone says.
func (c *cluster) checkWithoutQuorum(n *node, read string) {
	c.t.Helper()
	path := entryPath("app", "k")
	first, err := c.do(n, http.MethodPut, entryPath("app", "caught"), value("caught"))
	if err != nil || first.took > soon || first.status != http.StatusServiceUnavailable && first.problem() != wire.ProblemOutcomeUnknown &&
		first.status != http.StatusTemporaryRedirect {
		c.t.Errorf("a write in the moment of the loss: %v, %v; want 503, 504 unknown, or 307", first, err)
	}
	await(c.t, n.id+" knows that it is alone", func() error {
		r, err := c.ready(n)
		if err == nil && r.Cluster.LeaderKnown {
			err = fmt.Errorf("it takes %v for the leader", *r.Cluster.Leader)
		}
		return err
	})
	a := c.must(http.StatusServiceUnavailable, n, http.MethodPut, path, value("refused"))
	if a.problem() != wire.ProblemUnavailable || a.header.Get("Retry-After") == "" || a.took > soon {
		c.t.Errorf("a write without quorum: %v, Retry-After %q", a, a.header.Get("Retry-After"))
	}
	a = c.must(http.StatusServiceUnavailable, n, http.MethodGet, path+"?consistency=linearizable", nil)
	if a.problem() != wire.ProblemUnavailable {
		c.t.Errorf("a linearizable read without quorum: %v", a)
	}
	a = c.must(http.StatusOK, n, http.MethodGet, path, nil)
	var e wire.ConfigEntry
	if err := a.decode(&e); err != nil || text(e.Value) != read || a.header.Get(wire.HeaderLeaderKnown) != "false" {
		c.t.Errorf("a local read without quorum: %v, %v, leader known: %q", a, err, a.header.Get(wire.HeaderLeaderKnown))
	}
	a = c.must(http.StatusServiceUnavailable, n, http.MethodGet, "/health/ready", nil)
	var r wire.Ready
	if err := a.decode(&r); err != nil || r.Status != wire.StatusNotReady || r.Quorum || !strings.Contains(strings.Join(r.Reasons, ";"), "leader") {
		c.t.Errorf("readiness without quorum: %v, %v", a, err)
	}
	c.must(http.StatusOK, n, http.MethodGet, "/health", nil)
}

func TestAnUnknownOutcomeIsSaidToBeOneAndItsRetrySettlesIt(t *testing.T) {
	c := form(t, plan{})
	c.namespace("app")
	for i, settled := 0, 0; settled < rounds(3, 20); i++ {
		leader, key, request := c.leader(), fmt.Sprintf("k%d", i), fmt.Sprintf("request-%d", i)
		for _, n := range c.followers(leader) {
			n.pause()
		}
		a, err := c.do(leader, http.MethodPut, entryPath("app", key), value("once"), wire.HeaderIdempotencyKey, request)
		for _, n := range c.followers(leader) {
			n.resume()
		}
		if i < settled+5 && (a.status == http.StatusTemporaryRedirect || a.status == http.StatusServiceUnavailable) {
			continue // it did not lead any more
		}
		settled++
		if err != nil || a.status != http.StatusGatewayTimeout || a.problem() != wire.ProblemOutcomeUnknown {
			t.Fatalf("a write that nobody could confirm: %v, %v", a, err)
		}
		t.Logf("said to be unknown after %v", a.took)
		var entry wire.ConfigEntry
		sdk := c.client(c.key)
		err = settle(t.Context(), request, func(w client.Write) (err error) {
			entry, err = sdk.Put(t.Context(), "app", key, value("once"), w)
			return err
		})
		if err != nil || entry.Version != 1 {
			t.Fatalf("the retry: %+v, %v; want version 1", entry, err)
		}
	}
	writes := map[string]int{}
	for _, e := range c.oneHistory() {
		if e.Key != nil && e.Namespace == "app" {
			writes[*e.Key]++
		}
	}
	for key, n := range writes {
		if n != 1 {
			t.Errorf("%s was written %d times", key, n)
		}
	}
}
