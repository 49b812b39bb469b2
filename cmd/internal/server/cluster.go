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

// aliveContact is how fresh the leader's contact with a member must be for it to
// count as alive where this node does not reach it.
const aliveContact = time.Second

func (c cluster) Status(ctx context.Context) (api.Status, error) {
	members, err := c.node.Members(ctx)
	if err != nil {
		return api.Status{}, err
	}
	now, standing := time.Now(), c.Standing()
	status := api.Status{Quorum: quorumOf(members, now)}
	status.Quorum.Healthy = standing.Quorum && status.Quorum.Alive >= status.Quorum.Needed
	newest := uint64(0)
	for _, m := range members {
		newest = max(newest, m.EventIndex)
	}
	for _, m := range members {
		w := wireMember(m, now)
		w.Lag = newest - m.EventIndex
		status.Members = append(status.Members, w)
	}
	status.Problems = diagnose(sighting{
		asked: c.node.Standing().ID, now: now, leader: standing.LeaderID, quorum: status.Quorum,
		level: uint(c.node.State().Cluster().FeatureLevel()), members: members,
	})
	return status, nil
}

func quorumOf(members []replication.MemberStatus, now time.Time) (q wire.Quorum) {
	for _, m := range members {
		if !m.Voter {
			continue
		}
		q.Voters++
		if m.Error == "" || !m.Contact.IsZero() && now.Sub(m.Contact) < aliveContact {
			q.Alive++
		}
	}
	q.Needed = q.Voters/2 + 1
	return q
}

// wireMember is a member without its lag.
func wireMember(m replication.MemberStatus, now time.Time) wire.Member {
	w := wire.Member{ID: m.ID, Address: m.Address, Voter: m.Voter}
	if !m.Contact.IsZero() {
		w.LastContactMs = new(now.Sub(m.Contact).Milliseconds())
	}
	if m.Error != "" {
		return w
	}
	w.Role, w.AppliedIndex, w.Term, w.RaftIndex, w.CommitIndex = role(m.Role), m.EventIndex, m.Term, m.RaftIndex, m.Commit
	w.Disk = &wire.Disk{Free: m.FreeBytes, Total: m.DiskBytes, Level: m.DiskLevel}
	w.Version, w.Trouble, w.StartedAt, w.SnapshotAt, w.CertificateExpires = m.Version, m.Unsound, m.Started, m.Snapshot, m.Certificate.Until
	if !m.Snapshot.IsZero() {
		w.SnapshotAgeMs = new(now.Sub(m.Snapshot).Milliseconds())
	}
	if !m.Clock.IsZero() {
		w.ClockSkewMs = new(m.Skew.Milliseconds())
	}
	return w
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
