package peer

import (
	"testing"

	"github.com/hashicorp/raft"
)

// Votes are for elections, and an election follows a fault: all connections that
// rest since the last one may be dead.
func TestAVoteGetsPastDeadConnections(t *testing.T) {
	n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
	arrived := make(chan raft.RPC)
	answer(t, n2, func(rpc raft.RPC) { arrived <- rpc })
	for name, ask := range map[string]func() error{
		"vote": func() error { return vote(n1, n2) },
		"pre-vote": func() error {
			return n1.RequestPreVote(n2.id, n2.addr, &raft.RequestPreVoteRequest{Term: 1}, new(raft.RequestPreVoteResponse))
		},
	} {
		voted := make(chan error)
		var together []raft.RPC // as many as are pooled
		for range idlePerPeer {
			go func() { voted <- ask() }()
			together = append(together, <-arrived)
		}
		for _, rpc := range together {
			follow(rpc)
			if err := <-voted; err != nil {
				t.Fatal(err)
			}
		}
		if open := n2.connections(); open != idlePerPeer {
			t.Fatalf("%s: %d connections rest, want %d", name, open, idlePerPeer)
		}
		n2.disconnect()
		go func() { voted <- ask() }()
		select {
		case rpc := <-arrived:
			follow(rpc)
			if err := <-voted; err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		case err := <-voted:
			t.Fatalf("%s: nobody was asked: %v", name, err)
		}
		n2.disconnect()
		eventually(t, "no connection left", func() bool { return n2.connections() == 0 })
	}
}

// A peer that ends every connection is asked a few times, not for ever.
func TestAVoteOfAPeerThatAlwaysHangsUpFails(t *testing.T) {
	n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
	answer(t, n2, func(raft.RPC) { n2.disconnect() })
	if err := vote(n1, n2); err == nil {
		t.Error("a vote that nobody gave")
	}
}
