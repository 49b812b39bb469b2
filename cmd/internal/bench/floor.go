package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
	"github.com/rs/zerolog"

	"confman/replication/raftlog"
)

// The bare Raft: hashicorp/raft on raft-wal, fsynced, with the settings that
// Confman's nodes have, a state machine that does nothing, and the same group
// commit. Its nodes share a process and talk over TCP.
const (
	floorNodes    = 3
	floorCommand  = 256 // bytes
	floorBatch    = 256 // commands of one entry
	floorInFlight = 2   // entries
)

// raftFloor is a bare Raft cluster.
type raftFloor struct {
	nodes   []*raft.Raft
	closers []func() error
	leader  *raft.Raft
	queue   chan floorPending
	flights sync.WaitGroup
	end     chan struct{}
}

type floorPending struct {
	command []byte
	done    chan error
}

// openRaftFloor starts a bare Raft with its logs below dir.
func openRaftFloor(ctx context.Context, dir string) (*raftFloor, error) {
	f := &raftFloor{queue: make(chan floorPending, 4096), end: make(chan struct{})}
	var servers raft.Configuration
	for i := range floorNodes {
		server, err := f.addNode(strconv.Itoa(i+1), dir)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("start a bare raft: %w", err), f.close())
		}
		servers.Servers = append(servers.Servers, server)
	}
	if err := f.nodes[0].BootstrapCluster(servers).Error(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a bare raft: %w", err), f.close())
	}
	if err := f.awaitLeader(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	f.flights.Go(f.propose)
	return f, nil
}

func (f *raftFloor) addNode(id, dir string) (raft.Server, error) {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(id)
	c.CommitTimeout = 5 * time.Millisecond
	c.MaxAppendEntries = 1024
	c.BatchApplyCh = true
	c.LogOutput = io.Discard
	dir = filepath.Join(dir, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return raft.Server{}, err
	}
	log, err := raftwal.Open(dir, raftwal.WithLogger(raftlog.New("raft-wal", zerolog.Nop())))
	if err != nil {
		return raft.Server{}, err
	}
	f.closers = append(f.closers, log.Close)
	cached, err := raft.NewLogCache(512, log)
	if err != nil {
		return raft.Server{}, err
	}
	transport, err := raft.NewTCPTransport("127.0.0.1:0", nil, 3, patience, io.Discard)
	if err != nil {
		return raft.Server{}, err
	}
	f.closers = append(f.closers, transport.Close)
	node, err := raft.NewRaft(c, noMachine{}, cached, log, raft.NewDiscardSnapshotStore(), transport)
	if err != nil {
		return raft.Server{}, err
	}
	f.nodes = append(f.nodes, node)
	return raft.Server{ID: c.LocalID, Address: transport.LocalAddr()}, nil
}

func (f *raftFloor) awaitLeader(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, n := range f.nodes {
			if n.State() == raft.Leader && n.Barrier(0).Error() == nil {
				f.leader = n
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("a bare raft elects no leader: %w", ctx.Err())
		}
	}
}

// propose puts what waits into entries, as soon as one of those on their way is
// done.
func (f *raftFloor) propose() {
	slots := make(chan struct{}, floorInFlight)
	for {
		slots <- struct{}{}
		var batch []floorPending
		select {
		case p := <-f.queue:
			batch = append(batch, p)
		case <-f.end:
			return
		}
		for more := true; more && len(batch) < floorBatch; {
			select {
			case p := <-f.queue:
				batch = append(batch, p)
			default:
				more = false
			}
		}
		entry := make([]byte, 0, len(batch)*floorCommand)
		for _, p := range batch {
			entry = append(entry, p.command...)
		}
		future := f.leader.Apply(entry, 0)
		f.flights.Go(func() {
			err := future.Error()
			for _, p := range batch {
				p.done <- err
			}
			<-slots
		})
	}
}

func (f *raftFloor) close() error {
	close(f.end)
	var err error
	for _, n := range f.nodes {
		err = errors.Join(err, n.Shutdown().Error())
	}
	f.flights.Wait()
	for _, c := range f.closers {
		err = errors.Join(err, c())
	}
	return err
}

// raftClient proposes one command after another.
type raftClient struct {
	floor   *raftFloor
	pending floorPending
}

func (f *raftFloor) newClient(int) (client, error) {
	return &raftClient{f, floorPending{make([]byte, floorCommand), make(chan error, 1)}}, nil
}

func (c *raftClient) next(context.Context) error {
	c.floor.queue <- c.pending
	return <-c.pending.done
}

func (c *raftClient) close() error { return nil }

// noMachine is a state machine without a state.
type noMachine struct{}

func (noMachine) Apply(*raft.Log) any                  { return nil }
func (noMachine) ApplyBatch(logs []*raft.Log) []any    { return make([]any, len(logs)) }
func (noMachine) Snapshot() (raft.FSMSnapshot, error)  { return noMachine{}, nil }
func (noMachine) Restore(snapshot io.ReadCloser) error { return snapshot.Close() }
func (noMachine) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (noMachine) Release()                             {}
