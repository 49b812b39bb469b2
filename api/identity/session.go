package identity

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"confman/events"
)

// Cookies. Over https their names begin with __Host-, which keeps other hosts and
// plain http from setting them (RFC 6265bis, 4.1.3.2).
const (
	sessionCookie  = "confman"
	loginCookie    = "confman-login"
	securePrefix   = "__Host-"
	maxCookieBytes = 4096 // name, value and attributes; browsers drop longer ones in silence
)

// session is what the session cookie says. Name and groups are as they were when
// the session began.
type session struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Groups  []string `json:"groups,omitempty"`
	Begun   int64    `json:"begun"`   // Unix seconds
	Expires int64    `json:"expires"` // Unix seconds
}

// Session finds out whom the session cookie of a request is of. It reports whether
// there is one; one that is not good any more is [ErrUnauthenticated].
//
// A browser sends the cookie whoever made it ask: see [Login.CheckOrigin].
func (l *Login) Session(r *http.Request) (Identity, bool, error) {
	at, ok := l.reach(r)
	if !ok {
		return Identity{}, false, nil // over such a connection no session begins
	}
	cookies := r.CookiesNamed(at.cookieName(sessionCookie))
	if len(cookies) == 0 {
		return Identity{}, false, nil
	}
	var s session
	if err := l.sessions.open(cookies[0].Value, &s); err != nil {
		if errors.Is(err, errSeal) {
			err = fmt.Errorf("%w: the session cookie was %w; log in again", ErrUnauthenticated, err)
		}
		return Identity{}, true, err
	}
	// Where sessions were made shorter since, older ones are too.
	expires := time.Unix(min(s.Expires, s.Begun+int64(l.config.Session/time.Second)), 0).UTC()
	if now := l.now(); !now.Before(expires) {
		return Identity{}, true, fmt.Errorf("%w: the session expired at %s; log in again", ErrUnauthenticated, expires.Format(time.RFC3339))
	}
	return Identity{Name: s.Name, Groups: s.Groups, Expires: expires, Via: ViaSession, Session: s.ID}, true, nil
}

// newSession makes the cookie of a new session.
func (l *Login) newSession(who Identity, at origin) (*http.Cookie, session, error) {
	id := make([]byte, 8)
	if _, err := io.ReadFull(l.issuer.config.Random, id); err != nil {
		return nil, session{}, fmt.Errorf("name a session: %w", err)
	}
	now := l.now()
	s := session{
		ID: hex.EncodeToString(id), Name: who.Name, Groups: who.Groups,
		Begun: now.Unix(), Expires: now.Add(l.config.Session).Unix(),
	}
	cookie, err := l.sessionCookie(s, at)
	if err == nil && len(cookie.String()) > maxCookieBytes && l.config.KnownGroup != nil {
		s.Groups = slices.DeleteFunc(slices.Clone(s.Groups), func(g string) bool { return !l.config.KnownGroup(g) })
		cookie, err = l.sessionCookie(s, at)
	}
	if err == nil && len(cookie.String()) > maxCookieBytes {
		err = &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf(
			"%s is in %d groups, whose names do not fit into a cookie of %d bytes: have the issuer send fewer", s.Name, len(s.Groups), maxCookieBytes)}
	}
	return cookie, s, err
}

func (l *Login) sessionCookie(s session, at origin) (*http.Cookie, error) {
	sealed, err := l.sessions.seal(s)
	return at.cookie(sessionCookie, sealed, l.config.Session), err
}
