package replication

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/replication/disk"
	"confman/replication/wal"
)

// Remains is what the data directory of a stopped member holds, as far as can be
// told without opening its views. Of two members of one cluster the more advanced
// one has every committed write that either has.
type Remains struct {
	Dir        string
	Node       string
	Cluster    string
	LastTerm   uint64    // of the newest Raft entry
	LastIndex  uint64    // and its index
	LastTime   time.Time // when the leader of then appended it: what others wrote later is not here
	Known      uint64    // Raft entry up to which all is known to be committed; those after it may not be
	Position   events.Position
	After      int       // events after Position in the log, at most
	EventTime  time.Time // of the newest event; zero: not told by the log
	Members    []RemainingMember
	Unfinished string // a recovery that was interrupted; empty: none was begun
}

// RemainingMember is a member as the newest configuration that is there names it.
type RemainingMember struct {
	Member
	Voter bool
}

// MoreAdvanced reports whether r holds more than other, as Raft compares logs.
func (r Remains) MoreAdvanced(other Remains) bool {
	return cmp.Or(cmp.Compare(r.LastTerm, other.LastTerm), cmp.Compare(r.LastIndex, other.LastIndex)) > 0
}

// self is this node among the members, ok is false where it is none.
func (r Remains) self() (m RemainingMember, ok bool) {
	i := slices.IndexFunc(r.Members, func(m RemainingMember) bool { return m.ID == r.Node })
	if i < 0 {
		return m, false
	}
	return r.Members[i], true
}

// Recoverable is nil where a new cluster may begin with this member, and
// [ErrRefused] where that is wrong or not needed.
func (r Remains) Recoverable() error {
	self, member := r.self()
	voters := 0
	for _, m := range r.Members {
		if m.Voter {
			voters++
		}
	}
	switch {
	case r.Unfinished != "":
	case !member:
		return fmt.Errorf("%w: %s is not among the members that its own log names: it was removed, or never came to be one", ErrRefused, r.Node)
	case self.Voter && voters == 1:
		return fmt.Errorf("%w: %s is the only voter and needs nobody else: start it", ErrRefused, r.Node)
	}
	return nil
}

// Others are all other members.
func (r Remains) Others() []RemainingMember {
	return slices.DeleteFunc(slices.Clone(r.Members), func(m RemainingMember) bool { return m.ID == r.Node })
}

// Inspect tells what the data directory of a stopped node holds. It changes
// nothing, but for completing an interrupted rotation of the Raft log as every
// start does. The error is [ErrRefused] while a process has the directory.
func Inspect(dir string, log zerolog.Logger) (Remains, error) {
	lock, err := lockUsed(dir)
	if err != nil {
		return Remains{}, err
	}
	defer lock.Close()
	plan, err := readPlan(dir)
	if err != nil {
		return Remains{}, err
	}
	if plan == nil {
		id, err := ownIdentity(dir)
		if err != nil {
			return Remains{}, err
		}
		return inspect(dir, id, log)
	}
	r, err := inspect(dir, plan.Identity, log)
	r.Unfinished = "recovery as cluster " + plan.Identity.Cluster
	return r, err
}

// inspect reads what lies there of a node. The caller holds the lock.
func inspect(dir string, id identity, log zerolog.Logger) (Remains, error) {
	r := Remains{Dir: dir, Node: id.Node, Cluster: id.Cluster}
	views, err := disk.Look(viewsDir(dir))
	if err != nil {
		return r, err
	}
	w, err := wal.Open(wal.Config{Dir: raftDir(dir), Fatal: func(error) {}, Log: log}) // every error is returned, too
	if err != nil {
		return r, err
	}
	return r, errors.Join(r.read(w, views), w.Close())
}

// read takes in the log and what the views say.
func (r *Remains) read(w *wal.Log, views disk.Remains) error {
	at, base := views.Marker.Position, views.Marker.Snapshot
	if views.Received != nil {
		at, base = views.Received.Position, views.Received.Boundary
	}
	r.Known = max(at.RaftIndex, base.Index)
	r.LastTerm, r.LastIndex, r.LastTime = base.Term, base.Index, views.Marker.Time
	if at.RaftIndex > base.Index { // an installed snapshot may be newer than its label
		r.LastTerm, r.LastIndex = at.RaftTerm, at.RaftIndex
	}
	if at.Chain != "" {
		chain, err := events.ParseChain(at.Chain)
		if err != nil {
			return fmt.Errorf("views of %s: %w", r.Dir, err)
		}
		r.Position = chain.At(at.Index)
	}
	found, err := r.readLog(w, base.Index, at.RaftIndex)
	if err != nil {
		return err
	}
	if !found && len(base.Configuration) > 0 {
		r.setMembers(base.Configuration)
	}
	return nil
}

// readLog reads the log from its end down to what the snapshot and the views
// hold, and on to the newest command. found reports a configuration in it.
func (r *Remains) readLog(w *wal.Log, snapshot, folded uint64) (found bool, err error) {
	first, err := w.FirstIndex()
	if err != nil {
		return false, err
	}
	last, err := w.LastIndex()
	if err != nil {
		return false, err
	}
	for i := last; i >= max(first, 1); i-- {
		if i <= min(snapshot, folded) && !r.EventTime.IsZero() {
			break
		}
		var entry raft.Log
		if err := w.GetLog(i, &entry); err != nil {
			return false, err
		}
		if i == last && i >= r.LastIndex {
			r.LastTerm, r.LastIndex, r.LastTime = entry.Term, entry.Index, entry.AppendedAt
		}
		if entry.Type == raft.LogConfiguration && i > snapshot && !found {
			found = true
			r.setMembers(entry.Data)
		}
		if err := r.readCommand(entry, i > folded); err != nil {
			return false, err
		}
	}
	return found, nil
}

// readCommand counts the events of an entry, and notes the time of the newest.
func (r *Remains) readCommand(entry raft.Log, count bool) error {
	if entry.Type != raft.LogCommand {
		return nil
	}
	batch, err := events.DecodeEntry(entry.Data)
	if err != nil {
		return fmt.Errorf("raft entry %d: %w", entry.Index, err)
	}
	newest := r.EventTime
	for _, p := range batch {
		if count {
			r.After += len(p.Bodies)
		}
		if len(p.Bodies) > 0 && r.EventTime.IsZero() && p.Time.After(newest) {
			newest = p.Time
		}
	}
	r.EventTime = newest
	return nil
}

func (r *Remains) setMembers(configuration []byte) {
	r.Members = nil
	for _, s := range raft.DecodeConfiguration(configuration).Servers {
		r.Members = append(r.Members, RemainingMember{Member{string(s.ID), string(s.Address)}, s.Suffrage == raft.Voter})
	}
}
