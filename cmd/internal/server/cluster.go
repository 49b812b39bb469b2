package server

import (
	"context"
	"time"

	"confman/api"
	"confman/api/wire"
	"confman/replication"
)

// cluster shows a node to the API as the API asks for it.
type cluster struct {
	node    *replication.Node
	timeout time.Duration // without a leader for longer there is no quorum in reach
}

func (c cluster) Standing() api.Standing {
	s := c.node.Standing()
	standing := api.Standing{
		Role: role(s.Role), Leader: s.Leader.Address, LeaderID: s.Leader.ID, Term: s.Term,
		SinceContact: -1, Lag: s.Lag(), Reasons: s.Reasons,
	}
	if !s.LastContact.IsZero() {
		standing.SinceContact = time.Since(s.LastContact)
		standing.Quorum = s.Leader.Address != "" && standing.SinceContact <= 2*c.timeout
	}
	if s.Role == "leader" {
		standing.SinceContact, standing.Quorum = 0, true
	}
	return standing
}

func role(r string) string {
	if r == "none" {
		return wire.MemberFollower
	}
	return r
}

func (c cluster) Status(ctx context.Context) (api.Status, error) {
	members, err := c.node.Members(ctx)
	if err != nil {
		return api.Status{}, err
	}
	var status api.Status
	newest := uint64(0)
	for _, m := range members {
		newest = max(newest, m.EventIndex)
	}
	for _, m := range members {
		w := wire.Member{
			ID: m.ID, Address: m.Address, Voter: m.Voter, AppliedIndex: m.EventIndex, Lag: newest - m.EventIndex, Trouble: m.Trouble,
		}
		if m.Error == "" {
			w.Role = role(m.Role)
			w.Disk = &wire.Disk{Free: m.FreeBytes, Total: m.DiskBytes}
		}
		if !m.Contact.IsZero() {
			ms := time.Since(m.Contact).Milliseconds()
			w.LastContactMs = &ms
		}
		status.Members = append(status.Members, w)
	}
	return status, nil
}

func (c cluster) AddMember(ctx context.Context, id, address string, learner bool) error {
	return c.node.AddMember(ctx, replication.Member{ID: id, Address: address}, learner)
}

func (c cluster) RemoveMember(ctx context.Context, id string) error {
	return c.node.RemoveMember(ctx, id)
}

func (c cluster) PromoteMember(ctx context.Context, id string) error {
	return c.node.PromoteMember(ctx, id)
}

func (c cluster) TransferLeadership(ctx context.Context, to string) error {
	return c.node.TransferLeadership(ctx, to)
}

func (c cluster) Snapshot(ctx context.Context) (wire.Snapshot, error) {
	m, err := c.node.Snapshot(ctx)
	return wire.Snapshot{Index: m.Index, Position: m.Position, RaftIndex: m.RaftIndex}, err
}
