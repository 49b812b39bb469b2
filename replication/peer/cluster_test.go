package peer

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// member is a node with a Raft on it, all in memory but the network.
type member struct {
	*node
	raft  *raft.Raft
	state *journal
	disk  *termStore
	guard atomic.Int32 // how often the guard asked for the persisted term
}

// termStore knows the persisted term as package wal does.
type termStore struct {
	*raft.InmemStore
	term atomic.Uint64
}

func (s *termStore) SetUint64(key []byte, v uint64) error {
	if string(key) != "CurrentTerm" {
		return s.InmemStore.SetUint64(key, v)
	}
	s.term.Store(0)
	err := s.InmemStore.SetUint64(key, v)
	s.term.Store(v)
	return err
}

// journal is a state machine that remembers what it was given.
type journal struct {
	mu       sync.Mutex
	commands []string
}

func (j *journal) Apply(e *raft.Log) any {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commands = append(j.commands, string(e.Data))
	return nil
}

func (j *journal) Snapshot() (raft.FSMSnapshot, error) { return nil, fmt.Errorf("no snapshots here") }
func (j *journal) Restore(io.ReadCloser) error         { return fmt.Errorf("no snapshots here") }

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.commands)
}

// newCluster starts three members and waits until one leads. wrap may replace the transport that Raft is given.
func newCluster(t *testing.T, wrap func(*Transport) raft.Transport) []*member {
	t.Helper()
	var members []*member
	var servers []raft.Server
	for _, id := range []raft.ServerID{"n1", "n2", "n3"} {
		m := &member{state: &journal{}, disk: &termStore{InmemStore: raft.NewInmemStore()}}
		m.node = newNode(t, id, func(c *Config) {
			c.PersistedTerm = func() uint64 { m.guard.Add(1); return m.disk.term.Load() }
		})
		members, servers = append(members, m), append(servers, raft.Server{ID: id, Address: m.addr})
	}
	for _, m := range members {
		m.start(t, servers, wrap(m.Transport))
	}
	leader(t, members)
	return members
}

func (m *member) start(t *testing.T, servers []raft.Server, transport raft.Transport) {
	t.Helper()
	cfg := raft.DefaultConfig()
	cfg.LocalID, cfg.Logger = m.id, hclog.NewNullLogger()
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	snapshots := raft.NewDiscardSnapshotStore()
	if err := raft.BootstrapCluster(cfg, m.disk, m.disk, snapshots, transport, raft.Configuration{Servers: servers}); err != nil {
		t.Fatal(err)
	}
	r, err := raft.NewRaft(cfg, m.state, m.disk, m.disk, snapshots, transport)
	if err != nil {
		t.Fatal(err)
	}
	m.raft = r
	t.Cleanup(func() { r.Shutdown().Error() })
}

// leader waits until exactly one of the members leads the others in its term.
func leader(t *testing.T, members []*member) *member {
	t.Helper()
	var found *member
	eventually(t, "a leader", func() bool {
		for _, m := range members {
			if m.raft.State() == raft.Leader && m.raft.VerifyLeader().Error() == nil {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func apply(t *testing.T, m *member, command string) {
	t.Helper()
	if err := m.raft.Apply([]byte(command), patience).Error(); err != nil {
		t.Fatalf("apply %s on %s: %v", command, m.id, err)
	}
}

func holds(t *testing.T, members []*member, command string) {
	t.Helper()
	for _, m := range members {
		eventually(t, fmt.Sprintf("%s has %s", m.id, command), func() bool { return slices.Contains(m.state.all(), command) })
	}
}

func others(members []*member, not *member) []*member {
	return slices.DeleteFunc(slices.Clone(members), func(m *member) bool { return m == not })
}

func TestThreeNodesElectReplicateAndSurviveOne(t *testing.T) {
	members := newCluster(t, func(tr *Transport) raft.Transport { return tr })
	old := leader(t, members)
	began := time.Now()
	for i := range 50 {
		apply(t, old, fmt.Sprint("first ", i))
	}
	holds(t, members, "first 49")
	eventually(t, "both followers acknowledged in this term", func() bool {
		return len(old.AckedSince(old.raft.CurrentTerm(), began)) == 2
	})
	if err := old.raft.Shutdown().Error(); err != nil {
		t.Fatal(err)
	}
	rest := others(members, old)
	apply(t, leader(t, rest), "second")
	holds(t, rest, "second")
	if a, b := rest[0].state.all(), rest[1].state.all(); !slices.Equal(a, b) {
		t.Errorf("%s has %v, %s has %v", rest[0].id, a, rest[1].id, b)
	}
}

func TestLeadershipIsHandedOver(t *testing.T) {
	members := newCluster(t, func(tr *Transport) raft.Transport { return tr })
	old := leader(t, members)
	to := others(members, old)[0]
	eventually(t, "handing over", func() bool { return old.raft.LeadershipTransferToServer(to.id, to.addr).Error() == nil })
	eventually(t, "the other leads", func() bool { return to.raft.State() == raft.Leader })
}
