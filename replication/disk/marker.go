package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// markerFormat is the newest format of a marker that this release reads and the
// one that it writes.
const markerFormat = 1

// ErrIdentity says that a store belongs to another node or another cluster.
var ErrIdentity = errors.New("belongs to another node or cluster")

// ErrNewer says that something was written by a newer release.
var ErrNewer = errors.New("written by a newer release")

// ErrBehind says that a marker is older than the newest one.
var ErrBehind = errors.New("behind the newest marker")

// Position is a point of the history and the Raft entry that reached it.
type Position struct {
	Index     uint64 `json:"index"`     // event index
	Chain     string `json:"chain"`     // head of the hash chain at Index
	RaftIndex uint64 `json:"raftIndex"` // entries at or below it are in the views: skip them
	RaftTerm  uint64 `json:"raftTerm"`  // term of that entry
}

// Boundary is what Raft knows of its newest snapshot: the end of the log that
// may be dropped, and the membership there. Its Index may be above
// Position.RaftIndex (it counts entries that no state machine sees) or, after
// an installed stream, below it.
type Boundary struct {
	Version            int    `json:"version"` // raft.SnapshotVersion
	Index              uint64 `json:"index"`
	Term               uint64 `json:"term"`
	Configuration      []byte `json:"configuration,omitempty"` // raft.EncodeConfiguration
	ConfigurationIndex uint64 `json:"configurationIndex"`
}

// Marker says up to which event index the views are durable.
type Marker struct {
	Format  int    `json:"format"`
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
	Position
	Snapshot Boundary `json:"snapshot"`
	// Views is the version of the rows' layout that the store's writer had. A
	// caller with another one rebuilds the views (see Rebuild).
	Views int `json:"views"`
	// Installed says that the views came as a stream: Raft's log may end before
	// it. With a marker of this node's own that is beyond the stream's the log reaches
	// at least to it.
	Installed bool             `json:"installed,omitempty"`
	Time      time.Time        `json:"time"`           // for people; no rule reads it
	Logs      map[string]int64 `json:"logs,omitempty"` // durable bytes of Badger's memtable logs
}

// floor is the Raft entry up to which the marker needs no log.
func (m Marker) floor() uint64 { return max(m.RaftIndex, m.Snapshot.Index) }

// Marker returns the newest durable marker, the zero Marker when there is none.
func (s *Store) Marker() Marker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marker
}

// Mark makes every row that was written before the call durable and then records
// m. The caller takes m's position before the call; writes may go on meanwhile.
// Format, Node, Cluster, Time and Logs are filled in. It fails with ErrBehind when
// m is older than the newest marker, and with ErrSync, which is fatal.
func (s *Store) Mark(m Marker) error {
	s.marking.Lock()
	defer s.marking.Unlock()
	g, err := s.acquire()
	if err != nil {
		return fmt.Errorf("mark %d: %w", m.Index, err)
	}
	defer g.release()
	last := s.Marker()
	if m.Index < last.Index || m.RaftIndex < last.RaftIndex || m.Snapshot.Index < last.Snapshot.Index {
		return fmt.Errorf("mark event %d, Raft entry %d, snapshot %d; have %d, %d, %d: %w",
			m.Index, m.RaftIndex, m.Snapshot.Index, last.Index, last.RaftIndex, last.Snapshot.Index, ErrBehind)
	}
	m.Installed = m.Installed || last.Installed && m.floor() <= last.floor() // nothing has come by the log since
	if m, err = s.writeMarker(g, m, last.Logs); err != nil {
		return fmt.Errorf("mark %d: %w", m.Index, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marker = m
	return nil
}

// writeMarker is the barrier, then the marker. The logs are measured before the
// barrier, so that what was measured is durable after it.
func (s *Store) writeMarker(g *generation, m Marker, known map[string]int64) (Marker, error) {
	logs, err := logLengths(g.views(), known)
	if err != nil {
		return m, err
	}
	if err := barrier(g.views(), s.fsync); err != nil {
		return m, err
	}
	s.step(stepSynced)
	m = s.sign(m)
	m.Logs = logs
	return m, writeSealed(g.markerPath(), m, s.fsync)
}

// sign fills in whose marker it is.
func (s *Store) sign(m Marker) Marker {
	m.Format, m.Node, m.Time = markerFormat, s.config.Node, s.config.Now().UTC()
	m.Views = cmp.Or(m.Views, s.config.Views)
	if s.config.Cluster != "" {
		m.Cluster = s.config.Cluster
	} else if m.Cluster == "" {
		m.Cluster = s.Marker().Cluster
	}
	return m
}

// loadMarker reads a marker and checks whose it is; none is the zero Marker.
func (s *Store) loadMarker(path string) (Marker, error) {
	var m Marker
	err := readSealed(path, &m)
	if errors.Is(err, fs.ErrNotExist) {
		return Marker{}, nil
	}
	if err != nil {
		return Marker{}, err
	}
	if m.Format > markerFormat {
		return Marker{}, fmt.Errorf("%s: format %d, this release reads up to %d: %w", path, m.Format, markerFormat, ErrNewer)
	}
	if !sameIdentity(m.Node, s.config.Node) {
		return Marker{}, fmt.Errorf("%s: node %q, this is node %q: %w", path, m.Node, s.config.Node, ErrIdentity)
	}
	if !sameIdentity(m.Cluster, s.config.Cluster) {
		return Marker{}, fmt.Errorf("%s: cluster %q, this is cluster %q: %w", path, m.Cluster, s.config.Cluster, ErrIdentity)
	}
	return m, nil
}

// sameIdentity compares two names of which an empty one is not known yet.
func sameIdentity(a, b string) bool {
	return a == b || a == "" || b == ""
}
