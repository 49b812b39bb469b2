package api

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/memory"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// node is a node in memory, with faults on demand and a cluster that notes what
// it is asked.
type node struct {
	*memory.Node
	hub   *streaming.Hub
	stand atomic.Pointer[Standing]

	mu        sync.Mutex // guards the fields below
	refuse    error      // what Submit answers instead, once set
	loses     bool       // Submit does its work and then says that it does not know
	uncertain error      // what Linearizable answers
	asked     []string
}

func newNode(t testing.TB, rules events.Rules) *node {
	n := &node{hub: streaming.NewHub(streaming.HubConfig{})}
	t.Cleanup(n.hub.Close)
	n.Node = memory.New(memory.Config{Rules: rules, Announce: n.hub.Publish})
	n.stand.Store(&Standing{Role: wire.MemberLeader, Leader: "127.0.0.1:6100", LeaderID: "n1", Term: memory.Term, Quorum: true})
	return n
}

func (n *node) Submit(ctx context.Context, c events.Command, s events.Stamp) (events.Outcome, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return events.Outcome{}, n.refuse
	}
	done, err := n.Node.Submit(ctx, c, s)
	if n.loses && err == nil {
		return events.Outcome{}, fmt.Errorf("no answer from the quorum: %w", events.ErrUnknown)
	}
	return done, err
}

func (n *node) Linearizable(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.uncertain
}

func (n *node) Standing() Standing { return *n.stand.Load() }

func (n *node) follows(leader string) {
	n.stand.Store(&Standing{Role: wire.MemberFollower, Leader: leader, LeaderID: "n2", Term: 3, Quorum: leader != "", SinceContact: 40 * time.Millisecond})
}

func (n *node) Status(context.Context) (Status, error) {
	contact := int64(12)
	return Status{Members: []wire.Member{
		{ID: "n1", Address: "127.0.0.1:6100", Role: wire.MemberLeader, Voter: true, AppliedIndex: n.State().Index(), Disk: &wire.Disk{Total: 3, Free: 2, Used: 1}, Version: "test"},
		{ID: "n2", Address: "127.0.0.1:6200", Role: wire.MemberFollower, Voter: true, LastContactMs: &contact},
	}}, nil
}

func (n *node) ask(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, fmt.Sprintf(format, args...))
	return n.refuse
}

func (n *node) takeAsked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	return asked
}

func (n *node) AddMember(_ context.Context, id, address string, learner bool) error {
	return n.ask("add %s %s learner=%v", id, address, learner)
}
func (n *node) RemoveMember(_ context.Context, id string) error  { return n.ask("remove %s", id) }
func (n *node) PromoteMember(_ context.Context, id string) error { return n.ask("promote %s", id) }
func (n *node) TransferLeadership(_ context.Context, to string) error {
	return n.ask("transfer %q", to)
}

func (n *node) Snapshot(context.Context) (wire.Snapshot, error) {
	s := n.State()
	return wire.Snapshot{Index: s.Index(), Position: s.Position().String(), RaftIndex: s.RaftIndex()}, n.ask("snapshot")
}
