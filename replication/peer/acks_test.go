package peer

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// senders are the two ways in which Raft replicates.
var senders = map[string]func(from, to *node, term uint64) error{
	"single": func(from, to *node, term uint64) error {
		return from.AppendEntries(to.id, to.addr, entriesOf(term), new(raft.AppendEntriesResponse))
	},
	"pipelined": func(from, to *node, term uint64) error {
		p, err := from.AppendEntriesPipeline(to.id, to.addr)
		if err != nil {
			return err
		}
		defer p.Close()
		if _, err := p.AppendEntries(entriesOf(term), new(raft.AppendEntriesResponse)); err != nil {
			return err
		}
		return (<-p.Consumer()).Error()
	},
}

func entriesOf(term uint64) *raft.AppendEntriesRequest {
	return &raft.AppendEntriesRequest{Term: term, Entries: []*raft.Log{{Index: 1, Term: term}}}
}

// A read that begins after a call was sent must not be confirmed by its answer.
func TestAckCountsFromWhenTheCallWasSent(t *testing.T) {
	for name, send := range senders {
		t.Run(name, func(t *testing.T) {
			n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
			arrived := make(chan raft.RPC, 1)
			answer(t, n2, func(rpc raft.RPC) { arrived <- rpc })
			before, sent := time.Now(), make(chan error)
			go func() { sent <- send(n1, n2, 7) }()
			rpc := <-arrived
			if got := n1.AckedSince(7, before); len(got) != 0 {
				t.Errorf("%v acknowledged before anybody answered", got)
			}
			after := time.Now()
			follow(rpc)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if got := n1.AckedSince(7, before); !slices.Equal(got, []raft.ServerID{"n2"}) {
				t.Errorf("since before the call: %v, want n2", got)
			}
			if got := n1.AckedSince(7, after); len(got) != 0 {
				t.Errorf("since after the call was sent, before it was answered: %v, want none", got)
			}
			for _, term := range []uint64{6, 8} {
				if got := n1.AckedSince(term, before); len(got) != 0 {
					t.Errorf("in term %d: %v, want none", term, got)
				}
			}
			if at := n1.LastContact("n2"); at.Before(after) || at.After(time.Now()) {
				t.Errorf("last contact %v, want when it answered", at)
			}
		})
	}
}

func TestOnlySuccessInTheTermIsAnAck(t *testing.T) {
	tests := map[string]struct {
		answer raft.AppendEntriesResponse
		want   int
	}{
		"follows":            {raft.AppendEntriesResponse{Term: 7, Success: true}, 1},
		"has another log":    {raft.AppendEntriesResponse{Term: 7}, 0},
		"is in a later term": {raft.AppendEntriesResponse{Term: 8}, 0},
		"claims both":        {raft.AppendEntriesResponse{Term: 8, Success: true}, 0},
	}
	for name, test := range tests {
		for how, send := range senders {
			t.Run(name+"/"+how, func(t *testing.T) {
				n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
				answer(t, n2, func(rpc raft.RPC) { rpc.Respond(&test.answer, nil) })
				if !n1.LastContact("n2").IsZero() {
					t.Error("contact before any call")
				}
				began := time.Now()
				if err := send(n1, n2, 7); err != nil {
					t.Fatal(err)
				}
				if got := n1.AckedSince(7, began); len(got) != test.want {
					t.Errorf("acknowledged by %v, want %d", got, test.want)
				}
				if n1.LastContact("n2").Before(began) {
					t.Error("an answer is a contact, whatever it says")
				}
			})
		}
	}
}

func TestOlderAckDoesNotReplaceANewerOne(t *testing.T) {
	now := time.Now()
	ok := func(term uint64) *raft.AppendEntriesResponse {
		return &raft.AppendEntriesResponse{Term: term, Success: true}
	}
	transport := &Transport{acks: acks{peers: map[raft.ServerID]ack{}}}
	for _, a := range []struct {
		term uint64
		sent time.Time
	}{{4, now}, {4, now.Add(-time.Second)}, {3, now.Add(time.Second)}} {
		transport.acks.note("n2", a.sent, &raft.AppendEntriesRequest{Term: a.term}, ok(a.term))
	}
	if got := transport.AckedSince(4, now); len(got) != 1 {
		t.Errorf("got %v, want n2", got)
	}
	transport.acks.note("n2", now.Add(-time.Minute), &raft.AppendEntriesRequest{Term: 5}, ok(5))
	if got := transport.AckedSince(4, now); len(got) != 0 {
		t.Errorf("%v still counts for a term that is over", got)
	}
}

func TestWhatAPeerHoldsIsKnownFromItsFirstAnswer(t *testing.T) {
	transport := &Transport{acks: acks{peers: map[raft.ServerID]ack{}}}
	beat := func(term uint64) *raft.AppendEntriesRequest { return &raft.AppendEntriesRequest{Term: term} }
	for _, step := range []struct {
		what  string
		asked *raft.AppendEntriesRequest
		said  raft.AppendEntriesResponse
		held  uint64 // in the term of what was asked
		known bool
	}{
		{"a heartbeat is answered without Raft", beat(4), raft.AppendEntriesResponse{Term: 4, Success: true}, 0, false},
		{"its log is empty", entriesOf(4), raft.AppendEntriesResponse{Term: 4}, 0, true},
		{"it tells its end with a heartbeat", beat(4), raft.AppendEntriesResponse{Term: 4, Success: true, LastLog: 90}, 90, true},
		{"another heartbeat is answered without Raft", beat(4), raft.AppendEntriesResponse{Term: 4, Success: true}, 90, true},
		{"it refuses what does not follow", entriesOf(4), raft.AppendEntriesResponse{Term: 4, LastLog: 80}, 80, true},
		{"it takes an entry: what was found counts more than what it says", entriesOf(4), raft.AppendEntriesResponse{Term: 4, Success: true, LastLog: 80}, 1, true},
		{"a new term knows what it said last", beat(5), raft.AppendEntriesResponse{Term: 5, Success: true}, 80, true},
	} {
		transport.acks.note("n2", time.Now(), step.asked, &step.said)
		if held, known := transport.Held("n2", step.asked.Term); held != step.held || known != step.known {
			t.Errorf("%s: holds %d, known %t; want %d, %t", step.what, held, known, step.held, step.known)
		}
	}
}
