package peer

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second // before a test gives up on something that takes milliseconds

// node is one transport behind a real HTTP server on loopback.
type node struct {
	*Transport
	id   raft.ServerID
	addr raft.ServerAddress
	srv  *httptest.Server

	mu   sync.Mutex
	deaf map[string]bool // peers whose upgrades are dropped
}

// newNode starts a node of cluster "c1" with token "secret", as changed by change.
func newNode(t *testing.T, id raft.ServerID, change func(*Config)) *node {
	t.Helper()
	n := unstarted(t, id, change)
	n.srv.Start()
	return n
}

func unstarted(t *testing.T, id raft.ServerID, change func(*Config)) *node {
	t.Helper()
	n := &node{id: id, deaf: map[string]bool{}}
	n.srv = httptest.NewUnstartedServer(n)
	n.addr = raft.ServerAddress(n.srv.Listener.Addr().String())
	cfg := Config{
		ID: id, Advertise: string(n.addr), Token: "secret",
		Cluster:       func() string { return "c1" },
		PersistedTerm: func() uint64 { return 0 },
	}
	if change != nil {
		change(&cfg)
	}
	n.Transport = New(cfg)
	t.Cleanup(func() {
		n.Close()
		n.srv.Close()
	})
	return n
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	deaf := n.deaf[r.Header.Get(headerNode)]
	n.mu.Unlock()
	if deaf || r.URL.Path != Path {
		http.Error(w, "no way", http.StatusBadGateway)
		return
	}
	n.Transport.ServeHTTP(w, r)
}

// ignore drops the upgrades of a peer from now on, or no longer.
func (n *node) ignore(peer raft.ServerID, deaf bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf[string(peer)] = deaf
}

// disconnect ends all connections that the node has.
func (n *node) disconnect() {
	n.streams.mu.Lock()
	defer n.streams.mu.Unlock()
	for c := range n.streams.open {
		c.Close()
	}
}

// connections returns how many inbound connections the node has.
func (n *node) connections() int {
	n.streams.mu.Lock()
	defer n.streams.mu.Unlock()
	return n.streams.inbound
}

// answer lets a goroutine answer each call that reaches Raft, until the test ends.
func answer(t *testing.T, n *node, with func(raft.RPC)) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case rpc := <-n.Consumer():
				with(rpc)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// follow answers like a follower of the term that it is asked in.
func follow(rpc raft.RPC) {
	switch req := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		rpc.Respond(&raft.AppendEntriesResponse{Term: req.Term, Success: true}, nil)
	case *raft.RequestVoteRequest:
		rpc.Respond(&raft.RequestVoteResponse{Term: req.Term, Granted: true}, nil)
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{Term: req.Term, Granted: true}, nil)
	case *raft.TimeoutNowRequest:
		rpc.Respond(&raft.TimeoutNowResponse{}, nil)
	}
}

// vote is a call that is never answered on the spot.
func vote(from, to *node) error {
	return from.RequestVote(to.id, to.addr, &raft.RequestVoteRequest{Term: 1}, new(raft.RequestVoteResponse))
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
