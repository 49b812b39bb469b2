package identity_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is one for issuer and nodes alike.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// eventually asks until it is so. go-oidc needs it: whoever comes while a fetch of
// keys is being put away is given its result once more.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("not so: " + what)
		}
	}
}

// transport is a client's own, whose connections end with the test.
func transport(t *testing.T) *http.Transport {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a test's own server
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// issuerOf makes the issuer that a node knows.
func issuerOf(t *testing.T, at *issuertest.Issuer, c *clock, with func(*identity.OIDCConfig)) *identity.Issuer {
	t.Helper()
	config := identity.OIDCConfig{Issuer: at.URL, ClientID: "confman", HTTPClient: &http.Client{Transport: transport(t)}, Now: c.Now}
	if with != nil {
		with(&config)
	}
	issuer, err := identity.NewIssuer(config)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

const secret = "the secret of all members"

// door is where browsers get in.
type door struct {
	*identity.Login
	sessions *identity.Sessions
}

func sessionsOf(t *testing.T, c *clock, with func(*identity.SessionsConfig)) *identity.Sessions {
	t.Helper()
	config := identity.SessionsConfig{Secret: []byte(secret), Now: c.Now}
	if with != nil {
		with(&config)
	}
	sessions, err := identity.NewSessions(config)
	if err != nil {
		t.Fatal(err)
	}
	return sessions
}

func loginOf(t *testing.T, issuer *identity.Issuer, c *clock, with func(*identity.SessionsConfig)) door {
	t.Helper()
	sessions := sessionsOf(t, c, with)
	login, err := identity.NewLogin(identity.LoginConfig{Issuer: issuer, Sessions: sessions, Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	return door{login, sessions}
}

// handler mounts the login as a server does; any other path says who asks.
func handler(in door) http.Handler {
	mux := http.NewServeMux()
	mount := func(pattern string, f func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				http.Error(w, err.Error(), statusOf(err))
			}
		})
	}
	mount("GET /auth/login", in.Begin)
	mount("GET /auth/callback", in.Finish)
	mount("POST /auth/logout", func(w http.ResponseWriter, r *http.Request) error {
		_, err := in.sessions.End(w, r)
		return err
	})
	mount("GET /auth/config", in.Describe)
	mount("/", func(w http.ResponseWriter, r *http.Request) error {
		who, ok, err := in.sessions.Session(r)
		if err == nil && !ok {
			err = identity.ErrUnauthenticated
		}
		if err == nil {
			_, err = io.WriteString(w, who.Name+" in "+strings.Join(who.Groups, ",")+" at "+r.URL.String())
		}
		return err
	})
	return mux
}

func statusOf(err error) int {
	for is, status := range map[error]int{
		identity.ErrUnauthenticated: 401, events.ErrUnavailable: 503, events.ErrInvalid: 400, events.ErrForbidden: 403, events.ErrTooLarge: 413,
	} {
		if errors.Is(err, is) {
			return status
		}
	}
	return 500
}

func serve(t *testing.T, in door) string {
	t.Helper()
	server := httptest.NewServer(handler(in))
	t.Cleanup(server.Close)
	return server.URL
}

// browser follows redirects and keeps cookies.
type browser struct {
	t *testing.T
	*http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, Transport: transport(t)}}
}

// page is what a browser ends up with.
type page struct {
	*http.Response
	text string
}

func (b *browser) get(url string) page { return b.do(http.MethodGet, url) }

func (b *browser) do(method, url string, headers ...string) page {
	b.t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	answer, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{answer, string(text)}
}

// stopAt makes the browser show redirects to a path instead of following them;
// empty: any.
func (b *browser) stopAt(path string) {
	b.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if path == "" || r.URL.Path == path {
			return http.ErrUseLastResponse
		}
		return nil
	}
}
