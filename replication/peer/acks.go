package peer

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// acks remembers when each peer last followed this node.
type acks struct {
	mu    sync.Mutex // guards the fields below
	peers map[raft.ServerID]ack
	next  chan struct{} // closed at the next answer; nil while nobody waits
}

type ack struct {
	term     uint64    // of the last call that was answered with success
	sent     time.Time // when that call was begun
	answered time.Time // when any call was last answered
	match    uint64    // the Raft entry up to which the peer was found to hold this node's log, in that term
	told     bool      // the peer has said where its log ends:
	end      uint64    // as it last said, in any term; 0 for an empty one
}

// AckedSince returns the peers, in no order, that answered with success an
// AppendEntries of this term which was sent at since or later. Such a peer followed
// this node at some moment after since; an answer that merely arrived after since
// says nothing about that. Whether a peer is a voter is for the caller to know.
func (t *Transport) AckedSince(term uint64, since time.Time) []raft.ServerID {
	t.acks.mu.Lock()
	defer t.acks.mu.Unlock()
	var ids []raft.ServerID
	for id, a := range t.acks.peers {
		if a.term == term && !a.sent.Before(since) {
			ids = append(ids, id)
		}
	}
	return ids
}

// NextAck returns a channel that is closed at the next answer with success. Take
// it before asking AckedSince, so that no answer falls between the two.
func (t *Transport) NextAck() <-chan struct{} {
	t.acks.mu.Lock()
	defer t.acks.mu.Unlock()
	if t.acks.next == nil {
		t.acks.next = make(chan struct{})
	}
	return t.acks.next
}

// LastContact returns when id last answered an AppendEntries of this node,
// whatever it answered; the zero time when it never has.
func (t *Transport) LastContact(id raft.ServerID) time.Time {
	t.acks.mu.Lock()
	defer t.acks.mu.Unlock()
	return t.acks.peers[id].answered
}

// Held returns the Raft entry up to which id holds what this node holds: as was
// found in this term, in which this node leads, or before that the end of id's log
// as id last said it in whatever term, of which entries that were never committed
// may differ. ok is false while id has told this process neither.
func (t *Transport) Held(id raft.ServerID, term uint64) (index uint64, ok bool) {
	t.acks.mu.Lock()
	defer t.acks.mu.Unlock()
	a := t.acks.peers[id]
	if a.term == term && a.match > 0 {
		return a.match, true
	}
	return a.end, a.told
}

func (a *acks) note(id raft.ServerID, sent time.Time, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	peer := a.peers[id]
	peer.answered = time.Now()
	if resp.LastLog > 0 || !resp.Success { // else it answered a heartbeat without asking Raft
		peer.told, peer.end = true, resp.LastLog
	}
	if resp.Success && resp.Term == args.Term && args.Term >= peer.term {
		if args.Term > peer.term {
			peer.match = 0
		}
		peer.match = max(peer.match, reaches(args))
		if args.Term > peer.term || sent.After(peer.sent) {
			peer.term, peer.sent = args.Term, sent
			if a.next != nil {
				defer close(a.next)
				a.next = nil
			}
		}
	}
	a.peers[id] = peer
}

// reaches is the last entry that who grants a request holds; 0 when it says
// nothing of entries, as a heartbeat does.
func reaches(args *raft.AppendEntriesRequest) uint64 {
	if n := len(args.Entries); n > 0 {
		return args.Entries[n-1].Index
	}
	return args.PrevLogEntry
}

// pipeline notes the answers on their way to Raft.
type pipeline struct {
	raft.AppendPipeline
	ready     chan raft.AppendFuture
	closed    chan struct{}
	closeOnce sync.Once
	forwarder sync.WaitGroup
}

func newPipeline(p raft.AppendPipeline, id raft.ServerID, acks *acks) *pipeline {
	w := &pipeline{AppendPipeline: p, ready: make(chan raft.AppendFuture), closed: make(chan struct{})}
	w.forwarder.Go(func() { w.forward(id, acks) })
	return w
}

func (p *pipeline) forward(id raft.ServerID, acks *acks) {
	for {
		select {
		case f := <-p.AppendPipeline.Consumer():
			if f.Error() == nil {
				acks.note(id, f.Start(), f.Request(), f.Response())
			}
			select {
			case p.ready <- f:
			case <-p.closed:
				return
			}
		case <-p.closed:
			return
		}
	}
}

func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.ready }

func (p *pipeline) Close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	err := p.AppendPipeline.Close()
	p.forwarder.Wait()
	return err
}
