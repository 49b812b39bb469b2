package peer

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func TestWrongPeerIsToldWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		dialler func(*Config)
		server  func(*Config)
		to      raft.ServerID
		want    []string
	}{
		"wrong token":    {dialler: func(c *Config) { c.Token = "guess" }, want: []string{"401", "token", "n1"}},
		"no token":       {dialler: func(c *Config) { c.Token = "" }, want: []string{"401", "token", "n1"}},
		"both no token":  {dialler: func(c *Config) { c.Token = "" }, server: func(c *Config) { c.Token = "" }, want: []string{"401", "token"}},
		"other cluster":  {dialler: func(c *Config) { c.Cluster = func() string { return "c2" } }, want: []string{"409", `"c1"`, `"c2"`, "n2"}},
		"no cluster":     {dialler: func(c *Config) { c.Cluster = func() string { return "" } }, want: []string{"409", `"c1"`, `""`}},
		"other node":     {to: "n9", want: []string{"409", `"n1"`, `"n9"`, `"n2"`}},
		"no certificate": {server: func(c *Config) { c.RequirePeerCertificate = true }, want: []string{"401", "certificate", "n1"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n1, n2 := newNode(t, "n1", test.server), newNode(t, "n2", test.dialler)
			if test.to == "" {
				test.to = "n1"
			}
			err := n2.RequestVote(test.to, n1.addr, &raft.RequestVoteRequest{Term: 1}, new(raft.RequestVoteResponse))
			if err == nil {
				t.Fatal("let in")
			}
			for _, want := range append(test.want, string(test.to), string(n1.addr)) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %s", err, want)
				}
			}
			if n := n1.connections(); n != 0 {
				t.Errorf("%d places taken by a peer that was refused", n)
			}
		})
	}
}

func TestRefusalIsAProblemDocument(t *testing.T) {
	n := newNode(t, "n1", nil)
	tests := map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"anybody":       {http.MethodGet, nil, http.StatusUnauthorized},
		"no upgrade":    {http.MethodGet, map[string]string{headerToken: "secret"}, http.StatusUpgradeRequired},
		"other upgrade": {http.MethodGet, map[string]string{headerToken: "secret", "Upgrade": "websocket"}, http.StatusUpgradeRequired},
		"POST":          {http.MethodPost, map[string]string{headerToken: "secret", "Upgrade": protocol}, http.StatusUpgradeRequired},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest(test.method, Path, nil)
			for k, v := range test.header {
				r.Header.Set(k, v)
			}
			n.Transport.ServeHTTP(w, r)
			var no refusal
			if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil {
				t.Fatal(err)
			}
			if w.Code != test.status || no.Status != test.status || no.Title != http.StatusText(test.status) || no.Detail == "" {
				t.Errorf("status %d, body %+v, want status %d", w.Code, no, test.status)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
}

func TestDialSaysWhenThereIsNoConfmanNode(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	n := newNode(t, "n1", nil)
	err := n.RequestVote("n2", raft.ServerAddress(secure.Listener.Addr().String()), &raft.RequestVoteRequest{}, new(raft.RequestVoteResponse))
	if err == nil || !strings.Contains(err.Error(), "HTTPS server") {
		t.Fatalf("plain dial to a TLS port: %v", err)
	}
}

// A peer that accepts and then says nothing must not hold the dialler.
func TestDialEndsAtItsDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, client := range map[string]func() *tls.Config{"TLS handshake": func() *tls.Config { return new(tls.Config) }, "upgrade": nil} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, "n1", func(c *Config) { c.Timeout, c.ClientTLS = 50*time.Millisecond, client })
			began := time.Now()
			err := n.RequestVote("n2", raft.ServerAddress(silent.Addr().String()), &raft.RequestVoteRequest{}, new(raft.RequestVoteResponse))
			if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "timeout") || took > patience/2 {
				t.Fatalf("%v after %v", err, took)
			}
			if len(n.streams.open) != 0 {
				t.Error("the socket of a failed dial is still open")
			}
		})
	}
}

func TestStreamHasNoDeadlineLeft(t *testing.T) {
	const timeout = 60 * time.Millisecond
	short := func(c *Config) { c.Timeout = timeout }
	n1, n2 := unstarted(t, "n1", short), newNode(t, "n2", short)
	n1.srv.Config.ReadTimeout, n1.srv.Config.WriteTimeout = timeout, timeout
	n1.srv.Start()
	answer(t, n1, follow)
	if err := vote(n2, n1); err != nil {
		t.Fatal(err)
	}
	n1.ignore("n2", true) // no second connection: the first one must do
	<-time.After(3 * timeout)
	if err := vote(n2, n1); err != nil {
		t.Fatalf("on a connection older than all timeouts: %v", err)
	}
}

func TestBytesThatCameWithTheUpgradeAreKept(t *testing.T) {
	s := newStreams(Config{MaxConns: 1, Timeout: time.Second})
	defer s.Close()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.reserve(); err != nil {
			t.Error(err)
			return
		}
		if err := s.serve(w); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nearly", Path, protocol); err != nil {
		t.Fatal(err)
	}
	in, err := s.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	got := make([]byte, 10)
	go io.WriteString(c, " late")
	if _, err := io.ReadFull(in, got); err != nil || string(got) != "early late" {
		t.Fatalf("read %q, %v", got, err)
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatalf("answer %q, %v", line, err)
	}
}

func TestConnectionsAreCapped(t *testing.T) {
	n1 := newNode(t, "n1", func(c *Config) { c.MaxConns = 2 })
	answer(t, n1, follow)
	n2, n3, n4 := newNode(t, "n2", nil), newNode(t, "n3", nil), newNode(t, "n4", nil)
	for _, n := range []*node{n2, n3} {
		if err := vote(n, n1); err != nil {
			t.Fatal(err)
		}
	}
	if err := vote(n4, n1); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "2 inbound") {
		t.Fatalf("third of two: %v", err)
	}
	if err := n2.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the place of a peer that left is free", func() bool { return n1.connections() == 1 })
	if err := vote(n4, n1); err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsAllConnections(t *testing.T) {
	n1, n2 := newNode(t, "n1", nil), newNode(t, "n2", nil)
	answer(t, n2, follow)
	held := make(chan raft.RPC, 1)
	answer(t, n1, func(rpc raft.RPC) { held <- rpc }) // never answers
	if err := vote(n1, n2); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() { failed <- vote(n2, n1) }()
	<-held
	for range 2 {
		if err := n1.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-failed; err == nil {
		t.Error("a call to a closed transport was answered")
	}
	if n1.connections() != 0 {
		t.Error("Close returned before its inbound connections had ended")
	}
	eventually(t, "the peer sees its connections end", func() bool { return n2.connections() == 0 })
	if err := vote(n2, n1); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("upgrade at a closed transport: %v", err)
	}
	if err := vote(n1, n2); err == nil {
		t.Error("a closed transport dialled")
	}
}
