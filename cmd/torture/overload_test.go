package torture

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/wire"
)

// assault is all that is done to a node at once: by a principal who asks for more
// than there is, and by strangers.
type assault struct {
	t      *testing.T
	c      *cluster
	target *node
	key    string // of the greedy principal
	all    sync.WaitGroup
	bytes  atomic.Int64 // of garbage
	writes atomic.Int64 // of the principal, done
	shed   atomic.Int64 // of the principal, 429 or 503
}

// A principal writes in 64 hot loops while strangers send 10 MB of garbage a second
// and hold connections in every way there is. Another principal notices nothing.
func TestNobodysLoadHurtsAnothers(t *testing.T) {
	p := calm()
	p.args = append(p.args, "--max-writes", "4") // and 16 in line: the greedy one has them all
	c := form(t, p)
	leader := c.leader()
	c.namespace("app")
	polite, greedy := c.keyOf("polite"), c.keyOf("greedy")
	usual := c.footprint(leader)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rounds(6, 60))*time.Second)
	defer cancel()
	a := &assault{t: t, c: c, target: leader, key: greedy}
	a.begin(ctx)
	served, slowest := 0, time.Duration(0)
	for i := 0; ctx.Err() == nil; i++ {
		slowest = max(slowest, c.live(leader, polite, i))
		served += 3
	}
	a.all.Wait()
	t.Logf("%d requests of the polite one, the slowest took %s; %d writes of the greedy one, %d shed; %d MB of garbage",
		served, slowest, a.writes.Load(), a.shed.Load(), a.bytes.Load()>>20)
	if served < 30 || a.writes.Load() < 100 || a.shed.Load() < 100 || a.bytes.Load() < 10<<20 {
		t.Error("too little happened to show anything")
	}
	c.http.CloseIdleConnections()
	await(t, "the node is as it was", func() error { return usual.exceeded(c.footprint(leader)) })
	for _, n := range c.nodes {
		if lines := strings.Count(n.logs(), "\n"); lines > 60 {
			t.Errorf("%s has logged %d lines", n.id, lines)
		}
	}
}

// keyOf makes a principal who may edit the namespace app.
func (c *cluster) keyOf(name string) string {
	c.t.Helper()
	var made wire.APIKey
	a := c.must(http.StatusCreated, c.leader(), http.MethodPost, "/api/v1/keys", wire.NewKey{Name: name, Grants: []wire.Grant{{Namespace: "app", Role: "editor"}}})
	if err := a.decode(&made); err != nil {
		c.t.Fatal(err)
	}
	return made.Key
}

// live is what a polite principal does: a write, a confirmed read of it, a list. It
// returns how long the slowest took.
func (c *cluster) live(n *node, key string, i int) (slowest time.Duration) {
	path, want := entryPath("app", "polite"), fmt.Sprintf("value %d", i)
	for _, step := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPut, path, value(want)},
		{http.MethodGet, path + "?consistency=linearizable", nil},
		{http.MethodGet, "/api/v1/namespaces/app/config", nil},
	} {
		a, err := c.do(n, step.method, step.path, step.body, wire.HeaderAPIKey, key)
		if err != nil || a.status >= http.StatusMultipleChoices {
			c.t.Errorf("%s %s: %v %v", step.method, step.path, a, err)
		} else if step.method == http.MethodGet && !bytes.Contains(a.body, []byte(want)) {
			c.t.Errorf("%s: %.200s, want %s", step.path, a.body, want)
		}
		slowest = max(slowest, a.took)
	}
	return slowest
}

// begin begins it; all ends soon after the context.
func (a *assault) begin(ctx context.Context) {
	for i := range 64 {
		a.all.Go(func() { a.write(ctx, i) })
	}
	garbage := make([]byte, 128<<10)
	_, _ = rand.Read(garbage) // never fails
	giant := append([]byte("GET / HTTP/1.1\r\nHost: x\r\nX-Giant: "), bytes.Repeat([]byte("x"), 64<<10)...)
	head := func(line string, more ...string) []byte {
		return []byte(line + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(more, "\r\n") + "\r\n\r\n")
	}
	put := head("PUT "+entryPath("app", "slow"), "Content-Length: 100000", "X-Api-Key: "+a.key)
	for _, s := range []struct {
		many int
		text []byte
		rest bool // hold the connection until it is cut
	}{
		{4, garbage, false},
		{2, giant, false},
		{2, head("GET /internal/v1/raft", "Connection: Upgrade", "Upgrade: confman-raft/1", "X-Cluster-Token: guessed"), false},
		{2, head("GET /api/v1/watch?namespace=app", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x"), false},
		{2, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), true}, // the begin of a TLS hello
		{100, nil, true}, // not a word
		{100, put[:40], true},
		{100, append(put, `{"value":`...), true},
		{20, bytes.Repeat(head("GET /api/v1/namespaces/app/config", "X-Api-Key: "+a.key), 1000), true}, // and reads nothing
	} {
		for range s.many {
			a.all.Go(func() { a.annoy(ctx, s.text, s.rest) })
		}
	}
}

// write writes as fast as it can and ignores what it is told.
func (a *assault) write(ctx context.Context, i int) {
	for n := 0; ctx.Err() == nil; n++ {
		answer, err := a.c.do(a.target, http.MethodPut, entryPath("app", fmt.Sprint("greedy-", i)), value(fmt.Sprint(n)), wire.HeaderAPIKey, a.key)
		switch {
		case err != nil && ctx.Err() == nil:
			a.t.Errorf("a greedy write: %v", err)
			return
		case answer.status < http.StatusMultipleChoices:
			a.writes.Add(1)
		case answer.status == http.StatusTooManyRequests, answer.status == http.StatusServiceUnavailable:
			a.shed.Add(1)
			if answer.header.Get("Retry-After") == "" {
				a.t.Error("shed without Retry-After")
			}
		default:
			a.t.Errorf("a greedy write: %v", answer)
		}
	}
}

// annoy connects and sends something, again and again, at most 50 times a second.
func (a *assault) annoy(ctx context.Context, text []byte, rest bool) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	var dialer net.Dialer
	for ctx.Err() == nil {
		<-pace.C
		conn, err := dialer.DialContext(ctx, "tcp", a.target.address)
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		n, err := conn.Write(text)
		a.bytes.Add(int64(n))
		if rest && err == nil {
			<-ctx.Done()
		}
		stop()
		conn.Close()
	}
}

// footprint is what a node takes of its machine.
type footprint struct{ goroutines, files, heap float64 }

// footprint measures a node after a collection.
func (c *cluster) footprint(n *node) (f footprint) {
	c.t.Helper()
	c.must(http.StatusOK, n, http.MethodGet, "/debug/pprof/heap?gc=1", nil)
	metrics := string(c.must(http.StatusOK, n, http.MethodGet, "/metrics", nil).body)
	for name, into := range map[string]*float64{"go_goroutines ": &f.goroutines, "process_open_fds ": &f.files, "go_memstats_heap_alloc_bytes ": &f.heap} {
		for line := range strings.Lines(metrics) {
			if v, ok := strings.CutPrefix(line, name); ok {
				*into, _ = strconv.ParseFloat(strings.TrimSpace(v), 64)
			}
		}
	}
	if f.goroutines == 0 || f.files == 0 || f.heap == 0 {
		c.t.Fatalf("the metrics do not say what %s takes: %+v", n.id, f)
	}
	return f
}

// exceeded is the error of a footprint that is larger than the usual one, but for
// what was written meanwhile.
func (usual footprint) exceeded(now footprint) error {
	var all []error
	for _, x := range []struct {
		name             string
		usual, now, more float64
	}{
		{"goroutines", usual.goroutines, now.goroutines, 20},
		{"open files", usual.files, now.files, 20},
		{"bytes of heap", usual.heap, now.heap, 48 << 20},
	} {
		if x.now > x.usual+x.more {
			all = append(all, fmt.Errorf("%g %s, usually %g", x.now, x.name, x.usual))
		}
	}
	return errors.Join(all...)
}
