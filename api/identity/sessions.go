package identity

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
)

// SessionsConfig is what [Sessions] need. Zero values mean the documented defaults;
// Secret is required.
type SessionsConfig struct {
	// Secret is the same on all nodes of the cluster and after a restart; at least
	// 16 bytes. A new one ends all sessions.
	Secret   []byte
	Lifetime time.Duration // how long a session lasts, at least a minute; default 8 h
	// KnownGroup reports whether anything was ever granted to a group. The groups of
	// a session that are too many for a cookie are narrowed to those. Default: all are.
	KnownGroup func(name string) bool
	Now        func() time.Time // default [time.Now]
	Random     io.Reader        // cryptographic; default crypto/rand
	Log        zerolog.Logger
}

const (
	defaultSession = 8 * time.Hour
	// maxEnded is how many sessions that were signed out a node remembers; one more,
	// and the one that would expire first is good again until then.
	maxEnded = 1 << 16
)

// Sessions are what keeps browsers signed in: a cookie that says who, sealed with
// the cluster's secret. Nothing of a session is stored but that it was signed out
// here. Its methods may be called at the same time.
type Sessions struct {
	config     SessionsConfig
	protection *http.CrossOriginProtection
	sealer     sealer
	configured origin // of logins, see [NewLogin]; empty: as the browser says

	mu    sync.Mutex           // guards ended
	ended map[string]time.Time // IDs of sessions that were signed out, until they expire
}

// NewSessions checks the configuration.
func NewSessions(c SessionsConfig) (*Sessions, error) {
	c.Lifetime = cmp.Or(c.Lifetime, defaultSession)
	if c.Lifetime < time.Minute {
		return nil, fmt.Errorf("configure sessions: %s is too short, at least a minute is needed", c.Lifetime)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	sealer, err := newSealer(c.Secret, "confman session 2", c.Random)
	if err != nil {
		return nil, fmt.Errorf("configure sessions: %w", err)
	}
	return &Sessions{config: c, protection: http.NewCrossOriginProtection(), sealer: sealer, ended: map[string]time.Time{}}, nil
}

// Begin makes a session that stands for an API key, and sets its cookie. who has the
// key's ID, its principal and when it expires, zero for never; the result is the
// session. The caller has called [Sessions.CheckOrigin].
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, who Identity) (Identity, error) {
	if who.KeyID == "" {
		return Identity{}, errors.New("begin a session: no API key")
	}
	cookie, begun, err := s.begin(who, setsSecure(r))
	if err != nil {
		return Identity{}, err
	}
	cookie.SameSite = http.SameSiteStrictMode // nobody comes back from an issuer
	s.config.Log.Info().Str("principal", begun.Name).Str("keyId", begun.KeyID).Str("session", begun.ID).Msg("signed in with an API key")
	http.SetCookie(w, cookie)
	return s.identity(begun), nil
}

// End deletes the cookie of a session and has this node refuse the session until it
// would have expired. It returns the session's ID, empty if there was none that was
// good. Its error is that of [Sessions.CheckOrigin].
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) (id string, err error) {
	if err := s.CheckOrigin(r); err != nil {
		return "", err
	}
	for _, name := range cookieNames(r) {
		if len(r.CookiesNamed(name)) > 0 {
			http.SetCookie(w, newCookie(sessionCookie, "", -time.Second, name != sessionCookie))
		}
	}
	if who, ok, err := s.Session(r); ok && err == nil {
		s.end(who.Session, who.Expires)
		s.config.Log.Info().Str("principal", who.Name).Str("session", who.Session).Msg("signed out")
		return who.Session, nil
	}
	return "", nil // it is over anyway
}

// end remembers that a session was signed out.
func (s *Sessions) end(id string, until time.Time) {
	now := s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxEnded {
		first, soonest := "", time.Time{}
		for id, until := range s.ended {
			if !now.Before(until) {
				delete(s.ended, id)
			} else if first == "" || until.Before(soonest) {
				first, soonest = id, until
			}
		}
		if len(s.ended) >= maxEnded {
			delete(s.ended, first)
		}
	}
	s.ended[id] = until
}

// stands reports whether a session was not signed out here.
func (s *Sessions) stands(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[id]
	return !ended
}

// CheckOrigin refuses, with [events.ErrForbidden], a request that another site
// made a browser send: one with an unsafe method, or the opening of a WebSocket,
// which acts although it is a GET. It is for requests whose credential is the
// session cookie, and for those that change it; others can only be sent on purpose.
// See [http.CrossOriginProtection].
func (s *Sessions) CheckOrigin(r *http.Request) error {
	if r.Header.Get("Upgrade") != "" {
		r = r.WithContext(r.Context()) // a copy
		r.Method = http.MethodPost
	}
	if err := s.protection.Check(r); err != nil {
		return fmt.Errorf("%w: %w", events.ErrForbidden, err)
	}
	return nil
}
