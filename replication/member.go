package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
	"confman/replication/disk"
)

// RemoveMember takes a member out of the cluster. It refuses what would lose
// quorum: the voters that remain must have a majority that is alive. A learner
// can always go.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	return n.asLeader(func(e *engine) error {
		suffrage, member := e.suffrage(id)
		if !member {
			return e.noMember(id)
		}
		if suffrage == raft.Voter {
			members, err := n.Members(ctx)
			if err == nil {
				err = quorumWithout(members, id)
			}
			if err != nil {
				return err
			}
		}
		return e.raft.RemoveServer(raft.ServerID(id), 0, configTimeout).Error()
	})
}

func (e *engine) noMember(id string) error {
	var ids []string
	for _, s := range e.servers() {
		ids = append(ids, string(s.ID))
	}
	return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("%.80q is not a member; the members are %s", id, strings.Join(ids, ", "))}
}

// quorumWithout refuses when too few voters other than id are alive.
func quorumWithout(members []MemberStatus, id string) error {
	voters, alive, down := 0, 0, []string(nil)
	for _, m := range members {
		switch {
		case !m.Voter || m.ID == id:
			continue
		case m.Error == "":
			alive++
		default:
			down = append(down, fmt.Sprintf("%s: %s", m.ID, m.Error))
		}
		voters++
	}
	if voters == 0 {
		return &events.Refusal{Kind: events.ErrConflict, Detail: id + " is the only voter; to replace it: confman cluster replace " + id + " NEW-ID HOST:PORT"}
	}
	if need := voters/2 + 1; alive < need {
		return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
			"without %s, %d of %d voters would be alive, and a majority of %d is needed to write anything (%s). "+
				"Start those, or add another node first: confman cluster add NEW-ID HOST:PORT", id, alive, voters, need, strings.Join(down, "; "))}
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
			now := n.memberStatus(ctx, s)
			if now.Error != "" {
				return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
					"%s at %s cannot be given a vote: %s. Once it runs: confman cluster promote %s", id, s.Address, now.Error, id)}
			}
			if behind := e.raft.CommitIndex() - min(now.RaftIndex, e.raft.CommitIndex()); behind > caughtUp {
				return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
					"%s lacks %d entries and may lack %d at most; wait until confman cluster status shows that it has caught up, then: confman cluster promote %s",
					id, behind, caughtUp, id)}
			}
			return e.raft.AddVoter(s.ID, s.Address, 0, configTimeout).Error()
		}
		return e.noMember(id)
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
				return e.noVoter(to)
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

func (e *engine) noVoter(id string) error {
	if _, member := e.suffrage(id); !member {
		return e.noMember(id)
	}
	return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("%s is a learner and cannot lead; first: confman cluster promote %s", id, id)}
}

// Marker is how far a node's views are durable.
type Marker struct {
	Index     uint64 // event index
	Position  string
	RaftIndex uint64
}

// Snapshot makes a marker now: what is before it need not be folded again at a
// start, and Raft may drop it. The error names what could not be written; it is
// [events.ErrNoSpace] where that is why.
func (n *Node) Snapshot(context.Context) (Marker, error) {
	e, err := n.running()
	if err != nil {
		return Marker{}, err
	}
	if err := e.raft.Snapshot().Error(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		if why := e.snapshots.Failing(); why != nil { // which Raft has only the text of
			err = why
		}
		if errors.Is(err, disk.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", events.ErrNoSpace, err)
		}
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
	DiskTotal   uint64 // bytes of the data directory's file system, free or not
	DiskLevel   disk.Level
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
	s.FreeBytes, s.DiskLevel = n.room.space.Free(), n.room.space.Level()
	s.DiskTotal, _ = disk.TotalBytes(n.config.Dir) // 0: unknown
	e := n.engine.Load()
	if e == nil {
		s.Reasons = []string{n.waitsFor()}
		return s
	}
	s.Role, s.Leader, s.Term = e.role(), e.leader(), e.raft.CurrentTerm()
	s.Commit, s.Marker = e.raft.CommitIndex(), e.store.Marker().Index
	s.Upkeep = n.upkeep.look()
	if s.LastContact = e.raft.LastContact(); s.Role == "leader" {
		s.LastContact = time.Now()
	}
	if w := n.waitsFor(); w != "" {
		s.Reasons = append(s.Reasons, w)
	}
	if s.Leader.Address == "" {
		s.Reasons = append(s.Reasons, "no leader is known")
		if lost := n.around.nowhere(); lost != "" {
			s.Reasons = append(s.Reasons, lost)
		}
	}
	if s.Leader.Address != "" && s.Role != "leader" && !e.informed.Load() {
		s.Reasons = append(s.Reasons, "the leader has not said yet how far the history goes")
	}
	if s.Lag() > caughtUp {
		s.Reasons = append(s.Reasons, fmt.Sprintf("%d entries behind", s.Lag()))
	}
	if s.Role == "leader" && e.readyTerm.Load() != s.Term {
		s.Reasons = append(s.Reasons, "just elected")
	}
	if origin := n.unsaid(); origin != nil {
		s.Reasons = append(s.Reasons, "the history does not say yet that the cluster is "+origin.String())
	}
	if n.present.load().Index() == 0 { // no API key exists yet
		s.Reasons = append(s.Reasons, "the history has not begun")
	}
	if s.DiskLevel > disk.OK {
		s.Reasons = append(s.Reasons, fmt.Sprintf("the disk is nearly full: %s: this node %s", n.room.free(), effectOf(s.DiskLevel)))
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
