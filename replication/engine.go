package replication

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/replication/disk"
	"confman/replication/peer"
	"confman/replication/raftlog"
	"confman/replication/wal"
)

// Raft's settings; see the performance notes in docs/benchmarks.md.
const (
	commitTimeout     = 5 * time.Millisecond // how late a follower learns of a lone commit
	maxAppendEntries  = 16                   // sent at once to a follower that lags, each of up to a request more than maxBatchBytes
	logCacheEntries   = maxAppendEntries     // kept in memory to be sent and folded
	snapshotInterval  = 10 * time.Second
	snapshotThreshold = 4096  // entries after the newest marker, which a start folds again
	trailingLogs      = 20480 // entries kept for followers, and while one installs a snapshot
)

// engine is Raft with what it stands on, once the node is part of a cluster.
type engine struct {
	self      Member
	abrupt    bool
	present   *present
	ask       *asker
	log       *wal.Log
	logs      *raft.LogCache
	store     *disk.Store
	snapshots *disk.Snapshots
	transport *peer.Transport
	raft      *raft.Raft

	proposer      *proposer
	confirmations *confirmations
	leadership    chan bool
	states        chan raft.Observation
	readiness
}

// openEngine opens the stores, loads the state at the newest marker, and starts
// Raft, which then folds what its log has after it.
func openEngine(n *Node) (*engine, error) {
	e := &engine{self: n.config.Member, abrupt: n.config.tuning.abrupt, present: n.present, ask: n.ask, leadership: make(chan bool, 64), states: make(chan raft.Observation, 64)}
	if err := e.openStores(n); err != nil {
		return nil, errors.Join(err, e.closeStores())
	}
	state, err := loadState(e.store)
	if err != nil {
		return nil, errors.Join(err, e.closeStores())
	}
	if err := recall(&n.upkeep.scrubs, e.store, state, e.store.Marker().Installed); err != nil {
		return nil, errors.Join(err, e.closeStores())
	}
	n.views.Store(e.store) // first: who sees the state may ask for its history
	e.present.store(state)
	e.transport = peer.New(peer.Config{
		ID: raft.ServerID(e.self.ID), Advertise: e.self.Address, Cluster: n.cluster, Token: n.config.Token,
		ClientTLS: n.config.ClientTLS, RequirePeerCertificate: n.config.RequirePeerCertificate, Address: n.addressOf,
		Room: n.room.takes, RoomAt: n.room.takesAt,
		PersistedTerm: e.log.PersistedTerm, Log: n.config.Log,
	})
	folds := &fsm{
		present: e.present, store: e.store, snapshots: e.snapshots, scrubs: &n.upkeep.scrubs, space: n.room.space,
		announce: n.config.Announce, fatal: n.config.Fatal, log: n.config.Log,
	}
	e.raft, err = raft.NewRaft(e.raftConfig(n.config), folds, e.logs, e.log, e.snapshots, e.transport)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start raft: %w", err), e.transport.Close(), e.closeStores())
	}
	e.raft.RegisterObserver(raft.NewObserver(e.states, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.RaftState)
		return ok
	}))
	e.proposer = newProposer(e.raft, n.config.Trace)
	e.confirmations = &confirmations{confirm: e.readIndex}
	n.config.Log.Info().Str("cluster", n.cluster()).Uint64("event", state.Index()).Uint64("raft", state.RaftIndex()).
		Uint64("last", e.raft.LastIndex()).Msg("state loaded at the newest marker")
	return e, nil
}

func (e *engine) raftConfig(c Config) *raft.Config {
	r := raft.DefaultConfig()
	r.LocalID = raft.ServerID(c.ID)
	r.HeartbeatTimeout = c.ElectionTimeout
	r.ElectionTimeout = c.ElectionTimeout
	r.LeaderLeaseTimeout = c.ElectionTimeout * 2 / 3 // the leader lets go before others elect
	r.CommitTimeout = commitTimeout
	r.MaxAppendEntries = maxAppendEntries
	r.BatchApplyCh = true
	r.SnapshotInterval = snapshotInterval
	r.SnapshotThreshold = snapshotThreshold
	r.TrailingLogs = cmp.Or(c.tuning.trailing, trailingLogs)
	r.NoSnapshotRestoreOnStart = true // the views are the snapshot
	r.ShutdownOnRemove = true
	r.NotifyCh = e.leadership
	r.Logger = raftlog.New("raft", c.Log)
	return r
}

func (e *engine) openStores(n *Node) (err error) {
	c := n.config
	e.log, err = wal.Open(wal.Config{Dir: raftDir(c.Dir), SegmentSize: c.tuning.segment, Fatal: c.Fatal, Log: c.Log})
	if err != nil {
		return err
	}
	if e.logs, err = raft.NewLogCache(logCacheEntries, e.log); err != nil {
		return err
	}
	views := viewsConfig(c.Dir, *n.identity.Load(), c.Log)
	views.Fatal = c.Fatal
	e.store, err = disk.Open(views)
	if err != nil {
		return err
	}
	e.snapshots, err = disk.NewSnapshots(disk.SnapshotsConfig{
		Store: e.store, Applied: func() disk.Position { return positionOf(e.present.load()) }, ReserveBytes: n.room.space.Mark(disk.Hard), Log: c.Log,
	})
	if err != nil {
		return err
	}
	// One that is damaged was dropped. Nothing depends on it before it is installed,
	// nobody was told that it had come, and the leader sends another.
	if err := e.finishInstall(c.Log); errors.Is(err, disk.ErrStream) {
		c.Log.Warn().Err(err).Msg("dropping a damaged received snapshot")
	} else if err != nil {
		return err
	}
	if err := e.checkFloor(c.Dir); err != nil {
		return err
	}
	return refreshViews(e.store, c.Log, n.wait)
}

// finishInstall takes over a snapshot that was received whole before a crash.
func (e *engine) finishInstall(log zerolog.Logger) error {
	meta, open, pending := e.snapshots.Pending()
	if !pending {
		return nil
	}
	log.Info().Uint64("raft", meta.Index).Msg("finishing the installation of a received snapshot")
	stream, err := open()
	if err != nil {
		return err
	}
	defer stream.Close()
	return install(e.snapshots, stream, e.store.Marker().RaftIndex)
}

// checkFloor compares the end of the Raft log with the newest marker. Damage at
// the end of the log makes it shorter without an error; a log that ends before
// a marker of this node's own has lost entries that it acknowledged. After an
// installed snapshot a shorter log is right, and is emptied: what follows the
// snapshot does not follow the log. An empty log whose file begins behind the
// marker was purged (see [Node.scrub]).
func (e *engine) checkFloor(dir string) error {
	m := e.store.Marker()
	last, err := e.log.LastIndex()
	if err != nil {
		return err
	}
	floor := max(m.RaftIndex, m.Snapshot.Index)
	if last >= floor {
		return nil
	}
	if held, err := e.log.HeldFrom(); err != nil || last == 0 && held > floor {
		return err
	}
	if !m.Installed {
		return fmt.Errorf("%w %s: the Raft log ends at entry %d, but entry %d was durable: the log is damaged; replace this node: %s",
			ErrDirectory, raftDir(dir), last, floor, replaceCommands(e.self.ID))
	}
	first, err := e.log.FirstIndex()
	if err != nil || last == 0 || last >= m.Snapshot.Index {
		return err
	}
	return e.log.DeleteRange(first, last)
}

// leads returns an error that names the leader when this node is not it.
func (e *engine) leads() error {
	if e.raft.State() == raft.Leader {
		return nil
	}
	return e.notLeader()
}

func (e *engine) notLeader() error {
	leader := e.leader()
	if leader.ID == e.self.ID { // it was us a moment ago
		leader = Member{}
	}
	return &events.NotLeaderError{Leader: leader.Address}
}

// leader is who leads as far as this node knows, or the zero value.
func (e *engine) leader() Member {
	address, id := e.raft.LeaderWithID()
	return Member{ID: string(id), Address: string(address)}
}

// servers is the membership, newest known, committed or not.
func (e *engine) servers() []raft.Server {
	f := e.raft.GetConfiguration()
	if f.Error() != nil {
		return nil
	}
	return f.Configuration().Servers
}

// handOver gives leadership away if this node has it. Raft may refuse all
// writes after a transfer that failed (hashicorp/raft #696), so it is only for
// a node that should not lead anyway.
func (e *engine) handOver() {
	if e.raft == nil || e.raft.State() != raft.Leader || len(e.servers()) < 2 {
		return
	}
	_ = e.raft.LeadershipTransfer().Error()
}

// close stops in the order that keeps each layer's promises: no new proposals,
// leadership to another, Raft, a marker, the stores.
func (e *engine) close() error {
	if !e.abrupt {
		e.handOver()
		_ = e.raft.Snapshot().Error() // a marker spares work at the next start, nothing depends on it
	}
	err := e.raft.Shutdown().Error()
	e.proposer.close()
	return errors.Join(err, e.transport.Close(), e.closeStores())
}

func (e *engine) closeStores() (err error) {
	if e.store != nil {
		err = e.store.Close()
	}
	if e.log != nil {
		err = errors.Join(err, e.log.Close())
	}
	return err
}
