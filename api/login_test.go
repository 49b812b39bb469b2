package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/identity"
	"confman/api/identity/issuertest"
	"confman/api/wire"
)

// newGate is a bench at which people of an issuer log in. The group dev edits pay.
func newGate(t *testing.T, change ...func(*Config)) (*bench, *issuertest.Issuer) {
	t.Helper()
	at := issuertest.Start(t, issuertest.Config{Now: time.Now})
	issuer, err := identity.NewIssuer(identity.OIDCConfig{Issuer: at.URL, ClientID: "confman", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("the secret of all members")
	sessions, err := identity.NewSessions(identity.SessionsConfig{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	login, err := identity.NewLogin(identity.LoginConfig{Issuer: issuer, Sessions: sessions, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	b := newWatchBench(t, append([]func(*Config){func(c *Config) {
		c.Identity = Identity{Issuer: issuer, Sessions: sessions, Login: login, Certificates: true}
	}}, change...)...)
	b.put("pay", "a", "1")
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"editor","group":"dev"},{"role":"viewer","principal":"robot"}]}`).is(200)
	at.SignIn(map[string]any{"sub": "1", "email": "ann@example.com", "groups": []string{"dev"}})
	return b, at
}

func TestATokenOfTheIssuerIsTaken(t *testing.T) {
	b, at := newGate(t)
	bearer := "Authorization: Bearer " + at.Token(nil)
	me := decodeAs[wire.Principal](b.do("GET", "/api/v1/whoami", nil, noKey, bearer).is(200))
	if me.Principal != "ann@example.com" || !slices.Equal(me.Groups, []string{"dev"}) || me.KeyID != "" || me.ExpiresAt == nil ||
		!slices.Equal(me.Grants, []wire.Grant{{Namespace: "pay", Role: "editor"}}) {
		t.Errorf("%+v", me)
	}
	e := decodeAs[wire.ConfigEntry](b.do("PUT", entryPath("pay", "a"), `{"value":2}`, noKey, bearer).is(200))
	if e.UpdatedBy != "ann@example.com" {
		t.Errorf("%+v", e)
	}
	b.do("PUT", policyPath("pay", "settings"), `{}`, noKey, bearer).problem(403, wire.ProblemForbidden, "ann@example.com needs the role admin")
	b.do("POST", "/api/v1/watch/tickets", nil, noKey, bearer).problem(403, wire.ProblemForbidden)
	for name, token := range map[string]string{
		"expired":  at.Token(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
		"signed":   issuertest.Unsigned(at.Claims(nil)),
		"meant":    at.Token(map[string]any{"aud": "billing"}),
		"no claim": at.Token(map[string]any{"email": nil}),
	} {
		r := b.do("GET", "/api/v1/whoami", nil, noKey, "Authorization: Bearer "+token)
		if p := r.problem(401, wire.ProblemUnauthenticated); !strings.Contains(p.Detail, name) || strings.Contains(r.body, token) {
			t.Errorf("%s: %s", name, p.Detail)
		}
	}
	at.Stop()
	at.Rotate(issuertest.ES256)
	if r := b.do("GET", "/api/v1/whoami", nil, noKey, "Authorization: Bearer "+at.Token(nil)); r.status != 503 && r.status != 401 {
		t.Errorf("the issuer is down: %d %s", r.status, r.body)
	}
	b.do("GET", "/api/v1/whoami", nil).is(200) // API keys are as good as ever
}

func TestATokenThatExpiresEndsItsWatches(t *testing.T) {
	b, at := newGate(t)
	soon := time.Now().Add(2 * time.Second).Truncate(time.Second)
	s := b.watch("?namespace=pay", noKey, "Authorization: Bearer "+at.Token(map[string]any{"exp": soon.Unix()}))
	s.next(wire.FrameResumed)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonExpired || time.Since(soon) > time.Second {
		t.Errorf("%s after %s: %s", f.Reason, time.Since(soon), f.raw)
	}
}

// logIn has a browser log in, and returns its session cookie as a header.
func (b *bench) logIn() string {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	answer, err := browser.Get(b.url + "/auth/login?return=/health")
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	home, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range jar.Cookies(home) {
		if c.Name == "confman" && answer.Request.URL.Path == "/health" {
			return "Cookie: " + c.Name + "=" + c.Value
		}
	}
	text, _ := io.ReadAll(answer.Body)
	b.t.Fatalf("no session at %s: %d %s", answer.Request.URL, answer.StatusCode, text)
	return ""
}

func TestABrowserLogsInAndIsNobodysPuppet(t *testing.T) {
	b, _ := newGate(t)
	session := b.logIn()
	me := decodeAs[wire.Principal](b.do("GET", "/api/v1/whoami", nil, noKey, session).is(200))
	if me.Principal != "ann@example.com" || len(me.Grants) != 1 {
		t.Errorf("%+v", me)
	}
	put := func(status int, headers ...string) {
		t.Helper()
		before := b.node.State().Index()
		r := b.do("PUT", entryPath("pay", "a"), `{"value":"`+time.Now().String()+`"}`, append([]string{noKey, session}, headers...)...).is(status)
		if status == 403 && (b.node.State().Index() != before || !strings.Contains(r.body, "cross-origin")) {
			t.Errorf("%v: %s", headers, r.body)
		}
	}
	put(200) // not a browser
	put(200, "Sec-Fetch-Site: same-origin")
	put(200, "Origin: "+b.url)
	put(403, "Sec-Fetch-Site: cross-site")
	put(403, "Sec-Fetch-Site: same-site")
	put(403, "Origin: https://evil.example")
	put(403, "Origin: null")
	b.do("GET", entryPath("pay", "a"), nil, noKey, session, "Sec-Fetch-Site: cross-site").is(200)
	// Whoever has a key sends it on purpose.
	b.do("PUT", entryPath("pay", "a"), `{"value":3}`, session, "Sec-Fetch-Site: cross-site").is(200)
	if e := b.node.State().Entry("pay", "a"); e.UpdatedBy != "ana" {
		t.Errorf("the key does not win over the cookie: %+v", e)
	}
	if _, refused := b.dial("?namespace=pay", noKey, session, "Sec-Fetch-Site: cross-site"); refused.status != 403 {
		t.Errorf("a WebSocket of another site: %d", refused.status)
	}
	b.connect("?namespace=pay", noKey, session, "Origin: "+b.url).next(wire.FrameResumed)
	s := b.watch("?namespace=pay", noKey, session)
	s.next(wire.FrameResumed)
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[]}`).is(200)
	if f := s.next(wire.FrameReset); f.Reason != wire.ReasonForbidden {
		t.Errorf("%s", f.raw)
	}
	b.do("GET", "/api/v1/whoami", nil, noKey, session+"x").problem(401, wire.ProblemUnauthenticated)
	b.do("POST", "/auth/logout", nil, noKey, session, "Sec-Fetch-Site: cross-site").is(403)
	out := b.do("POST", "/auth/logout", nil, noKey, session).is(204)
	if set := out.header.Get("Set-Cookie"); !strings.HasPrefix(set, "confman=;") || out.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", out.header)
	}
}

func TestLoggingInIsDescribedAndRefused(t *testing.T) {
	b, at := newGate(t)
	d := decodeAs[identity.Description](b.do("GET", "/auth/config", nil, noKey).is(200))
	if d.Issuer != at.URL || d.ClientID != "confman" || d.TokenEndpoint == "" {
		t.Errorf("%+v", d)
	}
	b.do("GET", "/auth/login?return=https://evil.example", nil, noKey).problem(400, wire.ProblemMalformed, "return")
	b.do("GET", "/auth/callback?code=x&state=y", nil, noKey).problem(400, wire.ProblemMalformed)
	without := newBench(t)
	for _, path := range []string{"/auth/login", "/auth/callback", "/auth/config"} {
		without.do("GET", path, nil, noKey).problem(404, wire.ProblemNotFound, "--oidc-issuer")
	}
	token := "Authorization: Bearer " + at.Token(nil)
	without.do("GET", "/api/v1/whoami", nil, noKey, token).problem(401, wire.ProblemUnauthenticated)
}

// A client certificate names a machine, whose roles count.
func TestAClientCertificateIsTaken(t *testing.T) {
	b, _ := newGate(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "robot"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(cert)
	listening := httptest.NewUnstartedServer(newJudge(t, b.server))
	listening.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: known}
	listening.StartTLS()
	t.Cleanup(listening.Close)
	ask := func(method, path, body string, certs ...tls.Certificate) int {
		t.Helper()
		transport := listening.Client().Transport.(*http.Transport).Clone()
		t.Cleanup(transport.CloseIdleConnections)
		transport.TLSClientConfig.Certificates = certs
		request, err := http.NewRequestWithContext(t.Context(), method, listening.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := (&http.Client{Transport: transport}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	mine := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	for _, test := range []struct {
		method, path, body string
		with, without      int
	}{
		{"GET", entryPath("pay", "a"), "", 200, 401},
		{"PUT", entryPath("pay", "a"), `{"value":1}`, 403, 401},
		{"GET", entryPath("other", "a"), "", 403, 401},
		{"GET", "/health", "", 200, 200},
	} {
		if with, without := ask(test.method, test.path, test.body, mine), ask(test.method, test.path, test.body); with != test.with || without != test.without {
			t.Errorf("%s %s: %d with a certificate, %d without, want %d, %d", test.method, test.path, with, without, test.with, test.without)
		}
	}
	b.server.Identity.Certificates = false
	if got := ask("GET", entryPath("pay", "a"), "", mine); got != 401 {
		t.Errorf("where certificates are not taken: %d", got)
	}
}

// Whoever asks too often waits; deletions and reviews are never held up.
func TestRatesHoldUpEachPrincipalByItself(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	b.put("pay", "b", "1")
	sam, rita := by(b.key("sam", "pay", "editor", "")), by(b.key("rita", "pay", "publisher", ""))
	id := b.submitted(b.root, `{"changes":[{"namespace":"pay","key":"a","value":2}]}`)
	b.server.Identity.Rates = identity.NewRates(identity.RatesConfig{PerSecond: 0.1, Burst: 3, Now: func() time.Time { return moment }})
	for range 3 {
		b.do("GET", entryPath("pay", "a"), nil, sam).is(200)
	}
	b.writesNothing(func() {
		r := b.do("PUT", entryPath("pay", "a"), `{"value":3}`, sam)
		if r.problem(429, wire.ProblemTooManyRequests, "more often"); r.header.Get("Retry-After") != "10" {
			t.Errorf("Retry-After %s", r.header.Get("Retry-After"))
		}
		b.do("GET", "/api/v1/whoami", nil, sam).is(429)
		b.do("GET", watchPath+"?after=1-00000000", nil, sam).is(429)
	})
	b.do("DELETE", entryPath("pay", "b"), nil, sam).is(204)
	b.do("POST", requestsPath+"/"+id+"/approve", nil, sam).is(403) // heard, and refused for another reason
	for range 3 {
		b.do("GET", entryPath("pay", "a"), nil, rita).is(200)
	}
	b.do("GET", entryPath("pay", "a"), nil, rita).is(429)
	b.do("POST", requestsPath+"/"+id+"/approve", nil, rita).is(200)
	b.do("GET", "/health", nil, sam).is(200)
}
