package dashboard

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// certificate writes a certificate for this machine that signs itself, and its key,
// and returns the flags of a node that shows it.
func certificate(t *testing.T) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "n1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	shown, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: shown}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"--tls-cert", filepath.Join(dir, "crt"), "--tls-key", filepath.Join(dir, "key")}
}

// overTLS asks by https whatever is asked by http.
type overTLS struct{ *http.Transport }

func (o overTLS) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "https"
	return o.Transport.RoundTrip(r)
}

// newSecureWorld is newWorld with one node that speaks TLS only.
func newSecureWorld(t *testing.T) *world {
	t.Helper()
	w := lay(t, browser.Open(t, browser.AnyCertificate), 1, certificate(t)...)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // it is this test's own certificate
	t.Cleanup(transport.CloseIdleConnections)
	w.lab.HTTP().Transport = overTLS{transport}
	w.form()
	return w
}

// attack is a page of somebody else's that has the browser do to the node what
// pages can. Its origin is of the same site as the node's, so that cookies come along.
const attack = `<!doctype html><link rel="icon" href="data:,"><title>Kittens</title><iframe name="hidden"></iframe>
<form method="post" enctype="text/plain" action="{node}/api/v1/transactions" target="hidden"><input name='{"set":[{"namespace":"shop","key":"k","value":"form' value='"}]}'></form>
<form method="post" action="{node}/auth/logout" target="hidden"></form>
<script>
const node = '{node}';
const asked = (path, options) => fetch(node + path, {credentials: 'include', ...options}).then((r) => r.type === 'opaque' ? 'opaque' : 'read ' + r.status, () => 'kept away');
const socket = () => new Promise((resolve) => {
	const ws = new WebSocket(node.replace('https', 'wss') + '/api/v1/watch?namespace=shop');
	ws.onopen = () => resolve('open');
	ws.onerror = () => resolve('kept away');
});
const framed = () => new Promise((resolve) => {
	const frame = document.body.appendChild(document.createElement('iframe'));
	frame.onload = () => resolve('loaded');
	frame.src = node + '/ui/ns/shop/config/k?edit=1';
});
const sent = (form) => new Promise((resolve) => { document.querySelector('iframe').onload = () => resolve('sent'); form.submit(); });
globalThis.attack = async () => {
	const json = {'Content-Type': 'application/json'};
	const body = '{"set":[{"namespace":"shop","key":"k","value":"stolen"}]}';
	return {
		put: await asked('/api/v1/namespaces/shop/config/k', {method: 'PUT', headers: json, body: '{"value":"put"}'}),
		remove: await asked('/api/v1/namespaces/shop/config/k', {method: 'DELETE'}),
		post: await asked('/api/v1/transactions', {method: 'POST', headers: json, body}),
		plain: await asked('/api/v1/transactions', {method: 'POST', mode: 'no-cors', body}),
		read: await asked('/api/v1/namespaces/shop/config/k'),
		session: await asked('/auth/session'),
		signIn: await asked('/auth/session', {method: 'POST', mode: 'no-cors', body: '{"key":"cfm_x"}'}),
		module: await import(node + '/dashboard/lib/api.js').then(() => 'loaded', () => 'kept away'),
		socket: await socket(),
		forms: [await sent(document.forms[0]), await sent(document.forms[1])].join(),
		frame: await framed(),
	};
};
</script>`

// Over https the cookie is one that no script reads, no plain http bears and no
// other host can set. A page of another origin achieves nothing with it. Signing
// out ends the stream, and the session for whoever kept the cookie.
func TestSignInOverHTTPS(t *testing.T) {
	w := newSecureWorld(t)
	w.set("ann", "shop", "k", "mine")
	at := "https://" + w.first().Address
	people := w.chromium.Person()
	page := people.Strict(at+"/ui/ns/shop/config/k", "status of 401")
	page.Fill("API key", w.keys["ann"])
	page.Click("button", "Sign in")
	ann := &person{page, w, "ann", w.first()}
	ann.Finds("heading", "k")
	ann.isLive()
	if browser.Eval[bool](page, `document.body.innerText.includes('not encrypted')`) {
		t.Error("https is called not encrypted")
	}
	cookies := page.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-confman" || !cookies[0].Secure || !cookies[0].HTTPOnly || cookies[0].SameSite != "Strict" {
		t.Fatalf("the cookies are %+v", cookies)
	}
	w.nobodysPuppet(people, at)
	if _, text := w.try(w.first(), "admin", http.MethodGet, "/api/v1/watches", nil); len(watchesOf(t, text, "ann")) == 0 {
		t.Errorf("ann's stream has ended: %s", text)
	}
	if status := w.withCookie(cookies[0]); status != http.StatusOK {
		t.Errorf("the cookie is answered with %d", status)
	}
	page.Click("button", "Signed in as ann")
	page.Click("menuitem", "Sign out")
	page.Finds("button", "Sign in")
	await(t, "ann's stream ends", func() error {
		_, text := w.try(w.first(), "admin", http.MethodGet, "/api/v1/watches", nil)
		if left := watchesOf(t, text, "ann"); len(left) > 0 {
			return fmt.Errorf("%+v", left)
		}
		return nil
	})
	if left := page.Cookies(); len(left) > 0 {
		t.Errorf("after signing out there are %+v", left)
	}
	if status := w.withCookie(cookies[0]); status != http.StatusUnauthorized {
		t.Errorf("after signing out the cookie is answered with %d", status)
	}
}

// What one person saw and typed is not there for the next who signs in in the same
// browser, and whoever signs in has a stream of their own, also where nobody signed
// out before.
func TestTheNextInTheSameBrowser(t *testing.T) {
	w := newWorld(t, 1)
	n := w.first()
	w.set("ann", "shop", "k", "mine")
	w.keys["eve"] = decode[wire.APIKey](t, w.do("admin", http.MethodPost, "/api/v1/keys", wire.NewKey{Name: "eve", Grants: []wire.Grant{{Namespace: "shop", Role: "editor"}}})).Key
	browserOf := w.chromium.Person()
	first := browserOf.Strict(url(n, "/ui/ns/shop/config/k?edit=1"), "status of 401", "status of 403")
	first.Fill("API key", w.keys["ann"])
	first.Click("button", "Sign in")
	first.Fill("Value", "what ann thinks")
	first.Await("what ann typed is kept", `Object.keys(sessionStorage).some((k) => sessionStorage[k].includes('what ann thinks'))`)
	second := browserOf.Strict(url(n, "/ui/ns/shop/config/k"), "status of 401", "status of 403")
	second.Click("button", "Delete")
	second.Finds("dialog", "Delete k")

	first.Click("button", "Signed in as ann")
	first.Click("menuitem", "Sign out")
	second.Await("nothing of ann's is over the page", `document.querySelector('dialog') === null && document.querySelector('.signin') !== null`)
	first.Fill("API key", w.keys["eve"])
	first.Click("button", "Sign in")
	first.Finds("textbox", "Value")
	second.Finds("button", "Signed in as eve")
	if browser.Eval[bool](first, `JSON.stringify({...sessionStorage}).includes('what ann thinks') || [...document.querySelectorAll('input')].some((i) => i.value.includes('ann thinks'))`) {
		t.Error("eve finds what ann typed")
	}

	// Another tab becomes bob, as one that comes back from an issuer does.
	signedIn := browser.Eval[int](second, fmt.Sprintf(`fetch('/auth/session', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({key: %q})}).then((r) => r.status)`, w.keys["bob"]))
	if signedIn != http.StatusOK {
		t.Fatalf("bob is answered with %d", signedIn)
	}
	for _, p := range []*browser.Page{first, second} {
		p.Finds("button", "Signed in as bob")
		p.Await("is live", `document.getElementById('stream-state')?.textContent === 'live'`)
	}
	await(t, "all watches are bob's", func() error {
		_, text := w.try(n, "admin", http.MethodGet, "/api/v1/watches", nil)
		if eve, bob := watchesOf(t, text, "eve"), watchesOf(t, text, "bob"); len(eve) > 0 || len(bob) == 0 {
			return fmt.Errorf("eve has %d, bob %d", len(eve), len(bob))
		}
		return nil
	})
}

// nobodysPuppet has the browser of somebody who is signed in open a page of another
// origin.
func (w *world) nobodysPuppet(people *browser.Browser, at string) {
	w.t.Helper()
	other := httptest.NewTLSServer(http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(answer, strings.ReplaceAll(attack, "{node}", at))
	}))
	w.t.Cleanup(other.Close)
	before := w.do("admin", http.MethodGet, "/api/v1/audit?actor=ann", nil)
	evil := people.Page(other.URL+"/", "CORS policy", "net::ERR_", "status of 4", "WebSocket connection", "frame-ancestors", "Refused to", "X-Frame-Options", "Framing")
	got := browser.Eval[map[string]string](evil, "attack()")
	for what, came := range map[string]string{
		"put": "kept away", "remove": "kept away", "post": "kept away", "plain": "opaque", "read": "kept away", "session": "kept away",
		"signIn": "opaque", "module": "kept away", "socket": "kept away", "forms": "sent,sent", "frame": "loaded",
	} {
		if got[what] != came {
			w.t.Errorf("another origin: %s: %q, want %q", what, got[what], came)
		}
	}
	for _, f := range evil.Framed() {
		if strings.Contains(f, "/ui/") {
			w.t.Errorf("another origin shows %s in a frame", f)
		}
	}
	if after := w.do("admin", http.MethodGet, "/api/v1/audit?actor=ann", nil); after != before {
		w.t.Errorf("another origin did something: %s", after)
	}
	refused := map[string]int{} // those that came with ann's cookie
	for _, d := range decode[[]wire.Denied](w.t, w.do("admin", http.MethodGet, "/api/v1/audit/denied?reason=forbidden", nil)) {
		refused[d.Principal+" "+d.Method+" "+d.Path] = max(1, int(d.Count))
	}
	want := map[string]int{"ann POST /api/v1/transactions": 2, "ann GET /api/v1/watch": 1, " POST /auth/session": 1, " POST /auth/logout": 1}
	if !maps.Equal(refused, want) {
		w.t.Errorf("refused were %v, want %v", refused, want)
	}
}

// watchesOf are the watches of a principal among those that a node lists.
func watchesOf(t *testing.T, list, principal string) (found []wire.Watching) {
	t.Helper()
	for _, watch := range decode[[]wire.Watching](t, list) {
		if watch.Principal == principal {
			found = append(found, watch)
		}
	}
	return found
}

// withCookie asks who one is with nothing but a cookie.
func (w *world) withCookie(c browser.Cookie) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.patient(), http.MethodGet, "http://"+w.first().Address+"/api/v1/whoami", nil)
	w.must(err)
	r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) //nolint:gosec // it is sent, not set
	answer, err := w.lab.HTTP().Do(r)
	w.must(err)
	_, err = io.Copy(io.Discard, answer.Body)
	w.must(errors.Join(err, answer.Body.Close()))
	return answer.StatusCode
}
