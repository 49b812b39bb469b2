package api

import (
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
	"confman/streaming"
)

const replayPath = "/api/v1/audit/replay"

// mostSpeed is how many times its own pace a replay runs at most, short of
// wire.SpeedMax.
const mostSpeed = 1e9

// replay answers GET /api/v1/audit/replay: a window of the past, as a watch would
// have delivered it to who may see it today.
func (x *exchange) replay() error {
	past, done, err := x.replayed()
	if err == nil {
		err = x.still() // it may have waited
	}
	if err == nil {
		past.Filter, err = x.filter(x.query)
	}
	if err != nil {
		return err
	}
	if done {
		return x.noContent() // an EventSource that has got everything stops asking (HTML standard, 9.2.3)
	}
	past.Records = x.recordsOf(past.Filter, past.To.Index)
	encoding := streaming.SSE
	if x.prefers(wire.MediaSSE, wire.MediaNDJSON) == wire.MediaNDJSON {
		encoding = streaming.NDJSON
	}
	conn, err := x.connect(encoding)
	if err != nil {
		return err
	}
	if x.r.Method == http.MethodHead {
		conn.Close()
		return x.send(http.StatusOK, mediaOf(encoding), nil)
	}
	x.provenance()
	denied := x.deniedStream()
	x.opened, x.state = x.Now(), nil // a replay may last for days
	why := conn.ServeReplay(&recorder{x.w, x}, x.r, past)
	denied.ended(why)
	x.Log.Debug().Str("correlationId", x.correlation).Str("principal", x.principal.Name).Str("reason", why.Reason).Str("detail", why.Detail).Msg("replay ended")
	return nil
}

// replayed reads which window is asked for, and waits for its end if need be. done
// says that the caller has got all of it already.
func (x *exchange) replayed() (past streaming.Replay, done bool, err error) {
	if past.Speed, past.MaxPause, err = x.pace(); err != nil {
		return past, false, err
	}
	to := x.state.Index()
	if given := x.query.Get(wire.ParamTo); given != "" {
		if to, err = x.moment(wire.ParamTo, given); err != nil {
			return past, false, err
		}
	}
	after, done, err := x.replayAfter()
	if err != nil || done {
		return past, done, err
	}
	if x.lastEventID() != "" && after >= to {
		return past, true, nil
	}
	h, release := x.Reader.History(max(to, after))
	defer release()
	if past.To, err = h.Position(to); err != nil {
		return past, false, err
	}
	if to < after {
		return past, false, badParam(wire.ParamTo, "is event %d, before the window begins with %d", to, after+1)
	}
	if past.After, err = h.Position(after); err != nil || after == to {
		return past, false, err
	}
	first, err := h.Record(after + 1)
	if err != nil {
		return past, false, err
	}
	last, err := h.Record(to)
	past.Begins, past.Ends = first.Time, last.Time
	return past, false, err
}

// replayAfter is the index that the window begins after. Last-Event-ID wins over
// from: an EventSource connects again with the URL that it has.
func (x *exchange) replayAfter() (after uint64, done bool, err error) {
	edge := x.state.Cluster().Horizon.First() - 1
	if last := x.lastEventID(); last != "" {
		if last == streaming.ReplayedID {
			return 0, true, nil
		}
		p, err := events.ParsePosition(last)
		if err != nil {
			return 0, false, badHeader("Last-Event-ID", "is %.40q, which no replay has given out", last)
		}
		return p.Index, false, x.reach(p)
	}
	given := x.query.Get(wire.ParamFrom)
	if given == "" {
		return edge, false, nil
	}
	if strings.ContainsRune(given, ':') {
		t, err := x.instant(wire.ParamFrom, given)
		if err != nil {
			return 0, false, err
		}
		h, release := x.Reader.History(x.state.Index())
		defer release()
		after, err = h.IndexAt(t.Add(-time.Nanosecond))
		return max(after, edge), false, err // of a time before the oldest event: from there on
	}
	index, err := x.moment(wire.ParamFrom, given)
	if index = max(index, 1); err == nil && index <= edge {
		err = fmt.Errorf("event %d is not kept, the oldest is %d: %w", index, edge+1, events.ErrCompacted)
	}
	return index - 1, false, err
}

// pace reads how fast the replay is to be.
func (x *exchange) pace() (speed float64, most time.Duration, err error) {
	if given := x.query.Get(wire.ParamSpeed); given != "" && given != wire.SpeedMax {
		if speed, err = strconv.ParseFloat(given, 64); err != nil || !(speed > 0 && speed <= mostSpeed) {
			return 0, 0, badParam(wire.ParamSpeed, "is %.40q, want %s, or how many times its own pace: above 0, at most 1e9", given, wire.SpeedMax)
		}
	}
	if given := x.query.Get(wire.ParamMaxPause); given != "" {
		if most, err = time.ParseDuration(given); err != nil || most <= 0 {
			return 0, 0, badParam(wire.ParamMaxPause, "is %.40q, want a duration such as 500ms or 10s", given)
		}
	}
	return speed, most, nil
}

// recordsOf yields what a filter may select, up to an index. Where the filter
// names one namespace or kinds of events, their indexes are walked; otherwise the
// history is read through.
func (x *exchange) recordsOf(f streaming.Filter, to uint64) func(after uint64) iter.Seq2[events.Record, error] {
	q := projections.Query{Before: to + 1, Ascending: true}
	if len(f.Namespaces) == 1 && f.Namespaces[0] != events.Root {
		q.Namespace = f.Namespaces[0]
	}
	if f.Events != "" && f.Events != wire.EventsAll {
		q.Kinds = f.Kinds()
	}
	from := source{x.Server}
	if q.Namespace == "" && q.Kinds == nil {
		return from.Records
	}
	return func(after uint64) iter.Seq2[events.Record, error] {
		return func(yield func(events.Record, error) bool) {
			h, release := from.Reader.History(from.Reader.State().Index())
			defer release()
			q.After = after
			h.Select(q)(yield)
		}
	}
}
