package apitest

import (
	"context"
	"strings"

	"confman/api"
	"confman/api/memory"
	"confman/api/wire"
	"confman/events"
)

// alone is the cluster that a node of one is.
type alone struct {
	node *memory.Node
	url  string
}

// Standing says that the node leads.
func (a alone) Standing() api.Standing {
	return api.Standing{Role: wire.MemberLeader, Leader: a.address(), LeaderID: "n1", Term: memory.Term, Quorum: true}
}

func (a alone) address() string { return strings.TrimPrefix(a.url, "http://") }

// Status lists the one member.
func (a alone) Status(context.Context) (api.Status, error) {
	return api.Status{Quorum: wire.Quorum{Voters: 1, Alive: 1, Needed: 1, Healthy: true}, Members: []wire.Member{{
		ID: "n1", Address: a.address(), Role: wire.MemberLeader, Voter: true, AppliedIndex: a.node.State().Index(), Version: "apitest",
	}}}, nil
}

// AddMember refuses.
func (alone) AddMember(context.Context, string, string, bool) error { return stays() }

// RemoveMember refuses.
func (alone) RemoveMember(context.Context, string) error { return stays() }

// PromoteMember refuses.
func (alone) PromoteMember(context.Context, string) error { return stays() }

// TransferLeadership refuses.
func (alone) TransferLeadership(context.Context, string) error { return stays() }

// Snapshot says where the node stands.
func (a alone) Snapshot(context.Context) (wire.Snapshot, error) {
	s := a.node.State()
	return wire.Snapshot{Index: s.Index(), Position: s.Position().String(), RaftIndex: s.RaftIndex()}, nil
}

func stays() error {
	return &events.Refusal{Kind: events.ErrConflict, Detail: "this server is for tests and has one member"}
}
