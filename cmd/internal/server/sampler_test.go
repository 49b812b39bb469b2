package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"confman/api/figures"
	"confman/api/wire"
)

// figures asks a node.
func (c *started) figures(n *node, query string) (f wire.Figures) {
	c.t.Helper()
	body := c.do("GET", n.url+"/api/v1/cluster/figures"+query, "", "X-Api-Key: "+adminKey).is(c.t, http.StatusOK).body
	if err := json.Unmarshal([]byte(body), &f); err != nil {
		c.t.Fatal(err)
	}
	return f
}

// sample has all nodes that run measure themselves an interval later; what they
// would do by themselves ends.
func (c *started) sample() {
	c.skew.Add(int64(figures.Interval))
	for _, n := range c.nodes {
		if n.running != nil {
			n.running.sampler.close()
			n.running.sampler.sample()
			n.running.sampler.sample() // at the same time: once is enough
		}
	}
}

func ids(nodes []wire.NodeFigures) (ids []string) {
	for _, n := range nodes {
		ids = append(ids, n.Node)
	}
	return ids
}

func TestEveryNodeTellsTheFiguresOfTheCluster(t *testing.T) {
	c := start(t, 3, nil)
	leader, others := c.leader()
	c.sample() // from here on
	began := time.Now().Add(time.Duration(c.skew.Load()) + figures.Interval/2).Format(time.RFC3339Nano)
	watched := c.watch(c.http, others[0].url+"/api/v1/watch?namespace=pay", "X-Api-Key: "+adminKey)
	watched.next()
	const writes = 5
	for i := range writes {
		c.do("PUT", leader.url+"/api/v1/namespaces/pay/config/k", fmt.Sprintf(`{"value":"%d"}`, i), "X-Api-Key: "+adminKey)
		watched.next()
	}
	index := leader.running.node.State().Index()
	c.reached(index)
	c.sample()
	asked := others[1]
	f := c.figures(asked, "?since="+url.QueryEscape(began))
	if !slices.Equal(ids(f.Nodes), []string{"n1", "n2", "n3"}) || len(f.Silent) > 0 {
		t.Fatalf("nodes %v, silent %v", ids(f.Nodes), f.Silent)
	}
	for _, n := range f.Nodes {
		if len(n.Samples) != 1 {
			t.Fatalf("%s has %d samples, one is new", n.Node, len(n.Samples))
		}
		s, leads := n.Samples[0], n.Node == leader.id
		if s.EventIndex != index || s.Events < writes || s.Lag != 0 || !s.LeaderKnown || s.Term == 0 || s.DiskFree == 0 || leads != (s.Role == wire.MemberLeader) {
			t.Errorf("%s: %+v", n.Node, s)
		}
		if s.Time.UnixNano()%int64(figures.Interval) != 0 {
			t.Errorf("%s measured at %v", n.Node, s.Time)
		}
		watchers, delivered := uint64(0), uint64(0)
		if n.Node == others[0].id {
			watchers, delivered = 1, writes
		}
		if s.Watchers != watchers || s.Delivered < delivered || delivered == 0 && s.Delivered > 0 {
			t.Errorf("%s: %d watchers, %d delivered", n.Node, s.Watchers, s.Delivered)
		}
		// Raft counts for a process, which here has the nodes of other tests too: how
		// many commits there were is looked at where each node has one of its own.
		if s.Commits > 0 && (s.CommitP50Ms <= 0 || s.CommitP99Ms < s.CommitP50Ms) {
			t.Errorf("%s: commits in %v ms, the slowest in %v", n.Node, s.CommitP50Ms, s.CommitP99Ms)
		}
	}
	last := f.Nodes[0].Samples[0].Time.Add(figures.Interval).Format(time.RFC3339Nano)
	if f := c.figures(asked, "?own=true&since="+url.QueryEscape(last)); len(f.Nodes) != 1 || len(f.Nodes[0].Samples) > 0 {
		t.Errorf("what is new: %+v", f)
	}
}

func TestFiguresTellOfLeadersAndOfNodesThatAreGone(t *testing.T) {
	c := start(t, 3, nil)
	leader, others := c.leader()
	before := c.figures(others[0], "").LeaderChanges
	if len(before) == 0 || before[len(before)-1].Leader != leader.id {
		t.Fatalf("leaders %+v, want %s last", before, leader.id)
	}
	c.stop(leader)
	next, _ := c.leader()
	f := c.figures(others[0], "")
	if !slices.Equal(f.Silent, []string{leader.id}) || len(f.Nodes) != 2 {
		t.Errorf("nodes %v, silent %v", ids(f.Nodes), f.Silent)
	}
	c.eventually("the new leader is told", func() error {
		after := c.figures(others[0], "").LeaderChanges
		if n := len(after); n <= len(before) || after[n-1].Leader != next.id || after[n-1].Term <= before[len(before)-1].Term || after[n-1].Time.Before(before[len(before)-1].Time) {
			return fmt.Errorf("before %+v, then %+v", before, after)
		}
		return nil
	})
}

func TestASamplerWaitsForTheNextMultipleOfTheInterval(t *testing.T) {
	base := time.Date(2026, 1, 23, 10, 30, 0, 0, time.UTC)
	for after, want := range map[time.Duration]time.Duration{
		0:                        figures.Interval,
		time.Millisecond:         figures.Interval - time.Millisecond,
		figures.Interval - 1:     1,
		3*figures.Interval + 2e9: figures.Interval - 2e9,
	} {
		s := sampler{now: func() time.Time { return base.Add(after) }}
		if got := s.wait(); got != want {
			t.Errorf("%v after: %v, want %v", after, got, want)
		}
	}
}
