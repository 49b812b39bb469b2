package peer

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// guarded returns a transport without a network, whose node has term on disk.
func guarded(term *atomic.Uint64) *Transport {
	return &Transport{
		cfg:     Config{ID: "n1", Advertise: "n1:6100", PersistedTerm: term.Load, Grace: defaultGrace},
		consume: make(chan raft.RPC),
		closed:  make(chan struct{}),
	}
}

func heartbeatOf(term uint64) (raft.RPC, chan raft.RPCResponse) {
	answers := make(chan raft.RPCResponse, 1)
	return raft.RPC{Command: &raft.AppendEntriesRequest{Term: term}, RespChan: answers}, answers
}

func TestHeartbeatOfThePersistedTermIsAcknowledgedAfterGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term atomic.Uint64
		term.Store(7)
		rpc, answers := heartbeatOf(7)
		began := time.Now()
		guarded(&term).heartbeat(rpc)
		if d := time.Since(began); d != defaultGrace {
			t.Errorf("after %v, want %v", d, defaultGrace)
		}
		resp := (<-answers).Response.(*raft.AppendEntriesResponse)
		if resp.Term != 7 || !resp.Success || string(resp.ID) != "n1" || string(resp.Addr) != "n1:6100" {
			t.Errorf("got %+v", resp)
		}
	})
}

func TestHeartbeatOfAnotherTermWaitsForRaft(t *testing.T) {
	for name, persisted := range map[string]uint64{"older term on disk": 6, "newer term on disk": 8, "a term is being written": 0} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var term atomic.Uint64
				term.Store(persisted)
				tr := guarded(&term)
				rpc, answers := heartbeatOf(7)
				go tr.heartbeat(rpc)
				<-time.After(time.Hour)
				if len(answers) != 0 {
					t.Fatal("acknowledged without Raft")
				}
				if got := <-tr.consume; got.Command != rpc.Command {
					t.Fatal("Raft was given something else")
				}
			})
		})
	}
}

func TestHeartbeatGoesThroughRaftWhenItIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term atomic.Uint64
		term.Store(7)
		tr := guarded(&term)
		rpc, answers := heartbeatOf(7)
		go tr.heartbeat(rpc)
		<-time.After(defaultGrace - 1)
		<-tr.consume
		synctest.Wait()
		if len(answers) != 0 {
			t.Fatal("answered by the transport although Raft has it")
		}
	})
}

func TestCloseReleasesWaitingHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := guarded(new(atomic.Uint64))
		for range 2 {
			rpc, _ := heartbeatOf(7)
			go tr.heartbeat(rpc)
			<-time.After(defaultGrace * 2 / 3) // one in its grace, one beyond
		}
		close(tr.closed) // or synctest finds them blocked
	})
}

// A busy main goroutine holds up everything else, so the guard must be on the
// path that a heartbeat really takes.
func TestHeartbeatIsAcknowledgedOverTheNetworkWhileRaftIsBusy(t *testing.T) {
	n1 := newNode(t, "n1", nil)
	n2 := newNode(t, "n2", func(c *Config) { c.PersistedTerm = func() uint64 { return 7 }; c.Timeout = 200 * time.Millisecond })
	beat := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{Addr: []byte(n1.addr)}, Term: 7}
	began := time.Now()
	if err := n1.AppendEntries("n2", n2.addr, beat, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	if got := n1.AckedSince(7, began); len(got) != 1 {
		t.Errorf("acknowledged by %v, want n2", got)
	}
}
