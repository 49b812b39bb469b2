package api

import (
	"errors"
	"strconv"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// entryHistory answers GET …/history/{key}: every version, newest first. The
// mark of a page is the index of its last version.
func (x *exchange) entryHistory() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	newest, err := p.newest(x.state.Index())
	if err != nil {
		return err
	}
	h, release := x.Reader.History(newest)
	defer release()
	now, done := x.Reader.History(x.state.Index()) // a publish request ends after its changes
	defer done()
	var page rows
	last, secrets := uint64(0), 0
	for e, err := range h.Versions(x.names.namespace, x.names.key) {
		if err != nil {
			return err
		}
		if page.full(p.limit) {
			x.next(p, strconv.FormatUint(last, 10))
			break
		}
		v, err := version(h, e)
		if err != nil {
			return err
		}
		if err := reviewedBy(now, &v); err != nil {
			return err
		}
		if err := page.encode(v); err != nil {
			return err
		}
		if last = v.Index; v.Type == wire.TypeSecretRef {
			secrets++
		}
	}
	x.readSecrets(secrets)
	if page.count == 0 && p.after == "" {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: x.names.namespace + "/" + x.names.key + " never existed"}
	}
	return x.sendRows(page)
}

// newest is the index that a page of a list of events, newest first, begins at.
func (p page) newest(now uint64) (uint64, error) {
	if p.after == "" {
		return now, nil
	}
	last, err := strconv.ParseUint(p.after, 10, 64)
	if err != nil || last == 0 {
		return 0, badParam(wire.ParamCursor, "is not one that this list gave out; begin again without it")
	}
	return min(now, last-1), nil
}

// version shows an entry as it once was, and the event that made it so. An
// event that is no longer kept leaves its members empty.
func version(h *projections.History, e events.Entry) (wire.HistoryVersion, error) {
	v := wire.HistoryVersion{
		Namespace: e.Namespace, Key: e.Key, Version: e.Version, Type: string(e.Value.Type), Value: []byte(e.Value.JSON),
		Actor: e.UpdatedBy, Time: e.UpdatedAt.UTC(), Index: e.Revision, Comment: e.Comment,
	}
	if e.Deleted {
		v.Value = nil
	}
	r, err := h.Record(e.Revision)
	if errors.Is(err, events.ErrCompacted) {
		v.Action = string(impliedKind(e))
		return v, nil
	}
	if err != nil {
		return v, err
	}
	made, err := r.Event()
	if err != nil {
		return v, err
	}
	v.Action, v.Position = string(made.Data.Kind()), r.Position().String()
	v.Request, v.Transaction, v.CorrelationID = made.Request, made.Transaction, made.CorrelationID
	if back, ok := made.Data.(events.ConfigRolledBack); ok {
		v.Source = back.Source.Version
	}
	return v, nil
}

// reviewedBy says who wrote and who approved a version that was published.
func reviewedBy(now *projections.History, v *wire.HistoryVersion) error {
	if v.Request == "" {
		return nil
	}
	r, err := now.Request(v.Request)
	if err != nil {
		return err
	}
	for _, c := range r.Changes {
		if c.Namespace == v.Namespace && c.Key == v.Key {
			v.Author = c.Editor
		}
	}
	if r.Resolution != nil {
		v.ApprovedBy = r.Resolution.ApprovedBy
	}
	return nil
}

// impliedKind is the kind of the event that made a version, as far as the
// version alone tells.
func impliedKind(e events.Entry) events.Kind {
	switch {
	case e.Deleted:
		return events.ConfigDeleted{}.Kind()
	case e.Created == e.Revision:
		return events.ConfigCreated{}.Kind()
	}
	return events.ConfigUpdated{}.Kind()
}
