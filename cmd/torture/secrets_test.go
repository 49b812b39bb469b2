package torture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"confman/api/identity/issuertest"
	"confman/api/wire"
)

// planted are secrets, by what they are, that must not turn up where people and
// programs look who need not know them.
type planted map[string]string

// add plants a secret. One that is too short would be found by chance.
func (p planted) add(t *testing.T, what, secret string) string {
	t.Helper()
	if len(secret) < 16 {
		t.Fatalf("%s: %q is too short to be looked for", what, secret)
	}
	p[what] = secret
	return secret
}

// in reports the secrets that a text holds, as they are, or as a URL or base64 has
// them.
func (p planted) in(t *testing.T, where, text string) {
	t.Helper()
	for what, secret := range p {
		for _, form := range []string{secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows %s: …%.300q", where, what, text[max(0, i-120):])
				break
			}
		}
	}
}

// secretive is a cluster with secrets of every kind, and somebody who tries all
// that goes wrong.
type secretive struct {
	*cluster
	t      *testing.T
	hidden planted
	key    string // that may do everything
	issuer *issuertest.Issuer
	traces *collector
}

// collector keeps what nodes send as traces.
type collector struct {
	*httptest.Server
	mu   sync.Mutex // guards what follows
	sent bytes.Buffer
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, _ = c.sent.ReadFrom(r.Body) // what came will do
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.String()
}

func TestSecretsStayOutOfWhatANodeTells(t *testing.T) {
	s := &secretive{t: t, hidden: planted{}, traces: newCollector(t)}
	s.issuer = issuertest.Start(t, issuertest.Config{ClientSecret: s.hidden.add(t, "the OIDC client's secret", "planted-oidc-client-secret-1234")})
	s.issuer.SignIn(map[string]any{"sub": "1", "email": "ann@example.com", "groups": []string{"ops"}})
	s.form()
	s.plantKeys()
	s.plantValues()
	s.plantLogins()
	s.plantWebhook()
	s.tryStreams()
	leader := s.leader()
	leader.kill9() // what a failure says
	s.leader(leader)
	s.tryRefusals()
	leader.start()
	s.awaitReady(s.nodes...)
	s.tryRefusals()
	s.search()
}

// form starts the cluster, with secrets in files.
func (s *secretive) form() {
	t := s.t
	c := prepare(t, plan{
		args: []string{
			"--log-level", "debug", "--forward", "--audit-reads", "all", "--webhook-allow", "127.0.0.0/8",
			"--otlp-endpoint", s.traces.URL, "--trace-ratio", "1", "--oidc-issuer", s.issuer.URL, "--oidc-client-id", "confman",
		},
		tls: func(base string) *authority { return newAuthority(t, base) },
	})
	s.cluster = c
	s.hidden.add(t, "the first admin key", c.key)
	s.hidden.add(t, "the cluster token", strings.TrimSpace(contentOf(t, filepath.Join(c.base, "token"))))
	key := filepath.Join(c.base, "checkpoint.key")
	if _, stderr, code := c.confman("audit", "checkpoint", "keygen", key); code != 0 {
		t.Fatal(stderr)
	}
	s.hidden.add(t, "the checkpoint key", secondLine(contentOf(t, key)))
	oidc := c.write("oidc", s.hidden["the OIDC client's secret"])
	for _, n := range c.nodes {
		n.args = append(n.args, "--checkpoint-key-file", key, "--oidc-client-secret-file", oidc)
		s.hidden.add(t, "the TLS key of "+n.id, secondLine(contentOf(t, filepath.Join(c.tls.dir, n.id+".key"))))
		n.start()
	}
	c.awaitReady(c.nodes...)
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// secondLine is the first of what a PEM file encodes.
func secondLine(pem string) string { return strings.Split(pem, "\n")[1] }

func (s *secretive) plantKeys() {
	s.namespace("app")
	made := s.mint("ci", wire.Grant{Namespace: "app", Role: wire.RoleEditor})
	s.hidden.add(s.t, "an API key", made.Key)
	revoked := s.mint("gone", wire.Grant{Namespace: "app", Role: wire.RoleEditor})
	s.hidden.add(s.t, "a revoked API key", revoked.Key)
	s.must(http.StatusNoContent, s.nodes[0], http.MethodDelete, "/api/v1/keys/"+revoked.ID, nil)
	s.hidden.add(s.t, "a mistyped API key", made.Key[:len(made.Key)-1]+"x")
	s.hidden.add(s.t, "somebody's password given as a key", "planted-password-of-somebody-99")
	s.hidden.add(s.t, "a wrong cluster token", "planted-wrong-cluster-token-4321")
	s.key = made.Key
}

func (s *secretive) plantValues() {
	for i, n := range s.nodes {
		secret := s.hidden.add(s.t, fmt.Sprint("a value ", i), fmt.Sprint("planted-value-of-an-entry-", i))
		s.must(http.StatusCreated, n, http.MethodPut, entryPath("app", fmt.Sprint("k", i)), value(secret))
		secret = s.hidden.add(s.t, fmt.Sprint("a draft ", i), fmt.Sprint("planted-value-of-a-draft-", i))
		s.must(http.StatusCreated, n, http.MethodPut, fmt.Sprint("/api/v1/namespaces/app/drafts/d", i), value(secret))
	}
	s.hidden.add(s.t, "a value that is refused", "planted-value-that-is-no-number")
	schema := json.RawMessage(`{"properties":{"port":{"type":"integer"}}}`)
	s.must(http.StatusOK, s.nodes[0], http.MethodPut, "/api/v1/namespaces/app/schema", map[string]any{"schema": schema})
}

// plantLogins logs in by a browser, and by a token.
func (s *secretive) plantLogins() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	n := s.nodes[0]
	browser := &http.Client{Jar: jar, Transport: s.http.Transport, Timeout: requestTimeout, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if code := r.URL.Query().Get("code"); code != "" {
			s.hidden.add(s.t, "the issuer's code", code)
		}
		return nil
	}}
	answer, err := browser.Get(n.url() + "/auth/login?return=/api/v1/whoami")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("log in: %d %.300s %v", answer.StatusCode, body, err)
	}
	home, _ := url.Parse(n.url())
	for _, cookie := range jar.Cookies(home) {
		if len(cookie.Value) >= 16 {
			s.hidden.add(s.t, "the cookie "+cookie.Name, cookie.Value)
		}
	}
	s.hidden.add(s.t, "a token", s.issuer.Token(nil))
	s.hidden.add(s.t, "a token of nobody", issuertest.Unsigned(s.issuer.Claims(nil)))
}

// plantWebhook has one deliver, and fail.
func (s *secretive) plantWebhook() {
	hook := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		s.t.Cleanup(server.Close)
		return server.URL
	}
	for _, status := range []int{http.StatusOK, http.StatusInternalServerError} {
		var made wire.Webhook
		a := s.must(http.StatusCreated, s.nodes[0], http.MethodPost, "/api/v1/webhooks", map[string]any{"url": hook(status), "namespace": "app", "events": []string{"config"}})
		if err := a.decode(&made); err != nil {
			s.t.Fatal(err)
		}
		s.hidden.add(s.t, fmt.Sprint("the secret of a webhook that is answered ", status), made.Secret)
	}
	s.must(http.StatusCreated, s.nodes[1], http.MethodPut, entryPath("app", "told"), value("anything"))
}

// tryStreams opens watches with a ticket, a cookie's name in the URL, and a key.
func (s *secretive) tryStreams() {
	for i, n := range s.nodes {
		ticket := s.ticket(n, s.key, wire.NewTicket{Namespace: wire.Strings{"app"}}).Ticket
		s.hidden.add(s.t, fmt.Sprint("a ticket ", i), ticket)
		for _, path := range []string{
			"/api/v1/watch?ticket=" + url.QueryEscape(ticket[:len(ticket)-4]) + "AAAA", "/api/v1/watch?api_key=" + url.QueryEscape(s.key),
			"/api/v1/whoami?ticket=" + url.QueryEscape(ticket), "/api/v1/namespaces/" + url.PathEscape(s.key) + "/config/k",
			"/api/v1/keys/" + url.PathEscape(s.key), "/auth/callback?code=" + url.QueryEscape(s.hidden["a token"]) + "&state=x",
		} {
			s.refused(n, http.MethodGet, path, nil, wire.HeaderAPIKey, "")
		}
	}
	w := s.streamOver(s.nodes[0], s.hidden["a ticket 0"])
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		s.t.Errorf("a watch with a ticket: %d", w.StatusCode)
	}
}

// streamOver opens a watch with a ticket, over TLS.
func (s *secretive) streamOver(n *node, ticket string) *http.Response {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, n.url()+"/api/v1/watch"+"?ticket="+url.QueryEscape(ticket), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer
}

// tryRefusals asks every running node for what it refuses.
func (s *secretive) tryRefusals() {
	for _, n := range s.nodes {
		if !n.runs() {
			continue
		}
		for _, what := range []string{"an API key", "a revoked API key", "a mistyped API key", "somebody's password given as a key", "a token", "a token of nobody"} {
			secret := s.hidden[what]
			s.refused(n, http.MethodGet, "/api/v1/cluster", nil, wire.HeaderAPIKey, secret)
			s.refused(n, http.MethodPut, entryPath("other", "k"), value(s.hidden["a value 0"]), wire.HeaderAPIKey, "", "Authorization", "Bearer "+secret)
			s.refused(n, http.MethodGet, "/api/v1/whoami", nil, "Authorization", "Basic "+secret)
			s.refused(n, http.MethodGet, "/"+url.PathEscape(secret), nil, "Idempotency-Key", secret)
		}
		s.refused(n, http.MethodPut, entryPath("app", "port"), value(s.hidden["a value that is refused"]))
		s.refused(n, http.MethodPut, entryPath("app", "k0"), value(s.hidden["a value that is refused"]), "If-Match", `"v99"`)
		s.refused(n, http.MethodPut, entryPath("app", "k0"), json.RawMessage(`{"value":1,"type":"`+s.hidden["a value 1"]+`"}`), wire.HeaderAPIKey, s.key)
		for _, path := range []string{"/internal/v1/identity", "/internal/v1/raft", "/internal/v1/join"} {
			s.refused(n, http.MethodGet, path, nil, "X-Cluster-Token", s.hidden["a wrong cluster token"])
		}
	}
}

// refused is a request that does not succeed. Its answer goes to who asked, and
// tells no secret that the request did not bear.
func (s *secretive) refused(n *node, method, path string, body any, headers ...string) {
	s.t.Helper()
	a, err := s.do(n, method, path, body, headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.status < http.StatusBadRequest && a.status != http.StatusTemporaryRedirect && !strings.HasPrefix(path, "/internal/") {
		s.t.Errorf("%s %.40s: %d", method, path, a.status)
	}
	said := fmt.Sprint(path, headers)
	if content, err := json.Marshal(body); err == nil {
		said += string(content)
	}
	unsaid := planted{}
	for what, secret := range s.hidden {
		if !strings.Contains(said, secret) && !strings.Contains(said, url.QueryEscape(secret)) && !strings.Contains(said, url.PathEscape(secret)) {
			unsaid[what] = secret
		}
	}
	unsaid.in(s.t, "the answer to "+method+" "+path, string(a.body)+fmt.Sprint(a.header))
}

// search looks at all that the nodes have told.
func (s *secretive) search() {
	for _, n := range s.nodes {
		s.hidden.in(s.t, "the log of "+n.id, n.logs())
		pid := n.life().cmd.Process.Pid
		for _, file := range []string{"cmdline", "environ"} {
			s.hidden.in(s.t, fmt.Sprintf("/proc/PID/%s of %s", file, n.id), contentOf(s.t, fmt.Sprintf("/proc/%d/%s", pid, file)))
		}
		for _, path := range []string{
			"/metrics", "/health", "/health/ready", "/auth/config", "/openapi.yaml", "/debug/pprof/goroutine?debug=2",
			"/api/v1/cluster", "/api/v1/keys", "/api/v1/watches", "/api/v1/webhooks", "/api/v1/audit/denied", "/api/v1/audit?action=webhook",
		} {
			s.hidden.in(s.t, path+" of "+n.id, string(s.must(http.StatusOK, n, http.MethodGet, path, nil).body))
		}
		// What lies beside the stores, which hold the values and say so.
		err := filepath.WalkDir(n.dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.Contains(path, "/views/") || strings.Contains(path, "/raft/") {
				return err
			}
			s.hidden.in(s.t, strings.TrimPrefix(path, n.dir), contentOf(s.t, path))
			return nil
		})
		if err != nil {
			s.t.Error(err)
		}
	}
	s.nodes[0].term() // which sends the traces that it has
	if !strings.Contains(s.traces.text(), "PUT /api/v1/") {
		s.t.Error("no traces of writes were sent")
	}
	s.hidden.in(s.t, "a trace", s.traces.text())
}
