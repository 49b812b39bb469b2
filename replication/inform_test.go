package replication

import (
	"strconv"
	"strings"
	"testing"
)

// A follower that comes back knows who leads before it knows how far the history
// went meanwhile, and what it knows to be committed is no more than it has.
func TestAFollowerIsReadyOnlyWhenItHasWhatTheLeaderHad(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.form(3)
	leader, ctx := c.leader(), testContext(t)
	was := c.nodes[c.follower()].Node.config
	c.stop(was.ID)
	for i := range 50 {
		if _, err := leader.Submit(ctx, put("pay", "k", strconv.Itoa(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	back := c.start(Config{Member: was.Member, Dir: was.Dir, Peers: was.Peers}, listen(t, was.Address))
	eventually(t, "it is ready", func() bool {
		want := leader.State().Index()
		s := back.look()
		if len(s.Reasons) > 0 {
			return false
		}
		if got := back.State().Index(); got < want {
			t.Errorf("ready at event %d, the leader was at %d", got, want)
		}
		return true
	})
	e := back.engine.Load()
	e.informed.Store(false)
	if why := strings.Join(back.look().Reasons, "; "); !strings.Contains(why, "has not said yet") {
		t.Errorf("not informed, and: %q", why)
	}
	eventually(t, "it has asked", func() bool { return e.informed.Load() })
}
