package replication

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/replication/disk"
)

// journal keeps the lines that one node logs.
type journal struct {
	mu    sync.Mutex // guards lines
	lines []line
}

type line struct {
	Level   string `json:"level"`
	Part    string `json:"part"`
	Message string `json:"message"`
	Member  string `json:"member"`
	Leader  string `json:"leader"`
	Error   string `json:"error"`
}

func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for l := range bytes.Lines(text) {
		var said line
		if err := json.Unmarshal(l, &said); err != nil {
			return 0, fmt.Errorf("%s: %w", l, err)
		}
		j.lines = append(j.lines, said)
	}
	return len(text), nil
}

// count counts the lines that fit.
func (j *journal) count(fits func(line) bool) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if fits(l) {
			n++
		}
	}
	return n
}

func (j *journal) times(message string) int {
	return j.count(func(l line) bool { return l.Message == message })
}

// loud counts by message what an operator sees by default.
func (j *journal) loud() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	by := map[string]int{}
	for _, l := range j.lines {
		if l.Level != zerolog.LevelDebugValue {
			by[l.Part+" "+l.Message]++
		}
	}
	return by
}

// A follower goes and comes back, then a majority goes for dozens of attempts to
// elect somebody, and comes back.
func TestAFailureIsSaidOnceAndFloodsNoLog(t *testing.T) {
	t.Parallel()
	const most = 6 // lines of one message, from one node, in all of it
	journals := map[string]*journal{}
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: 400 * time.Millisecond}
	c.with = func(config *Config) {
		if journals[config.ID] == nil {
			journals[config.ID] = &journal{}
		}
		config.Log = zerolog.New(journals[config.ID])
	}
	c.form(3)
	leader := c.leader().config.ID
	said := journals[leader]
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(c.nodes)), func(id string) bool { return id == leader })

	first, second := c.nodes[others[0]], c.nodes[others[1]]

	c.stop(others[0])
	eventually(t, "the leader says who is away", func() bool { return said.times("member unreachable") == 1 })
	c.revive(first)
	eventually(t, "and that it is back", func() bool { return said.times("member is back") == 1 })

	c.stop(others[0])
	c.stop(others[1])
	eventually(t, "the survivor says that there is no quorum", func() bool {
		return said.times("no quorum in reach: writes are refused here until a majority of the voters is") == 1
	})
	eventually(t, "and has tried to be elected often", func() bool { return said.count(attempt) > 15 })
	c.revive(first)
	c.revive(second)
	eventually(t, "quorum is back", func() bool { return said.times("quorum is back") == 1 })
	c.leader()

	for _, message := range []string{"no quorum in reach: writes are refused here until a majority of the voters is", "quorum is back"} {
		if n := said.times(message); n != 1 {
			t.Errorf("%q was said %d times, want once", message, n)
		}
	}
	for id, j := range journals {
		for message, n := range j.loud() {
			if n > most {
				t.Errorf("%s said %q %d times", id, message, n)
			}
		}
	}
}

// A new leader that a member takes nothing from learns from its heartbeats what it
// lacks.
func TestANewLeaderKnowsHowFarAMemberLagsThatTakesNothing(t *testing.T) {
	t.Parallel()
	journals := map[string]*journal{}
	c, d := withDisks(t, 3, func(config *Config) {
		journals[config.ID] = &journal{}
		config.Log = zerolog.New(journals[config.ID])
	})
	leader, ctx := c.leader(), testContext(t)
	others := c.others(leader.config.ID)
	slow, next := c.nodes[others[0]], c.nodes[others[1]]
	said := journals[next.config.ID]
	if _, err := leader.Submit(ctx, put("pay", "k", "before"), stamp()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all hold the first write", func() bool { return slow.State().Index() == leader.State().Index() })

	d.set(slow.config.ID, atNought) // it takes no command, nor what follows one, but answers heartbeats
	slow.awaitLevel(t, disk.Critical)
	if _, err := leader.Submit(ctx, put("pay", "k", "after"), stamp()); err != nil {
		t.Fatal(err)
	}
	more := make([]raft.Future, lagNotice)
	for i := range more {
		more[i] = leader.engine.Load().raft.Barrier(0)
	}
	for _, f := range more {
		if err := f.Error(); err != nil {
			t.Fatal(err)
		}
	}
	if err := leader.transferTo(leader.engine.Load(), next.config.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new leader says that the member lags", func() bool { return said.times("member lags") == 1 })
	e := next.engine.Load()
	want := e.raft.CommitIndex() - slow.engine.Load().raft.LastIndex()
	if lag, known := e.memberLag(raft.ServerID(slow.config.ID)); lag != want || !known {
		t.Errorf("it lacks %d entries, known %t; want %d", lag, known, want)
	}
	d.set(slow.config.ID, plenty)
	eventually(t, "and that it has caught up", func() bool { return said.times("member has caught up") == 1 })
}

// attempt tells the lines of a node that wants to be elected.
func attempt(l line) bool {
	return l.Part == "raft" && (l.Message == "entering candidate state" || l.Message == "pre-vote campaign failed, waiting for election timeout")
}

// revive starts a node again that was stopped.
func (c *testCluster) revive(n *testNode) {
	c.t.Helper()
	c.start(Config{Member: n.config.Member, Dir: n.dir, Peers: n.config.Peers}, listen(c.t, n.config.Address))
}

func TestTheLatestLeadersAreRememberedEachOnce(t *testing.T) {
	var n Node
	n.notices = &notices{}
	if got := n.LeaderChanges(); len(got) > 0 {
		t.Errorf("before any: %v", got)
	}
	began := time.Unix(1000, 0)
	for term := uint64(1); term <= 250; term++ {
		c := LeaderChange{began.Add(time.Duration(term) * time.Second), term, "n1"}
		before := n.LeaderChanges()
		kept := slices.Clone(before)
		n.notices.begins(c)
		n.notices.begins(LeaderChange{c.Time.Add(1), c.Term, c.Leader}) // heard of again
		if !slices.Equal(before, kept) {
			t.Fatal("what was read before has changed")
		}
		got := n.LeaderChanges()
		if want := int(min(term, maxLeaderChanges)); len(got) != want || got[want-1] != c || got[0].Term != term-uint64(want)+1 {
			t.Fatalf("after term %d: %v", term, got)
		}
	}
}
