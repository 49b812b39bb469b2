package api

import (
	"fmt"
	"sync/atomic"
	"time"

	"confman/events"
	"confman/streaming"
)

// rights are those of an API key at this moment, for the streams that it opened.
type rights struct {
	server *Server
	keyID  string
	ticket time.Time // when the ticket that lends them expires; zero: none does
	now    atomic.Pointer[granted]
}

type granted struct {
	events.Principal
	expires time.Time // zero: never
}

// Renew looks the API key up in the present.
func (r *rights) Renew() error {
	k, now := r.server.Reader.State().APIKey(r.keyID), r.server.Now()
	switch {
	case k.Revision == 0, k.Revoked():
		return &streaming.End{Reason: streaming.ReasonRevoked, Detail: fmt.Sprintf("API key %s was revoked", r.keyID)}
	case !k.Usable(now):
		return &streaming.End{Reason: streaming.ReasonExpired, Detail: fmt.Sprintf("API key %s expired at %s", k.ID, k.ExpiresAt.UTC().Format(time.RFC3339))}
	case !r.ticket.IsZero() && !now.Before(r.ticket):
		return &streaming.End{Reason: streaming.ReasonExpired, Detail: fmt.Sprintf("the ticket expired at %s", r.ticket.Format(time.RFC3339))}
	}
	r.now.Store(&granted{principalOf(k), earlier(k.ExpiresAt, r.ticket)})
	return nil
}

// Sees reports whether the caller may see an event.
func (r *rights) Sees(e *events.Event) bool { return mayAudit(r.now.Load().Principal, e) }

// SeesEntry reports whether the caller may see an entry.
func (r *rights) SeesEntry(namespace, key string) bool {
	return r.now.Load().Can(events.Viewer, namespace, key)
}

// Expires is when Renew will refuse.
func (r *rights) Expires() time.Time { return r.now.Load().expires }

// earlier is the earlier of two times of which each may be zero, for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// seesWithin reports whether anything in a namespace or below it may be visible
// to the principal.
func seesWithin(who events.Principal, namespace string) bool {
	for _, g := range who.Grants {
		if g.Role >= events.Viewer && events.Within(g.Namespace, namespace) {
			return true
		}
	}
	return who.CanSee(namespace)
}
