package torture

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

func TestSubscribersOfANodeThatIsSentASnapshotAreToldEverythingInBetween(t *testing.T) {
	if !long() {
		t.Skip("takes minutes; CONFMAN_TORTURE=1 runs it")
	}
	rng := random(t)
	memory := inMemory(t)
	c := form(t, plan{data: func(i int) string { return filepath.Join(memory, fmt.Sprint(i)) }})
	c.put("ops", "flags/a", "before")
	leader := c.leader()
	victim := c.followers(leader)[0]
	a, ctx := c.audience(rng, victim)
	a.Restless.Store(false)
	ops := streams.Filter{Namespaces: []string{"ops"}}
	a.join(ctx, wire.EncodingSSE, wire.AfterStart, streams.Filter{Events: wire.EventsAll, Bare: true})
	a.join(ctx, wire.EncodingSSE, wire.AfterNow, ops)
	a.join(ctx, wire.EncodingNDJSON, wire.AfterSnapshot, streams.Filter{Key: "fill-7"})
	a.joinTogether(ctx, wire.AfterNow, ops, streams.Filter{Prefix: "fill-1"}, streams.Filter{Namespaces: []string{"ops"}, Bare: true})
	a.awaitLive()

	victim.pause()
	c.fill(leader, "app", c.raftIndex(leader)+trailing+1000, fillBytes)
	c.put("ops", "flags/a", "in between", victim)
	c.must(http.StatusOK, leader, http.MethodPost, "/api/v1/cluster/snapshot", nil)
	victim.resume()
	await(t, "the snapshot is installed", func() error { return victim.logged("snapshot installed") })
	c.put("ops", "flags/a", "after")
	a.awaitAll(a.log())
	a.single(5)
	a.verify()
}
