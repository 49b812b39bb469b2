package peer

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
)

func entries(from, to *node) error {
	return from.AppendEntries(to.id, to.addr, &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{Addr: []byte(from.addr)}, Term: 1, PrevLogEntry: 1, PrevLogTerm: 1, Entries: []*raft.Log{{Index: 2, Term: 1}},
	}, new(raft.AppendEntriesResponse))
}

func TestANodeWithoutRoomRefusesEntriesAndSnapshotsAndNothingElse(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	to := newNode(t, "n1", func(c *Config) {
		c.Room = func(int64) error {
			if full.Load() {
				return errors.New("no room")
			}
			return nil
		}
	})
	from := newNode(t, "n2", nil)
	var taken, votes atomic.Int64
	answer(t, to, func(rpc raft.RPC) {
		if req, ok := rpc.Command.(*raft.AppendEntriesRequest); ok {
			taken.Add(int64(len(req.Entries)))
		} else {
			votes.Add(1)
		}
		follow(rpc)
	})
	heartbeat := func() error {
		return from.AppendEntries(to.id, to.addr, &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte(from.addr)}, Term: 1}, new(raft.AppendEntriesResponse))
	}
	// What is sent as a snapshot must not be read as calls: here, for votes, each
	// its type and an empty map.
	snapshot := bytes.Repeat([]byte{1, 0x80}, 3<<20)
	for range 3 {
		if err := entries(from, to); err == nil || !strings.Contains(err.Error(), "no room") {
			t.Errorf("entries: %v", err)
		}
		err := from.InstallSnapshot(to.id, to.addr, &raft.InstallSnapshotRequest{Term: 1, Size: int64(len(snapshot))}, new(raft.InstallSnapshotResponse), bytes.NewReader(snapshot))
		if err == nil || !strings.Contains(err.Error(), "no room") {
			t.Errorf("a snapshot: %v", err)
		}
		if err := errors.Join(heartbeat(), vote(from, to)); err != nil {
			t.Errorf("a heartbeat or a vote: %v", err)
		}
	}
	barrier := &raft.AppendEntriesRequest{Term: 1, PrevLogEntry: 1, PrevLogTerm: 1, Entries: []*raft.Log{{Index: 2, Term: 1, Type: raft.LogBarrier}}}
	if err := from.AppendEntries(to.id, to.addr, barrier, new(raft.AppendEntriesResponse)); err != nil {
		t.Errorf("an entry of Raft's own: %v", err)
	}
	if n := to.connections(); n > 3 {
		t.Errorf("refusals cost connections: %d", n)
	}
	if taken.Load() != 1 || votes.Load() != 3 {
		t.Errorf("Raft was given %d entries, and asked for %d votes, not 3", taken.Load(), votes.Load())
	}
	full.Store(false)
	if err := entries(from, to); err != nil || taken.Load() != 2 {
		t.Errorf("with room again: %v, %d entries", err, taken.Load())
	}
}

func TestASnapshotIsHeldBackUntilThePeerHasRoom(t *testing.T) {
	asked, room := make(chan int64), make(chan bool)
	to := newNode(t, "n1", nil)
	from := newNode(t, "n2", func(c *Config) {
		c.RoomAt = func(id raft.ServerID, bytes int64) bool {
			asked <- bytes
			return <-room
		}
	})
	answer(t, to, func(rpc raft.RPC) {
		content := new(bytes.Buffer)
		_, _ = content.ReadFrom(rpc.Reader)
		rpc.Respond(&raft.InstallSnapshotResponse{Term: 1, Success: content.String() == "rows"}, nil)
	})
	ended, resp := make(chan error, 1), new(raft.InstallSnapshotResponse)
	go func() {
		ended <- from.InstallSnapshot(to.id, to.addr, &raft.InstallSnapshotRequest{Term: 1, Size: 4}, resp, strings.NewReader("rows"))
	}()
	for _, is := range []bool{false, false, true} {
		if bytes := <-asked; bytes != 4 {
			t.Errorf("asked for %d bytes", bytes)
		}
		room <- is
	}
	if err := <-ended; err != nil || !resp.Success {
		t.Errorf("%v, %+v", err, resp)
	}
}

func TestASnapshotThatIsHeldBackEndsWithTheTransport(t *testing.T) {
	from := newNode(t, "n2", func(c *Config) { c.RoomAt = func(raft.ServerID, int64) bool { return false } })
	ended := make(chan error, 1)
	go func() {
		ended <- from.InstallSnapshot("n1", "127.0.0.1:1", &raft.InstallSnapshotRequest{Size: 4}, new(raft.InstallSnapshotResponse), strings.NewReader("rows"))
	}()
	from.Close()
	if err := <-ended; !errors.Is(err, raft.ErrTransportShutdown) {
		t.Error(err)
	}
}
