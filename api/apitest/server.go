package apitest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"confman/api"
	"confman/api/memory"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// Server is a Confman of one node that lives as long as a test. Its methods may
// be called from any goroutine; what they cannot do fails the test.
type Server struct {
	URL string // http://127.0.0.1:PORT, the same all its life
	Key string // an API key, admin of everything

	t       testing.TB
	change  []func(*api.Config)
	node    *memory.Node
	http    http.Server
	refuses atomic.Int64 // a status, or 0

	serving sync.RWMutex // held for reading by each request; guards api and hub
	api     *api.Server
	hub     atomic.Pointer[streaming.Hub]

	mu          sync.Mutex // guards connections
	connections map[net.Conn]struct{}
}

// NewServer starts a server on a free port of the loopback interface. It is
// closed when the test ends. Whatever the API can be told may be changed, such as
// its limits or its clock.
func NewServer(t testing.TB, change ...func(*api.Config)) *Server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("apitest: %v", err)
	}
	s := &Server{URL: "http://" + listener.Addr().String(), t: t, change: change, connections: map[net.Conn]struct{}{}}
	s.node = memory.New(memory.Config{Rules: s.config().Limits.Rules, Announce: func(records []events.Record) { s.hub.Load().Publish(records) }})
	s.start()
	s.form()
	s.http = http.Server{Handler: http.HandlerFunc(s.serve), ConnContext: s.connected, ConnState: s.changed}
	done := make(chan error, 1)
	go func() { done <- s.http.Serve(listener) }()
	t.Cleanup(func() {
		_ = s.http.Close()
		s.stop(func() { s.hub.Load().Close() })
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("apitest: %v", err)
		}
	})
	return s
}

// config is the API's, as the test wants it.
func (s *Server) config() api.Config {
	c := api.Config{
		Reader: s.node, Writer: s.node, Cluster: alone{s.node, s.URL},
		NodeID: "n1", Version: "apitest", Registry: prometheus.NewRegistry(), Log: zerolog.Nop(),
		Now: time.Now, NewID: ulid.Make, Random: rand.Reader, Web: api.Web{TicketSecret: []byte("the secret of apitest")},
	}
	for _, change := range s.change {
		change(&c)
	}
	return c
}

// start makes what serves, over the history as it is.
func (s *Server) start() {
	hub := streaming.NewHub(streaming.HubConfig{})
	s.hub.Store(hub)
	c := s.config()
	c.Hub = hub
	serving, err := api.New(c)
	if err != nil {
		s.t.Fatalf("apitest: %v", err)
	}
	s.api = serving
}

// form begins the history, with the first API key.
func (s *Server) form() {
	id, key := api.MintKey(rand.Reader)
	s.Key = key
	s.submit(events.FormCluster{
		ID: ulid.Make().String(), Members: []events.FoundingPeer{{ID: "n1", Address: "127.0.0.1:6100"}},
		FirstKey: events.CreateKey{ID: id, Name: "apitest", Digest: events.DigestKey(key), Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}}},
	})
}

// stop breaks all connections until no request is being served, and then does
// something.
func (s *Server) stop(then func()) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.serving.Lock() // from here on new requests wait
		defer s.serving.Unlock()
		then()
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.Cut()
		select {
		case <-stopped:
			return
		case <-tick.C:
		}
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.serving.RLock()
	defer s.serving.RUnlock()
	status := int(s.refuses.Load())
	if status == 0 {
		s.api.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", wire.MediaProblem)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "apitest was told to refuse"})
}

func (s *Server) connected(ctx context.Context, c net.Conn) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connections[c] = struct{}{}
	return streaming.ConnContext(ctx, c)
}

// changed forgets a connection that is closed. That of a WebSocket is taken over
// and says nothing any more.
func (s *Server) changed(c net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
}
