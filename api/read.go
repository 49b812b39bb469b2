package api

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// defaultWait is how long a request waits for an index when it does not say.
const defaultWait = 5 * time.Second

// parseQuery reads the query. No parameter has a meaning when given twice, but
// for the namespaces of a watch and groups.
func (x *exchange) parseQuery() error {
	if x.r.URL.RawQuery == "" || strings.HasSuffix(x.endpoint.pattern, anyPath) { // which is the page's own
		return nil
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "the query is not validly encoded"}
	}
	for name, values := range query {
		several := name == paramGroup || x.endpoint.access == watcher && name == wire.ParamNamespace
		if len(values) > 1 && !several {
			return badParam(name, "is given %d times", len(values))
		}
	}
	x.query = query
	return nil
}

// least is the position that this node must have applied to answer: the one that
// the caller names or, if it is later, where its watch begins.
func (x *exchange) least() (events.Position, error) {
	p, err := x.minIndex()
	if err != nil || x.endpoint.access != watcher {
		return p, err
	}
	if start, err := x.start(); err == nil && start.Position.Index > p.Index {
		return start.Position, nil // what is wrong with it is told later
	}
	return p, nil
}

// badParam refuses a query parameter.
func badParam(name, format string, args ...any) error {
	return &events.Refusal{
		Kind:   events.ErrInvalid,
		Detail: fmt.Sprintf("query parameter %.40q %s", name, fmt.Sprintf(format, args...)),
	}
}

// flag reads a query parameter that is true or false.
func (x *exchange) flag(name string) (bool, error) {
	switch value := x.query.Get(name); value {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, badParam(name, "is %.40q, want true or false", value)
	}
}

// wait is how long the caller wants to wait.
func (x *exchange) wait() (time.Duration, error) {
	given := x.query.Get(wire.ParamWait)
	if given == "" {
		return min(defaultWait, x.Limits.Wait), nil
	}
	wait, err := time.ParseDuration(given)
	if err != nil || wait < 0 {
		return 0, badParam(wire.ParamWait, "is %.40q, want a duration such as 500ms or 30s", given)
	}
	if wait > x.Limits.Wait {
		return 0, badParam(wire.ParamWait, "is %s, at most %s are allowed", wait, x.Limits.Wait)
	}
	return wait, nil
}

// minIndex is the position that the caller wants the node to have applied; the
// zero value when it does not say.
func (x *exchange) minIndex() (events.Position, error) {
	given := x.query.Get(wire.ParamMinIndex)
	for _, header := range x.r.Header["X-Confman-Min-Index"] {
		if given != "" && given != header {
			return events.Position{}, badParam(wire.ParamMinIndex, "is %.40q, but %s is %.40q", given, wire.HeaderMinIndex, header)
		}
		given = header
	}
	if given == "" {
		return events.Position{}, nil
	}
	p, err := events.ParsePosition(given)
	if err != nil {
		return p, badParam(wire.ParamMinIndex, "is not a %v", err)
	}
	return p, nil
}

// fresh waits until the state is as new as the caller wants it, and takes it.
func (x *exchange) fresh() error {
	least, err := x.minIndex()
	if err != nil {
		return err
	}
	if err := x.reach(least); err != nil {
		return err
	}
	switch given := x.query.Get(wire.ParamConsistency); given {
	case "", wire.ConsistencyLocal:
		x.local = true
	case wire.ConsistencyLinearizable:
		if err := x.linearizable(); err != nil {
			return err
		}
	default:
		return badParam(wire.ParamConsistency, "is %.40q, want local or linearizable", given)
	}
	x.state = x.Reader.State()
	return nil
}

func (x *exchange) linearizable() error {
	wait, err := x.wait()
	if err != nil {
		return err
	}
	ctx, cancel := x.within(wait)
	defer cancel()
	err = x.Reader.Linearizable(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the leader did not confirm in time that nothing is newer: %w", events.ErrUnavailable)
	}
	return err
}

// surely looks for what a write is about. That it is not there is a refusal, and
// must be as good as a linearizable read: a node that was just deposed, or has just
// started, does not know better.
func surely[T any](x *exchange, look func() (T, error)) (T, error) {
	found, err := look()
	if !errors.Is(err, events.ErrNotFound) {
		return found, err
	}
	if unsure := x.linearizable(); unsure != nil {
		return found, unsure
	}
	x.state = x.Reader.State()
	if err := x.identify(); err != nil { // as of then
		return found, err
	}
	return look()
}

// reach waits until this node has applied a position, and checks that the
// position is of this history.
func (x *exchange) reach(p events.Position) error {
	if p.Index > x.Reader.State().Index() {
		wait, err := x.wait()
		if err != nil {
			return err
		}
		done, err := x.idle()
		if err != nil {
			return err
		}
		defer done()
		ctx, cancel := x.within(wait)
		defer cancel()
		if err := x.await(ctx, p.Index); err != nil {
			return err
		}
	}
	if p.Proof == "" {
		return nil
	}
	ours, err := x.positionOf(p.Index)
	if err != nil {
		return err
	}
	if ours.Proof != p.Proof {
		return fmt.Errorf("position %s, here it is %s: %w", p, ours, events.ErrForeign)
	}
	return nil
}

// moment reads the parameter that names a moment: an index, a position or a
// time. It returns the last index at or before it; the error is
// [events.ErrCompacted] for a time when nothing that is kept was there yet.
func (x *exchange) moment(name, given string) (uint64, error) {
	if strings.ContainsRune(given, ':') {
		t, err := x.instant(name, given)
		if err != nil {
			return 0, err
		}
		h, release := x.Reader.History(x.state.Index())
		defer release()
		index, err := h.IndexAt(t)
		if begins := h.Horizon(); err == nil && index < begins.Edge().Index {
			err = fmt.Errorf("%s is before the history that is kept, which begins at %s: %w",
				t.UTC().Format(time.RFC3339Nano), begins.Time.UTC().Format(time.RFC3339Nano), events.ErrCompacted)
		}
		return index, err
	}
	p, err := events.ParsePosition(given)
	if err != nil {
		return 0, badParam(name, "is %.40q, want an event index, a position or an RFC 3339 time", given)
	}
	return p.Index, x.reach(p)
}

// instant reads an RFC 3339 time. A + that was not escaped arrives as a blank.
func (x *exchange) instant(name, given string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, strings.ReplaceAll(given, " ", "+"))
	if err != nil {
		return t, badParam(name, "is %.40q, want an RFC 3339 time such as 2026-01-23T10:30:00Z", given)
	}
	return t, nil
}

// indexParam reads a query parameter that is an event index, 0 when it is absent.
func (x *exchange) indexParam(name string) (uint64, error) {
	given := x.query.Get(name)
	if given == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		return 0, badParam(name, "is %.40q, want an event index", given)
	}
	return n, nil
}

// past is the history that the request asks to be answered from with at, or nil
// when it asks for the present. The answer reflects it.
func (x *exchange) past() (h *projections.History, release func(), err error) {
	given := x.query.Get(wire.ParamAt)
	if given == "" {
		return nil, func() {}, nil
	}
	index, err := x.moment(wire.ParamAt, given)
	if err == nil {
		index, err = x.whole(index)
	}
	if err != nil {
		return nil, nil, err
	}
	h, release = x.Reader.History(index)
	position, err := h.Position(index) // an index that is no longer kept says so here
	if err != nil {
		release()
		return nil, nil, err
	}
	x.reflects(position)
	return h, release, nil
}

// absent says that something is not there, or was not.
func (x *exchange) absent() string {
	if at := x.query.Get(wire.ParamAt); at != "" {
		return " did not exist as of " + at
	}
	return " does not exist"
}

// whole is the last event of the transaction that an event belongs to: nobody ever
// saw a part of one, so the past has none either.
func (x *exchange) whole(index uint64) (uint64, error) {
	h, release := x.Reader.History(x.Reader.State().Index())
	defer release()
	if index < h.Oldest() { // none, or no longer kept, as whoever reads it is told
		return index, nil
	}
	for r, err := range h.Records(index) {
		if err != nil {
			return 0, err
		}
		if index = r.Index; !r.More {
			break
		}
	}
	return index, nil
}
