package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
)

// RemoveMember takes a member out of the cluster. It refuses what would lose
// quorum: the members that remain must have a majority that is alive.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	return n.asLeader(func(e *engine) error {
		suffrage, member := e.suffrage(id)
		if !member {
			return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("%.80q is not a member", id)}
		}
		if suffrage == raft.Voter {
			if err := e.quorumWithout(ctx, id); err != nil {
				return err
			}
		}
		return e.raft.RemoveServer(raft.ServerID(id), 0, configTimeout).Error()
	})
}

// quorumWithout refuses when too few voters other than id are alive.
func (e *engine) quorumWithout(ctx context.Context, id string) error {
	voters, alive := 0, 0
	for _, s := range e.servers() {
		if s.Suffrage != raft.Voter || string(s.ID) == id {
			continue
		}
		voters++
		if string(s.ID) == e.self.ID || e.ask.call(ctx, string(s.Address), pathIdentity, nil, &peerAnswer{}) == nil {
			alive++
		}
	}
	if voters == 0 {
		return &events.Refusal{Kind: events.ErrConflict, Detail: id + " is the only voter"}
	}
	if 2*alive <= voters {
		return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
			"without %s, %d of %d voters are alive, which is no majority: nothing could be written any more. Add a member first", id, alive, voters)}
	}
	return nil
}

// PromoteMember gives a learner its vote. It refuses one that lags.
func (n *Node) PromoteMember(ctx context.Context, id string) error {
	return n.asLeader(func(e *engine) error {
		for _, s := range e.servers() {
			if string(s.ID) != id {
				continue
			}
			if s.Suffrage == raft.Voter {
				return nil
			}
			var a peerAnswer
			if err := e.ask.call(ctx, string(s.Address), pathIdentity, nil, &a); err != nil {
				return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("%s at %s does not answer: %v", id, s.Address, err)}
			}
			if behind := e.raft.CommitIndex() - min(a.RaftIndex, e.raft.CommitIndex()); behind > caughtUp {
				return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("%s lacks %d entries; wait until it has caught up", id, behind)}
			}
			return e.raft.AddVoter(s.ID, s.Address, 0, configTimeout).Error()
		}
		return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("%.80q is not a member", id)}
	})
}

// TransferLeadership hands leadership to a voter, the most advanced one when to
// is empty, and returns when this node no longer leads.
func (n *Node) TransferLeadership(ctx context.Context, to string) error {
	return n.asLeader(func(e *engine) error {
		var future raft.Future
		if to == "" {
			future = e.raft.LeadershipTransfer()
		} else {
			address := raft.ServerAddress("")
			for _, s := range e.servers() {
				if string(s.ID) == to && s.Suffrage == raft.Voter {
					address = s.Address
				}
			}
			switch {
			case address == "":
				return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("%.80q is not a voter", to)}
			case to == n.config.ID:
				return nil
			}
			future = e.raft.LeadershipTransferToServer(raft.ServerID(to), address)
		}
		if err := future.Error(); err != nil {
			return &events.Refusal{Kind: events.ErrConflict, Detail: "leadership was not handed over: " + err.Error()}
		}
		return nil
	})
}

// Marker is how far a node's views are durable.
type Marker struct {
	Index     uint64 // event index
	Position  string
	RaftIndex uint64
}

// Snapshot makes a marker now: what is before it need not be folded again at a
// start, and Raft may drop it.
func (n *Node) Snapshot(context.Context) (Marker, error) {
	e, err := n.running()
	if err != nil {
		return Marker{}, err
	}
	if err := e.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return Marker{}, fmt.Errorf("snapshot: %w", err)
	}
	m := e.store.Marker()
	chain, err := events.ParseChain(m.Chain)
	return Marker{m.Index, chain.At(m.Index).String(), m.RaftIndex}, err
}

// Standing is how this node stands in the cluster. It is cheap to ask for.
type Standing struct {
	ID          string
	Cluster     string
	Role        string // leader, follower, candidate, learner; none before the node is part of a cluster
	Leader      Member // the zero value when nobody is known to lead
	Term        uint64
	LastContact time.Time // when a leader was last heard of; now at the leader; zero if never
	RaftIndex   uint64    // last Raft entry folded
	Commit      uint64    // last Raft entry known to be committed
	Marker      uint64    // event index of the newest marker
	FreeBytes   uint64
	Upkeep      Upkeep
	Reasons     []string // why the node is not ready; empty when it is
}

// Lag is how many committed Raft entries the node has not folded yet.
func (s Standing) Lag() uint64 { return s.Commit - min(s.Commit, s.RaftIndex) }

// standingAge is how old an answer of Standing may be: every read asks.
const standingAge = 5 * time.Millisecond

// agedStanding is a Standing and when it was.
type agedStanding struct {
	Standing
	at time.Time
}

// Standing reports how this node stands, as of a few milliseconds ago at most.
func (n *Node) Standing() Standing {
	now := time.Now()
	if s := n.standing.Load(); s != nil && now.Sub(s.at) < standingAge {
		return s.Standing
	}
	s := n.look()
	n.standing.Store(&agedStanding{s, now})
	return s
}

func (n *Node) look() Standing {
	s := Standing{ID: n.config.ID, Cluster: n.cluster(), Role: "none", RaftIndex: n.present.load().RaftIndex()}
	e := n.engine.Load()
	if e == nil {
		s.Reasons = []string{n.waitsFor()}
		return s
	}
	s.Role, s.Leader, s.Term = e.role(), e.leader(), e.raft.CurrentTerm()
	s.Commit, s.Marker, s.FreeBytes = e.raft.CommitIndex(), e.store.Marker().Index, e.space.Free()
	s.Upkeep = n.upkeep.look()
	if s.LastContact = e.raft.LastContact(); s.Role == "leader" {
		s.LastContact = time.Now()
	}
	if w := n.waitsFor(); w != "" {
		s.Reasons = append(s.Reasons, w)
	}
	if s.Leader.Address == "" {
		s.Reasons = append(s.Reasons, "no leader is known")
	}
	if s.Lag() > caughtUp {
		s.Reasons = append(s.Reasons, fmt.Sprintf("%d entries behind", s.Lag()))
	}
	if s.Role == "leader" && e.readyTerm.Load() != s.Term {
		s.Reasons = append(s.Reasons, "just elected")
	}
	if n.present.load().Index() == 0 { // no API key exists yet
		s.Reasons = append(s.Reasons, "the history has not begun")
	}
	if e.space.Level() != 0 {
		s.Reasons = append(s.Reasons, fmt.Sprintf("the disk is nearly full: %d bytes are free", s.FreeBytes))
	}
	if found := n.verified.unsound(); found != "" { // it votes: what it voted for is right elsewhere
		s.Reasons = append(s.Reasons, found)
	}
	return s
}

func (e *engine) role() string {
	switch e.raft.State() {
	case raft.Leader:
		return "leader"
	case raft.Candidate:
		return "candidate"
	}
	if suffrage, member := e.suffrage(e.self.ID); member && suffrage != raft.Voter {
		return "learner"
	}
	return "follower"
}

// MemberStatus is what is known of a member.
type MemberStatus struct {
	Member
	Role       string // "unreachable" when it does not answer
	Voter      bool
	Term       uint64
	RaftIndex  uint64
	EventIndex uint64
	Chain      string
	Lag        uint64 // Raft entries it has not folded, against this node's commit index
	FreeBytes  uint64
	DiskBytes  uint64
	Contact    time.Time // when the leader last heard from it; zero where this node does not lead
	Trouble    string    // why it must be replaced; empty: it does not know of any reason
	Error      string    // why it is unreachable
}

// Members asks every member how it is.
func (n *Node) Members(ctx context.Context) ([]MemberStatus, error) {
	e, err := n.running()
	if err != nil {
		return nil, err
	}
	servers := e.servers()
	found := make([]MemberStatus, len(servers))
	answered := make(chan struct{}, len(servers))
	commit := e.raft.CommitIndex()
	for i, s := range servers {
		go func() {
			found[i] = n.memberStatus(ctx, s, commit)
			if e.raft.State() == raft.Leader {
				found[i].Contact = e.transport.LastContact(s.ID)
			}
			answered <- struct{}{}
		}()
	}
	for range servers {
		<-answered // each call has a deadline
	}
	return found, nil
}

func (n *Node) memberStatus(ctx context.Context, s raft.Server, commit uint64) MemberStatus {
	m := MemberStatus{Member: Member{string(s.ID), string(s.Address)}, Voter: s.Suffrage == raft.Voter, Role: "unreachable"}
	var a peerAnswer
	if m.ID == n.config.ID {
		a = n.self()
	} else {
		if err := n.ask.call(ctx, m.Address, pathIdentity, nil, &a); err != nil {
			m.Error = err.Error()
			return m
		}
	}
	m.DiskBytes = a.DiskBytes
	m.Trouble = a.Unsound
	m.Role, m.Term, m.RaftIndex, m.EventIndex, m.Chain, m.FreeBytes = a.Role, a.Term, a.RaftIndex, a.Index, a.Chain, a.FreeBytes
	m.Lag = commit - min(commit, a.RaftIndex)
	return m
}
