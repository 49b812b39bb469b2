package peer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// A node whose disk is full stands still: it refuses entries and snapshots with an
// error, which changes nothing at a leader but that it tries again, ever less often,
// at least each ten seconds. Raft on this node hears nothing of them. Entries of
// Raft's own, of a new leader or a new membership, pass: they are small, the state
// machine writes nothing for them, and a node that holds all before them keeps the
// cluster led.
const (
	// roomPause and roomPatience are how often and how long a leader looks for room
	// before it gives up sending a snapshot: to begin means to copy all rows again.
	roomPause    = time.Second
	roomPatience = time.Minute
)

var errNoRoom = errors.New("has no room for a snapshot")

// turnedAway answers a call for which there is no room, and reports whether it did.
func (t *Transport) turnedAway(rpc raft.RPC) bool {
	bytes := int64(0)
	switch c := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		if !slices.ContainsFunc(c.Entries, func(e *raft.Log) bool { return e.Type == raft.LogCommand }) {
			return false
		}
	case *raft.InstallSnapshotRequest:
		bytes = c.Size
	default:
		return false
	}
	if t.cfg.Room == nil {
		return false
	}
	err := t.cfg.Room(bytes)
	if err == nil {
		return false
	}
	err = fmt.Errorf("%s takes nothing: %w", t.cfg.ID, err)
	if rpc.Reader == nil {
		rpc.Respond(nil, err)
		return true
	}
	t.forwarder.Go(func() {
		_, _ = io.Copy(io.Discard, rpc.Reader) // what is not read would be taken for the next call
		rpc.Respond(nil, err)
	})
	return true
}

// awaitRoom holds a snapshot back while the peer has no room for it.
func (t *Transport) awaitRoom(id raft.ServerID, bytes int64) error {
	if t.cfg.RoomAt == nil || t.cfg.RoomAt(id, bytes) {
		return nil
	}
	patience := time.NewTimer(roomPatience)
	defer patience.Stop()
	tick := time.NewTicker(roomPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if t.cfg.RoomAt(id, bytes) {
				return nil
			}
		case <-patience.C:
			return fmt.Errorf("%s %w", id, errNoRoom)
		case <-t.closed:
			return raft.ErrTransportShutdown
		}
	}
}
