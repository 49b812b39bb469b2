package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// listCheckpoints answers GET /api/v1/audit/checkpoints, newest first. The mark of
// a page is the index of its last event.
func (x *exchange) listCheckpoints() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	q := projections.Query{Kinds: []events.Kind{events.HistoryCheckpointed{}.Kind()}}
	if p.after != "" {
		if q.Before, err = strconv.ParseUint(p.after, 10, 64); err != nil {
			return badParam(wire.ParamCursor, "is not one that this list gave out; begin again without it")
		}
	}
	h, release := x.Reader.History(x.state.Index())
	defer release()
	keys, err := checkpointKeys(h, x.state)
	if err != nil {
		return err
	}
	var page rows
	last := uint64(0)
	for r, err := range h.Select(q) {
		if err != nil {
			return err
		}
		if page.full(p.limit) {
			x.next(p, strconv.FormatUint(last, 10))
			break
		}
		shown, err := showCheckpoint(r, keys)
		if err == nil {
			err = page.encode(shown)
		}
		if err != nil {
			return err
		}
		last = r.Index
	}
	return x.sendRows(page)
}

// checkpointKeys are the public keys that the history names, by ID.
func checkpointKeys(h *projections.History, now *projections.State) (map[string][]byte, error) {
	keys := map[string][]byte{}
	if key := now.Cluster().CheckpointKey; len(key) > 0 {
		keys[events.CheckpointKeyID(key)] = key
	}
	for r, err := range h.Select(projections.Query{Kinds: []events.Kind{events.CheckpointKeyChanged{}.Kind()}}) {
		if err != nil {
			return nil, err
		}
		e, err := r.Event()
		if err != nil {
			return nil, err
		}
		if d, ok := e.Data.(events.CheckpointKeyChanged); ok {
			keys[d.KeyID] = d.PublicKey
		}
	}
	return keys, nil
}

func showCheckpoint(r events.Record, keys map[string][]byte) (shown wire.Checkpoint, err error) {
	e, err := r.Event()
	if err != nil {
		return shown, err
	}
	d, ok := e.Data.(events.HistoryCheckpointed)
	if !ok {
		return shown, fmt.Errorf("event %d is %s, not a checkpoint", r.Index, e.Data.Kind())
	}
	return wire.Checkpoint{
		Cluster: d.Cluster, Index: d.Index, Chain: d.Chain.String(), Time: d.Time, KeyID: d.KeyID, Signature: d.Signature,
		PublicKey: keys[d.KeyID], Event: r.Index,
	}, nil
}

// signCheckpoint answers POST /api/v1/audit/checkpoints.
func (x *exchange) signCheckpoint() error {
	if x.Prover == nil {
		return errNoProver()
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	claim, err := x.claim()
	if err != nil {
		return err
	}
	done, err := x.Prover.SignCheckpoint(x.r.Context(), events.Stamp{
		Time: x.Now(), ID: x.NewID(), Actor: x.principal.Name, CorrelationID: x.correlation, Claim: claim,
	})
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		err = fmt.Errorf("write: the wait for its end was cut short: %w", events.ErrUnknown)
	}
	if err != nil {
		return err
	}
	if done.Replayed {
		x.set("Idempotent-Replayed", "true")
	}
	h, release := x.Reader.History(done.Index)
	defer release()
	r, err := h.Record(done.Index)
	if err != nil {
		return unread(done.Index, err)
	}
	keys, err := checkpointKeys(h, x.Reader.State())
	if err != nil {
		return unread(done.Index, err)
	}
	shown, err := showCheckpoint(r, keys)
	if err != nil {
		return unread(done.Index, err)
	}
	x.reflects(r.Position())
	return x.sendJSON(http.StatusCreated, shown)
}
