package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"confman/api/denials"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// Denials say what the node keeps of attempts that it refuses for lack of identity
// or right, and of readings. The zero value: nothing.
type Denials struct {
	Log        *denials.Log // nil: nothing is kept
	SecretRefs bool         // who reads values that refer to secrets is kept, too
	Drafts     bool         // and who reads drafts
}

// listDenied answers GET /api/v1/audit/denied from this node's own files, newest
// first. The mark of a page is the node and where its last row stands.
func (x *exchange) listDenied() error {
	log := x.Denials.Log
	if log == nil {
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "this node keeps no record of denials"}
	}
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	q, err := x.denialQuery(p)
	if err != nil {
		return err
	}
	var page rows
	var last denials.Mark
	for row, err := range log.Rows(x.r.Context(), q) {
		if err != nil {
			return err
		}
		if page.full(p.limit) {
			x.next(p, x.NodeID+" "+last.String())
			break
		}
		if err := page.encode(row.Denied); err != nil {
			return err
		}
		last = row.Mark
	}
	x.set(wire.HeaderNode, x.NodeID)
	x.set(wire.HeaderDeniedLost, strconv.FormatUint(log.Stats().Missing, 10))
	return x.sendRows(page)
}

// denialQuery reads the filters.
func (x *exchange) denialQuery(p page) (q denials.Query, err error) {
	q.Principal, q.Reason = x.query.Get("principal"), x.query.Get("reason")
	if reasons := wire.DeniedReasons(); q.Reason != "" && !slices.Contains(reasons, q.Reason) {
		return q, badParam("reason", "is %.40q, want one of %s", q.Reason, strings.Join(reasons, ", "))
	}
	for name, bound := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if given := x.query.Get(name); given != "" {
			if *bound, err = x.instant(name, given); err != nil {
				return q, err
			}
		}
	}
	if p.after == "" {
		return q, nil
	}
	node, mark, _ := strings.Cut(p.after, " ")
	if q.Before, err = denials.ParseMark(mark); err != nil || node != x.NodeID {
		return q, badParam(wire.ParamCursor, "is of the node %.40q, this is %s: ask that one, or begin again without it", node, x.NodeID)
	}
	return q, nil
}

// attempt is the row of what the request attempts, by whom as far as that is
// known.
func (x *exchange) attempt() wire.Denied {
	d := wire.Denied{
		Principal: x.principal.Name, KeyID: x.apiKey.ID, Remote: x.r.RemoteAddr, Method: x.r.Method, Route: x.route(),
		Path: strings.Clone(x.r.URL.EscapedPath()), Namespace: x.names.namespace, Key: x.names.key, CorrelationID: x.correlation,
	}
	if host, _, err := net.SplitHostPort(d.Remote); err == nil {
		d.Remote = host
	}
	switch {
	case d.Principal != "":
	case x.identity != nil:
		d.Principal = x.identity.Name
	case x.credential != "" || x.ticket != nil || x.session != nil:
		if k, ok := x.lookUpKey(); ok { // it expired or was revoked
			d.Principal, d.KeyID = k.Principal, k.ID
		}
	}
	return d
}

// deny records an attempt that was refused with a problem.
func (x *exchange) deny(p wire.Problem, err error) {
	login := x.endpoint != nil && x.endpoint.pattern == "/auth/callback" && p.Status == http.StatusBadRequest
	reason := reasonDenied(p.Status)
	switch {
	case x.Denials.Log == nil:
		return
	case login:
		reason = wire.DeniedUnauthenticated
	case reason == "":
		return
	}
	d := x.attempt()
	d.Reason, d.Status, d.Detail = reason, p.Status, p.Detail
	if x.endpoint != nil && x.endpoint.access == anyone { // what the issuer said came in the query
		d.Detail, _, _ = strings.Cut(d.Detail, `: "`)
	}
	if errors.Is(err, errNoCredentials) {
		d.Route = "" // one row for all that comes from there
	}
	x.keep(d)
}

// reasonDenied is the reason of a denial by its status; "" where it is none.
func reasonDenied(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return wire.DeniedUnauthenticated
	case http.StatusForbidden:
		return wire.DeniedForbidden
	}
	return ""
}

// denyForwarded records that the leader refused what was forwarded to it. The
// leader's own row, of the same correlation ID, does not know the client's
// address.
func (x *exchange) denyForwarded(status int, leader string) {
	if reason := reasonDenied(status); reason != "" && x.Denials.Log != nil {
		d := x.attempt()
		d.Reason, d.Status, d.Detail = reason, status, "refused by the leader, "+leader
		x.keep(d)
	}
}

// keep records a row without any secret that its texts may hold: keys end up in
// paths.
func (x *exchange) keep(d wire.Denied) {
	for _, text := range []*string{&d.Path, &d.Namespace, &d.Key, &d.Detail} {
		for _, secret := range []string{x.credential, x.token, x.query.Get(wire.ParamTicket)} {
			if secret != "" {
				*text = strings.ReplaceAll(*text, secret, "…")
			}
		}
		*text = withoutKeys(*text)
	}
	x.Denials.Log.Record(d)
}

// withoutKeys is a text without what looks like an API key.
func withoutKeys(text string) string {
	first, rest, found := strings.Cut(text, keyPrefix)
	if !found {
		return text
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return !isPlain(string(r)) })
	if end < 0 {
		end = len(rest)
	}
	return first + keyPrefix + "…" + withoutKeys(rest[end:])
}

// deniedStream is what a stream keeps of its request, which it may outlive, to
// record what it is refused later on. Nil: nothing is recorded.
type deniedStream struct {
	log *denials.Log
	row wire.Denied
}

func (x *exchange) deniedStream() *deniedStream {
	if x.Denials.Log == nil {
		return nil
	}
	return &deniedStream{x.Denials.Log, x.attempt()}
}

// ended records the end of a stream whose caller lost the right to it, unless it
// gave it up.
func (s *deniedStream) ended(why *streaming.End) {
	switch why.Reason {
	case streaming.ReasonRevoked, streaming.ReasonExpired:
		if why.Detail == signedOut {
			return
		}
		s.record(http.StatusUnauthorized, why.Detail)
	case streaming.ReasonForbidden:
		s.record(http.StatusForbidden, why.Detail)
	}
}

// refused records that a watch was not opened, if that is for lack of a right.
func (s *deniedStream) refused(err error) {
	if errors.Is(err, events.ErrForbidden) {
		s.record(http.StatusForbidden, err.Error())
	}
}

func (s *deniedStream) record(status int, detail string) {
	if s == nil {
		return
	}
	d := s.row
	d.Reason, d.Status, d.Detail = reasonDenied(status), status, withoutKeys(detail)
	s.log.Record(d)
}

// secretRefs is 1 for an entry whose value refers to a secret, else 0.
func secretRefs(e *events.Entry) int {
	if e.Value.Type == events.SecretRef {
		return 1
	}
	return 0
}

// readSecrets records that references to secrets were read, so many.
func (x *exchange) readSecrets(n int) { x.wasRead(x.Denials.SecretRefs, n, events.SecretRef) }

// readDrafts records that drafts were read, so many.
func (x *exchange) readDrafts(n int) { x.wasRead(x.Denials.Drafts, n, "draft") }

func (x *exchange) wasRead(kept bool, n int, what events.ValueType) {
	if !kept || n == 0 || x.Denials.Log == nil {
		return
	}
	d := x.attempt()
	d.Reason, d.Status, d.Count = wire.DeniedRead, http.StatusOK, uint64(n)
	d.Detail = fmt.Sprintf("%d of type %s", n, what)
	x.keep(d)
}
