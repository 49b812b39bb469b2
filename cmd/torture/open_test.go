package torture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// watch is one that a test opened by hand.
type watch struct {
	t        *testing.T
	encoding string
	status   int // 101 for a WebSocket
	problem  wire.Problem
	header   http.Header // not of a WebSocket
	next     func() (streams.Frame, error)
	close    func()
	socket   *streams.Socket // of a WebSocket
}

func encodings() []string {
	return []string{wire.EncodingSSE, wire.EncodingNDJSON, wire.EncodingWebSocket}
}

// open asks a node for a watch, or whatever answers at the call's address. Key
// and Address are the admin's and the node's if the call has none.
func (c *cluster) open(n *node, call streams.Call) *watch {
	c.t.Helper()
	if call.Address == "" {
		call.Address = n.address
	}
	if call.Key == "" && call.Query.Get(wire.ParamTicket) == "" {
		call.Key = c.key
	}
	ctx, cancel := context.WithCancel(c.t.Context())
	w := &watch{t: c.t, encoding: call.Encoding, close: cancel}
	if call.Encoding == wire.EncodingWebSocket {
		w.openSocket(ctx, call)
	} else {
		w.openFeed(ctx, call)
	}
	c.t.Cleanup(w.close)
	return w
}

func (w *watch) openFeed(ctx context.Context, call streams.Call) {
	w.t.Helper()
	f, err := streams.Dial(ctx, call)
	if err != nil {
		w.t.Fatal(err)
	}
	f.Patience = patience
	w.status, w.problem, w.header, w.next = f.Status, f.Problem, f.Header, f.Next
	w.close = f.Close
}

func (w *watch) openSocket(ctx context.Context, call streams.Call) {
	w.t.Helper()
	s, status, problem, err := streams.DialSocket(ctx, call, "w1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.status, w.problem, w.socket = status, problem, s
	if s == nil {
		return
	}
	w.next = func() (streams.Frame, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.Next(ctx)
	}
	w.close = s.Close
}

// begun reports whether a stream began.
func (w *watch) begun() bool {
	return w.status == http.StatusOK || w.status == http.StatusSwitchingProtocols
}

// until reads up to a frame of a kind, and returns it.
func (w *watch) until(kind string) streams.Frame {
	w.t.Helper()
	if !w.begun() {
		w.t.Fatalf("%s: no stream began: %d %+v", w.encoding, w.status, w.problem)
	}
	for began := time.Now(); ; {
		f, err := w.next()
		if err != nil || time.Since(began) > patience {
			w.t.Fatalf("%s: %v, %v, waiting for %s", w.encoding, f, err, kind)
		}
		if f.Frame.Frame == kind {
			return f
		}
		if f.Frame.Frame == wire.FrameReset || f.Frame.Frame == wire.FrameGoaway {
			w.t.Fatalf("%s: ended by %s: %s, waiting for %s", w.encoding, f, f.Detail, kind)
		}
	}
}

// ends reads what is left and returns the frame that ends the watch. The
// connection must end after it, unless it is a WebSocket whose watch is reset.
func (w *watch) ends() (last streams.Frame) {
	w.t.Helper()
	if !w.begun() {
		w.t.Fatalf("%s: no stream began: %d %+v", w.encoding, w.status, w.problem)
	}
	for began := time.Now(); ; {
		f, err := w.next()
		over := last.Frame.Frame == wire.FrameReset || last.Frame.Frame == wire.FrameGoaway
		switch {
		case err != nil && !over, errors.Is(err, context.DeadlineExceeded), time.Since(began) > patience:
			w.t.Fatalf("%s: %v after %v, not ended with a reason", w.encoding, err, last)
		case err != nil:
			return last
		case over:
			w.t.Fatalf("%s: %v after %v", w.encoding, f, last)
		}
		if last = f; f.Frame.Frame == wire.FrameReset && w.encoding == wire.EncodingWebSocket {
			return last
		}
	}
}

// put writes a string, and returns the position of its event when every node that
// runs has it but those excepted.
func (c *cluster) put(namespace, key, text string, except ...*node) (position string) {
	c.t.Helper()
	var e wire.ConfigEntry
	await(c.t, "a write", func() error {
		a, err := c.do(c.leader(), http.MethodPut, entryPath(namespace, key), value(text))
		if err != nil {
			return err
		}
		if a.status >= http.StatusMultipleChoices {
			return errors.New(a.String())
		}
		position = a.header.Get(wire.HeaderPosition)
		return a.decode(&e)
	})
	for _, n := range c.nodes {
		if n.runs() && !slices.Contains(except, n) {
			c.must(http.StatusOK, n, http.MethodGet, fmt.Sprintf("/api/v1/namespaces?limit=1&min_index=%d", e.Index), nil)
		}
	}
	if strings.HasPrefix(position, fmt.Sprintf("%d-", e.Index)) { // not that of an earlier attempt
		return position
	}
	return c.positionAt(e.Index)
}

// positionAt is the position of an event.
func (c *cluster) positionAt(index uint64) string {
	c.t.Helper()
	a := c.must(http.StatusOK, c.leader(), http.MethodGet, fmt.Sprintf("/api/v1/audit?order=asc&limit=1&after=%d&min_index=%d", index-1, index), nil)
	var page []wire.AuditEvent
	if err := a.decode(&page); err != nil || len(page) != 1 {
		c.t.Fatalf("position of %d: %v, %v", index, err, a)
	}
	return page[0].Position
}
