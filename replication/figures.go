package replication

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// Figures measure a node, for its metrics. They cost no call to other nodes.
type Figures struct {
	Voters        int             // in the membership that this node knows
	Alive         int             // voters in touch, itself included; -1 where this node does not lead
	LeaderChanges uint64          // that this node has seen since its start
	Members       []MemberFigures // the others, at the leader; nil elsewhere

	LogEntries uint64    // in the Raft log
	LogBytes   uint64    // its files, which are allocated ahead
	SnapshotAt time.Time // of the newest snapshot (see Marker); zero: there is none
	// SnapshotFailures counts snapshots that were not made or not sent.
	SnapshotFailures uint64

	looked time.Time
}

// MemberFigures are what a leader knows of another member.
type MemberFigures struct {
	ID      string
	Contact time.Time // when it last answered, or this node began to lead
	Lag     uint64    // committed Raft entries that it lacks, as far as this node knows
	Known   bool      // whether Lag is: false while it has never answered this process
}

// LeaderChange is the beginning of a leader's term as this node saw it.
type LeaderChange struct {
	Time   time.Time
	Term   uint64
	Leader string // its ID
}

// maxLeaderChanges is how many are remembered.
const maxLeaderChanges = 100

// LeaderChanges are the latest that this node has seen since its start, at most 100,
// oldest first. They are not to be changed.
func (n *Node) LeaderChanges() []LeaderChange {
	if changes := n.notices.begun.Load(); changes != nil {
		return *changes
	}
	return nil
}

// figuresAge is how old an answer of Figures may be: asking touches files.
const figuresAge = time.Second

// Figures measures this node, as of a second ago at most. They are zero, but for
// Alive, while the node is part of no cluster.
func (n *Node) Figures() Figures {
	e := n.engine.Load()
	if e == nil {
		return Figures{Alive: -1}
	}
	now := time.Now()
	if f := n.notices.figures.Load(); f != nil && now.Sub(f.looked) < figuresAge {
		return *f
	}
	f := n.measure(e, now)
	n.notices.figures.Store(&f)
	return f
}

func (n *Node) measure(e *engine, now time.Time) Figures {
	f := Figures{Alive: -1, LeaderChanges: n.notices.changes.Load(), SnapshotAt: e.store.Marker().Time, SnapshotFailures: e.snapshots.Failures(), looked: now}
	leads := e.raft.State() == raft.Leader && n.notices.leadsSince.Load() != 0
	if leads {
		f.Alive = 0
	}
	for _, m := range e.servers() {
		self := string(m.ID) == n.config.ID
		contact := now
		if leads && !self {
			contact = n.notices.heard(e, m.ID)
			lag, known := e.memberLag(m.ID)
			f.Members = append(f.Members, MemberFigures{ID: string(m.ID), Contact: contact, Lag: lag, Known: known})
		}
		if m.Suffrage != raft.Voter {
			continue
		}
		f.Voters++
		if leads && now.Sub(contact) < n.notices.patient {
			f.Alive++
		}
	}
	first, errFirst := e.log.FirstIndex()
	last, errLast := e.log.LastIndex()
	if errFirst == nil && errLast == nil && last > 0 {
		f.LogEntries = last - first + 1
	}
	f.LogBytes = sizeOf(raftDir(n.config.Dir))
	return f
}

// sizeOf is the sum of the sizes of all files below a directory, as far as they
// stay there while it looks.
func sizeOf(dir string) (bytes uint64) {
	_ = fs.WalkDir(os.DirFS(filepath.Clean(dir)), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += uint64(info.Size())
			}
		}
		return nil
	})
	return bytes
}
