package issuertest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Config says how an [Issuer] is. Zero values mean the documented defaults.
type Config struct {
	ClientID     string // default "confman"
	ClientSecret string // default: the client is a public one
	Alg          string // default ES256, which is quick
	Stopped      bool   // do not answer before Resume
	Now          func() time.Time
}

// Issuer is a running issuer. Its methods may be called at any time.
type Issuer struct {
	URL    string // what it says of itself
	config Config
	t      testing.TB

	mu       sync.Mutex
	server   *http.Server // nil: stopped
	done     chan struct{}
	keys     []Key // the last one signs
	rotated  int
	person   map[string]any
	alter    func(claims map[string]any)
	answer   func(query url.Values)
	logins   map[string]login   // by code
	devices  map[string]*device // by device code
	requests map[string]int     // by path
}

// Start starts an issuer, which is closed when the test ends.
func Start(t testing.TB, c Config) *Issuer {
	t.Helper()
	if c.ClientID == "" {
		c.ClientID = "confman"
	}
	if c.Alg == "" {
		c.Alg = ES256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{
		URL: "http://" + listener.Addr().String(), config: c, t: t,
		logins: map[string]login{}, devices: map[string]*device{}, requests: map[string]int{},
	}
	i.SignIn(map[string]any{"sub": "1", "email": "ann@example.com", "email_verified": true})
	i.Rotate(c.Alg)
	t.Cleanup(i.Stop)
	if c.Stopped {
		_ = listener.Close()
	} else {
		i.serve(listener)
	}
	return i
}

func (i *Issuer) serve(listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.published)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /token", i.token)
	mux.HandleFunc("POST /device", i.deviceAuthorization)
	server, done := &http.Server{ReadHeaderTimeout: time.Minute}, make(chan struct{})
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.requests[r.URL.Path]++
		i.mu.Unlock()
		mux.ServeHTTP(w, r)
	})
	i.mu.Lock()
	i.server, i.done = server, done
	i.mu.Unlock()
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
}

// Stop makes the issuer refuse connections.
func (i *Issuer) Stop() {
	i.mu.Lock()
	server, done := i.server, i.done
	i.server = nil
	i.mu.Unlock()
	if server != nil {
		_ = server.Close()
		<-done
	}
}

// Resume makes a stopped issuer answer again, at the same URL.
func (i *Issuer) Resume() {
	i.t.Helper()
	listener, err := net.Listen("tcp", i.URL[len("http://"):])
	if err != nil {
		i.t.Fatal(err)
	}
	i.serve(listener)
}

// SignIn says who is let in from now on: the claims of their tokens.
func (i *Issuer) SignIn(person map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.person = maps.Clone(person)
}

// Alter changes the claims of tokens that clients get from now on; nil: it does not.
func (i *Issuer) Alter(f func(claims map[string]any)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.alter = f
}

// Answer changes the query with which browsers are sent back from now on; nil: it
// does not.
func (i *Issuer) Answer(f func(query url.Values)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = f
}

// Rotate publishes a new key, which signs from now on, instead of those before.
func (i *Issuer) Rotate(alg string) Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rotated++
	key := NewKey(alg, fmt.Sprintf("key-%d", i.rotated))
	i.keys = []Key{key}
	return key
}

// Key is the one that signs.
func (i *Issuer) Key() Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// Requests counts those for a path, such as "/keys".
func (i *Issuer) Requests(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests[path]
}

// Claims are those of a good token of whoever is signed in, valid for an hour,
// with some of them replaced, or left out where the replacement is nil.
func (i *Issuer) Claims(replaced map[string]any) map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.config.Now()
	claims := map[string]any{
		"iss": i.URL, "aud": i.config.ClientID, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, i.person)
	maps.Copy(claims, replaced)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// Token is a token with such claims.
func (i *Issuer) Token(replaced map[string]any) string { return i.Key().Sign(i.Claims(replaced)) }

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/keys",
		"authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"device_authorization_endpoint":         i.URL + "/device",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{ES256, RS256},
		"code_challenge_methods_supported":      []string{"S256"},
	})
}

func (i *Issuer) published(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var keys []map[string]any
	for _, k := range i.keys {
		keys = append(keys, k.public())
	}
	reply(w, http.StatusOK, map[string]any{"keys": keys})
}

func reply(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with an error of RFC 6749, 5.2.
func refuse(w http.ResponseWriter, code string) {
	reply(w, http.StatusBadRequest, map[string]any{"error": code})
}

func random() string { return rand.Text() }
