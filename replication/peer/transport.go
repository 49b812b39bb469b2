package peer

import (
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/replication/raftlog"
)

const (
	// defaultGrace is longer than an ordinary fsync, so that nearly every heartbeat
	// goes through Raft, and with a heartbeat interval of 30 ms on top still half of
	// the shortest leader lease in use, 100 ms.
	defaultGrace    = 20 * time.Millisecond
	defaultTimeout  = 2 * time.Second
	defaultMaxConns = 64
	idlePerPeer     = 3 // outbound connections kept open: heartbeats, log entries, votes
)

// Config says who this node is and how it knows the others.
type Config struct {
	// ID is this node's Raft server ID. Required.
	ID raft.ServerID
	// Advertise is the host:port at which others reach this node, and its Raft address. Required.
	Advertise string
	// Cluster returns the identity of the cluster that this node belongs to. A peer
	// that states another one is refused; "" equals only "". Required.
	Cluster func() string
	// Token is shared by all nodes of the cluster. With an empty one every peer is refused.
	Token string
	// ClientTLS is asked at each dial, so that reloaded certificates are used. When
	// it is nil or returns nil, dials are plain TCP.
	ClientTLS func() *tls.Config
	// RequirePeerCertificate refuses a peer whose connection brought no client
	// certificate that the HTTP server has verified and that is the peer's: see
	// [Names].
	RequirePeerCertificate bool
	// Address returns the address at which this node knows a member; "" when it does
	// not know it, and then the one that the peer states counts. nil: it knows none.
	Address func(id string) string
	// PersistedTerm returns Raft's CurrentTerm as it is on disk, and 0 while a newer
	// one is being written (wal.Log.PersistedTerm). Required.
	PersistedTerm func() uint64
	// Room is asked before commands are taken (0 bytes) or a snapshot of so many
	// bytes; its error refuses them, all else goes on. nil: there is room.
	Room func(bytes int64) error
	// RoomAt is what this node knows of another one's Room, as leader. A snapshot
	// is held back while it is false. nil: there is room everywhere.
	RoomAt func(id raft.ServerID, bytes int64) bool
	// Grace is how long a heartbeat waits for Raft's main goroutine before it may be
	// acknowledged without; 0 means 20 ms.
	Grace time.Duration
	// Timeout bounds a dial with its handshakes, and each call; 0 means 2 s.
	Timeout time.Duration
	// MaxConns caps the inbound connections; 0 means 64.
	MaxConns int
	Log      zerolog.Logger
}

// Transport carries Raft's calls between authenticated nodes. It implements
// raft.Transport, raft.WithPreVote and raft.WithClose, and http.Handler for the
// inbound side.
type Transport struct {
	cfg     Config
	net     *raft.NetworkTransport
	streams *streams
	acks    acks

	strangers strangers

	consume   chan raft.RPC // to Raft's main goroutine; unbuffered, so a send that succeeds has been taken
	closed    chan struct{}
	closeOnce sync.Once
	forwarder sync.WaitGroup
}

var (
	_ raft.Transport   = (*Transport)(nil)
	_ raft.WithPreVote = (*Transport)(nil)
	_ raft.WithClose   = (*Transport)(nil)
)

// New returns a transport that answers peers once it is mounted at Path. It
// panics when a required field of cfg is missing.
func New(cfg Config) *Transport {
	if cfg.ID == "" || cfg.Advertise == "" || cfg.Cluster == nil || cfg.PersistedTerm == nil {
		panic("peer: Config.ID, Advertise, Cluster and PersistedTerm are required")
	}
	if cfg.Grace == 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	t := &Transport{
		cfg:     cfg,
		streams: newStreams(cfg),
		acks:    acks{peers: map[raft.ServerID]ack{}},
		consume: make(chan raft.RPC),
		closed:  make(chan struct{}),
	}
	t.net = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: t.streams, MaxPool: idlePerPeer, Timeout: cfg.Timeout, Logger: raftlog.New("raft-net", cfg.Log),
	})
	t.net.SetHeartbeatHandler(t.heartbeat)
	t.forwarder.Go(t.forward)
	return t
}

// forward hands all calls but heartbeats to Raft.
func (t *Transport) forward() {
	for {
		select {
		case rpc := <-t.net.Consumer():
			if t.turnedAway(rpc) {
				continue
			}
			select {
			case t.consume <- rpc:
			case <-t.closed:
				return
			}
		case <-t.closed:
			return
		}
	}
}

// Close ends all connections, in both directions, and returns when nobody works
// on an inbound one any more. Raft closes its transport when it shuts down. A dial
// under way ends within Config.Timeout.
func (t *Transport) Close() error {
	t.closeOnce.Do(func() {
		close(t.closed)
		_ = t.net.Close() // closes streams, and never fails
		t.streams.served.Wait()
		t.forwarder.Wait()
	})
	return nil
}

// Consumer returns the calls that Raft must answer.
func (t *Transport) Consumer() <-chan raft.RPC { return t.consume }

// LocalAddr returns Config.Advertise.
func (t *Transport) LocalAddr() raft.ServerAddress { return t.net.LocalAddr() }

// SetHeartbeatHandler ignores Raft's handler: it is the one that changes term and
// state beside the main goroutine. See the package documentation.
func (t *Transport) SetHeartbeatHandler(func(raft.RPC)) {}

// EncodePeer returns addr as it goes into votes and log entries.
func (t *Transport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte { return []byte(addr) }

// DecodePeer is the reverse of EncodePeer.
func (t *Transport) DecodePeer(addr []byte) raft.ServerAddress { return raft.ServerAddress(addr) }

// AppendEntries replicates to one peer, or tells it that this node leads, and
// notes the answer for AckedSince.
func (t *Transport) AppendEntries(id raft.ServerID, addr raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	sent := time.Now()
	err := t.net.AppendEntries(id, target(id, addr), args, resp)
	if err == nil {
		t.acks.note(id, sent, args, resp)
	}
	return err
}

// AppendEntriesPipeline is AppendEntries with calls in flight.
func (t *Transport) AppendEntriesPipeline(id raft.ServerID, addr raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.net.AppendEntriesPipeline(id, target(id, addr))
	if err != nil {
		return nil, err
	}
	return newPipeline(p, id, &t.acks), nil
}

// RequestVote asks one peer for its vote.
func (t *Transport) RequestVote(id raft.ServerID, addr raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return pastDead(func() error { return t.net.RequestVote(id, target(id, addr), args, resp) })
}

// RequestPreVote asks one peer whether it would vote.
func (t *Transport) RequestPreVote(id raft.ServerID, addr raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return pastDead(func() error { return t.net.RequestPreVote(id, target(id, addr), args, resp) })
}

// pastDead makes a call again while the connection that it was made over turns
// out to be dead: votes rest between elections, and a pooled connection may have
// ended by then, as those do that a partition cut. Raft would ask again only in
// the next election. The call must be one that a peer may get twice.
func pastDead(call func() error) error {
	for range idlePerPeer {
		err := call()
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ETIMEDOUT) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			return err
		}
	}
	return call()
}

// InstallSnapshot sends a snapshot to one peer. Timeout grows with its size.
func (t *Transport) InstallSnapshot(id raft.ServerID, addr raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	if err := t.awaitRoom(id, args.Size); err != nil {
		return err
	}
	began := time.Now()
	err := t.net.InstallSnapshot(id, target(id, addr), args, resp, data)
	if err == nil && resp.Success {
		t.cfg.Log.Info().Str("member", string(id)).Int64("bytes", args.Size).Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("snapshot sent")
	}
	return err
}

// TimeoutNow asks one peer to start an election at once.
func (t *Transport) TimeoutNow(id raft.ServerID, addr raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.net.TimeoutNow(id, target(id, addr), args, resp)
}
