package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"
)

// DefaultReserveBytes is the free space that snapshot files leave.
const DefaultReserveBytes = 256 << 20

// ErrNoSnapshot says that there is no snapshot: nothing has been marked for Raft
// or received.
var ErrNoSnapshot = errors.New("no snapshot")

// SnapshotsConfig says where Raft's snapshots come from.
type SnapshotsConfig struct {
	Store *Store
	// Applied returns the position that has been applied: index, chain and Raft
	// entry of one moment. It is never behind the newest marker.
	Applied      func() Position
	ReserveBytes uint64 // free space that a spooled or received snapshot must leave; 0 is 256 MiB
	Log          zerolog.Logger
}

// Snapshots is the raft.SnapshotStore over a Store. A snapshot of this node is a
// marker, made by the state machine through Sink.Mark; its rows are copied to a
// file only while a follower is sent them. A snapshot from the leader is a file
// until Install has taken it.
type Snapshots struct {
	config   SnapshotsConfig
	dir      string
	failures atomic.Uint64

	mu       sync.Mutex // guards the fields below
	received *received
	spool    *spool
	failing  error
}

var _ raft.SnapshotStore = (*Snapshots)(nil)

// NewSnapshots opens the snapshots of a store and removes half-written ones. Ask
// Pending before Raft is started.
func NewSnapshots(config SnapshotsConfig) (*Snapshots, error) {
	if config.ReserveBytes == 0 {
		config.ReserveBytes = DefaultReserveBytes
	}
	s := &Snapshots{config: config, dir: filepath.Join(config.Store.config.Dir, "snapshots")}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	if err := s.loadReceived(); err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	return s, nil
}

// Create begins a snapshot: of this node, if Sink.Mark is called on it, or one
// that is received, if it is written to.
func (s *Snapshots) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport,
) (raft.SnapshotSink, error) {
	return &Sink{snapshots: s, boundary: Boundary{
		Version:            int(version),
		Index:              index,
		Term:               term,
		Configuration:      raft.EncodeConfiguration(configuration),
		ConfigurationIndex: configurationIndex,
	}}, nil
}

// List returns the snapshots, newest first: the received one that waits to be
// installed and the marker. The size of a marker's is 0 until it is opened.
func (s *Snapshots) List() ([]*raft.SnapshotMeta, error) {
	var list []*raft.SnapshotMeta
	if b := s.config.Store.Marker().Snapshot; b.Index > 0 {
		list = append(list, b.meta(0))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.received; r != nil {
		list = append([]*raft.SnapshotMeta{r.Boundary.meta(r.Size)}, list...)
	}
	return list, nil
}

// Open opens the received snapshot if id is its ID, else the newest marker's
// (any later one serves in the place of the one that List returned). The rows
// are then those of the position applied now, while index, term and membership
// stay the marker's; the receiver skips entries at or below the stream's
// position. It fails with ErrNoSnapshot or ErrNoSpace.
func (s *Snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	r := s.received
	s.mu.Unlock()
	if r != nil && r.Boundary.id() == id {
		f, err := os.Open(filepath.Join(s.dir, r.File))
		if err != nil {
			return nil, nil, fmt.Errorf("open snapshot %s: %w", id, err)
		}
		return r.Boundary.meta(r.Size), f, nil
	}
	meta, reader, err := s.openSpool()
	if err != nil {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, s.failed(err))
	}
	return meta, reader, nil
}

// Failures counts the snapshots that could not be made, received or sent.
func (s *Snapshots) Failures() uint64 { return s.failures.Load() }

// Failing is why the last snapshot that this node tried to make of itself was not
// made; nil: it was, or none has been tried since the start.
func (s *Snapshots) Failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

// tried notes how a snapshot of this node ended.
func (s *Snapshots) tried(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func (s *Snapshots) failed(err error) error {
	if err != nil && !errors.Is(err, ErrNoSnapshot) {
		s.failures.Add(1)
	}
	return err
}

// Idle reports whether there is no file of a snapshot: none that was received and
// waits, none that is being sent.
func (s *Snapshots) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received == nil && s.spool == nil
}

// Pending returns the received snapshot that a crash kept from being installed.
// Install it before Raft is started; its index may then be past the end of the
// log, which must be emptied if it is.
func (s *Snapshots) Pending() (meta *raft.SnapshotMeta, open func() (io.ReadCloser, error), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.received == nil {
		return nil, nil, false
	}
	meta = s.received.Boundary.meta(s.received.Size)
	return meta, func() (io.ReadCloser, error) {
		_, r, err := s.Open(meta.ID)
		return r, err
	}, true
}

// Install replaces the store by the received snapshot, whose content r is (what
// raft.FSM.Restore is given), as Store.Install does, and removes the file. A
// snapshot that was refused is removed too, the leader has it; the store is
// then as it was.
func (s *Snapshots) Install(r io.Reader, check func(Header, *Reader) error) (Marker, error) {
	s.mu.Lock()
	rec := s.received
	s.mu.Unlock()
	if rec == nil {
		return Marker{}, fmt.Errorf("install received: %w", ErrNoSnapshot)
	}
	// Tables and the memtables' logs, before these are dropped.
	if err := Preflight(s.dir, 2*uint64(rec.Size)+s.config.ReserveBytes); err != nil {
		return Marker{}, fmt.Errorf("install received: %w", err)
	}
	m, err := s.config.Store.Install(r, rec.Boundary, check)
	if err != nil {
		err = fmt.Errorf("received snapshot %s: %w", filepath.Join(s.dir, rec.File), err)
	}
	if errors.Is(err, ErrSync) {
		return Marker{}, err
	}
	return m, errors.Join(err, s.dropReceived(rec))
}

func (b Boundary) id() string { return fmt.Sprintf("%d-%d", b.Term, b.Index) }

func (b Boundary) meta(size int64) *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version:            raft.SnapshotVersion(b.Version),
		ID:                 b.id(),
		Index:              b.Index,
		Term:               b.Term,
		Configuration:      raft.DecodeConfiguration(b.Configuration),
		ConfigurationIndex: b.ConfigurationIndex,
		Size:               size,
	}
}
