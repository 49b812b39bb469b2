package replication

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"
)

// What the log says of a node's place in the cluster: each change once, however
// long what it changed to goes on. Raft's own lines, of which a failure makes
// hundreds, are for debugging (see package raftlog).
const (
	noticeInterval = 250 * time.Millisecond
	// A member, or a leader, is missed when it is silent for so many election
	// timeouts, and for a second: shorter silences are elections and pauses.
	missedElections = 5
	minMissed       = time.Second
	// lagNotice is how many entries a member lacks when the log says so, at two
	// looks in a row; it has caught up as for a vote (caughtUp).
	lagNotice = 4096
)

// notices is what a node has said of its place.
type notices struct {
	log     zerolog.Logger
	patient time.Duration // before anybody is missed

	changes    atomic.Uint64 // of the leader that this node knows
	leadsSince atomic.Int64  // UnixNano; 0 while this node does not lead
	figures    atomic.Pointer[Figures]
	begun      atomic.Pointer[[]LeaderChange] // the latest, oldest first; replaced, never changed

	// The notices' goroutine's own.
	leader     raft.ServerID // the last one known
	leaderless time.Time     // since when no leader is known; zero while one is
	noQuorum   bool          // that was said
	members    map[raft.ServerID]*memberNotice
}

// memberNotice is what a leader has said of another member.
type memberNotice struct {
	away   time.Time // since when; zero while it is not
	behind int       // looks in a row at which it lagged
	lags   bool      // that was said
}

func newNotices(c *Config) *notices {
	return &notices{log: c.Log, patient: max(minMissed, missedElections*c.ElectionTimeout)}
}

// notice logs changes of this node's place in the cluster until the context ends.
func (n *Node) notice(ctx context.Context, e *engine) {
	leaders := make(chan raft.Observation, 64)
	observer := raft.NewObserver(leaders, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	e.raft.RegisterObserver(observer)
	defer e.raft.DeregisterObserver(observer)
	tick := time.NewTicker(noticeInterval)
	defer tick.Stop()
	n.notices.leaderless = time.Now() // whatever the node has waited for before
	n.notices.follow(e.leader(), e, time.Now())
	for {
		select {
		case o := <-leaders:
			if now, ok := o.Data.(raft.LeaderObservation); ok {
				n.notices.follow(Member{string(now.LeaderID), string(now.LeaderAddr)}, e, time.Now())
			}
		case now := <-tick.C:
			n.notices.lookForQuorum(e, now)
			n.notices.lookAtMembers(e, now)
		case <-ctx.Done():
			return
		}
	}
}

// follow notes who leads now; the zero Member: nobody.
func (s *notices) follow(leader Member, e *engine, now time.Time) {
	id := raft.ServerID(leader.ID)
	s.leadsSince.Store(0)
	s.members = nil
	if id == raft.ServerID(e.self.ID) {
		s.leadsSince.Store(now.UnixNano()) // the line is settle's
		s.members = map[raft.ServerID]*memberNotice{}
	}
	switch {
	case id == "":
		if s.leaderless.IsZero() {
			s.leaderless = now
			s.log.Info().Str("was", string(s.leader)).Msg("no leader is known")
		}
		return
	case s.noQuorum:
		s.noQuorum = false
		s.log.Info().Stringer("after", now.Sub(s.leaderless).Round(time.Millisecond)).Msg("quorum is back")
	}
	s.begins(LeaderChange{now, e.raft.CurrentTerm(), leader.ID})
	known := s.leaderless.IsZero()
	s.leaderless = time.Time{}
	if id != s.leader {
		s.leader = id
		s.changes.Add(1)
	} else if known {
		return
	}
	if s.members == nil {
		s.log.Info().Str("leader", leader.ID).Str("address", leader.Address).Uint64("term", e.raft.CurrentTerm()).Msg("following")
	}
}

// begins notes that a leader's term has begun, once.
func (s *notices) begins(c LeaderChange) {
	var changes []LeaderChange
	if known := s.begun.Load(); known != nil {
		changes = *known
	}
	if n := len(changes); n > 0 && changes[n-1].Leader == c.Leader && changes[n-1].Term == c.Term {
		return
	}
	changes = append(slices.Clone(changes[max(0, len(changes)+1-maxLeaderChanges):]), c)
	s.begun.Store(&changes)
}

// lookForQuorum says when there was no leader for so long that it is no election
// any more.
func (s *notices) lookForQuorum(e *engine, now time.Time) {
	if s.noQuorum || s.leaderless.IsZero() || now.Sub(s.leaderless) < s.patient {
		return
	}
	s.noQuorum = true
	voters := 0
	for _, m := range e.servers() {
		if m.Suffrage == raft.Voter {
			voters++
		}
	}
	s.log.Warn().Int("voters", voters).Int("needed", voters/2+1).Msg("no quorum in reach: writes are refused here until a majority of the voters is")
}

// lookAtMembers says, at a leader, who does not answer and who lags.
func (s *notices) lookAtMembers(e *engine, now time.Time) {
	if s.members == nil || e.raft.State() != raft.Leader {
		return
	}
	for _, m := range e.servers() {
		if string(m.ID) == e.self.ID {
			continue
		}
		said := s.members[m.ID]
		if said == nil {
			said = &memberNotice{}
			s.members[m.ID] = said
		}
		heard := s.heard(e, m.ID)
		s.sayAway(said, m, heard, now)
		if lag, known := e.memberLag(m.ID); known && said.away.IsZero() {
			s.sayLag(said, m, lag)
		}
	}
}

// heard is when the leader last heard of a member, or began to lead.
func (s *notices) heard(e *engine, id raft.ServerID) time.Time {
	contact, since := e.transport.LastContact(id), time.Unix(0, s.leadsSince.Load())
	if contact.After(since) {
		return contact
	}
	return since
}

func (s *notices) sayAway(said *memberNotice, m raft.Server, heard, now time.Time) {
	away := now.Sub(heard) >= s.patient
	switch {
	case away && said.away.IsZero():
		said.away = heard
		s.log.Warn().Str("member", string(m.ID)).Str("address", string(m.Address)).Stringer("silent", now.Sub(heard).Round(time.Millisecond)).Msg("member unreachable")
	case !away && !said.away.IsZero():
		s.log.Info().Str("member", string(m.ID)).Stringer("after", now.Sub(said.away).Round(time.Millisecond)).Msg("member is back")
		said.away = time.Time{}
	}
}

func (s *notices) sayLag(said *memberNotice, m raft.Server, lag uint64) {
	if lag < lagNotice {
		said.behind = 0
	} else {
		said.behind++
	}
	switch {
	case said.behind >= 2 && !said.lags:
		said.lags = true
		s.log.Warn().Str("member", string(m.ID)).Uint64("entries", lag).Msg("member lags")
	case said.lags && lag <= caughtUp:
		said.lags = false
		s.log.Info().Str("member", string(m.ID)).Msg("member has caught up")
	}
}

// memberLag is how many committed Raft entries a member lacks as far as this leader
// knows; known is false while the member has told this process nothing of its log.
func (e *engine) memberLag(id raft.ServerID) (entries uint64, known bool) {
	held, known := e.transport.Held(id, e.raft.CurrentTerm())
	commit := e.raft.CommitIndex()
	return commit - min(commit, held), known
}
