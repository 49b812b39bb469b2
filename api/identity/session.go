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

// session is what the session cookie says. Name and groups are as they were when
// the session began. That of an API key has the key's ID, never the key, and lends
// what the key may do at each moment.
type session struct {
	ID      string   `json:"id"`
	KeyID   string   `json:"key,omitempty"`
	Name    string   `json:"name"`
	Groups  []string `json:"groups,omitempty"`
	Begun   int64    `json:"begun"`   // Unix seconds
	Expires int64    `json:"expires"` // Unix seconds
}

// Session finds out whom the session cookie of a request is of. It reports whether
// there is one; one that is not good any more is [ErrUnauthenticated]. Whether the
// API key of an [Identity] with a KeyID is still good is for the caller to find out.
//
// A browser sends the cookie whoever made it ask: see [Sessions.CheckOrigin].
func (s *Sessions) Session(r *http.Request) (Identity, bool, error) {
	for _, name := range cookieNames(r) {
		cookies := r.CookiesNamed(name)
		if len(cookies) == 0 {
			continue
		}
		found, err := s.open(cookies[0].Value)
		if err == nil && found.KeyID == "" && s.configured.secure && name == sessionCookie {
			return Identity{}, false, nil // browsers log in by https only
		}
		if err != nil {
			return Identity{}, true, err
		}
		return s.identity(found), true, nil
	}
	return Identity{}, false, nil
}

// open reads a cookie.
func (s *Sessions) open(sealed string) (found session, err error) {
	if err := s.sealer.open(sealed, &found); err != nil {
		if errors.Is(err, errSeal) {
			err = fmt.Errorf("%w: the session cookie was %w; log in again", ErrUnauthenticated, err)
		}
		return session{}, err
	}
	// Where sessions were made shorter since, older ones are too.
	found.Expires = min(found.Expires, found.Begun+int64(s.config.Lifetime/time.Second))
	switch expires := time.Unix(found.Expires, 0); {
	case !s.config.Now().Before(expires):
		return session{}, fmt.Errorf("%w: the session expired at %s; log in again", ErrUnauthenticated, expires.UTC().Format(time.RFC3339))
	case !s.stands(found.ID):
		return session{}, fmt.Errorf("%w: the session was signed out; log in again", ErrUnauthenticated)
	}
	return found, nil
}

func (s *Sessions) identity(of session) Identity {
	return Identity{
		Name: of.Name, Groups: of.Groups, KeyID: of.KeyID, Expires: time.Unix(of.Expires, 0).UTC(), Via: ViaSession,
		Session: of.ID, Stands: func() bool { return s.stands(of.ID) },
	}
}

// begin makes the cookie of a new session. One of an API key ends with the key.
func (s *Sessions) begin(who Identity, secure bool) (*http.Cookie, session, error) {
	id := make([]byte, 8)
	if _, err := io.ReadFull(s.config.Random, id); err != nil {
		return nil, session{}, fmt.Errorf("name a session: %w", err)
	}
	now := s.config.Now()
	begun := session{
		ID: hex.EncodeToString(id), KeyID: who.KeyID, Name: who.Name, Groups: who.Groups,
		Begun: now.Unix(), Expires: now.Add(s.config.Lifetime).Unix(),
	}
	if who.KeyID != "" && !who.Expires.IsZero() {
		begun.Expires = min(begun.Expires, who.Expires.Unix())
	}
	cookie, err := s.cookie(begun, secure)
	if known := s.config.KnownGroup; err == nil && len(cookie.String()) > maxCookieBytes && known != nil {
		begun.Groups = slices.DeleteFunc(slices.Clone(begun.Groups), func(g string) bool { return !known(g) })
		cookie, err = s.cookie(begun, secure)
	}
	if err == nil && len(cookie.String()) > maxCookieBytes {
		err = &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf(
			"%s is in %d groups, whose names do not fit into a cookie of %d bytes: have the issuer send fewer", begun.Name, len(begun.Groups), maxCookieBytes)}
	}
	return cookie, begun, err
}

func (s *Sessions) cookie(of session, secure bool) (*http.Cookie, error) {
	sealed, err := s.sealer.seal(of)
	return newCookie(sessionCookie, sealed, time.Duration(of.Expires-of.Begun)*time.Second, secure), err
}
