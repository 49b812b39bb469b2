package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
	"confman/projections"
)

const requestsPath = "/api/v1/publish-requests"

// findRequest is a publish request that the caller may see, open or closed.
func (x *exchange) findRequest(id string) (events.Request, error) {
	r, err := x.requestIn(x.present(), id)
	if err == nil && (r.Revision == 0 || !x.seesRequest(r)) {
		err = noRequest(id)
	}
	return r, err
}

// requestIn is a publish request, open or closed, or the zero value.
func (s *Server) requestIn(state *projections.State, id string) (events.Request, error) {
	if r := state.Request(id); r.Revision != 0 {
		return r, nil
	}
	h, release := s.Reader.History(state.Index())
	defer release()
	return h.Request(id)
}

// surelyRequest is findRequest for a write.
func (x *exchange) surelyRequest(id string) (events.Request, error) {
	return surely(x, func() (events.Request, error) { return x.findRequest(id) })
}

func noRequest(id string) error {
	return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("there is no publish request %.64s, or none for you to see", id)}
}

// seesRequest reports whether the caller may see a publish request: who submitted
// it, and the editors of any of its keys.
func (x *exchange) seesRequest(r events.Request) bool { return requestShownTo(x.principal, r) }

func requestShownTo(who events.Principal, r events.Request) bool {
	return r.SubmittedBy == who.Name || slices.ContainsFunc(r.Changes, func(c events.Change) bool { return who.Can(events.Editor, c.Namespace, c.Key) })
}

func (x *exchange) edits(c events.Change) bool {
	return x.principal.Can(events.Editor, c.Namespace, c.Key)
}

// getRequest answers GET /api/v1/publish-requests/{id}.
func (x *exchange) getRequest() error {
	h, release, err := x.past()
	if err != nil {
		return err
	}
	defer release()
	if h != nil {
		shown, err := x.requestAt(h, x.names.id)
		if err != nil {
			return err
		}
		return x.sendJSON(http.StatusOK, shown)
	}
	r, err := x.findRequest(x.names.id)
	if err != nil {
		return err
	}
	shown, err := x.wireRequest(x.state, r, x.Now())
	if err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, shown)
}

// sendRequestAt ends an exchange that wrote with the request as of its index.
func (x *exchange) sendRequestAt(status int, index uint64, id string) error {
	then, release := x.asOfIndex(index)
	defer release()
	r := then.Request(id)
	shown, err := x.wireRequest(then, r, x.Now())
	if err == nil {
		err = then.err
	}
	if err != nil {
		return unread(index, err)
	}
	return x.sendJSON(status, shown)
}

// submitRequest answers POST /api/v1/publish-requests.
func (x *exchange) submitRequest() error {
	var asked wire.NewRequest
	if err := x.decode(&asked, x.transactionBody()); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if asked.Namespace != "" || asked.Key != "" {
		if len(asked.Changes) > 0 {
			return events.Invalid("/changes", "comes with namespace and key, which stand for one change; give either")
		}
		asked.Changes = []wire.RequestedChange{{Namespace: asked.Namespace, Key: asked.Key}}
	}
	if n := len(asked.Changes); n > events.MaxChanges {
		return &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf("the request has %d changes, at most %d are allowed", n, events.MaxChanges)}
	}
	c := events.SubmitRequest{ID: x.NewID().String(), Comment: asked.Comment, Actor: x.principal.Name}
	if asked.PublishAt != nil {
		if c.PublishAt = asked.PublishAt.UTC(); !c.PublishAt.After(x.Now()) {
			return events.Invalid("/publishAt", "is not in the future; leave it out to publish with the last approval")
		}
	}
	for _, change := range asked.Changes {
		if err := x.need(events.Editor, change.Namespace, change.Key); err != nil {
			return err
		}
		c.Changes = append(c.Changes, submitted(change))
	}
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	submitted, err := x.eventAt(done.Index)
	if err != nil {
		return unread(done.Index, err)
	}
	x.set("Location", requestsPath+"/"+submitted.Request)
	return x.sendRequestAt(http.StatusCreated, done.Index, submitted.Request)
}

func submitted(c wire.RequestedChange) events.Submitted {
	s := events.Submitted{Namespace: c.Namespace, Key: c.Key, Draft: c.Revision, Delete: c.Delete}
	if c.Value != nil {
		s.Content = &events.Content{
			Value: jsontext.Value(c.Value), Type: events.ValueType(c.Type), Description: c.Description, Tags: c.Tags,
		}
	}
	return s
}

// decision reads the body of a word on a publish request, and checks that the
// caller may see the request and that it is open.
func (x *exchange) decision() (word wire.Decide, err error) {
	if err := x.decodeOptional(&word); err != nil {
		return word, err
	}
	if err := x.refuseConditions(); err != nil {
		return word, err
	}
	_, err = x.surelyRequest(x.names.id)
	return word, err
}

// decided has a word on a publish request recorded, and answers with the request.
// Of one that is closed already it tells how; whoever repeats the word that closed
// it, by its idempotency key, hears the first answer.
func (x *exchange) decided(c events.Command) error {
	done, err := x.submit(c)
	if errors.Is(err, events.ErrConflict) {
		x.state = x.Reader.State() // others closed it since
		if r, findErr := x.findRequest(x.names.id); findErr == nil && !r.State.Open() {
			return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf("publish request %s is %s, by %s at %s",
				r.ID, r.State, r.Resolution.By, r.Resolution.At.UTC().Format(time.RFC3339))}
		}
	}
	if err != nil {
		return err
	}
	return x.sendRequestAt(http.StatusOK, done.Index, x.names.id)
}

// approve answers POST /api/v1/publish-requests/{id}/approve.
func (x *exchange) approve() error {
	word, err := x.decision()
	if err != nil {
		return err
	}
	return x.decided(events.ApproveRequest{ID: x.names.id, Comment: word.Comment, Basis: word.Basis, By: x.principal})
}

// reject answers POST /api/v1/publish-requests/{id}/reject.
func (x *exchange) reject() error {
	word, err := x.decision()
	if err != nil {
		return err
	}
	return x.decided(events.RejectRequest{ID: x.names.id, Comment: word.Comment, By: x.principal})
}

// withdraw answers POST /api/v1/publish-requests/{id}/withdraw.
func (x *exchange) withdraw() error {
	word, err := x.decision()
	if err != nil {
		return err
	}
	return x.decided(events.WithdrawRequest{ID: x.names.id, Comment: word.Comment, By: x.principal})
}

// bypass answers POST /api/v1/publish-requests/{id}/bypass.
func (x *exchange) bypass() error {
	word, err := x.decision()
	if err != nil {
		return err
	}
	return x.decided(events.BypassRequest{ID: x.names.id, Comment: word.Comment, By: x.principal})
}

// requestQuery selects publish requests.
type requestQuery struct {
	states    []events.RequestState // nil: any
	namespace string                // with its subtree; empty: any
	mine      bool
}

func (x *exchange) requestQuery() (q requestQuery, err error) {
	switch given := x.query.Get("state"); given {
	case "":
	case "open":
		q.states = []events.RequestState{events.PendingReview, events.Scheduled}
	default:
		for s := range strings.SplitSeq(given, ",") {
			switch state := events.RequestState(s); state {
			case events.PendingReview, events.Scheduled, events.Published, events.Rejected, events.Withdrawn:
				q.states = append(q.states, state)
			default:
				return q, badParam("state", "has %.40q, want open, or of pending_review scheduled published rejected withdrawn", s)
			}
		}
	}
	if q.namespace = x.query.Get("namespace"); q.namespace != "" {
		if err := events.CheckPlace(q.namespace); err != nil {
			return q, badParam("namespace", "%v", err)
		}
	}
	q.mine, err = x.flag("mine")
	return q, err
}

func (x *exchange) selects(q requestQuery, r events.Request) bool {
	if q.states != nil && !slices.Contains(q.states, r.State) || q.mine && r.SubmittedBy != x.principal.Name {
		return false
	}
	mine := r.SubmittedBy == x.principal.Name
	within := q.namespace == "" || slices.ContainsFunc(r.Changes, func(c events.Change) bool {
		return events.Within(c.Namespace, q.namespace) && (mine || x.edits(c))
	})
	return within && x.seesRequest(r)
}

// closed reports whether the query selects any that are not open.
func (q requestQuery) closed() bool {
	return q.states == nil || slices.ContainsFunc(q.states, func(s events.RequestState) bool { return !s.Open() })
}

// listRequests answers GET /api/v1/publish-requests: those that the caller may
// see, the newest first. The mark of a page is the last ID that it looked at.
func (x *exchange) listRequests() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	q, err := x.requestQuery()
	if err != nil {
		return err
	}
	var open []events.Request // the newest last
	for r := range x.state.Requests("") {
		if p.after == "" || r.ID < p.after {
			open = append(open, r)
		}
	}
	l := requestList{x: x, query: q, page: p}
	takeOpen := func(until string) error {
		for len(open) > 0 && open[len(open)-1].ID > until && !l.full {
			if err := l.take(open[len(open)-1]); err != nil {
				return err
			}
			open = open[:len(open)-1]
		}
		return nil
	}
	if q.closed() {
		h, release := x.Reader.History(x.state.Index())
		defer release()
		for r, err := range h.ClosedRequests(p.after) {
			if err != nil {
				return err
			}
			if err := takeOpen(r.ID); err != nil {
				return err
			}
			if l.full {
				break
			}
			if err := l.take(r); err != nil {
				return err
			}
		}
	}
	if err := takeOpen(""); err != nil {
		return err
	}
	return x.sendRows(l.rows)
}

// requestList collects one page of publish requests.
type requestList struct {
	x      *exchange
	query  requestQuery
	page   page
	rows   rows
	looked int
	last   string
	full   bool // the page; there are more
}

func (l *requestList) take(r events.Request) error {
	if l.rows.full(l.page.limit) || l.looked >= l.x.Limits.Audit {
		l.full = true
		l.x.next(l.page, l.last)
		return nil
	}
	l.looked++
	l.last = r.ID
	if !l.x.selects(l.query, r) {
		return nil
	}
	shown, err := l.x.wireRequest(l.x.state, r, l.x.Now())
	if err != nil {
		return err
	}
	return l.rows.encode(shown)
}
