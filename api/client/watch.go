package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"confman/api/wire"
)

// WatchRequest says what to watch and from where. The zero value watches every
// config event that the key may see, from now on.
type WatchRequest struct {
	Namespaces []string // subtrees; none: all that the key may see
	Key        string   // only this key, in each namespace of the subtrees
	Prefix     string   // only keys that begin with this
	Events     string   // wire.EventsConfig (default), wire.EventsAll, or a list of kinds
	NoValues   bool     // leave the values out
	After      string   // a position, or wire.AfterNow (default), AfterStart, AfterSnapshot
}

// Watch yields the frames of a watch: resumed, or snapshot, entry …,
// snapshot-end; then event and progress, for as long as the context lives.
//
// When a connection breaks, falls silent for 20 seconds or is told to go away,
// the watch goes on at another node from where the loop stands, for as long as
// it takes; Config.OnRetry hears of it. A frame counts as delivered once the
// body of the loop has come back from it, so each event is yielded exactly once
// and in order. A node that repeats or leaves out an event is left; none of what
// it sent out of order is yielded.
//
// Each further connection yields a frame of its own: resumed, whose After is the
// position of the last frame. Whoever only wants events skips it. When the
// connection breaks before snapshot-end, the snapshot begins anew: the kind
// snapshot means "forget the entries so far". Events of one transaction bear the
// same Event.Transaction, and all but the last of them More.
//
// An error is yielded once, last. It is the context's, a *ResetError where the
// watch cannot go on from its position, a *Problem where the request is refused
// (400, 401, 403 …), or ErrBadAnswer after three answers in a row that nobody
// can make sense of. Each range over the sequence is a watch of its own, from
// WatchRequest.After.
func (c *Client) Watch(ctx context.Context, r WatchRequest) iter.Seq2[wire.Frame, error] {
	return c.frames(ctx, r, 0, c.config.OnRetry)
}

// frames is Watch with a snapshot that must be at least as new as an event
// index, and with its own ear for failures; nil: none.
func (c *Client) frames(ctx context.Context, r WatchRequest, least uint64, onRetry func(error, time.Duration)) iter.Seq2[wire.Frame, error] {
	return func(yield func(wire.Frame, error) bool) {
		w := watch{client: c, request: r, onRetry: onRetry, cursor: cursor{after: cmp.Or(r.After, wire.AfterNow), least: least}}
		if err := w.run(ctx, func(f wire.Frame) bool { return yield(f, nil) }); err != nil {
			c.forget(err)
			yield(wire.Frame{}, fmt.Errorf("%s: %w", w.what(), err))
		}
	}
}

// ErrReset says that a watch cannot go on from its position; see ResetError.
var ErrReset = errors.New("watch reset")

// ResetError ends a watch that cannot go on from its position. It is ErrReset
// and what the reason amounts to: ErrCompacted, ErrConflict (another history),
// ErrUnauthenticated (revoked, expired), ErrForbidden, ErrInvalid.
type ResetError struct {
	Reason string // one of the wire.Reason constants
	Detail string
	// Oldest and Newest are the positions that a watch can begin at, with
	// wire.ReasonCompacted.
	Oldest, Newest string
	// Position is that of the last frame that was delivered; empty: none was.
	Position string
	// Err is the *Problem of a node that refused before the stream began.
	Err error

	past bool // it ends a replay
}

func (e *ResetError) Error() string {
	var b strings.Builder
	if e.past {
		fmt.Fprintf(&b, "reset: %s", e.Reason) // "replay" stands before it
	} else {
		fmt.Fprintf(&b, "%v: %s", ErrReset, e.Reason)
	}
	if e.Position != "" {
		b.WriteString(" after " + e.Position)
	}
	if e.Oldest != "" {
		fmt.Fprintf(&b, ", retained are %s to %s", e.Oldest, e.Newest)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Is reports whether target is ErrReset or what the reason amounts to.
func (e *ResetError) Is(target error) bool {
	if target == ErrReset {
		return true
	}
	switch e.Reason {
	case wire.ReasonCompacted:
		return target == ErrCompacted
	case wire.ReasonOtherHistory:
		return target == ErrConflict
	case wire.ReasonRevoked, wire.ReasonExpired:
		return target == ErrUnauthenticated
	case wire.ReasonForbidden:
		return target == ErrForbidden
	case wire.ReasonInvalid:
		return target == ErrInvalid
	}
	return false
}

// Unwrap returns Err.
func (e *ResetError) Unwrap() error { return e.Err }

const (
	watchSteady = 5 * time.Second // a connection that held so long earns its retry back
	maxNonsense = 3               // unusable answers at one position that end a watch
)

// watch is one range over Client.Watch or Client.Replay.
type watch struct {
	client  *Client
	request WatchRequest
	replay  *ReplayOptions // nil for the present
	onRetry func(error, time.Duration)
	cursor  cursor
	opened  time.Time // when the stream of this connection began; zero: it did not
}

func (w *watch) what() string {
	if w.replay != nil {
		return "replay"
	}
	if len(w.request.Namespaces) == 0 {
		return "watch everything"
	}
	return "watch " + strings.Join(w.request.Namespaces, ", ")
}

// run goes from node to node until yield wants no more, which is no error, or
// there is nothing to go on with.
func (w *watch) run(ctx context.Context, yield func(wire.Frame) bool) error {
	if err := w.cursor.check(); err != nil {
		return err
	}
	var last failure
	var asked round
	for tries, nonsense := 0, 0; ; tries++ {
		call := w.call()
		origin, rest, more := asked.pick(w.client.nodes, &call, last)
		if !more {
			return asked.behind
		}
		if err := w.pause(ctx, tries, rest, last.err); err != nil {
			return err
		}
		before := w.cursor.after
		w.opened = time.Time{}
		failed := w.follow(ctx, call, origin, yield)
		switch {
		case failed == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !failed.again:
			return w.final(failed.err)
		}
		if !w.opened.IsZero() && time.Since(w.opened) >= watchSteady {
			w.client.budget.earn(1)
			tries = 0
		}
		if w.cursor.after != before {
			tries, nonsense, asked = 0, 0, round{}
		}
		if errors.Is(failed.err, ErrBadAnswer) {
			if nonsense++; nonsense >= maxNonsense {
				return fmt.Errorf("%d times in a row at %s: %w", nonsense, w.cursor.after, failed.err)
			}
		}
		if errors.Is(failed.err, ErrNotCaughtUp) {
			if err := w.disproved(ctx); err != nil {
				return err
			}
		}
		last = *failed
	}
}

// pause waits before another connection: not before the first, except for nodes
// that asked for time. The budget of retries slows a watch down, but does not
// end it.
func (w *watch) pause(ctx context.Context, tries int, rest time.Duration, last error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	wait := min(rest, restMost)
	if tries > 0 {
		wait = max(wait, backoff(tries))
		if !w.client.budget.retry(time.Now()) {
			wait = max(wait, backoffMost)
		}
	}
	if last == nil {
		if rest == 0 {
			return nil
		}
		last = fmt.Errorf("%w: every endpoint asked for time", ErrUnavailable)
	}
	if w.onRetry != nil {
		w.onRetry(last, wait)
	}
	if err := pause(ctx, wait); err != nil {
		return fmt.Errorf("%w: %w", err, last)
	}
	return nil
}

// disproved is the error of a watch at a position that the cluster, by its own
// word, has not reached: what comes there will be another history. That happens
// when a backup was restored, and no node could tell before it has come as far.
func (w *watch) disproved(ctx context.Context) error {
	if w.cursor.position() == "" {
		return nil
	}
	c := w.client
	call := c.reading(w.what(), Read{Linearizable: true}, "namespaces")
	call.query.Set(wire.ParamLimit, "1")
	call.header.Del(wire.HeaderMinIndex) // what was seen may be of the history that is gone
	origin, _ := c.nodes.pick(true, nil, time.Now())
	a, failed := c.attempt(ctx, call, origin)
	if failed != nil {
		return nil // not proved; the watch goes on trying
	}
	meta := a.meta()
	if meta.Index == 0 || meta.Index >= w.cursor.index {
		return nil
	}
	return &ResetError{
		Reason: wire.ReasonOtherHistory, Position: w.cursor.position(), Newest: meta.Position,
		Detail: fmt.Sprintf("the cluster stands at event %d: an older state of it was restored", meta.Index),
	}
}

// final is the error that a refusal ends the watch with.
func (w *watch) final(err error) error {
	var p *Problem
	if !errors.As(err, &p) {
		return err
	}
	var reason string
	switch {
	case p.Status == http.StatusGone:
		reason = wire.ReasonCompacted
	case p.Type == wire.ProblemOtherHistory:
		reason = wire.ReasonOtherHistory
	default:
		return err
	}
	return &ResetError{Reason: reason, Detail: p.Detail, Oldest: p.Oldest, Newest: p.Newest, Position: w.cursor.position(), Err: p}
}

// call is the request for what follows the cursor.
func (w *watch) call() call {
	if w.replay != nil {
		return w.replayCall()
	}
	call := w.client.reading(w.what(), Read{MinIndex: w.cursor.least}, "watch")
	r := w.request
	filter(call.query, r.Namespaces, r.Key, r.Prefix, r.Events, r.NoValues)
	call.query.Set(wire.ParamAfter, w.cursor.after)
	if w.cursor.position() != "" { // what is to be seen begins there
		call.header.Del(wire.HeaderMinIndex)
	}
	return call
}

// filter writes what a watch or a replay is about.
func filter(query url.Values, namespaces []string, key, prefix, events string, bare bool) {
	for _, namespace := range namespaces {
		query.Add(wire.ParamNamespace, namespace)
	}
	for name, value := range map[string]string{wire.ParamKey: key, wire.ParamPrefix: prefix, wire.ParamEvents: events} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if bare {
		query.Set(wire.ParamValues, wire.ValuesNone)
	}
}
