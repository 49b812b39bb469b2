package api

import (
	"cmp"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"confman/api/identity"
	"confman/events"
	"confman/streaming"
)

// rights are those of a caller at this moment, for the streams that it opened.
type rights struct {
	server   *Server
	keyID    string             // of the API key, or
	identity *identity.Identity // who bears none
	session  *identity.Identity // that stands for the API key, if one does
	ticket   time.Time          // when the ticket that lends them expires; zero: none does
	now      atomic.Pointer[granted]
}

type granted struct {
	events.Principal
	expires time.Time // zero: never
}

// Renew looks the caller up in the present.
func (r *rights) Renew() error {
	now := r.server.Now()
	ends := r.ticket
	if who := cmp.Or(r.identity, r.session); who != nil {
		if reason, detail := over(who, now); reason != "" {
			return &streaming.End{Reason: reason, Detail: detail}
		}
		ends = earlier(ends, who.Expires)
	}
	if who := r.identity; who != nil {
		r.now.Store(&granted{events.Principal{Name: who.Name, Groups: who.Groups, Book: rolesNow{r.server}}, ends})
		return nil
	}
	k := r.server.Reader.State().APIKey(r.keyID)
	switch {
	case k.Revision == 0, k.Revoked():
		return &streaming.End{Reason: streaming.ReasonRevoked, Detail: fmt.Sprintf("API key %s was revoked", r.keyID)}
	case !k.Usable(now):
		return expired("%s %s expired at %s", "API key", k.ID, k.ExpiresAt)
	case !r.ticket.IsZero() && !now.Before(r.ticket):
		return expired("%s %s expired at %s", "the ticket of API key", k.ID, r.ticket)
	}
	r.now.Store(&granted{k.Bearer(rolesNow{r.server}), earlier(k.ExpiresAt, ends)})
	return nil
}

func expired(format string, what any, whose string, at time.Time) error {
	return &streaming.End{Reason: streaming.ReasonExpired, Detail: fmt.Sprintf(format, what, whose, at.UTC().Format(time.RFC3339))}
}

// rolesNow shows the roles of the present, whenever it is asked: a stream that
// held on to a state would hold on to its memory.
type rolesNow struct{ *Server }

// Roles are those that a namespace itself gives.
func (n rolesNow) Roles(namespace string) events.Roles { return n.Reader.State().Roles(namespace) }

// RolesWithin yields the roles that namespaces of a subtree give.
func (n rolesNow) RolesWithin(subtree string) iter.Seq2[string, events.Roles] {
	return n.Reader.State().RolesWithin(subtree)
}

// Sees reports whether the caller may see an event.
func (r *rights) Sees(e *events.Event) bool { return r.server.shows(e, r.now.Load().Principal) }

// shows reports whether somebody may see an event. A step of a publish request is
// about the nearest namespace above all that it changes, and is shown to those,
// too, who may see the request; what it changes, which its submission says, to
// those only who may read all of it.
func (s *Server) shows(e *events.Event, who events.Principal) bool {
	if e.ShownTo(who) {
		return true
	}
	if _, submission := e.Data.(events.RequestSubmitted); submission || !e.Data.Kind().Matches("publish-request") {
		return false
	}
	r, err := s.requestIn(s.Reader.State(), e.Request)
	return err == nil && r.Revision != 0 && requestShownTo(who, r)
}

// SeesEntry reports whether the caller may see an entry.
func (r *rights) SeesEntry(namespace, key string) bool {
	return r.now.Load().Can(events.Viewer, namespace, key)
}

// SeesWithin reports whether the caller may see anything in a subtree.
func (r *rights) SeesWithin(subtree string) bool { return r.now.Load().CanSeeWithin(subtree) }

// Expires is when Renew will refuse.
func (r *rights) Expires() time.Time { return r.now.Load().expires }

// earlier is the earlier of two times of which each may be zero, for never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
