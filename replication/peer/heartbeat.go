package peer

import (
	"time"

	"github.com/hashicorp/raft"
)

// heartbeat answers one heartbeat; it runs on the goroutine of the connection. The
// package documentation argues why the answer of last resort is safe.
func (t *Transport) heartbeat(rpc raft.RPC) {
	grace := time.NewTimer(t.cfg.Grace)
	defer grace.Stop()
	select {
	case t.consume <- rpc:
		return
	case <-t.closed:
		return
	case <-grace.C:
	}
	if req := rpc.Command.(*raft.AppendEntriesRequest); req.Term == t.cfg.PersistedTerm() {
		rpc.Respond(&raft.AppendEntriesResponse{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.cfg.ID), Addr: []byte(t.cfg.Advertise)},
			Term:      req.Term,
			Success:   true,
		}, nil)
		return
	}
	select {
	case t.consume <- rpc:
	case <-t.closed:
	}
}
