package api

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"confman/api/identity"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// sessionBody is how long the body of a sign-in may be, in bytes.
const sessionBody = 4 << 10

// signedOut is how a session ends that its bearer ended.
const signedOut = "the session was signed out"

// takeSession notes whose session the request bears: one of an API key lends that
// key, any other names a person.
func (x *exchange) takeSession(who *identity.Identity) {
	if who.KeyID != "" {
		x.session = who
		return
	}
	x.identity = who
}

// bySession reports whether the request's credential is the cookie of a session.
func (b *bearer) bySession() bool {
	return b.session != nil || b.identity != nil && b.identity.Via == identity.ViaSession
}

// over says why a credential that stood is none any more: the reason of an end, and
// in words. An empty reason: it stands.
func over(who *identity.Identity, now time.Time) (reason, detail string) {
	switch {
	case !who.Expires.IsZero() && !now.Before(who.Expires):
		return streaming.ReasonExpired, fmt.Sprintf("the %s of %s expired at %s", who.Via, who.Name, who.Expires.UTC().Format(time.RFC3339))
	case who.Stands == nil || who.Stands():
		return "", ""
	case who.Via == identity.ViaSession:
		return streaming.ReasonRevoked, signedOut
	}
	return streaming.ReasonRevoked, fmt.Sprintf("the %s of %s is not taken any more", who.Via, who.Name)
}

// signIn answers POST /auth/session: a session for whoever has an API key. The key is
// judged as that of any request; the cookie holds no more than its ID.
func (x *exchange) signIn() error {
	x.set("Cache-Control", "no-store")
	if err := x.checkHost(); err != nil {
		return err
	}
	if err := x.crowded(); err != nil {
		return err
	}
	if err := x.Identity.Sessions.CheckOrigin(x.r); err != nil {
		return err
	}
	var asked wire.NewSession
	if err := x.decode(&asked, sessionBody); err != nil {
		return err
	}
	if x.credential = strings.TrimSpace(asked.Key); x.credential == "" {
		return events.Invalid("/key", "is missing: the API key to sign in with")
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	begun, err := x.Identity.Sessions.Begin(x.w, x.r, identity.Identity{Name: x.principal.Name, KeyID: x.apiKey.ID, Expires: x.apiKey.ExpiresAt})
	if err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, x.sessionOf(&begun))
}

// showSession answers GET /auth/session: whether the browser is signed in. It is
// never refused, so that a page can ask without fear of an error.
func (x *exchange) showSession() error {
	x.set("Cache-Control", "no-store")
	who, found, err := x.Identity.Sessions.Session(x.r)
	if found && err == nil {
		x.takeSession(&who)
		if err = x.identify(); errors.Is(err, errUnknownKey) {
			err = x.identifyLater()
		}
	}
	if !found || err != nil {
		shown := x.sessionOf(nil)
		if err != nil {
			_, shown.Why, _ = strings.Cut(err.Error(), errUnauthenticated.Error()+": ")
			shown.Why = cmp.Or(shown.Why, err.Error())
		}
		return x.sendJSON(http.StatusOK, shown)
	}
	return x.sendJSON(http.StatusOK, x.sessionOf(&who))
}

// sessionOf shows a session, or that there is none.
func (x *exchange) sessionOf(who *identity.Identity) wire.Session {
	shown := wire.Session{
		Login: x.Identity.Login != nil, Secure: identity.Confidential(x.r), NodeID: x.NodeID, Version: x.Version,
	}
	if who == nil {
		return shown
	}
	shown.SignedIn, shown.Principal, shown.Via, shown.ExpiresAt = true, x.principal.Name, wire.ViaOIDC, unlessZero(who.Expires)
	if who.KeyID != "" {
		shown.Via, shown.KeyID, shown.KeyName = wire.ViaKey, x.apiKey.ID, x.apiKey.Name
	}
	return shown
}

// logout answers POST /auth/logout: the cookie goes, this node refuses the session
// from now on, and its streams end.
func (x *exchange) logout() error {
	x.set("Cache-Control", "no-store")
	id, err := x.Identity.Sessions.End(x.w, x.r)
	if err != nil {
		return err
	}
	if id != "" {
		x.streams.End(id, &streaming.End{Reason: streaming.ReasonRevoked, Detail: signedOut})
	}
	return x.noContent()
}

// connect takes on the caller of a stream, who may have signed out a moment ago.
func (x *exchange) connect(encoding string) (*streaming.Connection, error) {
	conn, err := x.streams.Connect(x.caller(), encoding)
	if err != nil {
		return nil, unauthenticated(err)
	}
	if !x.bySession() {
		return conn, nil
	}
	if err := x.identify(); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
