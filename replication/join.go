package replication

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
)

// A node joins a running cluster in three steps, each of which may be repeated:
// it asks any member and takes the cluster's identity over; it starts Raft and
// has the leader add it as a learner, which brings it a snapshot and the log;
// when it holds what the leader holds, it asks for its vote.

const (
	joinInterval  = 500 * time.Millisecond
	configTimeout = 5 * time.Second
	// caughtUp is how many Raft entries a learner may lack when it becomes a voter.
	caughtUp = 256
)

// askToJoin asks a member to let this new node in, and takes over the identity.
func (n *Node) askToJoin(ctx context.Context, url string) (done bool, err error) {
	var a joinAnswer
	err = n.ask.callURL(ctx, strings.TrimRight(url, "/")+pathJoin, joinRequest{Member: n.config.Member, Level: n.knows()}, &a)
	var refused *refusedError
	if errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable {
		return false, fmt.Errorf("%w by the cluster at %s: %s", ErrRefused, url, refused.Detail)
	}
	if err != nil {
		n.wait("waiting to join at %s: %v", url, err)
		return false, nil
	}
	return true, n.take(identity{Node: n.config.ID, Cluster: a.Cluster})
}

// seekMembership asks the leader until this node is a member, and a voter
// unless it is to stay a learner.
func (n *Node) seekMembership(ctx context.Context, e *engine) {
	tick := time.NewTicker(joinInterval)
	defer tick.Stop()
	for asked := false; ; {
		if done := n.seekOnce(ctx, e, &asked); done {
			n.waiting.Store(nil)
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// seekOnce asks to be a member once only: a member that was removed must not
// ask itself in again.
func (n *Node) seekOnce(ctx context.Context, e *engine, asked *bool) (done bool) {
	suffrage, member := e.suffrage(n.config.ID)
	if member && (suffrage == raft.Voter || n.learner) {
		return true
	}
	if *asked && !member {
		return false
	}
	url := n.join
	if leader := e.leader(); leader.Address != "" {
		url = n.ask.scheme + "://" + leader.Address
	}
	if url == "" {
		return false // the leader will call
	}
	var a joinAnswer
	err := n.ask.callURL(ctx, strings.TrimRight(url, "/")+pathJoin, joinRequest{
		Member: n.config.Member, Cluster: n.cluster(), Promote: member && !n.learner, Last: n.present.load().RaftIndex(), Level: n.knows(),
	}, &a)
	if err != nil {
		n.wait("waiting for membership: %v", err)
		return false
	}
	*asked = true
	return a.Voter
}

func (e *engine) suffrage(id string) (raft.ServerSuffrage, bool) {
	for _, s := range e.servers() {
		if s.ID == raft.ServerID(id) {
			return s.Suffrage, true
		}
	}
	return 0, false
}

// answerJoin is the leader's side; others send the caller on.
func (n *Node) answerJoin(r *http.Request) (any, error) {
	var join joinRequest
	if err := decode(r, &join); err != nil {
		return nil, err
	}
	if err := join.validate(); err != nil {
		return nil, refusal(http.StatusBadRequest, "%v", err)
	}
	e, err := n.running()
	if err != nil {
		return nil, err
	}
	if !n.mayBringIn(e, r, join.Member) {
		return nil, refusal(http.StatusUnauthorized, "the certificate shown names neither %s nor the host of %s", join.ID, join.Address)
	}
	if e.raft.State() != raft.Leader {
		leader := e.leader()
		if leader.Address == "" || leader.ID == n.config.ID {
			return nil, refusal(http.StatusServiceUnavailable, "no leader is known")
		}
		var a joinAnswer
		return &a, n.ask.call(r.Context(), leader.Address, pathJoin, join, &a)
	}
	return n.letIn(e, join)
}

func (n *Node) letIn(e *engine, join joinRequest) (any, error) {
	if at, knows := n.State().Cluster().FeatureLevel(), max(join.Level, events.FirstLevel); knows < at {
		return nil, refusal(http.StatusConflict, "%s knows feature level %d, the cluster is at %d: run a newer release", join.ID, knows, at)
	}
	if origin := n.unsaid(); origin != nil {
		return nil, refusal(http.StatusServiceUnavailable, "the cluster is %s, and its history does not say so yet", origin)
	}
	suffrage, member := e.suffrage(join.ID)
	if join.Cluster == "" {
		if member {
			return nil, refusal(http.StatusConflict, "%s is a member already, and the data directory of the node that asks is empty. %s", join.ID, replaceCommands(join.ID))
		}
		for _, s := range e.servers() {
			if string(s.Address) == join.Address {
				return nil, refusal(http.StatusConflict, "%s is the address of member %s", join.Address, s.ID)
			}
		}
		return joinAnswer{Cluster: n.cluster()}, nil
	}
	if join.Cluster != n.cluster() {
		return nil, refusal(http.StatusConflict, "%s belongs to cluster %s, this is cluster %s", join.ID, join.Cluster, n.cluster())
	}
	switch {
	case !member:
		n.config.Log.Info().Str("member", join.ID).Str("address", join.Address).Msg("adding as a learner")
		return joinAnswer{Cluster: n.cluster()}, e.addLearner(join.Member)
	case suffrage == raft.Voter:
		return joinAnswer{Cluster: n.cluster(), Voter: true}, nil
	case join.Promote && join.Last+caughtUp >= e.raft.CommitIndex():
		n.config.Log.Info().Str("member", join.ID).Msg("learner has caught up, giving it a vote")
		err := e.raft.AddVoter(raft.ServerID(join.ID), raft.ServerAddress(join.Address), 0, configTimeout).Error()
		return joinAnswer{Cluster: n.cluster(), Voter: err == nil}, err
	}
	return joinAnswer{Cluster: n.cluster()}, nil
}

func (e *engine) addLearner(m Member) error {
	err := e.raft.AddNonvoter(raft.ServerID(m.ID), raft.ServerAddress(m.Address), 0, configTimeout).Error()
	if err != nil {
		return fmt.Errorf("add %s: %w", m.ID, err)
	}
	return nil
}

// asLeader runs a change of membership at the leader.
func (n *Node) asLeader(change func(*engine) error) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	if err := e.leads(); err != nil {
		return err
	}
	err = change(e)
	if errors.Is(err, raft.ErrNotLeader) {
		return e.notLeader()
	}
	if errors.Is(err, raft.ErrLeadershipLost) {
		return fmt.Errorf("%w: %w", events.ErrUnknown, err)
	}
	return err
}

// AddMember invites a node that was started without --peers to join as a
// learner, and as a voter once it has caught up unless it is to stay a learner.
// It returns when the node is a member.
func (n *Node) AddMember(ctx context.Context, m Member, learner bool) error {
	if err := m.validate(); err != nil {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: err.Error()}
	}
	return n.asLeader(func(e *engine) error {
		if _, member := e.suffrage(m.ID); member {
			return &events.Refusal{Kind: events.ErrConflict, Detail: m.ID + " is a member already"}
		}
		err := n.ask.call(ctx, m.Address, pathInvite, inviteRequest{Node: m.ID, Member: n.config.Address, Learner: learner}, &struct{}{})
		var refused *refusedError
		if errors.As(err, &refused) {
			return &events.Refusal{Kind: events.ErrConflict, Detail: refused.Detail}
		}
		if err != nil {
			return fmt.Errorf("%s at %s: %w: %w; start it first: confman serve --id %s --advertise %s --data DIR --cluster-token-file F",
				m.ID, m.Address, events.ErrUnavailable, err, m.ID, m.Address)
		}
		return n.awaitMember(ctx, e, m.ID)
	})
}

func (n *Node) awaitMember(ctx context.Context, e *engine, id string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, member := e.suffrage(id); member {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s was invited and has not joined yet: %w", id, events.ErrUnknown)
		}
	}
}
