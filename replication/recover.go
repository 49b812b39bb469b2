package replication

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
	"confman/replication/wal"
)

// Recovery. A cluster that has lost its quorum for good goes on from the data of
// one member. That is safe for what the member has, because
//
//   - the log stays as it is, and one entry is appended to it: a configuration of
//     which this node is the only voter, in a new term. The node then leads, and so
//     commits all that its log holds: whatever was acknowledged and had reached it,
//     and what may never have been acknowledged. (raft.RecoverCluster would make a
//     snapshot of its own and wipe the views, which are one already.)
//   - the new term is above every one that this node knows, so no two entries ever
//     had the same index and term. The lost members may have had yet higher terms
//     that nobody here can know of;
//   - hence the new identity. It is in the handshake of every connection between
//     nodes, so a lost member that comes back can neither send entries nor get or
//     give a vote, whatever its term, and one that is started anew finds out that
//     its cluster has gone on without it (see [Node.wasLeft]).
//
// What only lost members had is gone. The history says so: see [Origin].
//
// The plan is written first, whole, and from then on no node starts on the
// directory: each further step only does what the plan says and may be done again.
// So a crash leaves a directory that starts as it did before, and waits for its
// quorum, or one that the same command finishes.

// RecoverConfig says what is recovered.
type RecoverConfig struct {
	Dir     string // data directory of a stopped node
	Comment string // recorded in the history
	// AtLeast is the newest event that some other member is known to have. A
	// directory that ends before it is refused, and stays as it is.
	AtLeast uint64
	Log     zerolog.Logger

	step func(name string) error // called after each step, in tests; nil: never
}

// Recovered is what became of a recovery.
type Recovered struct {
	Member             // the only one now
	TLS      bool      // which it spoke with the others
	Cluster  string    // its new identity
	Previous string    // and the one before
	Position string    // of the last event
	Time     time.Time // and when that was
	// Unknown counts Raft entries after the last one that was known to be
	// committed. Now they are, acknowledged or not.
	Unknown uint64
}

// planFile is in the data directory while a recovery is under way.
const planFile = "RECOVERY"

// recoveryPlan is all that the steps of a recovery need.
type recoveryPlan struct {
	Identity  identity       `json:"identity"`       // of the node in its new cluster
	Term      uint64         `json:"term"`           // the new one
	Index     uint64         `json:"index"`          // of the entry that is appended
	Base      *disk.Boundary `json:"base,omitempty"` // the log begins anew behind it; nil: it stays
	Recovered Recovered      `json:"recovered"`
}

// Recover begins a new cluster from a stopped node's data, or finishes what an
// interrupted call began. The node then starts as its only member; the others are
// emptied and join under new IDs. The error is [ErrRefused] where there is nothing
// to recover or a process has the directory.
func Recover(config RecoverConfig) (Recovered, error) {
	lock, err := lockUsed(config.Dir)
	if err != nil {
		return Recovered{}, err
	}
	defer lock.Close()
	if config.step == nil {
		config.step = func(string) error { return nil }
	}
	plan, err := readPlan(config.Dir)
	if err == nil && plan == nil {
		if plan, err = config.draw(); err == nil {
			err = errors.Join(writeFile(filepath.Join(config.Dir, planFile), plan), config.step("planned"))
		}
	}
	if err == nil {
		err = config.carryOut(plan)
	}
	if err != nil {
		return Recovered{}, fmt.Errorf("recover %s: %w", config.Dir, err)
	}
	return plan.Recovered, nil
}

// lockUsed takes a directory that a node has lived in.
func lockUsed(dir string) (*os.File, error) {
	if _, err := os.Stat(filepath.Join(raftDir(dir), identityFile)); err != nil {
		return nil, fmt.Errorf("%w %s: no node has lived here", ErrDirectory, dir)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; stop the node first", ErrRefused, err)
	}
	return lock, nil
}

// ownIdentity is the identity that both stores have, of a cluster that has begun.
func ownIdentity(dir string) (identity, error) {
	id, err := readIdentity(raftDir(dir))
	if err == nil {
		id, err = loadIdentity(dir, id.Node)
	}
	switch {
	case err != nil:
	case id.Forming:
		err = fmt.Errorf("%w: the cluster in %s never began: there is nothing to recover", ErrRefused, dir)
	case id.Origin != nil:
		err = fmt.Errorf("%w: %s holds a cluster %s that has yet to be started: start it", ErrRefused, dir, id.Origin)
	}
	return id, err
}

// readPlan is nil where no recovery is under way.
func readPlan(dir string) (*recoveryPlan, error) {
	data, err := os.ReadFile(filepath.Join(dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	plan := &recoveryPlan{}
	if err == nil {
		err = json.Unmarshal(data, plan)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDirectory, filepath.Join(dir, planFile), err)
	}
	return plan, nil
}

// draw makes the plan. It opens the stores and folds the log, as a start does:
// what fails here would have failed then, and nothing has changed.
func (c *RecoverConfig) draw() (_ *recoveryPlan, err error) {
	if err := events.CheckText("/comment", c.Comment, events.MaxTextBytes); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err) // the history would refuse it for good
	}
	id, err := ownIdentity(c.Dir)
	if err != nil {
		return nil, err
	}
	e := &engine{self: Member{ID: id.Node}, present: newPresent()}
	defer func() { err = errors.Join(err, e.closeStores()) }()
	if err := c.open(e, id); err != nil {
		return nil, err
	}
	state, err := foldLog(e)
	if err != nil {
		return nil, err
	}
	r := Remains{Dir: c.Dir, Node: id.Node, Cluster: id.Cluster}
	if err := r.read(e.log, disk.Remains{Marker: e.store.Marker()}); err != nil {
		return nil, err
	}
	if err := r.Recoverable(); err != nil {
		return nil, err
	}
	if state.Index() < c.AtLeast {
		return nil, fmt.Errorf("%w: the history here ends with event %d, and another member has event %d", ErrRefused, state.Index(), c.AtLeast)
	}
	plan := c.plan(e.log, r, state)
	plan.Identity.TLS, plan.Recovered.TLS = id.TLS, id.TLS
	return plan, nil
}

// open opens the stores as a start does, up to where Raft would begin.
func (c *RecoverConfig) open(e *engine, id identity) (err error) {
	if err := disk.Preflight(c.Dir, disk.DefaultReserveBytes); err != nil {
		return err
	}
	if e.log, err = wal.Open(wal.Config{Dir: raftDir(c.Dir), Fatal: func(error) {}, Log: c.Log}); err != nil {
		return err
	}
	if e.store, err = openViews(c.Dir, id, c.Log); err != nil {
		return err
	}
	e.snapshots, err = disk.NewSnapshots(disk.SnapshotsConfig{
		Store: e.store, Applied: func() disk.Position { return e.store.Marker().Position }, Log: c.Log,
	})
	if err != nil {
		return err
	}
	if err := e.finishInstall(c.Log); errors.Is(err, disk.ErrStream) {
		return fmt.Errorf("%w; it is dropped: look again, without --accept-data-loss, what is left", err)
	} else if err != nil {
		return err
	}
	if err := e.checkFloor(c.Dir); err != nil {
		return fmt.Errorf("this member cannot go on alone, take the data of another or a backup (confman restore): %w", err)
	}
	return refreshViews(e.store, c.Log, func(string, ...any) {})
}

// foldBatch is how many entries are folded before their rows, which nobody needs,
// are dropped.
const foldBatch = 64

// foldLog is the state after all that the log holds. It is not written anywhere.
func foldLog(e *engine) (*projections.State, error) {
	state, err := loadState(e.store)
	if err != nil {
		return nil, err
	}
	last, err := e.log.LastIndex()
	if err != nil {
		return nil, err
	}
	for next := state.RaftIndex() + 1; next <= last; {
		folding := projections.Begin(state)
		for end := min(last, next+foldBatch-1); next <= end; next++ {
			var entry raft.Log
			if err := e.log.GetLog(next, &entry); err != nil {
				return nil, fmt.Errorf("raft entry %d: %w", next, err)
			}
			if err := foldEntry(folding, &entry); err != nil {
				return nil, err
			}
		}
		state = folding.State()
	}
	return state, nil
}

func foldEntry(folding *projections.Folding, entry *raft.Log) error {
	from := projections.Origin{Index: entry.Index, Term: entry.Term}
	if entry.Type != raft.LogCommand {
		folding.Skip(from)
		return nil
	}
	batch, err := events.DecodeEntry(entry.Data)
	if err != nil {
		return fmt.Errorf("raft entry %d: %w", entry.Index, err)
	}
	_, err = folding.Entry(from, batch)
	return err
}

// plan says what becomes of what remains.
func (c *RecoverConfig) plan(w *wal.Log, r Remains, state *projections.State) *recoveryPlan {
	self, _ := r.self()
	p := &recoveryPlan{
		Identity: identity{Node: r.Node, Cluster: newULID().String()},
		Term:     max(w.PersistedTerm(), r.LastTerm, state.RaftTerm()) + 1,
		Index:    r.LastIndex + 1,
	}
	p.Recovered = Recovered{
		Member: self.Member, Cluster: p.Identity.Cluster, Previous: r.Cluster,
		Position: state.Position().String(), Time: state.Time(), Unknown: r.LastIndex - min(r.Known, r.LastIndex),
	}
	event := &events.ClusterRecovered{
		Cluster: p.Identity.Cluster, Previous: r.Cluster, Node: r.Node,
		RaftTerm: r.LastTerm, RaftIndex: r.LastIndex, Comment: c.Comment,
	}
	for _, m := range r.Members {
		event.Members = append(event.Members, events.FoundingPeer{ID: m.ID, Address: m.Address})
	}
	p.Identity.Origin = &Origin{Recovered: event}
	if last, err := w.LastIndex(); err != nil || last < r.LastIndex {
		// The views were sent by the leader and are ahead of the log. What has an
		// index that they reach would be taken for folded: the log begins anew.
		p.Base = &disk.Boundary{
			Version: int(raft.SnapshotVersionMax), Index: r.LastIndex, Term: r.LastTerm,
			Configuration: raft.EncodeConfiguration(p.membership()), ConfigurationIndex: r.LastIndex,
		}
	}
	return p
}

// membership is this node alone.
func (p *recoveryPlan) membership() raft.Configuration {
	return raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter, ID: raft.ServerID(p.Recovered.ID), Address: raft.ServerAddress(p.Recovered.Address),
	}}}
}

// carryOut does what the plan says. Each step finds out whether it was done.
func (c *RecoverConfig) carryOut(p *recoveryPlan) error {
	if err := errors.Join(p.extendLog(c), c.step("extended")); err != nil {
		return err
	}
	if err := disk.Reassign(viewsDir(c.Dir), p.Recovered.Previous, p.Identity.Cluster, p.Base); err != nil {
		return err
	}
	if err := c.step("reassigned"); err != nil {
		return err
	}
	if err := p.Identity.save(c.Dir); err != nil {
		return err
	}
	if err := c.step("identified"); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(c.Dir, planFile)); err != nil {
		return err
	}
	return syncDir(c.Dir)
}

// extendLog raises the term, and then appends the new membership.
func (p *recoveryPlan) extendLog(c *RecoverConfig) (err error) {
	w, err := wal.Open(wal.Config{Dir: raftDir(c.Dir), Fatal: func(error) {}, Log: c.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if w.PersistedTerm() < p.Term {
		if err := w.SetUint64([]byte("CurrentTerm"), p.Term); err != nil {
			return err
		}
	}
	if err := c.step("term raised"); err != nil {
		return err
	}
	first, err := w.FirstIndex()
	if err != nil {
		return err
	}
	last, err := w.LastIndex()
	if err != nil {
		return err
	}
	if last >= p.Index {
		return p.extended(w)
	}
	if p.Base != nil && last > 0 {
		if err := errors.Join(w.DeleteRange(first, last), c.step("log emptied")); err != nil {
			return err
		}
	}
	return w.StoreLog(&raft.Log{
		Index: p.Index, Term: p.Term, Type: raft.LogConfiguration, AppendedAt: time.Now(),
		Data: raft.EncodeConfiguration(p.membership()),
	})
}

// extended checks that the log ends with the entry of this plan.
func (p *recoveryPlan) extended(w *wal.Log) error {
	var entry raft.Log
	if err := w.GetLog(p.Index, &entry); err != nil {
		return err
	}
	if last, err := w.LastIndex(); err != nil || last != p.Index || entry.Term != p.Term {
		return errors.Join(err, fmt.Errorf("%w: entry %d of the Raft log, of term %d, is not that of the recovery, and %d is the last", ErrDirectory, p.Index, entry.Term, last))
	}
	return nil
}
