package identity_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api/identity"
	"confman/api/identity/issuertest"
)

// node is one that people log in at.
type node struct {
	door
	url string
}

func startNode(t *testing.T, at *issuertest.Issuer, c *clock, with func(*identity.OIDCConfig)) node {
	t.Helper()
	in := loginOf(t, issuerOf(t, at, c, with), c, nil)
	return node{in, serve(t, in)}
}

func TestABrowserLogsInAndComesBackToWhereItWas(t *testing.T) {
	for name, config := range map[string]issuertest.Config{
		"a public client":      {},
		"a client with secret": {ClientSecret: "s3cret & more"},
		"RS256":                {Alg: issuertest.RS256},
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			config.Now = now.Now
			at := issuertest.Start(t, config)
			at.SignIn(claims{"sub": "1", "email": "ann@example.com", "groups": []string{"ops", "dev"}})
			n := startNode(t, at, now, func(c *identity.OIDCConfig) { c.ClientSecret = config.ClientSecret })
			b := newBrowser(t)
			if p := b.get(n.url + "/ns/pay"); p.StatusCode != 401 {
				t.Fatalf("before: %d", p.StatusCode)
			}
			p := b.get(n.url + "/auth/login?return=" + url.QueryEscape("/ns/pay?tab=1"))
			if p.StatusCode != 200 || p.text != "ann@example.com in dev,ops at /ns/pay?tab=1" {
				t.Fatalf("%d %s", p.StatusCode, p.text)
			}
			now.advance(8*time.Hour - time.Second)
			if p := b.get(n.url + "/"); p.StatusCode != 200 {
				t.Errorf("shortly before it expires: %d %s", p.StatusCode, p.text)
			}
			now.advance(time.Second)
			if p := b.get(n.url + "/"); p.StatusCode != 401 || !strings.Contains(p.text, "expired at 2026-11-23T20:00:00Z") {
				t.Errorf("when it has expired: %d %s", p.StatusCode, p.text)
			}
		})
	}
}

func TestLogoutEndsTheSessionButOnlyFromOurPages(t *testing.T) {
	now := newClock()
	n := startNode(t, issuertest.Start(t, issuertest.Config{Now: now.Now}), now, nil)
	b := newBrowser(t)
	b.get(n.url + "/auth/login")
	if p := b.do("POST", n.url+"/auth/logout", "Sec-Fetch-Site", "cross-site"); p.StatusCode != 403 {
		t.Errorf("another site: %d", p.StatusCode)
	}
	if p := b.get(n.url + "/"); p.StatusCode != 200 {
		t.Fatalf("%d %s", p.StatusCode, p.text)
	}
	if p := b.do("POST", n.url+"/auth/logout", "Sec-Fetch-Site", "same-origin"); p.StatusCode != 200 {
		t.Errorf("%d %s", p.StatusCode, p.text)
	}
	if p := b.get(n.url + "/"); p.StatusCode != 401 {
		t.Errorf("after: %d %s", p.StatusCode, p.text)
	}
}

func TestALoginBegunAtOneNodeIsFinishedByAnother(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	first, second := startNode(t, at, now, nil), startNode(t, at, now, nil)
	stranger := loginOf(t, issuerOf(t, at, now, nil), now, nil)
	stranger.sessions = sessionsOf(t, now, func(c *identity.SessionsConfig) { c.Secret = []byte("the secret of another cluster") })
	var err error
	stranger.Login, err = identity.NewLogin(identity.LoginConfig{Issuer: issuerOf(t, at, now, nil), Sessions: stranger.sessions, Secret: []byte("the secret of another cluster")})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	b.stopAt("/auth/callback")
	back := b.get(first.url + "/auth/login").Header.Get("Location")
	b.stopAt("/")
	elsewhere := func(origin string) string { return strings.Replace(back, first.url, origin, 1) }
	if p := b.get(elsewhere(serve(t, stranger))); p.StatusCode != 400 {
		t.Errorf("another cluster: %d %s", p.StatusCode, p.text)
	}
	if p := b.get(elsewhere(second.url)); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, p.text)
	}
	b.CheckRedirect = nil
	for _, url := range []string{first.url, second.url} {
		if p := b.get(url + "/"); p.StatusCode != 200 {
			t.Errorf("%d %s", p.StatusCode, p.text)
		}
	}
	if p := b.get(serve(t, stranger) + "/"); p.StatusCode != 401 || !strings.Contains(p.text, "another cluster") {
		t.Errorf("another cluster: %d %s", p.StatusCode, p.text)
	}
}

func TestALoginThatDoesNotFitTogetherIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		issuer  func(*issuertest.Issuer)
		node    func(*identity.OIDCConfig)
		away    func(url.Values) // changes the browser's way to the issuer
		between time.Duration
		status  int
		says    string
	}{
		{name: "nothing wrong", status: 303},
		{name: "another state", issuer: answering("state", "x"), status: 400, says: "not begun in this browser"},
		{name: "no state", issuer: answering("state", ""), status: 400, says: "not begun in this browser"},
		{name: "another code", issuer: answering("code", "x"), status: 401, says: "invalid_grant"},
		{name: "no code", issuer: answering("code", ""), status: 401, says: "invalid_grant"},
		{name: "an answer of another issuer", issuer: answering("iss", "https://evil.example"), status: 401, says: "another issuer"},
		{name: "not let in", issuer: answering("error", "access_denied"), status: 401, says: "access_denied"},
		{name: "a code for another verifier", away: asking("code_challenge", "x"), status: 401, says: "invalid_grant"},
		{name: "a token for another nonce", away: asking("nonce", "x"), status: 401, says: "another login"},
		{name: "a token without nonce", issuer: giving("nonce", nil), status: 401, says: "another login"},
		{name: "a token for another client", issuer: giving("aud", "billing"), status: 401, says: "not meant for"},
		{
			name: "a token for the command line", issuer: giving("aud", "confman-cli"), status: 401, says: "not meant for",
			node: func(c *identity.OIDCConfig) { c.DeviceClientID = "confman-cli" },
		},
		{name: "a token that another client asked for", issuer: giving("azp", "billing"), status: 401, says: "not meant for"},
		{name: "a token of another issuer", issuer: giving("iss", "https://evil.example"), status: 401, says: "not by"},
		{name: "a token that expired", issuer: giving("exp", 1), status: 401, says: "expired"},
		{name: "a token of nobody", issuer: giving("email", nil), status: 401, says: "no claim email"},
		{name: "a wrong secret", node: func(c *identity.OIDCConfig) { c.ClientSecret = "wrong" }, status: 401, says: "invalid_client"},
		{name: "too late", between: 10 * time.Minute, status: 400, says: "longer than 10m"},
		{name: "the issuer went down", issuer: nil, between: -1, status: 503, says: "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			now := newClock()
			at := issuertest.Start(t, issuertest.Config{Now: now.Now})
			if tt.issuer != nil {
				tt.issuer(at)
			}
			n := startNode(t, at, now, tt.node)
			b := newBrowser(t)
			b.stopAt("")
			to, err := url.Parse(b.get(n.url + "/auth/login").Header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if tt.away != nil {
				q := to.Query()
				tt.away(q)
				to.RawQuery = q.Encode()
			}
			back := b.get(to.String()).Header.Get("Location")
			if tt.between < 0 {
				at.Stop()
			} else {
				now.advance(tt.between)
			}
			if p := b.get(back); p.StatusCode != tt.status || !strings.Contains(p.text, tt.says) {
				t.Fatalf("%d %s, want %d … %s …", p.StatusCode, p.text, tt.status, tt.says)
			}
			if p := b.get(n.url + "/"); (p.StatusCode == 200) != (tt.status == 303) {
				t.Errorf("afterwards: %d", p.StatusCode)
			}
		})
	}
}

func answering(name, value string) func(*issuertest.Issuer) {
	return func(i *issuertest.Issuer) { i.Answer(func(q url.Values) { q.Set(name, value) }) }
}

func giving(name string, value any) func(*issuertest.Issuer) {
	return func(i *issuertest.Issuer) {
		i.Alter(func(c map[string]any) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		})
	}
}

func asking(name, value string) func(url.Values) {
	return func(q url.Values) { q.Set(name, value) }
}

func TestALoginIsFinishedOnce(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	n := startNode(t, at, now, nil)
	b := newBrowser(t)
	b.stopAt("/auth/callback")
	away := b.get(n.url + "/auth/login")
	back := away.Header.Get("Location")
	here, _ := url.Parse(n.url)
	kept := b.Jar.Cookies(here)
	b.stopAt("")
	if p := b.get(back); p.StatusCode != 303 {
		t.Fatalf("%d %s", p.StatusCode, p.text)
	}
	if p := b.get(back); p.StatusCode != 400 {
		t.Errorf("again: %d %s", p.StatusCode, p.text)
	}
	thief := newBrowser(t)
	thief.stopAt("")
	if p := thief.get(back); p.StatusCode != 400 {
		t.Errorf("in another browser: %d %s", p.StatusCode, p.text)
	}
	thief.Jar.SetCookies(here, kept)
	if p := thief.get(back); p.StatusCode != 401 || !strings.Contains(p.text, "invalid_grant") {
		t.Errorf("with the cookie as well, the issuer's code is used up: %d %s", p.StatusCode, p.text)
	}
}

func TestCookiesAreOutOfReach(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	tests := []struct {
		name   string
		serve  func(http.Handler) *httptest.Server
		with   func(*identity.OIDCConfig)
		prefix string
	}{
		{name: "plain http on this machine", serve: httptest.NewServer},
		{name: "https", serve: httptest.NewTLSServer, prefix: "__Host-"},
		{name: "https ends at a proxy", serve: httptest.NewServer, prefix: "__Host-", with: func(c *identity.OIDCConfig) { c.RedirectURL = "https://conf.example/auth/callback" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := tt.serve(handler(loginOf(t, issuerOf(t, at, now, tt.with), now, nil)))
			t.Cleanup(server.Close)
			b := newBrowser(t)
			b.stopAt("")
			b.Jar = nil
			begun := b.get(server.URL + "/auth/login")
			to, _ := url.Parse(begun.Header.Get("Location"))
			redirect := to.Query().Get("redirect_uri")
			if want := server.URL + "/auth/callback"; tt.with == nil && redirect != want {
				t.Errorf("comes back to %s, want %s", redirect, want)
			} else if tt.with != nil && redirect != "https://conf.example/auth/callback" {
				t.Errorf("comes back to %s", redirect)
			}
			back, _ := url.Parse(b.get(to.String()).Header.Get("Location"))
			login := begun.Cookies()[0]
			done := b.do("GET", server.URL+"/auth/callback?"+back.RawQuery, "Cookie", login.Name+"="+login.Value)
			if done.StatusCode != 303 || len(done.Cookies()) != 2 || done.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %s %v", done.StatusCode, done.text, done.Header)
			}
			over, session := done.Cookies()[0], done.Cookies()[1]
			if login.Name != tt.prefix+"confman-login" || over.Name != login.Name || over.MaxAge >= 0 || session.Name != tt.prefix+"confman" || session.MaxAge != 8*3600 {
				t.Errorf("%v %v %v", login, over, session)
			}
			for _, c := range []*http.Cookie{login, over, session} {
				if c.Secure != (tt.prefix != "") || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
					t.Errorf("%v", c)
				}
			}
			if p := b.do("GET", server.URL+"/", "Cookie", session.Name+"="+session.Value); p.StatusCode != 200 {
				t.Errorf("%d %s", p.StatusCode, p.text)
			}
			if tt.prefix != "" {
				if p := b.do("GET", server.URL+"/", "Cookie", "confman="+session.Value); p.StatusCode != 401 {
					t.Errorf("under a name that plain http may set: %d %s", p.StatusCode, p.text)
				}
			}
			if p := b.do("GET", server.URL+"/", "Cookie", session.Name+"="+login.Value); p.StatusCode != 401 {
				t.Errorf("a login is no session: %d %s", p.StatusCode, p.text)
			}
		})
	}
}

func TestNobodyLogsInOverPlainHTTPFromElsewhere(t *testing.T) {
	now := newClock()
	n := startNode(t, issuertest.Start(t, issuertest.Config{Now: now.Now}), now, nil)
	for _, path := range []string{"/auth/login", "/auth/callback"} {
		r := httptest.NewRequest("GET", "http://conf.example"+path, nil)
		w := httptest.NewRecorder()
		handler(n.door).ServeHTTP(w, r)
		if w.Code != 403 || !strings.Contains(w.Body.String(), "needs https") || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestTheCommandLineIsToldHowToLogIn(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now, ClientSecret: "hidden", Stopped: true})
	n := startNode(t, at, now, func(c *identity.OIDCConfig) { c.ClientSecret, c.DeviceClientID = "hidden", "confman-cli" })
	b := newBrowser(t)
	if p := b.get(n.url + "/auth/config"); p.StatusCode != 503 {
		t.Errorf("while the issuer is down: %d %s", p.StatusCode, p.text)
	}
	at.Resume()
	now.advance(time.Minute)
	p := b.get(n.url + "/auth/config")
	var got identity.Description
	if err := json.Unmarshal([]byte(p.text), &got); err != nil || strings.Contains(p.text, "hidden") {
		t.Fatalf("%v %s", err, p.text)
	}
	want := identity.Description{
		Issuer: at.URL, ClientID: "confman-cli", DeviceAuthorizationEndpoint: at.URL + "/device", TokenEndpoint: at.URL + "/token",
		Scopes: []string{"openid", "profile", "email"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
