package replication

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"confman/events"
	"confman/events/proof"
	"confman/projections"
	"confman/replication/disk"
)

const (
	// verifyBatch is how many records are checked before others may have what
	// holds them: a store that is to be replaced, a disk.
	verifyBatch = 2048
	// verifyDelay is how long after a start a node first checks itself.
	verifyDelay = 5 * time.Minute
	// verifyRest is how long it rests after a batch, in times of what the batch
	// took.
	verifyRest = 9
)

// verifications are what a node found when it checked its own records.
type verifications struct {
	mu       sync.Mutex // guards the fields below
	last     Verification
	failures uint64
}

// Verification is the newest time that a node checked all its records.
type Verification struct {
	At       time.Time // when it ended; zero: never yet
	Success  time.Time // the same of the newest one that found nothing
	Report   proof.Report
	Failures uint64 // how many have found something since the start
}

// Verified is the newest verification of all the node's records.
func (n *Node) Verified() Verification {
	n.verified.mu.Lock()
	defer n.verified.mu.Unlock()
	v := n.verified.last
	v.Failures = n.verified.failures
	return v
}

// unsound says what the newest verification found; empty: nothing, or there was
// none yet.
func (v *verifications) unsound() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last.Report.OK() {
		return ""
	}
	return "its own verification found: " + v.last.Report.Findings[0].String()
}

func (v *verifications) note(r proof.Report, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last.At, v.last.Report = now, r
	if r.OK() {
		v.last.Success = now
	} else {
		v.failures++
	}
}

// verifyDaily checks the node's records once in an interval, little by little,
// until the context ends.
func (n *Node) verifyDaily(ctx context.Context) {
	wait := time.NewTimer(min(verifyDelay, n.config.Proof.VerifyInterval))
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
		case <-ctx.Done():
			return
		}
		if _, err := n.verify(ctx, 0, 0, verifyRest, func(uint64) {}); err != nil && ctx.Err() == nil {
			n.config.Log.Error().Err(err).Msg("this node's records could not be verified")
		}
		wait.Reset(n.config.Proof.VerifyInterval)
	}
}

// Verify recomputes the chain over this node's records, as its own disk has them.
// From 0 is the oldest, to 0 the newest. progress is told the index reached. What
// is wrong with the records is a finding; the error is [events.ErrBehind],
// [events.ErrCompacted], [events.ErrUnavailable] or the context's.
func (n *Node) Verify(ctx context.Context, from, to uint64, progress func(at uint64)) (proof.Report, error) {
	return n.verify(ctx, from, to, 0, progress)
}

// verify is Verify that rests after each batch, so many times as long as that
// took.
func (n *Node) verify(ctx context.Context, from, to uint64, rest time.Duration, progress func(at uint64)) (proof.Report, error) {
	views := n.views.Load()
	if views == nil {
		return proof.Report{}, fmt.Errorf("%s: %w", n.waitsFor(), events.ErrUnavailable)
	}
	state := n.State()
	switch {
	case to > state.Index():
		return proof.Report{}, fmt.Errorf("event %d is not applied here yet, this node is at %d: %w", to, state.Index(), events.ErrBehind)
	case from > 0 && from < state.Oldest():
		return proof.Report{}, fmt.Errorf("event %d is not kept, the oldest is %d: %w", from, state.Oldest(), events.ErrCompacted)
	}
	all := from == 0 && to == 0
	if to == 0 {
		to = state.Index()
	}
	s := &selfCheck{node: n, state: state, to: to, next: max(from, state.Oldest())}
	for s.next <= to {
		began := time.Now()
		if err := s.batch(); err != nil {
			return proof.Report{}, err
		}
		progress(min(s.next-1, to))
		if err := sleep(ctx, time.Since(began)*rest); err != nil {
			return proof.Report{}, err
		}
	}
	if all {
		s.tables = views.Verify()
	}
	report := s.end()
	if all {
		n.verified.note(report, time.Now())
	}
	if !report.OK() {
		n.config.Log.Error().Stringer("first", report.Findings[0]).Int("findings", len(report.Findings)).
			Msg("this node's records are not what was written: its disk or somebody has changed them; replace this node")
	}
	return report, nil
}

// selfCheck is one verification of a node by itself.
type selfCheck struct {
	node     *Node
	state    *projections.State // as it began
	to, next uint64
	verifier *proof.Verifier
	empty    bool  // there is nothing to check: all was trimmed, or never there
	tables   error // what their checksums say
}

// batch checks some records. It holds the store for no longer.
func (s *selfCheck) batch() error {
	h, release := s.node.History(s.to)
	defer release()
	if s.next < h.Oldest() { // trimmed meanwhile
		s.verifier, s.next = nil, h.Oldest()
	}
	if s.verifier == nil {
		if err := s.begin(h); err != nil {
			return err
		}
	}
	end := min(s.to, s.next+verifyBatch-1)
	for s.next <= end {
		err := s.read(h, end)
		if errors.Is(err, disk.ErrClosed) {
			return fmt.Errorf("verify: %w", err)
		}
		if err != nil { // about one record; those after it may be readable
			s.verifier.Broken(err)
			s.next++
		}
	}
	return nil
}

// begin begins with the next record, whose chain follows from the one before it.
func (s *selfCheck) begin(h *projections.History) error {
	cluster, err := h.ClusterAt(s.to) // may be another one since
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	o := proof.Options{Cluster: cluster.ID, Key: s.state.Cluster().CheckpointKey, Partial: s.to < s.state.Index()}
	s.verifier = proof.NewVerifier(o)
	if s.empty = s.next > s.to; s.empty {
		return nil
	}
	before := h.Horizon().Chain
	if s.next > h.Oldest() {
		r, err := h.Record(s.next - 1)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		before = r.Chain
	}
	s.verifier.Begin(s.next, before)
	return nil
}

// read takes the records up to an index. Badger may panic over bytes that make
// no sense.
func (s *selfCheck) read(h *projections.History, end uint64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store trips over it: %v", p)
		}
	}()
	for r, err := range h.Records(s.next) {
		if err != nil {
			return err
		}
		s.verifier.Record(r)
		if s.next = max(s.next, r.Index) + 1; r.Index >= end {
			return nil
		}
	}
	s.next = end + 1 // what is missing shows at the next record, or at the end
	return nil
}

// end is the report, after the last word: the chain is that of the state.
func (s *selfCheck) end() proof.Report {
	if s.verifier == nil {
		s.verifier, s.empty = proof.NewVerifier(proof.Options{}), true
	}
	if !s.empty {
		s.verifier.Until(s.to)
	}
	if s.node.State().Cluster().Erased > s.to { // by an event that came meanwhile
		s.verifier.GoesOn()
	}
	if s.tables != nil {
		s.verifier.Add(0, proof.Altered, "%v", s.tables)
	}
	if s.to == s.state.Index() && !s.empty {
		s.verifier.Ends(s.state.Chain())
	}
	return s.verifier.End()
}

// sleep waits for a while, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
