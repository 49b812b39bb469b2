package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

func TestWriteFollowsTheRedirectAndThenGoesToTheLeader(t *testing.T) {
	for name, endpoints := range map[string]func(follower, leader string) []string{
		"leader given":                 func(f, l string) []string { return []string{f, l} },
		"leader learnt from readiness": func(f, l string) []string { return []string{f} },
	} {
		t.Run(name, func(t *testing.T) {
			leader := newNode(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 201, wire.ConfigEntry{Version: 1}) })
			other := follower(t, func() string { return leader.URL }, true)
			c := newClient(t, client.Config{Endpoints: endpoints(other.URL, leader.URL)})
			var meta client.Meta
			spelled := wire.PutConfig{Value: json.RawMessage(`{"a":"<&>","n":1.50}`)}
			for range 3 {
				if _, err := c.Put(ctx(t), "a/b", "k", spelled, client.Write{IdempotencyKey: "once", IfVersion: new(uint64(6)), Meta: &meta}); err != nil {
					t.Fatal(err)
				}
			}
			if len(leader.asked()) != 3 || len(other.asked()) > 1 {
				t.Errorf("leader asked %d times, follower %d; want 3 and at most 1", len(leader.asked()), len(other.asked()))
			}
			if meta.Endpoint != leader.URL || !meta.Created() {
				t.Errorf("meta %+v", meta)
			}
			for i, r := range leader.asked() {
				h := r.Header
				if r.RequestURI != "/api/v1/namespaces/a%2Fb/config/k" || h.Get(wire.HeaderAPIKey) != "secret" || h.Get(wire.HeaderIdempotencyKey) != "once" ||
					h.Get("If-Match") != `"v6"` || leader.bodies[i] != `{"value":{"a":"<&>","n":1.50}}` {
					t.Errorf("leader got %s %v %s", r.RequestURI, h, leader.bodies[i])
				}
			}
		})
	}
}

func TestRedirectToAMemberFromTheClusterListIsFollowed(t *testing.T) {
	leader := newNode(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, wire.ConfigEntry{}) })
	entry := newNode(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health/ready":
			answer(w, 200, wire.Ready{Status: wire.StatusReady})
		case "/api/v1/cluster":
			answer(w, 200, wire.Cluster{Members: []wire.Member{{ID: "n1", URL: leader.URL + "/"}}})
		default:
			http.Redirect(w, r, leader.URL+r.RequestURI, http.StatusTemporaryRedirect)
		}
	})
	c := newClient(t, client.Config{Endpoints: []string{entry.URL}})
	if _, err := c.Put(ctx(t), "a", "k", one, client.Write{}); err != nil {
		t.Fatal(err)
	}
}

func TestRedirectToAStrangerIsRefusedAndNamed(t *testing.T) {
	stranger := newNode(t, func(w http.ResponseWriter, r *http.Request) { answer(w, 200, wire.ConfigEntry{}) })
	for _, location := range []string{stranger.URL, "http://stranger.example:6100", "https://u:p@stranger.example", "/relative", "javascript:alert(1)", ""} {
		known := newNode(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/health") || r.URL.Path == "/api/v1/cluster" {
				problem(w, 401, wire.ProblemUnauthenticated, "")
				return
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		})
		c := newClient(t, client.Config{Endpoints: []string{known.URL}})
		_, err := c.Put(ctx(t), "a", "k", one, client.Write{})
		if !errors.Is(err, client.ErrRedirect) || !strings.Contains(err.Error(), location) || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("%q: %v", location, err)
		}
		if len(known.asked()) != 1 {
			t.Errorf("%q: asked %d times, want once: it would say the same again", location, len(known.asked()))
		}
	}
	if n := len(stranger.requests); n != 0 {
		t.Errorf("the stranger was asked %d times", n)
	}
}

func TestRedirectThatDropsTLSIsRefused(t *testing.T) {
	var stranger atomic.Int64
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stranger.Add(1) }))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leader := plain.URL + "/"
		if r.URL.Path == "/health/ready" {
			answer(w, 200, wire.Ready{Status: wire.StatusReady, Cluster: wire.ClusterState{Leader: &leader}})
			return
		}
		http.Redirect(w, r, plain.URL+r.RequestURI, http.StatusTemporaryRedirect)
	}))
	defer secure.Close()
	c := newClient(t, client.Config{Endpoints: []string{secure.URL}, HTTP: secure.Client()})
	if _, err := c.Put(ctx(t), "a", "k", one, client.Write{}); !errors.Is(err, client.ErrRedirect) {
		t.Error(err)
	}
	if stranger.Load() != 0 {
		t.Error("the key went out in the clear")
	}
}

// Two members that each believe the other leads, as in the middle of an
// election, must not be followed for ever, and are asked again later.
func TestRedirectsInACircleEndAndAreTriedAgain(t *testing.T) {
	var asked atomic.Int64
	var a, b *node
	circle := func(other **node) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if asked.Add(1) > 6 {
				answer(w, 200, wire.ConfigEntry{Version: 1})
				return
			}
			http.Redirect(w, r, (*other).URL+r.RequestURI, http.StatusTemporaryRedirect)
		}
	}
	a, b = newNode(t, circle(&b)), newNode(t, circle(&a))
	retries := 0
	c := newClient(t, client.Config{Endpoints: []string{a.URL, b.URL}, OnRetry: func(error, time.Duration) { retries++ }})
	if _, err := c.Put(ctx(t), "a", "k", one, client.Write{}); err != nil || retries != 1 {
		t.Fatalf("%v after %d retries, want success after 1", err, retries)
	}
}
