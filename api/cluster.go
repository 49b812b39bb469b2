package api

import (
	"fmt"
	"net"
	"net/http"
	"strconv"

	"confman/api/wire"
	"confman/events"
)

// url is the absolute URL of a member, with a slash at its end.
func (s *Server) url(address string) string { return s.Scheme + "://" + address + "/" }

// leaderURL is nil when no leader is known.
func (s *Server) leaderURL(now Standing) *string {
	if now.Leader == "" {
		return nil
	}
	u := s.url(now.Leader)
	return &u
}

// cluster answers GET /api/v1/cluster.
func (x *exchange) cluster() error {
	status, err := x.Cluster.Status(x.r.Context())
	if err != nil {
		return err
	}
	now := x.Cluster.Standing()
	members := make([]wire.Member, len(status.Members))
	for i, m := range status.Members {
		m.URL = x.url(m.Address)
		members[i] = m
	}
	return x.sendJSON(http.StatusOK, wire.Cluster{
		ID: x.state.Cluster().ID, NodeID: x.NodeID, LeaderID: now.LeaderID, Leader: x.leaderURL(now), Term: now.Term,
		EventIndex: x.state.Index(), Position: x.state.Position().String(), RaftIndex: x.state.RaftIndex(),
		Oldest: x.state.Oldest(), FeatureLevel: uint(x.state.Cluster().FeatureLevel()),
		Quorum: status.Quorum, Members: members, Problems: append([]wire.ClusterProblem{}, status.Problems...),
	})
}

// addMember answers POST /api/v1/cluster/members. A member without an address
// is one that is already there, as a learner, and is to vote.
func (x *exchange) addMember() error {
	var asked wire.NewMember
	if err := x.decode(&asked, smallBody); err != nil {
		return err
	}
	if err := events.CheckName("/id", asked.ID); err != nil {
		return err
	}
	x.logChange("add member", asked.ID)
	if asked.Address == "" {
		if asked.Learner {
			return events.Invalid("/address", "is missing")
		}
		return x.changed(x.Cluster.PromoteMember(x.r.Context(), asked.ID))
	}
	if err := checkAddress(asked.Address); err != nil {
		return err
	}
	return x.changed(x.Cluster.AddMember(x.r.Context(), asked.ID, asked.Address, asked.Learner))
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return events.Invalid("/address", "is %.80q, want HOST:PORT", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return events.Invalid("/address", "has the port %.20q, want a number from 1 to 65535", port)
	}
	return nil
}

// removeMember answers DELETE /api/v1/cluster/members/{id}.
func (x *exchange) removeMember() error {
	x.logChange("remove member", x.names.id)
	return x.changed(x.Cluster.RemoveMember(x.r.Context(), x.names.id))
}

// transferLeader answers POST /api/v1/cluster/transfer-leader.
func (x *exchange) transferLeader() error {
	var asked wire.TransferLeader
	if err := x.decodeOptional(&asked); err != nil {
		return err
	}
	x.logChange("transfer leadership", asked.To)
	return x.changed(x.Cluster.TransferLeadership(x.r.Context(), asked.To))
}

// snapshot answers POST /api/v1/cluster/snapshot.
func (x *exchange) snapshot() error {
	x.logChange("take snapshot", x.NodeID)
	s, err := x.Cluster.Snapshot(x.r.Context())
	if err != nil {
		return disclosed{fmt.Errorf("%s: %w", x.NodeID, err)}
	}
	s.NodeID = x.NodeID
	return x.sendJSON(http.StatusOK, s)
}

// disclosed is a failure of the node whose reason its caller may read, an admin of
// the cluster.
type disclosed struct{ error }

func (d disclosed) Unwrap() error { return d.error }

// changed ends the exchange of a change to the cluster.
func (x *exchange) changed(err error) error {
	if err != nil {
		return err
	}
	return x.noContent()
}

// logChange notes who changes the cluster: such a change is no event.
func (x *exchange) logChange(what, which string) {
	x.Log.Info().Str("principal", x.principal.Name).Str("key", x.apiKey.ID).Str("correlationId", x.correlation).
		Str("member", which).Msg("asked to " + what)
}
