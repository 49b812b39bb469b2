package api

import (
	"net/http"
	"strconv"
	"time"

	"confman/api/wire"
	"confman/events"
)

const (
	// auditRows is the default page of …/audit, as it always was.
	auditRows = 50
	// exportBuffer is how much of an export is written at once, in bytes.
	exportBuffer = 64 << 10
)

// auditQuery selects events of the history up to one index.
type auditQuery struct {
	namespace, key, actor, action string
	after, before                 uint64 // exclusive; before is never 0
	ascending                     bool
}

// namespaceAudit answers GET …/{namespace}/audit, newest first.
func (x *exchange) namespaceAudit() error {
	return x.sendAudit(auditQuery{namespace: x.names.namespace, before: x.state.Index() + 1}, auditRows)
}

// audit answers GET /api/v1/audit.
func (x *exchange) audit() error {
	q, err := x.auditQuery()
	if err != nil {
		return err
	}
	if x.prefers(wire.MediaJSON, wire.MediaNDJSON) == wire.MediaNDJSON {
		return x.exportAudit(q)
	}
	return x.sendAudit(q, maxRows)
}

// auditQuery reads the filters.
func (x *exchange) auditQuery() (q auditQuery, err error) {
	get := x.query.Get
	q = auditQuery{
		namespace: get("namespace"), key: get("key"), actor: get("actor"), action: get("action"),
		before: x.state.Index() + 1,
	}
	if q.key != "" && q.namespace == "" {
		return q, badParam("key", "needs namespace beside it")
	}
	switch order := get("order"); order {
	case "", "desc":
	case "asc":
		q.ascending = true
	default:
		return q, badParam("order", "is %.40q, want asc or desc", order)
	}
	for _, name := range []string{"after", "before"} {
		given := get(name)
		if given == "" {
			continue
		}
		index, err := x.moment(name, given)
		if err != nil {
			return q, err
		}
		if name == "after" {
			q.after = index
		} else {
			q.before = min(q.before, index)
		}
	}
	return q, x.auditTimes(&q)
}

// auditTimes narrows the query by since and until, both inclusive.
func (x *exchange) auditTimes(q *auditQuery) error {
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
		q.after = max(q.after, index)
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
		q.before = min(q.before, index+1)
	}
	return nil
}

// sendAudit answers with one page. Its mark is the index of the last event that
// was looked at: a page that looked at as many as it may has fewer rows than
// asked for, perhaps none, and a link to the next.
func (x *exchange) sendAudit(q auditQuery, defaultRows int) error {
	p, err := x.page(defaultRows)
	if err != nil {
		return err
	}
	if p.after != "" {
		mark, err := strconv.ParseUint(p.after, 10, 64)
		if err != nil {
			return badParam(wire.ParamCursor, "is not one that this list gave out; begin again without it")
		}
		if q.ascending {
			q.after = max(q.after, mark)
		} else {
			q.before = min(q.before, mark)
		}
	}
	h, release := x.Reader.History(x.state.Index())
	defer release()
	var page rows
	last, read := uint64(0), 0
	for r, err := range q.records(h) {
		if err != nil {
			return err
		}
		shown, ok, err := x.audited(q, r)
		if err != nil {
			return err
		}
		if ok && page.full(p.limit) || read == x.Limits.Audit {
			x.next(p, strconv.FormatUint(last, 10))
			break
		}
		if last, read = r.Index, read+1; !ok {
			continue
		}
		if err := page.encode(shown); err != nil {
			return err
		}
	}
	return x.sendRows(page)
}

// exportAudit answers with all that the query selects, a line each, as it is
// read.
func (x *exchange) exportAudit(q auditQuery) error {
	h, release := x.Reader.History(x.state.Index())
	defer release()
	x.reflects(x.state.Position())
	x.set("Content-Type", wire.MediaNDJSON)
	var lines []byte
	flush := func() error {
		x.code = http.StatusOK
		_, err := x.w.Write(lines)
		lines = lines[:0]
		return err
	}
	for r, err := range q.records(h) {
		if err != nil {
			return x.brokeOff(err)
		}
		shown, ok, err := x.audited(q, r)
		if err != nil {
			return x.brokeOff(err)
		}
		if !ok {
			continue
		}
		line, err := encode(shown)
		if err != nil {
			return x.brokeOff(err)
		}
		if lines = append(append(lines, line...), '\n'); len(lines) >= exportBuffer {
			if err := flush(); err != nil {
				return err
			}
		}
		if x.r.Context().Err() != nil {
			return x.brokeOff(x.r.Context().Err())
		}
	}
	return flush()
}

// brokeOff ends an export that cannot go on. When lines were sent already the
// connection is cut, so that nobody takes them for the whole.
func (x *exchange) brokeOff(err error) error {
	if x.code == 0 {
		return err
	}
	x.Log.Error().Err(err).Str("correlationId", x.correlation).Msg("audit export broke off")
	panic(http.ErrAbortHandler)
}

// audited shows a record, if the query selects it and the caller may see it.
func (x *exchange) audited(q auditQuery, r events.Record) (shown wire.AuditEvent, ok bool, err error) {
	e, err := r.Event()
	if err != nil {
		return shown, false, err
	}
	kind := string(e.Data.Kind())
	switch {
	case q.namespace != "" && q.namespace != e.Namespace,
		q.key != "" && q.key != e.Key,
		q.actor != "" && q.actor != e.Actor,
		q.action != "" && q.action != kind,
		!e.ShownTo(x.principal):
		return shown, false, nil
	}
	shown = wire.AuditEvent{
		Timestamp: r.Time.UTC(), Action: kind, Actor: e.Actor, Namespace: e.Namespace,
		Provenance: wire.Provenance{
			ID: e.ID.String(), Index: r.Index, Position: r.Position().String(), RaftTerm: r.RaftTerm, RaftIndex: r.RaftIndex,
			CorrelationID: e.CorrelationID, Request: e.Request, Transaction: e.Transaction,
		},
	}
	if e.Key != "" {
		shown.Key = &e.Key
	}
	switch d := e.Data.(type) {
	case events.ConfigCreated:
		shown.NewValue, shown.Comment = textOf(d.Value), d.Comment
	case events.ConfigUpdated:
		shown.OldValue, shown.NewValue, shown.Comment = textOf(d.Previous.Value), textOf(d.Value), d.Comment
	case events.ConfigRolledBack:
		if shown.NewValue, shown.Comment = textOf(d.Value), d.Comment; d.Previous != nil {
			shown.OldValue = textOf(d.Previous.Value)
		}
	case events.ConfigDeleted:
		shown.OldValue, shown.Comment = textOf(d.Previous.Value), d.Comment
	default:
		shown.Comment = commentOf(d)
	}
	return shown, true, nil
}

// commentOf is what was said with an event about a draft, a publish request or a
// schema.
func commentOf(d events.Data) string {
	switch d := d.(type) {
	case events.DraftSaved:
		return d.Comment
	case events.DraftDiscarded:
		return d.Comment
	case events.RequestSubmitted:
		return d.Comment
	case events.RequestApproved:
		return d.Comment
	case events.RequestRejected:
		return d.Comment
	case events.RequestWithdrawn:
		return d.Comment
	case events.RequestBypassed:
		return d.Comment
	case events.SchemaChanged:
		return d.Comment
	}
	return ""
}

func textOf(v events.Value) *string {
	text := v.Text()
	return &text
}

// inRange reports whether an index lies between the query's bounds.
func (q auditQuery) inRange(index uint64) bool { return index > q.after && index < q.before }
