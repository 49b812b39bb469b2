package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"confman/api/identity/issuertest"
	"confman/api/wire"
)

// atIssuer has nodes take the people of an issuer.
func atIssuer(i *issuertest.Issuer, session time.Duration) func(*Options) {
	return func(o *Options) {
		o.Identity = IdentityOptions{Issuer: i.URL, ClientID: "confman", Session: session}
	}
}

func ann(groups ...string) map[string]any {
	return map[string]any{"sub": "1", "email": "ann@example.com", "groups": groups}
}

func TestAPersonMayWhatHerGroupsMayAndNoLongerThanTheyMay(t *testing.T) {
	issuer := issuertest.Start(t, issuertest.Config{})
	issuer.SignIn(ann("ops", "dev"))
	c := start(t, 1, atIssuer(issuer, 0))
	token := "Authorization: Bearer " + issuer.Token(nil)
	api := c.nodes[0].url + "/api/v1"
	entry := api + "/namespaces/app/config/k"
	c.do("GET", api+"/whoami", "", token).is(t, 200, `"principal":"ann@example.com"`, `"groups":["dev","ops"]`)
	c.do("PUT", entry, `{"value":1}`, token).is(t, 403, "ann@example.com needs the role editor")

	c.give("app", wire.RoleGrant{Role: "editor", Group: "ops"})
	c.do("PUT", entry, `{"value":1}`, token).is(t, 201)
	c.do("GET", entry, "", token).is(t, 200, `"value":1`, `"updatedBy":"ann@example.com"`)
	stream := c.watch(c.http, api+"/watch?namespace=app", token)
	stream.next()
	c.do("PUT", entry, `{"value":2}`, token).is(t, 200)
	if f := stream.next(); f.Event == nil || f.Event.Actor != "ann@example.com" {
		t.Fatalf("%+v", f)
	}

	began := time.Now()
	c.give("app")
	c.do("GET", entry, "", token).is(t, 403)
	c.do("PUT", entry, `{"value":3}`, token).is(t, 403)
	f := stream.next()
	if took := time.Since(began); f.Frame != wire.FrameReset || f.Reason != wire.ReasonForbidden || took > time.Second {
		t.Errorf("after %s the stream says %+v", took, f)
	}
	foreign := issuertest.NewKey(issuertest.ES256, "its own").Sign(issuer.Claims(nil))
	for name, bad := range map[string]string{
		"expired": issuer.Token(map[string]any{"exp": 1}), "of another client": issuer.Token(map[string]any{"aud": "billing"}),
		"unsigned": issuertest.Unsigned(issuer.Claims(nil)), "of another issuer": foreign,
	} {
		if err := c.do("GET", api+"/whoami", "", "Authorization: Bearer "+bad).want(401); err != nil {
			t.Errorf("a token that is %s: %v", name, err)
		}
	}
}

// browser is one that keeps cookies. (A jar knows no ports, so that a cookie of
// one node goes to all, as when they are behind one name.)
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport, Timeout: patience}
}

func TestABrowserLogsInAtOneNodeAndIsKnownAtAll(t *testing.T) {
	issuer := issuertest.Start(t, issuertest.Config{})
	groups := []string{"ops"}
	for i := range 300 { // more than a cookie has room for: only those with roles go along
		groups = append(groups, fmt.Sprintf("a group that no namespace knows, number %d", i))
	}
	issuer.SignIn(ann(groups...))
	c := start(t, 3, func(o *Options) {
		atIssuer(issuer, time.Minute)(o)
		o.HTTP.Forward = true
	})
	c.give("app", wire.RoleGrant{Role: "editor", Group: "ops"})
	_, followers := c.leader()
	first, second, b := followers[0].url, followers[1].url, browser(t)
	ask(t, b, "GET", second+"/api/v1/whoami", "").is(t, 401)
	ask(t, b, "GET", first+"/auth/login?return="+url.QueryEscape("/api/v1/whoami"), "").is(t, 200, "ann@example.com", `"groups":["ops"]`)
	var who wire.Principal
	decode(t, ask(t, b, "GET", second+"/api/v1/whoami", "").is(t, 200, "ann@example.com").body, &who)

	if who.ExpiresAt == nil || time.Until(*who.ExpiresAt) > time.Minute {
		t.Errorf("a session of a minute: %+v", who)
	}

	entry := second + "/api/v1/namespaces/app/config/k"
	before := c.nodes[0].running.node.State().Index()
	for _, from := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example"} {
		ask(t, b, "PUT", entry, `{"value":"forged"}`, from).is(t, 403)
		ask(t, b, "POST", second+"/auth/logout", "", from).is(t, 403)
	}
	if after := c.nodes[0].running.node.State().Index(); after != before {
		t.Errorf("forged requests wrote events %d to %d", before+1, after)
	}
	ask(t, b, "PUT", entry, `{"value":"meant"}`, "Sec-Fetch-Site: same-origin").is(t, 201, `"updatedBy":"ann@example.com"`)

	c.expireBut(who.ExpiresAt, 500*time.Millisecond)
	stream := c.watch(b, second+"/api/v1/watch?namespace=app&after=start")
	if opened, event := stream.next(), stream.next(); opened.Frame != wire.FrameResumed || event.Event == nil || !strings.Contains(string(event.Event.Data), "meant") {
		t.Errorf("%+v, then %+v", opened, event)
	}
	if f := stream.next(); f.Reason != wire.ReasonExpired || !strings.Contains(f.Detail, "session of ann@example.com") {
		t.Errorf("at the end of the session: %+v", f)
	}
	ask(t, b, "GET", first+"/api/v1/whoami", "").is(t, 401, "log in again")
}

// expireBut sets the nodes' clocks so that only a while is left until a moment.
func (c *started) expireBut(moment *time.Time, left time.Duration) {
	c.t.Helper()
	if moment == nil {
		c.t.Fatal("it never expires")
	}
	c.skew.Store(int64(time.Until(*moment) - left))
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func TestALogoutEndsTheSessionOfTheBrowser(t *testing.T) {
	issuer := issuertest.Start(t, issuertest.Config{ClientSecret: "hush"})
	issuer.SignIn(ann())
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, 1, func(o *Options) {
		atIssuer(issuer, 0)(o)
		o.Identity.SecretFile = secret
	})
	b, node := browser(t), c.nodes[0].url
	ask(t, b, "GET", node+"/auth/login?return=/api/v1/whoami", "").is(t, 200, "ann@example.com")
	ask(t, b, "POST", node+"/auth/logout", "", "Sec-Fetch-Site: same-origin").is(t, 204)
	ask(t, b, "GET", node+"/api/v1/whoami", "").is(t, 401)
}

func TestANodeStartsWithoutItsIssuerAndTakesPeopleWhenItIsUp(t *testing.T) {
	issuer := issuertest.Start(t, issuertest.Config{})
	issuer.SignIn(ann())
	token := "Authorization: Bearer " + issuer.Token(nil)
	issuer.Stop()
	c := start(t, 1, atIssuer(issuer, 0))
	node := c.nodes[0].url
	c.do("GET", node+"/api/v1/whoami", "", "X-Api-Key: "+adminKey).is(t, 200)
	for _, path := range []string{"/auth/login", "/auth/config"} {
		if r := c.do("GET", node+path, "").is(t, 503, issuer.URL); r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	c.do("GET", node+"/api/v1/whoami", "", token).is(t, 503, issuer.URL)
	issuer.Resume()
	c.skew.Store(int64(time.Minute)) // the longest that a node waits before it asks again
	c.do("GET", node+"/api/v1/whoami", "", token).is(t, 200, "ann@example.com")
	c.do("GET", node+"/auth/config", "").is(t, 200, `"clientId":"confman"`)
}

func TestWithoutAnIssuerNobodyLogsIn(t *testing.T) {
	c := start(t, 1, nil)
	c.do("GET", c.nodes[0].url+"/auth/login", "").is(t, 404, "--oidc-issuer")
	c.do("GET", c.nodes[0].url+"/api/v1/whoami", "", "Authorization: Bearer "+issuertest.Unsigned(map[string]any{})).is(t, 401)
}

func TestSettingsOfIdentityThatCannotWorkAreRefusedByName(t *testing.T) {
	dir := t.TempDir()
	empty, token := filepath.Join(dir, "empty"), filepath.Join(dir, "token")
	for file, content := range map[string]string{empty: "\n", token: "a token of sixteen bytes"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		why    string
		change func(*Options)
		want   string
	}{
		{"no issuer", func(o *Options) { o.Identity.Issuer = "" }, "--oidc-issuer is missing: --oidc-client-id has no effect"},
		{"audiences of nobody", func(o *Options) { o.Identity = IdentityOptions{Audiences: []string{"a"}} }, "--oidc-audience has no effect"},
		{"no client ID", func(o *Options) { o.Identity.ClientID = "" }, "--oidc-client-id is missing"},
		{"an issuer in the clear", func(o *Options) { o.Identity.Issuer = "http://login.example" }, `issuer "http://login.example" is not https`},
		{"an issuer without a host", func(o *Options) { o.Identity.Issuer = "login.example" }, `--oidc-issuer: `},
		{"no secret", func(o *Options) { o.Identity.SecretFile = filepath.Join(dir, "none") }, "--oidc-client-secret-file: "},
		{"an empty secret", func(o *Options) { o.Identity.SecretFile = empty }, "--oidc-client-secret-file: " + empty + " is empty"},
		{"a redirect in the clear", func(o *Options) { o.Identity.RedirectURL = "http://confman.example/auth/callback" }, "--oidc-redirect-url: "},
		{"a short session", func(o *Options) { o.Identity.Session = time.Second }, "--session-lifetime 1s: at least 1m0s"},
		{"a negative session", func(o *Options) { o.Identity.Session = -time.Hour }, "--session-lifetime -1h0m0s: at least 1m0s"},
		{"a negative rate", func(o *Options) { o.Identity.RatePerSecond = -1 }, "--rate-per-second and --rate-burst are not negative"},
		{"a burst of nothing", func(o *Options) { o.Identity.RateBurst = 5 }, "--rate-per-second is missing"},
		{"an address for a network", func(o *Options) { o.Webhooks.Allowed = []string{"10.1.0.7"} }, `--webhook-allow "10.1.0.7": want a network such as 10.1.0.0/16`},
		{"client certificates without TLS", func(o *Options) { o.TLS.ClientCA = "ca.pem" }, "--tls-cert is missing"},
	} {
		data := filepath.Join(dir, "data")
		o := Options{Node: NodeOptions{ID: "n1", Listen: "127.0.0.1:0", Data: data}, Members: MemberOptions{TokenFile: token}}
		o.Identity = IdentityOptions{Issuer: "https://login.example", ClientID: "confman"}
		test.change(&o)
		s, err := Start(o, Env{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.why, err, test.want)
		}
		if s != nil {
			t.Fatal("it runs")
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("%s: the data directory was touched", test.why)
		}
	}
}
