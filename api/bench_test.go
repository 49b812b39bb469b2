package api

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"confman/api/wire"
	"confman/events"
)

// bench is a server on a real socket with a node behind it and a caller who is
// admin of everything.
type bench struct {
	t      testing.TB
	node   *node
	server *Server
	url    string
	root   string // API key
	clock  atomic.Int64
}

// moment is when the tests take place, a second later at each look.
var moment = time.Date(2026, 1, 23, 10, 30, 0, 500_000_000, time.UTC)

func (b *bench) now() time.Time { return moment.Add(time.Duration(b.clock.Add(1)) * time.Second) }

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t}
	config := Config{
		NodeID: "n1", Version: "test", Registry: prometheus.NewRegistry(), Log: zerolog.Nop(),
		Now: b.now, NewID: ulid.Make, Random: rand.Reader, Web: Web{TicketSecret: []byte("a secret of the cluster")},
	}
	for _, c := range change {
		c(&config)
	}
	b.node = newNode(t, config.Limits.Rules)
	config.Writer, config.Reader, config.Cluster, config.Hub = b.node, b.node, b.node, b.node.hub
	server, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	b.server = server
	id, key := MintKey(rand.Reader)
	b.root = key
	_, err = b.node.Submit(t.Context(), events.FormCluster{
		ID: "01JTEST", Members: []events.FoundingPeer{{ID: "n1", Address: "127.0.0.1:6100"}},
		FirstKey: events.CreateKey{ID: id, Name: "ana", Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}}},
	}, events.Stamp{Time: b.now(), ID: ulid.Make(), Actor: "bootstrap"})
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(newJudge(t, server))
	t.Cleanup(listening.Close)
	b.url = listening.URL
	return b
}

// key makes an API key with one grant.
func (b *bench) key(name, namespace, role, keys string) string {
	b.t.Helper()
	r := b.do("POST", "/api/v1/keys", wire.NewKey{Name: name, Grants: []wire.Grant{{Namespace: namespace, Role: role, Keys: keys}}})
	r.is(201)
	return decodeAs[wire.APIKey](r).Key
}

// put sets a value, as JSON text.
func (b *bench) put(namespace, key, value string) reply {
	b.t.Helper()
	r := b.do("PUT", entryPath(namespace, key), `{"value":`+value+`}`)
	if r.status != 200 && r.status != 201 {
		b.t.Fatalf("put %s/%s: %d %s", namespace, key, r.status, r.body)
	}
	return r
}

func entryPath(namespace, key string) string {
	return "/api/v1/namespaces/" + namespace + "/config/" + key
}

// do sends a request as the admin, unless a header says otherwise: headers are
// given as "Name: value". The body is text, or anything else as JSON.
func (b *bench) do(method, path string, body any, headers ...string) reply {
	b.t.Helper()
	r, err := b.try(method, path, body, headers...)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) try(method, path string, body any, headers ...string) (reply, error) {
	var sent io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(v)
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return reply{}, err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, sent)
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("X-Api-Key", b.root)
	if sent != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if request.Header.Set(name, value); value == "" {
			request.Header.Del(name)
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return reply{b.t, method + " " + path, response.StatusCode, response.Header, string(read)}, err
}

// reply is an answer that was read.
type reply struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   string
}

// is fails the test unless the status is the wanted one.
func (r reply) is(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("%s: %d %s, want %d", r.what, r.status, r.body, status)
	}
	return r
}

// problem fails the test unless the answer is a problem of this kind that speaks
// of these words.
func (r reply) problem(status int, uri string, words ...string) wire.Problem {
	r.t.Helper()
	r.is(status)
	p := decodeAs[wire.Problem](r)
	if p.Type != uri || p.Status != status || r.header.Get("Content-Type") != wire.MediaProblem || p.CorrelationID == "" {
		r.t.Errorf("%s: %s %s, want type %s", r.what, r.header.Get("Content-Type"), r.body, uri)
	}
	for _, w := range words {
		if !strings.Contains(r.body, w) {
			r.t.Errorf("%s: %s does not speak of %q", r.what, r.body, w)
		}
	}
	return p
}

func decodeAs[T any](r reply) (v T) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		r.t.Fatalf("%s: %v: %s", r.what, err, r.body)
	}
	return v
}

// judge holds every exchange of the tests against the OpenAPI document: every
// answer, and every request that was not answered with 4xx.
type judge struct {
	t        testing.TB
	document *openapi3.T
	server   *Server
}

func newJudge(t testing.TB, s *Server) http.Handler {
	if _, ok := t.(*testing.B); ok {
		return s
	}
	return &judge{t, loadOpenAPI(t), s}
}

var readOpenAPI = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(openAPI) })

func loadOpenAPI(t testing.TB) *openapi3.T {
	t.Helper()
	document, err := readOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if (r.URL.Path == watchPath || r.URL.Path == replayPath) && r.Method == http.MethodGet {
		j.stream(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	j.server.ServeHTTP(answer, r)
	j.hold(r, body, answer)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// stream holds an answer against the document once it is over, and its frames
// one by one.
func (j *judge) stream(w http.ResponseWriter, r *http.Request) {
	seen := &seen{ResponseWriter: w}
	j.server.ServeHTTP(seen, r)
	answer := httptest.NewRecorder()
	answer.Code, answer.Body = seen.code, &seen.body
	maps.Copy(answer.Header(), w.Header())
	for line := range strings.Lines(seen.body.String()) {
		data, sse := strings.CutPrefix(line, "data: ")
		if sse || w.Header().Get("Content-Type") == wire.MediaNDJSON {
			holdFrame(j.t, []byte(data))
		}
	}
	if seen.code > 0 && seen.code != http.StatusSwitchingProtocols { // else the connection was taken over
		j.hold(r, nil, answer)
	}
}

// seen keeps what is written.
type seen struct {
	http.ResponseWriter
	code int
	body bytes.Buffer
}

func (s *seen) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *seen) Write(p []byte) (int, error) {
	s.body.Write(p)
	return s.ResponseWriter.Write(p)
}

func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// holdFrame holds a frame against the OpenAPI document.
func holdFrame(t testing.TB, frame []byte) {
	t.Helper()
	var v any
	err := json.Unmarshal(frame, &v)
	if err == nil {
		err = loadOpenAPI(t).Components.Schemas["Frame"].Value.VisitJSON(v)
	}
	if err != nil {
		t.Errorf("frame %s is not what openapi.yaml describes: %v", frame, err)
	}
}

func (j *judge) hold(r *http.Request, body []byte, answer *httptest.ResponseRecorder) {
	found, names, err := j.server.paths.find(r.URL)
	if err != nil || r.Method == http.MethodOptions || answer.Code == http.StatusMethodNotAllowed {
		return
	}
	item := j.document.Paths.Value(found.pattern)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if item == nil || item.GetOperation(method) == nil {
		j.t.Errorf("%s %s is not in openapi.yaml", method, found.pattern)
		return
	}
	request := r.Clone(r.Context())
	request.Body = io.NopCloser(bytes.NewReader(body))
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	input := &openapi3filter.RequestValidationInput{
		Request: request, Options: options,
		PathParams: map[string]string{
			"namespace": names.namespace, "key": names.key, "id": names.id, "slug": names.id, "profile": names.id, "path": names.id,
		},
		Route: &routers.Route{Spec: j.document, Path: found.pattern, PathItem: item, Method: method, Operation: item.GetOperation(method)},
	}
	media := answer.Header().Get("Content-Type")
	options.ExcludeResponseBody = media == wire.MediaSSE || media == wire.MediaNDJSON || strings.HasPrefix(media, "text/javascript")
	if answer.Code < 400 {
		if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
			j.t.Errorf("%s %s was accepted but is not what openapi.yaml describes: %v", r.Method, r.URL, err)
		}
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.Code, Header: answer.Header(),
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())), Options: options,
	})
	if err != nil {
		j.t.Errorf("%s %s was answered in a way openapi.yaml does not describe: %v", r.Method, r.URL, err)
	}
}
