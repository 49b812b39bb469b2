package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
	"confman/replication/disk"
)

// About is what a node tells of itself and only its process knows.
type About struct {
	Version     string          // of the program
	Certificate func() Validity // of its certificate that ends first; nil: it has none
	Backups     func() string   // what is wrong with the backups that it makes by itself; nil: it makes none
}

// Validity is from when until when a certificate is good.
type Validity struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// Report is what a member says of itself beside its place in Raft. Releases add
// to it: a field that is zero is one that the member does not know of.
type Report struct {
	Version     string       `json:"version,omitempty"`
	Started     time.Time    `json:"started,omitzero"`
	Clock       time.Time    `json:"clock,omitzero"` // when it answered, by its own clock
	Certificate Validity     `json:"certificate,omitzero"`
	Level       events.Level `json:"level,omitempty"` // the highest feature level that it can read; absent: the first

	Commit        uint64    `json:"commit,omitempty"`        // last Raft entry that it knows to be committed
	Snapshot      time.Time `json:"snapshot,omitzero"`       // of its newest marker
	SinceSnapshot uint64    `json:"sinceSnapshot,omitempty"` // Raft entries that it folded after that
	NoSnapshot    string    `json:"noSnapshot,omitempty"`    // why the last one that it tried was not made
	FreeBytes     uint64    `json:"freeBytes"`
	DiskBytes     uint64    `json:"diskBytes"` // of the whole file system
	DiskLevel     string    `json:"diskLevel,omitempty"`

	Unsound        string `json:"unsound,omitempty"` // what it found to be wrong with its records
	Erasing        uint64 `json:"erasing,omitempty"` // an erasure of which files may still hold something
	ArchiveFailing bool   `json:"archiveFailing,omitempty"`
	Backups        string `json:"backups,omitempty"` // what is wrong with the backups that it makes by itself
	// Contacts is how many milliseconds ago the leader last heard from each member.
	Contacts map[string]int64 `json:"contacts,omitempty"`
}

// report says how this node is. Its cost is one statfs.
func (n *Node) report() Report {
	r := Report{Version: n.config.About.Version, Started: n.around.started, Clock: time.Now(), Level: n.knows(), Unsound: n.verified.unsound()}
	if n.config.About.Certificate != nil {
		r.Certificate = n.config.About.Certificate()
	}
	if n.config.About.Backups != nil {
		r.Backups = n.config.About.Backups()
	}
	r.FreeBytes, r.DiskLevel = n.room.space.Free(), n.room.space.Level().String()
	r.DiskBytes, _ = disk.TotalBytes(n.config.Dir) // 0: unknown
	e := n.engine.Load()
	if e == nil {
		return r
	}
	marker, upkeep, folded := e.store.Marker(), n.upkeep.look(), n.present.load().RaftIndex()
	r.Commit, r.Snapshot, r.SinceSnapshot = e.raft.CommitIndex(), marker.Time, folded-min(marker.RaftIndex, folded)
	r.Erasing, r.ArchiveFailing = upkeep.Pending, upkeep.ArchiveFailing
	if err := e.snapshots.Failing(); err != nil {
		r.NoSnapshot = err.Error()
	}
	if e.raft.State() == raft.Leader {
		r.Contacts = e.contacts(time.Now())
	}
	return r
}

func (e *engine) contacts(now time.Time) map[string]int64 {
	heard := map[string]int64{}
	for _, s := range e.servers() {
		if at := e.transport.LastContact(s.ID); !at.IsZero() {
			heard[string(s.ID)] = now.Sub(at).Milliseconds()
		}
	}
	return heard
}

// MemberStatus is what is known of a member.
type MemberStatus struct {
	Member
	Report
	Voter      bool
	Role       string // "unreachable" when it does not answer
	Term       uint64
	RaftIndex  uint64
	EventIndex uint64
	Lag        uint64        // Raft entries it has not folded, against the highest commit index that is known
	Contact    time.Time     // when the leader last heard from it; zero where it is not known
	Skew       time.Duration // its clock minus ours, as exact as half the way there and back
	Waiting    string        // what keeps it from taking part
	Error      string        // why it is unreachable
	stranger   bool          // another node, or one of another cluster, answers in its place
}

// Members asks every member how it is, all at once, each for no longer than two
// seconds. It needs neither a leader nor a majority.
func (n *Node) Members(ctx context.Context) ([]MemberStatus, error) {
	e, err := n.running()
	if err != nil {
		return nil, err
	}
	servers := e.servers()
	found := make([]MemberStatus, len(servers))
	answered := make(chan struct{}, len(servers))
	for i, s := range servers {
		go func() {
			found[i] = n.memberStatus(ctx, s)
			answered <- struct{}{}
		}()
	}
	for range servers {
		<-answered // each call has a deadline
	}
	relate(found, time.Now())
	n.around.note(found)
	return found, nil
}

// relate fills in what follows from all answers together.
func relate(found []MemberStatus, now time.Time) {
	commit, leader := uint64(0), -1
	for i, m := range found {
		commit = max(commit, m.Commit)
		if m.Role == "leader" && (leader < 0 || m.Term > found[leader].Term) {
			leader = i
		}
	}
	for i := range found {
		m := &found[i]
		m.Lag = commit - min(commit, m.RaftIndex)
		if leader < 0 || i == leader {
			continue
		}
		if ms, heard := found[leader].Contacts[m.ID]; heard {
			m.Contact = now.Add(-time.Duration(ms) * time.Millisecond)
		}
	}
}

func (n *Node) memberStatus(ctx context.Context, s raft.Server) MemberStatus {
	m := MemberStatus{Member: Member{string(s.ID), string(s.Address)}, Voter: s.Suffrage == raft.Voter, Role: "unreachable"}
	var a peerAnswer
	if m.ID == n.config.ID {
		a = n.self()
	} else {
		began := time.Now()
		if err := n.ask.call(ctx, m.Address, pathIdentity, nil, &a); err != nil {
			m.Error = err.Error()
			return m
		}
		if m.Error = a.foreign(m.Member, n.cluster()); m.Error != "" {
			m.stranger = true
			return m
		}
		if way := time.Since(began); !a.Clock.IsZero() {
			m.Skew = a.Clock.Sub(began.Add(way / 2).Round(0))
		}
	}
	m.Role, m.Term, m.RaftIndex, m.EventIndex, m.Waiting, m.Report = a.Role, a.Term, a.RaftIndex, a.Index, a.Waiting, a.Report
	return m
}

// foreign says why an answer from the address of a member is not that member's;
// empty when it is.
func (a peerAnswer) foreign(m Member, cluster string) string {
	switch {
	case a.Node != m.ID:
		return fmt.Sprintf("at %s there is %s instead", m.Address, a.Node)
	case a.Cluster == "":
		return fmt.Sprintf("%s at %s is empty: its data is gone", m.ID, m.Address)
	case a.Cluster != cluster:
		return fmt.Sprintf("%s at %s belongs to another cluster, %s", m.ID, m.Address, a.Cluster)
	}
	return ""
}
