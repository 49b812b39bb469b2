package identity_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/events"
)

// sessionCookie is the session that a browser has at a node.
func (b *browser) sessionCookie(node string) string {
	b.t.Helper()
	at, err := url.Parse(node)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(at) {
		if c.Name == "confman" {
			return c.Value
		}
	}
	b.t.Fatal("no session")
	return ""
}

func withCookie(value string) *http.Request {
	r := httptest.NewRequest("GET", "http://127.0.0.1:6100/", nil)
	r.AddCookie(&http.Cookie{Name: "confman", Value: value})
	return r
}

func TestASessionCookieIsGoodOnlyUntouched(t *testing.T) {
	now := newClock()
	n := startNode(t, issuertest.Start(t, issuertest.Config{Now: now.Now}), now, nil)
	b := newBrowser(t)
	b.get(n.url + "/auth/login")
	good := b.sessionCookie(n.url)
	who, ok, err := n.sessions.Session(withCookie(good))
	if err != nil || !ok || who.Name != "ann@example.com" || who.Via != identity.ViaSession || len(who.Session) != 16 {
		t.Fatalf("%+v %t %v", who, ok, err)
	}
	refused := func(what, value string) {
		t.Helper()
		who, ok, err := n.sessions.Session(withCookie(value))
		if !ok || !errors.Is(err, identity.ErrUnauthenticated) || who.Name != "" || strings.Contains(err.Error(), value) && value != "" {
			t.Errorf("%s: %+v %t %v", what, who, ok, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		for bit := range 8 {
			raw[n] ^= 1 << bit
			refused(fmt.Sprintf("bit %d of byte %d", bit, n), base64.RawURLEncoding.EncodeToString(raw))
			raw[n] ^= 1 << bit
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for n := range good { // the last one has bits that mean nothing
		for _, c := range alphabet {
			if byte(c) != good[n] {
				refused(fmt.Sprintf("character %d", n), good[:n]+string(c)+good[n+1:])
			}
		}
		refused("cut off", good[:n])
	}
	refused("longer", good+"A")
	if _, ok, err := n.sessions.Session(httptest.NewRequest("GET", "http://127.0.0.1/", nil)); ok || err != nil {
		t.Errorf("without a cookie: %t %v", ok, err)
	}
}

func TestSessionsThatAreMadeShorterEndSooner(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	n := startNode(t, at, now, nil)
	b := newBrowser(t)
	b.get(n.url + "/auth/login")
	old := b.sessionCookie(n.url)
	stricter := loginOf(t, issuerOf(t, at, now, nil), now, func(c *identity.SessionsConfig) { c.Lifetime = time.Hour })
	if who, _, err := stricter.sessions.Session(withCookie(old)); err != nil || !who.Expires.Equal(now.Now().Add(time.Hour)) {
		t.Errorf("%+v %v", who, err)
	}
	now.advance(time.Hour)
	if _, _, err := stricter.sessions.Session(withCookie(old)); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Error(err)
	}
	if _, _, err := n.sessions.Session(withCookie(old)); err != nil {
		t.Error(err)
	}
}

func TestGroupsThatDoNotFitIntoACookieAreNarrowedToThoseKnown(t *testing.T) {
	now := newClock()
	at := issuertest.Start(t, issuertest.Config{Now: now.Now})
	var many []string
	for n := range 200 {
		many = append(many, fmt.Sprintf("a-group-with-a-long-name-%03d", n))
	}
	at.SignIn(claims{"sub": "1", "email": "ann@example.com", "groups": many})
	issuer := issuerOf(t, at, now, nil)
	login := func(known func(string) bool) page {
		return newBrowser(t).get(serve(t, loginOf(t, issuer, now, func(c *identity.SessionsConfig) { c.KnownGroup = known })) + "/auth/login")
	}
	if p := login(func(g string) bool { return g == many[7] || g == many[8] }); p.text != "ann@example.com in "+many[7]+","+many[8]+" at /" {
		t.Errorf("%d %s", p.StatusCode, p.text)
	}
	for name, known := range map[string]func(string) bool{"nobody knows which": nil, "all are known": func(string) bool { return true }} {
		if p := login(known); p.StatusCode != 413 || !strings.Contains(p.text, "is in 200 groups") {
			t.Errorf("%s: %d %s", name, p.StatusCode, p.text)
		}
	}
	at.SignIn(claims{"sub": "1", "email": "ann@example.com", "groups": many[:3]})
	if p := login(func(string) bool { return false }); p.text != "ann@example.com in "+strings.Join(many[:3], ",")+" at /" {
		t.Errorf("few are kept, so that what is granted to them later counts: %d %s", p.StatusCode, p.text)
	}
}

func TestOtherSitesCannotActWithASession(t *testing.T) {
	now := newClock()
	n := startNode(t, issuertest.Start(t, issuertest.Config{Now: now.Now}), now, func(c *identity.OIDCConfig) {
		c.RedirectURL = "https://conf.example/auth/callback"
	})
	tests := []struct {
		name    string
		method  string
		headers []string
		refused bool
	}{
		{name: "reading from anywhere", method: "GET", headers: []string{"Sec-Fetch-Site", "cross-site"}},
		{name: "our page", method: "PUT", headers: []string{"Sec-Fetch-Site", "same-origin"}},
		{name: "no browser", method: "PUT"},
		{name: "an old browser on our page", method: "PUT", headers: []string{"Origin", "http://n1.internal:6100"}},
		{name: "an old browser, behind a proxy", method: "PUT", headers: []string{"Origin", "https://conf.example"}},
		{name: "another site", method: "PUT", headers: []string{"Sec-Fetch-Site", "cross-site"}, refused: true},
		{name: "a sibling host", method: "POST", headers: []string{"Sec-Fetch-Site", "same-site"}, refused: true},
		{name: "an old browser on another site", method: "DELETE", headers: []string{"Origin", "https://evil.example"}, refused: true},
		{name: "an opaque origin", method: "POST", headers: []string{"Origin", "null"}, refused: true},
		{name: "a WebSocket of our page", method: "GET", headers: []string{"Upgrade", "websocket", "Sec-Fetch-Site", "same-origin"}},
		{name: "a WebSocket of another site", method: "GET", headers: []string{"Upgrade", "websocket", "Origin", "https://evil.example"}, refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "http://n1.internal:6100/api/v1/namespaces/pay/config/k", nil)
			for n := 0; n < len(tt.headers); n += 2 {
				r.Header.Set(tt.headers[n], tt.headers[n+1])
			}
			err := n.sessions.CheckOrigin(r)
			if (err != nil) != tt.refused || tt.refused && !errors.Is(err, events.ErrForbidden) || r.Method != tt.method {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestALoginReturnsOnlyToAPathOfOurs(t *testing.T) {
	now := newClock()
	n := startNode(t, issuertest.Start(t, issuertest.Config{Now: now.Now}), now, nil)
	tests := []struct{ given, to string }{ // to empty: refused
		{"", "/"},
		{"/", "/"},
		{"/ns/pay/", "/ns/pay/"},
		{"/ns/teams%2Fpay?tab=1&x=//y", "/ns/teams%2Fpay?tab=1&x=//y"},
		{"/?x=1#/ns//pay", "/?x=1#/ns//pay"},
		{"/ns/ä b", "/ns/%C3%A4%20b"},
		{"https://evil.example/", ""},
		{"//evil.example", ""},
		{"//evil.example/ns", ""},
		{"///evil.example", ""},
		{"////evil.example", ""},
		{`/\evil.example`, ""},
		{`\\evil.example`, ""},
		{`\evil.example`, ""},
		{`/ns\..\..\evil`, ""},
		{"/%2fevil.example", ""},
		{"/%2f/evil.example", ""},
		{"/%5cevil.example", ""},
		{"/\t/evil.example", ""},
		{"/\n/evil.example", ""},
		{"/%09/evil.example", ""},
		{"\t//evil.example", ""},
		{" //evil.example", ""},
		{"/..//evil.example", ""},
		{"/.//evil.example", ""},
		{"/ns/../..//evil.example", ""},
		{"/ns/%2e%2e/x", ""},
		{"evil.example", ""},
		{"ns/pay", ""},
		{"javascript:alert(1)", ""},
		{"http:/evil.example", ""},
		{"http:evil.example", ""},
		{"//user@evil.example", ""},
		{"/%zz", ""},
		{"/auth/login", ""},
		{"/ui/browse/teams/pay?view=history#v3", "/ui/browse/teams/pay?view=history#v3"},
		{"/ui/browse/teams%2Fpay", "/ui/browse/teams%2Fpay"},
		{"/ui/ns/%2F/roles", "/ui/ns/%2F/roles"},
		{"/ui/%2F%2Fevil.example", "/ui/%2F%2Fevil.example"},
		{"/ui/%2F../../auth/login", ""},
		{"/%2Fui/ns/%2F/roles", ""},
		{"/ui/../auth/login", ""},
		{"/auth/login?return=/auth/login", ""},
		{"/%61uth/login", ""},
		{"/auth", ""},
		{"/" + strings.Repeat("x", 1024), ""},
	}
	for _, tt := range tests {
		b := newBrowser(t)
		b.stopAt("/auth/callback")
		begun := b.get(n.url + "/auth/login?return=" + url.QueryEscape(tt.given))
		if tt.to == "" {
			if begun.StatusCode != 400 || len(begun.Cookies()) != 0 {
				t.Errorf("%q: %d %s", tt.given, begun.StatusCode, begun.text)
			}
			continue
		}
		b.stopAt("")
		if done := b.get(begun.Header.Get("Location")); done.StatusCode != 303 || done.Header.Get("Location") != tt.to {
			t.Errorf("%q: %d %s %s", tt.given, done.StatusCode, done.Header.Get("Location"), done.text)
		}
	}
}
