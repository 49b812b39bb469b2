package torture

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// revocation is how soon the streams of a revoked key must have ended.
const revocation = time.Second

// mint creates an API key.
func (c *cluster) mint(name string, grants ...wire.Grant) wire.APIKey {
	c.t.Helper()
	var key wire.APIKey
	err := settle(c.t.Context(), "mint-"+name, func(w client.Write) (err error) {
		key, err = c.client(c.key).CreateKey(c.t.Context(), wire.NewKey{Name: name, Grants: grants}, w)
		return err
	})
	if err != nil {
		c.t.Fatalf("create the key %s: %v", name, err)
	}
	for _, n := range c.nodes {
		await(c.t, n.id+" knows the key "+name, func() error {
			a, err := c.do(n, http.MethodGet, "/api/v1/whoami", nil, wire.HeaderAPIKey, key.Key)
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("%v", a)
			}
			return err
		})
	}
	return key
}

func TestARevokedKeyEndsItsStreamsOnEveryNode(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	key := c.mint("short-lived", wire.Grant{Namespace: "app", Role: wire.RoleViewer})
	other := c.open(c.nodes[0], streams.Call{Encoding: wire.EncodingSSE})
	var open []*watch
	for _, n := range c.nodes {
		for _, encoding := range encodings() {
			w := c.open(n, streams.Call{Encoding: encoding, Key: key.Key, Filter: streams.Filter{Namespaces: []string{"app"}}})
			w.until(wire.FrameResumed)
			open = append(open, w)
		}
	}
	if err := c.client(c.key).RevokeKey(t.Context(), key.ID, client.Write{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, w := range open {
		if f := w.ends(); f.Reason != wire.ReasonRevoked {
			t.Errorf("%s: ended by %s: %s, want %s", w.encoding, f, f.Detail, wire.ReasonRevoked)
		}
	}
	took := time.Since(began)
	t.Logf("%d streams on %d nodes ended within %v", len(open), len(c.nodes), took)
	if took > revocation {
		t.Errorf("streams of a revoked key lived for %v, may for %v", took, revocation)
	}
	for _, encoding := range encodings() {
		if w := c.open(c.nodes[0], streams.Call{Encoding: encoding, Key: key.Key}); w.status != http.StatusUnauthorized {
			t.Errorf("%s with a revoked key: %d %+v", encoding, w.status, w.problem)
		}
	}
	c.put("app", "k", "v")
	if f := other.until(wire.FrameEvent); f.Event.Key != "k" {
		t.Errorf("another key's stream has %v", f)
	}
}

func TestANodeThatStopsSaysGoodbyeAndTheClientsGoOnElsewhere(t *testing.T) {
	c := form(t, calm())
	c.put("app", "k", "before")
	for _, stops := range []*node{c.leader(), c.followers(c.leader())[0]} {
		var open []*watch
		for _, encoding := range encodings() {
			w := c.open(stops, streams.Call{Encoding: encoding})
			w.until(wire.FrameResumed)
			open = append(open, w)
		}
		stalled := c.open(stops, streams.Call{Encoding: wire.EncodingSSE, Buffer: socketBuffer}) // must not hold it up
		last := c.put("app", "k", "last of "+stops.id)
		for _, w := range open {
			if f := w.until(wire.FrameEvent); f.Event.Position != last {
				t.Fatalf("%s has %v, want %s", w.encoding, f, last)
			}
		}
		began := time.Now()
		if code := stops.term(); code != 0 {
			t.Errorf("%s ended with code %d", stops.id, code)
		}
		t.Logf("%s ended in %v with %d streams", stops.id, time.Since(began), len(open)+1)
		for _, w := range open {
			if f := w.ends(); f.Frame.Frame != wire.FrameGoaway || f.Reason != wire.ReasonShutdown {
				t.Errorf("%s: ended by %s, want a goodbye", w.encoding, f)
			}
		}
		stalled.close()
		next := c.put("app", "k", "while "+stops.id+" is gone")
		for _, n := range c.followers(stops) {
			for _, encoding := range encodings() {
				w := c.open(n, streams.Call{Encoding: encoding, After: last, ByID: encoding == wire.EncodingSSE})
				if f := w.until(wire.FrameEvent); f.Event.Position != next {
					t.Errorf("%s goes on at %s with %v, want %s", encoding, n.id, f, next)
				}
			}
		}
		stops.start()
		c.awaitReady(c.nodes...)
	}
}

// A reader that stops is blocked only when all that the kernel holds for it is
// full.
const (
	socketBuffer = 256 << 10
	stuffing     = 100 // values of 64 KiB
)

func TestAReaderThatStopsHoldsUpNobodyAndThenReadsOn(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	n := c.nodes[0]
	var stopped []*watch
	for _, encoding := range encodings() {
		stopped = append(stopped, c.open(n, streams.Call{Encoding: encoding, Buffer: socketBuffer, Filter: streams.Filter{Namespaces: []string{"app"}}}))
	}
	live := c.open(n, streams.Call{Encoding: wire.EncodingNDJSON})
	first := live.until(wire.FrameResumed)
	padding := strings.Repeat("x", 64<<10)
	var written []uint64
	slowest := time.Duration(0)
	for i := range stuffing {
		e, err := c.client(c.key).Put(t.Context(), "app", fmt.Sprintf("k%d", i%10), value(fmt.Sprint(i, padding)), client.Write{})
		if err != nil {
			t.Fatal(err)
		}
		written = append(written, e.Index)
		acknowledged := time.Now()
		if f := live.until(wire.FrameEvent); f.Event.Index != e.Index {
			t.Fatalf("the reader that reads has %v, want %d", f, e.Index)
		}
		slowest = max(slowest, time.Since(acknowledged))
	}
	t.Logf("beside readers that have stopped, an event took at most %v", slowest)
	if slowest > arrival {
		t.Errorf("readers that have stopped held up another by %v", slowest)
	}
	for _, w := range stopped {
		prev, begins := uint64(0), w.until(wire.FrameResumed)
		if begins.After != first.After {
			t.Fatalf("%s begins after %s, want %s", w.encoding, begins.After, first.After)
		}
		for _, want := range written {
			f := w.until(wire.FrameEvent)
			if f.Event.Index != want || prev != 0 && f.Prev != prev {
				t.Fatalf("%s goes on with %v, prev %d; want %d, prev %d", w.encoding, f, f.Prev, want, prev)
			}
			prev = want
		}
	}
}

func TestAReaderThatTakesNothingForLongIsEndedAndGoesOnLater(t *testing.T) {
	if !long() {
		t.Skip("takes 40 s; CONFMAN_TORTURE=1 runs it")
	}
	c := form(t, calm())
	c.namespace("app")
	n := c.nodes[0]
	padding := strings.Repeat("x", 64<<10)
	var stopped []*watch
	for _, encoding := range encodings() {
		stopped = append(stopped, c.open(n, streams.Call{Encoding: encoding, Buffer: socketBuffer, After: "0"}))
	}
	var last string
	for i := range stuffing {
		last = c.put("app", "k", fmt.Sprint(i, padding))
	}
	await(t, "the node gives them up", func() error {
		var serving []wire.Watching
		a := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/watches", nil)
		if err := a.decode(&serving); err != nil || len(serving) > 0 {
			return fmt.Errorf("%d are served: %w", len(serving), err)
		}
		return nil
	})
	for _, w := range stopped {
		at := ""
		for {
			f, err := w.next()
			if err != nil {
				break
			}
			if f.Event != nil {
				at = f.Event.Position
			}
		}
		if at == "" || at == last {
			t.Fatalf("%s: the connection ended after %q, which is the end: it was not stuck", w.encoding, at)
		}
		again := c.open(n, streams.Call{Encoding: w.encoding, After: at})
		for f := again.until(wire.FrameEvent); f.Event.Position != last; f = again.until(wire.FrameEvent) {
			continue
		}
	}
}
