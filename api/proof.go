package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/events/proof"
)

// Prover proves what this node has.
type Prover interface {
	// Verify recomputes the chain over the node's records as its disk has them;
	// from 0 is the oldest, to 0 the newest. progress is told the index reached.
	// What is wrong with them is an answer, not an error. Node is left to the caller.
	Verify(ctx context.Context, from, to uint64, progress func(at uint64)) (wire.NodeVerification, error)
	// SignCheckpoint signs what the chain is now, and records it: a write as
	// [Writer.Submit] does it. It is an [events.ErrConflict] without a key.
	SignCheckpoint(ctx context.Context, s events.Stamp) (events.Outcome, error)
}

// errNoProver refuses where Config has no Prover.
func errNoProver() error {
	return &events.Refusal{Kind: events.ErrConflict, Detail: "this server proves nothing: it has neither a disk to check nor a key to sign with"}
}

const (
	proofBatch  = 1000     // records that are read before the history is given back
	proofBuffer = 64 << 10 // bytes that are written at once
)

// proof answers GET /api/v1/audit/proof: the records of a range in the verifiable
// format (see package proof), to whoever may read them all.
func (x *exchange) proof() error {
	from, to, err := x.proofRange()
	if err != nil {
		return err
	}
	before, err := x.chainAt(from - 1)
	if err != nil {
		return err
	}
	cluster, err := x.clusterAt(to)
	if err != nil {
		return err
	}
	x.reflects(x.state.Position())
	x.provenance()
	x.set("Content-Type", wire.MediaNDJSON)
	out := x.steady()
	defer out.end()
	buffer := bufio.NewWriterSize(out, proofBuffer)
	w, err := proof.NewWriter(buffer, proof.Header{Cluster: cluster.ID, Node: x.NodeID, From: from, To: to, Before: before})
	if err != nil {
		return err
	}
	for next := from; next <= to; next += proofBatch {
		if err := x.proveBatch(w, next, min(to, next+proofBatch-1)); err != nil {
			return x.brokeOff(err)
		}
	}
	if erased := x.Reader.State().Cluster().Erased; to == x.state.Index() && erased > to {
		err = fmt.Errorf("event %d erased something meanwhile, and what was written lacks it: %w", erased, events.ErrUnavailable)
	} else {
		err = w.Close()
	}
	if err != nil {
		return x.brokeOff(err)
	}
	if err := buffer.Flush(); err != nil {
		return x.brokeOff(err)
	}
	return nil
}

// proofRange reads from and to, both inclusive; the whole history without them.
func (x *exchange) proofRange() (from, to uint64, err error) {
	from, to = x.state.Oldest(), x.state.Index()
	for name, bound := range map[string]*uint64{wire.ParamFrom: &from, wire.ParamTo: &to} {
		given := x.query.Get(name)
		if given == "" {
			continue
		}
		if *bound, err = x.moment(name, given); err != nil {
			return from, to, err
		}
	}
	from = max(from, 1)
	switch oldest := x.state.Oldest(); {
	case from < oldest:
		return from, to, fmt.Errorf("event %d is not kept, the oldest is %d: %w", from, oldest, events.ErrCompacted)
	case to+1 < from:
		return from, to, badParam(wire.ParamTo, "is event %d, before the range begins with %d", to, from)
	}
	return from, to, nil
}

// chainAt is the whole chain at an index, that of the edge too.
func (x *exchange) chainAt(index uint64) (events.Chain, error) {
	h, release := x.Reader.History(x.state.Index())
	defer release()
	if horizon := h.Horizon(); index == horizon.Edge().Index {
		return horizon.Chain, nil
	}
	r, err := h.Record(index)
	return r.Chain, err
}

// clusterAt is whose history it was at an index.
func (x *exchange) clusterAt(index uint64) (events.Cluster, error) {
	h, release := x.Reader.History(x.state.Index())
	defer release()
	return h.ClusterAt(index)
}

// proveBatch writes some records. They are read before any is written: nobody who
// reads slowly holds the history.
func (x *exchange) proveBatch(w *proof.Writer, from, to uint64) error {
	records, err := x.recordsBetween(from, to)
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := w.Write(r); err != nil {
			return err
		}
	}
	return x.r.Context().Err()
}

func (x *exchange) recordsBetween(from, to uint64) (records []events.Record, err error) {
	h, release := x.Reader.History(to)
	defer release()
	for r, err := range h.Records(from) {
		if err != nil {
			return nil, err
		}
		if records = append(records, r); r.Index >= to {
			return records, nil
		}
	}
	return nil, fmt.Errorf("event %d is missing on this node", to)
}

// steady writes an answer that is long in coming, to a reader that must not stop
// reading for longer than exportStall.
type steady struct {
	*exchange
	to     *http.ResponseController
	status int
}

func (x *exchange) steady() steady {
	return steady{x, http.NewResponseController(x.w), http.StatusOK}
}

// Write sends the beginning of the answer with its status.
func (s steady) Write(b []byte) (int, error) {
	_ = s.to.SetWriteDeadline(time.Now().Add(exportStall)) // where there is none, as in tests, none is needed
	if s.code == 0 {
		s.code = s.status
		s.w.WriteHeader(s.status)
	}
	return s.w.Write(b)
}

// end lets the rest of the answer out. The listener sees to what comes after it.
func (s steady) end() { s.mayWrite() }
