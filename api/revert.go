package api

import (
	"fmt"

	"confman/api/wire"
	"confman/events"
)

// revert answers POST /api/v1/revert: the keys that one past change changed are
// again as they were before it. It is refused where something changed them since.
func (x *exchange) revert() error {
	var asked wire.Revert
	if err := x.decode(&asked, smallBody); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	c := events.Restore{Comment: asked.Comment, Source: events.ChangeSource{Kind: wire.SourceRevert, Index: asked.Index, Request: asked.Request}}
	var err error
	switch {
	case (asked.Index > 0) == (asked.Request != ""):
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "neither or both of index and request are given, want one"}
	case asked.Request != "":
		c.Entries, c.Source.Index, err = x.beforeRequest(asked.Request, true)
	default:
		c.Entries, err = x.beforeEvent(asked.Index)
	}
	if err != nil {
		return err
	}
	return x.restore(c)
}

// beforeEvent are the keys that the transaction of an event changed, as they were
// before it.
func (x *exchange) beforeEvent(index uint64) (entries []events.Restored, err error) {
	if now := x.present().Index(); index > now {
		return nil, &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("there is no event %d, the newest is %d", index, now)}
	}
	first, err := x.beginning(index)
	if err != nil {
		return nil, err
	}
	h, release := x.Reader.History(x.present().Index())
	defer release()
	for r, err := range h.Records(first) {
		if err != nil {
			return nil, err
		}
		e, err := r.Event()
		if err != nil {
			return nil, err
		}
		if isConfig(e) {
			entries = append(entries, events.Restored{Namespace: e.Namespace, Key: e.Key, Unless: r.Index})
		}
		if !r.More {
			break
		}
	}
	if len(entries) == 0 {
		return nil, events.Invalid("/index", "is not of an event config.*; only those are reverted")
	}
	return entries, x.asBefore(entries, first-1, fmt.Sprintf("the change at event %d", index))
}

// beginning is the first event of the transaction that an event belongs to.
func (x *exchange) beginning(index uint64) (first uint64, err error) {
	h, release := x.Reader.History(index)
	defer release()
	r, err := h.Record(index)
	if err != nil {
		return 0, err
	}
	if e, err := r.Event(); err != nil || e.Transaction == "" {
		return index, err
	}
	first = index
	for r, err := range h.RecordsBefore(index) {
		if err != nil {
			return 0, err
		}
		if !r.More {
			return first, nil
		}
		first = r.Index
	}
	if first > 1 { // retention may have cut it in two
		return 0, fmt.Errorf("the change at event %d may have begun before event %d, the oldest that is kept: %w", index, first, events.ErrCompacted)
	}
	return first, nil
}
