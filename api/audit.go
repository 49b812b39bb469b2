package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

// auditRows is the default page of …/audit, as it always was.
const auditRows = 50

// namespaceAudit answers GET …/{namespace}/audit.
func (x *exchange) namespaceAudit() error { return x.answerAudit(auditRows) }

// audit answers GET /api/v1/audit.
func (x *exchange) audit() error { return x.answerAudit(maxRows) }

// answerAudit answers with one page or, where the caller likes another format
// than JSON better, with all that is selected.
func (x *exchange) answerAudit(defaultRows int) error {
	q, err := x.auditQuery()
	if err != nil {
		return err
	}
	if err := x.tellOldest(); err != nil {
		return err
	}
	switch x.prefers(wire.MediaJSON, wire.MediaNDJSON, wire.MediaCSV) {
	case wire.MediaNDJSON:
		return x.exportAudit(q, ndjsonLines())
	case wire.MediaCSV:
		return x.exportAudit(q, csvLines())
	}
	return x.sendAudit(q, defaultRows)
}

// tellOldest says where the history that is kept begins. It goes by one history:
// the horizon may move between two.
func (x *exchange) tellOldest() error {
	h, release := x.Reader.History(x.Reader.State().Index())
	defer release()
	oldest := events.Position{Index: h.Oldest()}
	r, err := h.Record(oldest.Index)
	switch {
	case err == nil:
		oldest = r.Position()
	case !errors.Is(err, events.ErrNotFound): // nothing is kept but the edge
		return err
	}
	x.set(wire.HeaderOldest, oldest.String())
	return nil
}

// auditQuery reads the filters. What is selected ends at the present.
func (x *exchange) auditQuery() (q projections.Query, err error) {
	get := x.query.Get
	q = projections.Query{
		Namespace: get(wire.ParamNamespace), Key: get(wire.ParamKey), Actor: get("actor"),
		Request: get("request"), Correlation: get("correlation"), Transaction: get("transaction"),
	}
	if q.Exact, err = x.flag("exact"); err != nil {
		return q, err
	}
	if x.names.namespace != "" {
		q.Namespace, q.Exact = x.names.namespace, true
	}
	if q.Namespace != "" {
		if err := events.CheckPlace(q.Namespace); err != nil {
			return q, err
		}
	}
	if q.Key != "" {
		if q.Namespace == "" {
			return q, badParam(wire.ParamKey, "needs namespace beside it")
		}
		if err := events.CheckKey(q.Key); err != nil {
			return q, err
		}
	}
	if q.Kinds, err = kindsOf(get("action")); err != nil {
		return q, err
	}
	switch order := get("order"); order {
	case "", "desc":
	case "asc":
		q.Ascending = true
	default:
		return q, badParam("order", "is %.40q, want asc or desc", order)
	}
	return q, x.auditBounds(&q)
}

// kindsOf reads a list of kinds and of families of them; nil is all.
func kindsOf(actions string) (kinds []events.Kind, err error) {
	if actions == "" {
		return nil, nil
	}
	for wanted := range strings.SplitSeq(actions, ",") {
		known := len(kinds)
		for _, k := range events.Kinds() {
			if k.Matches(strings.TrimSuffix(wanted, ".*")) {
				kinds = append(kinds, k)
			}
		}
		if len(kinds) == known {
			return nil, badParam("action", "has %.64q, which is neither a type of event such as config.updated nor a family such as config.*", wanted)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// auditBounds reads between which events to look: after and before, exclusive,
// since and until, inclusive. Whoever names an event to go on after must not
// miss any; a time before the horizon is as good as the horizon.
func (x *exchange) auditBounds(q *projections.Query) error {
	q.After, q.Before = x.state.Edge().Index, x.state.Index()+1
	if given := x.query.Get("after"); given != "" {
		index, err := x.moment("after", given)
		if err != nil {
			return err
		}
		if err := x.continues(index); err != nil {
			return err
		}
		q.After = max(q.After, index)
	}
	if given := x.query.Get("before"); given != "" && !x.isAhead(given) {
		index, err := x.moment("before", given)
		if err != nil {
			return err
		}
		q.Before = min(q.Before, index)
	}
	return x.auditTimes(q)
}

// isAhead reports whether an index or position is of an event that has not come:
// there is nothing to wait for before it.
func (x *exchange) isAhead(given string) bool {
	p, err := events.ParsePosition(given)
	return err == nil && p.Index > x.state.Index()
}

// continues returns an error when events after an index are no longer kept.
func (x *exchange) continues(index uint64) error {
	if index >= x.state.Edge().Index {
		return nil
	}
	_, err := x.positionOf(index)
	return err
}

func (x *exchange) auditTimes(q *projections.Query) error {
	h, release := x.Reader.History(x.state.Index())
	defer release()
	if given := x.query.Get("since"); given != "" {
		t, err := x.instant("since", given)
		if err != nil {
			return err
		}
		index, err := h.IndexAt(t.Add(-time.Nanosecond))
		if err != nil {
			return err
		}
		q.After = max(q.After, index)
	}
	if given := x.query.Get("until"); given != "" {
		t, err := x.instant("until", given)
		if err != nil {
			return err
		}
		index, err := h.IndexAt(t)
		if err != nil {
			return err
		}
		q.Before = min(q.Before, index+1)
	}
	return nil
}

// sendAudit answers with one page. Its mark is the index up to which everything
// was looked at: a page that looked at as much as it may has fewer rows than
// asked for, perhaps none, and a link to the next.
func (x *exchange) sendAudit(q projections.Query, defaultRows int) error {
	p, err := x.page(defaultRows)
	if err != nil {
		return err
	}
	if err := x.goOn(&q, p); err != nil {
		return err
	}
	q.Effort = effortPerEvent * x.Limits.Audit
	w := x.auditWalk(q)
	var page rows
	full, looked := false, 0
	for !full && !w.done() {
		err := w.stretch(func(r events.Record) (bool, error) {
			shown, ok, err := x.audited(r)
			if full = err == nil && (ok && page.full(p.limit) || looked == x.Limits.Audit); full || err != nil {
				return false, err
			}
			if looked++; ok {
				err = page.encode(shown)
			}
			return true, err
		})
		if errors.Is(err, events.ErrCompacted) && !q.Ascending {
			return x.sendRows(page) // what is older was trimmed a moment ago: the list ends there
		}
		if err != nil {
			return err
		}
		full = full || w.tired
	}
	if full {
		x.next(p, strconv.FormatUint(w.mark(), 10))
	}
	return x.sendRows(page)
}

// goOn narrows the query to what follows the page before.
func (x *exchange) goOn(q *projections.Query, p page) error {
	if p.after == "" {
		return nil
	}
	mark, err := strconv.ParseUint(p.after, 10, 64)
	if err != nil {
		return badParam(wire.ParamCursor, "is not one that this list gave out; begin again without it")
	}
	if q.Ascending {
		q.After = max(q.After, mark)
		return x.continues(mark)
	}
	q.Before = min(q.Before, mark)
	return nil
}

// lines are how an export writes events.
type lines struct {
	media string
	head  string
	add   func(dst []byte, e wire.AuditEvent) ([]byte, error)
}

func ndjsonLines() lines {
	return lines{wire.MediaNDJSON, "", func(dst []byte, e wire.AuditEvent) ([]byte, error) {
		line, err := encode(e)
		return append(append(dst, line...), '\n'), err
	}}
}

const (
	// exportLeast and exportBuffer are how many bytes an export collects before it
	// writes them: few at first, so that whoever wants only the first is served.
	exportLeast, exportBuffer = 16 << 10, 256 << 10
	// exportLooks is how many events it looks at before it lets go of the history.
	exportLooks = 20_000
	// exportStall is how long a reader may take for what is written at once.
	exportStall = 30 * time.Second
)

// exportAudit answers with all that the query selects, as it is read, in little
// memory. It holds no history while it writes.
func (x *exchange) exportAudit(q projections.Query, l lines) error {
	if err := x.lasts(); err != nil {
		return err
	}
	x.reflects(x.state.Position())
	x.provenance()
	x.set("Content-Type", l.media)
	q.Effort = effortPerEvent * exportLooks
	w := x.auditWalk(q)
	to := http.NewResponseController(x.w)
	defer x.mayWrite() // the rest of it; the listener sees to what comes after
	body := []byte(l.head)
	for size := exportLeast; ; size = min(2*size, exportBuffer) {
		if err := x.collect(&w, l, &body, size); err != nil {
			return x.brokeOff(err)
		}
		if len(body) > 0 || w.done() {
			_ = to.SetWriteDeadline(time.Now().Add(exportStall)) // where there is none, as in tests, none is needed
			x.code = http.StatusOK
			if _, err := x.w.Write(body); err != nil {
				return err
			}
			body = body[:0]
		}
		if w.done() {
			return nil
		}
		if err := x.r.Context().Err(); err != nil {
			return x.brokeOff(err)
		}
	}
}

// collect appends the lines of a stretch, about size bytes.
func (x *exchange) collect(w *auditWalk, l lines, body *[]byte, size int) error {
	looked := 0
	return w.stretch(func(r events.Record) (bool, error) {
		if len(*body) >= size || looked == exportLooks {
			return false, nil
		}
		looked++
		shown, ok, err := x.audited(r)
		if err == nil && ok {
			*body, err = l.add(*body, shown)
		}
		return true, err
	})
}

// brokeOff ends a long answer that cannot go on. When lines were sent already the
// connection is cut, so that nobody takes them for the whole.
func (x *exchange) brokeOff(err error) error {
	if x.code == 0 {
		return err
	}
	x.Log.Error().Err(err).Str("correlationId", x.correlation).Str("route", x.endpoint.pattern).Msg("a long answer broke off")
	panic(http.ErrAbortHandler)
}
