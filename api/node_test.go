package api

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
	"confman/streaming"
)

// node is a true node of one: real rules, real folding, rows in memory.
type node struct {
	hub   *streaming.Hub
	rules events.Rules
	state atomic.Pointer[projections.State]
	stand atomic.Pointer[Standing]

	mu        sync.Mutex // one writer
	raft      uint64
	refuse    error // what Submit answers instead, once set
	loses     bool  // Submit does its work and then says that it does not know
	uncertain error // what Linearizable answers
	asked     []string
	rows      rowStore
}

func newNode() *node {
	n := &node{hub: new(streaming.Hub), rows: rowStore{versions: map[string][]projections.Row{}}}
	n.state.Store(projections.Empty())
	n.stand.Store(&Standing{Role: wire.MemberLeader, Leader: "127.0.0.1:6100", LeaderID: "n1", Term: 3, Quorum: true})
	return n
}

func (n *node) Submit(_ context.Context, c events.Command, s events.Stamp) (events.Outcome, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		return events.Outcome{}, n.refuse
	}
	now := n.state.Load()
	if s.Claim != nil {
		if r, ok := now.Receipt(s.Claim.ID); ok {
			if r.Fingerprint != s.Claim.Fingerprint {
				return events.Outcome{}, fmt.Errorf("request %s: %w", r.ID, events.ErrReused)
			}
			return events.Outcome{Index: r.Index, Count: r.Count, Replayed: true}, nil
		}
	}
	p, err := n.rules.Decide(now, c, s)
	if err != nil {
		return events.Outcome{}, err
	}
	f := projections.Begin(now)
	n.raft++
	results, err := f.Entry(projections.Origin{Index: n.raft, Term: 3}, []events.Proposal{p})
	if err != nil {
		return events.Outcome{}, err
	}
	n.rows.write(f.Rows)
	n.state.Store(f.State())
	n.hub.Publish(f.Records)
	if n.loses {
		return events.Outcome{}, fmt.Errorf("no answer from the quorum: %w", events.ErrUnknown)
	}
	return results[0].Outcome, results[0].Err
}

func (n *node) State() *projections.State { return n.state.Load() }

func (n *node) Linearizable(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.uncertain
}

func (n *node) Await(ctx context.Context, index uint64) error {
	for {
		wake, release := n.hub.Wait(events.Root)
		if n.State().Index() >= index {
			release()
			return nil
		}
		select {
		case <-wake:
			release()
		case <-ctx.Done():
			release()
			return fmt.Errorf("event %d, this node stands at %d: %w", index, n.State().Index(), events.ErrBehind)
		}
	}
}

func (n *node) History(index uint64) (*projections.History, func()) {
	return projections.NewHistory(rowsAt{&n.rows, index}, index), func() {}
}

func (n *node) Standing() Standing { return *n.stand.Load() }

func (n *node) follows(leader string) {
	n.stand.Store(&Standing{Role: wire.MemberFollower, Leader: leader, LeaderID: "n2", Term: 3, Quorum: leader != "", SinceContact: 40 * time.Millisecond})
}

func (n *node) Status(context.Context) (Status, error) {
	contact := int64(12)
	return Status{Members: []wire.Member{
		{ID: "n1", Address: "127.0.0.1:6100", Role: wire.MemberLeader, Voter: true, AppliedIndex: n.State().Index(), Disk: &wire.Disk{Total: 3, Free: 2, Used: 1}, Version: "test"},
		{ID: "n2", Address: "127.0.0.1:6200", Role: wire.MemberFollower, Voter: true, LastContactMs: &contact},
	}}, nil
}

func (n *node) ask(format string, args ...any) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, fmt.Sprintf(format, args...))
	return n.refuse
}

func (n *node) takeAsked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = nil
	return asked
}

func (n *node) AddMember(_ context.Context, id, address string, learner bool) error {
	return n.ask("add %s %s learner=%v", id, address, learner)
}
func (n *node) RemoveMember(_ context.Context, id string) error  { return n.ask("remove %s", id) }
func (n *node) PromoteMember(_ context.Context, id string) error { return n.ask("promote %s", id) }
func (n *node) TransferLeadership(_ context.Context, to string) error {
	return n.ask("transfer %q", to)
}

func (n *node) Snapshot(context.Context) (wire.Snapshot, error) {
	s := n.State()
	return wire.Snapshot{Index: s.Index(), Position: s.Position().String(), RaftIndex: s.RaftIndex()}, n.ask("snapshot")
}

// rowStore keeps every version of every row.
type rowStore struct {
	mu       sync.RWMutex
	versions map[string][]projections.Row // oldest first
	keys     []string                     // sorted
}

func (s *rowStore) write(rows []projections.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rows {
		k := string(r.Key)
		old, ok := s.versions[k]
		if !ok {
			at := sort.SearchStrings(s.keys, k)
			s.keys = slices.Insert(s.keys, at, k)
		}
		if len(old) > 0 && old[len(old)-1].Index == r.Index {
			old = old[:len(old)-1]
		}
		s.versions[k] = append(old, r)
	}
}

// rowsAt reads the rows as of an index.
type rowsAt struct {
	*rowStore
	index uint64
}

func (s rowsAt) visible(key string) (projections.Row, bool) {
	for _, r := range slices.Backward(s.versions[key]) {
		if r.Index <= s.index {
			return r, !r.Delete
		}
	}
	return projections.Row{}, false
}

func (s rowsAt) Get(key []byte) ([]byte, uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.visible(string(key))
	if !ok {
		return nil, 0, projections.ErrNoRow
	}
	return r.Value, r.Index, nil
}

func (s rowsAt) collect(prefix []byte, wanted func(key string) bool) (found []projections.Row) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys[sort.SearchStrings(s.keys, string(prefix)):] {
		if !strings.HasPrefix(k, string(prefix)) {
			break
		}
		if r, ok := s.visible(k); ok && wanted(k) {
			found = append(found, r)
		}
	}
	return found
}

func (s rowsAt) Scan(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return yieldRows(s.collect(prefix, func(k string) bool { return k >= string(from) }))
}

func (s rowsAt) Reverse(prefix, from []byte) iter.Seq2[projections.Row, error] {
	rows := s.collect(prefix, func(k string) bool { return from == nil || k <= string(from) })
	slices.Reverse(rows)
	return yieldRows(rows)
}

func (s rowsAt) Versions(key []byte) iter.Seq2[projections.Row, error] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var rows []projections.Row
	for _, r := range slices.Backward(s.versions[string(key)]) {
		if r.Index <= s.index {
			rows = append(rows, r)
		}
	}
	return yieldRows(rows)
}

func yieldRows(rows []projections.Row) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// The state loaded from the fake's rows is the state that was folded: the fake
// keeps what a true store keeps.
func TestFakeNodeKeepsItsHistory(t *testing.T) {
	b := newBench(t)
	b.put("pay", "a", "1")
	b.put("pay", "a", "2")
	n := b.node
	h, release := n.History(n.State().Index())
	defer release()
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Fatal(err)
	}
	loaded, err := projections.Load(rowsAt{&n.rows, n.State().Index()}, n.State().Index(), projections.Origin{Index: n.raft, Term: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.Entry("pay", "a"); got.Version != 2 || loaded.Position() != n.State().Position() {
		t.Errorf("loaded %+v at %s, want version 2 at %s", got, loaded.Position(), n.State().Position())
	}
}
