package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"confman/api/wire"
)

// ReplayOptions say which part of the past to replay, and how fast. The zero
// value replays every config event that is kept, as fast as it can be read.
type ReplayOptions struct {
	// From and To are indexes, positions or RFC 3339 times, themselves included.
	// Empty: the oldest event that is kept, and the newest when the replay begins.
	From, To string
	// Speed is how many times their own pace the events come, at most 1e9. 0: as
	// fast as they can be read.
	Speed float64
	// MaxPause is the longest that a gap between two events is made. 0: any.
	MaxPause time.Duration

	Namespaces []string // subtrees; none: all that the key may see
	Key        string   // only this key, in each namespace of the subtrees
	Prefix     string   // only keys that begin with this
	Events     string   // wire.EventsConfig (default), wire.EventsAll, or a list of kinds
	NoValues   bool     // leave the values out
}

// Replay yields the frames of a replay: replay-start; then replay, with an event
// each, and progress; last replay-end. None of them is a frame of the present, but
// for progress.
//
// When a connection breaks the replay goes on, at another node if need be, from
// where the loop stands, with another replay-start, as [Client.Watch] does: each
// event comes exactly once, in order. To is then what it was at first. Where the
// connection broke right before replay-end, that one does not come: the sequence
// ends without an error only when everything was delivered.
//
// An error is yielded once, last: the context's, a *ResetError where the history
// was trimmed meanwhile or the right to see it ended, or a *Problem where the
// request is refused; ErrCompacted where From is older than what is kept.
func (c *Client) Replay(ctx context.Context, o ReplayOptions) iter.Seq2[wire.Frame, error] {
	return func(yield func(wire.Frame, error) bool) {
		o := o // each range fixes its own end
		w := watch{client: c, replay: &o, onRetry: c.config.OnRetry, cursor: cursor{past: true}}
		err := w.run(ctx, func(f wire.Frame) bool {
			if f.Frame == wire.FrameReplayStart {
				o.To = f.Replay.To
			}
			return yield(f, nil)
		})
		if err != nil {
			var reset *ResetError
			if errors.As(err, &reset) {
				reset.past = true
			}
			yield(wire.Frame{}, fmt.Errorf("%s: %w", w.what(), err))
		}
	}
}

// replayCall is the request for what follows the cursor.
func (w *watch) replayCall() call {
	r := w.replay
	call := w.client.reading(w.what(), Read{}, "audit", "replay")
	filter(call.query, r.Namespaces, r.Key, r.Prefix, r.Events, r.NoValues)
	for name, value := range map[string]string{wire.ParamFrom: r.From, wire.ParamTo: r.To} {
		if value != "" {
			call.query.Set(name, value)
		}
	}
	if r.Speed != 0 {
		call.query.Set(wire.ParamSpeed, strconv.FormatFloat(r.Speed, 'g', -1, 64))
	}
	if r.MaxPause > 0 {
		call.query.Set(wire.ParamMaxPause, r.MaxPause.String())
	}
	if w.cursor.position() == "" { // once it has begun, there are both
		call.named = named(r.From, r.To)
	} else {
		call.header.Set("Last-Event-ID", w.cursor.after)
		call.header.Del(wire.HeaderMinIndex)
	}
	return call
}
