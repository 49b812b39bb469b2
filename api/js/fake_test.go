package js_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"confman/api/wire"
)

// fake is a node with a small history, and with streams that go wrong in the
// way that the first segment of the path says: /cut/api/v1/watch.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	opened map[string]int // connections and watches, by what goes wrong on them
}

func newFake(t *testing.T) *fake {
	f := &fake{opened: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{script}/api/v1/watch", f.watch)
	mux.HandleFunc("POST /{script}/api/v1/watch/tickets", f.ticket)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// count says how often that was opened, this time included.
func (f *fake) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened[what]++
	return f.opened[what]
}

const (
	last  = 40 // index of the last event
	key   = "fake-key"
	early = 20 // where snapshots are taken
)

// eventAt is an event of the fake's history: every tenth deletes, those that end
// in 4 roll back, and those from 5 to 7, 15 to 17 … are one transaction.
func eventAt(i uint64) *wire.Event {
	data := fmt.Sprintf(`{"value":"v%d","type":"string","version":%d}`, i, i)
	e := &wire.Event{Index: i, Position: at(i), ID: fmt.Sprint("id-", i), Type: "config.updated", Namespace: "app", Key: fmt.Sprint("k", i%10), Actor: "ann"}
	switch i % 10 {
	case 0:
		e.Type, data = "config.deleted", fmt.Sprintf(`{"version":%d}`, i)
	case 4:
		e.Type = "config.rolled-back"
		data = fmt.Sprintf(`{"value":"v%d","type":"string","version":%d,"description":"d%d","tags":["t"],"source":{"version":%d,"index":%d}}`, i, i, i, i-10, i-10)
	}
	if n := i % 10; n >= 5 && n <= 7 {
		e.Transaction = fmt.Sprint("t", i/10)
	}
	e.Data = json.RawMessage(data)
	return e
}

func at(i uint64) string { return fmt.Sprintf("%d-%08x", i, i*2654435761%(1<<32)) }

func indexOf(position string) uint64 {
	digits, _, _ := strings.Cut(position, "-")
	i, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		panic(http.ErrAbortHandler) // the client asked for nonsense
	}
	return i
}

// stream is one watch, whatever carries it.
type stream struct {
	after string
	ended <-chan struct{} // the client is gone
	write func(frame []byte)
	prev  uint64
}

func (s *stream) send(f wire.Frame) {
	body, err := json.Marshal(f)
	if err != nil {
		panic(err) // a frame can be encoded
	}
	s.write(body)
}

// begin sends what opens a watch and returns the index that it begins after.
func (s *stream) begin() uint64 {
	switch s.after {
	case wire.AfterSnapshot:
		s.snapshot(9, 9)
		s.prev = early
	case wire.AfterStart:
		s.prev = 0
	case wire.AfterNow:
		s.prev = last - 10
	default:
		s.prev = indexOf(s.after)
	}
	if s.after != wire.AfterSnapshot {
		s.send(wire.Frame{Frame: wire.FrameResumed, After: at(s.prev), Head: at(last)})
	}
	return s.prev
}

// snapshot sends entries as of event 20, and says how many there are.
func (s *stream) snapshot(entries, says int) {
	s.send(wire.Frame{Frame: wire.FrameSnapshot, Position: at(early)})
	for i := range uint64(entries) { //nolint:gosec // few
		e := eventAt(early - 9 + i)
		s.send(wire.Frame{Frame: wire.FrameEntry, Entry: &wire.ConfigEntry{
			Namespace: e.Namespace, Key: e.Key, Value: json.RawMessage(fmt.Sprintf(`"v%d"`, e.Index)), Type: wire.TypeString, Version: e.Index, Index: e.Index,
		}})
	}
	if says > 0 {
		s.send(wire.Frame{Frame: wire.FrameSnapshotEnd, Position: at(early), Entries: says})
	}
}

// events sends those after an index up to another.
func (s *stream) events(after, to uint64) {
	for i := after + 1; i <= to; i++ {
		e := eventAt(i)
		more := e.Transaction != "" && i%10 != 7
		s.send(wire.Frame{Frame: wire.FrameEvent, Prev: s.prev, Event: e, More: more})
		s.prev = i
	}
}

func (s *stream) hold() { <-s.ended }

func (f *fake) watch(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("script")
	if r.Header.Get("Upgrade") != "" {
		f.socket(w, r, name)
		return
	}
	if refused := f.refuse(w, r, name); refused {
		return
	}
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte(": hello\nretry: 10\n\n"))
	s := &stream{after: r.URL.Query().Get("after"), ended: r.Context().Done()}
	s.write = func(frame []byte) {
		_, err := fmt.Fprintf(w, "event: any\nid: 1\ndata: %s\n\n", frame)
		if err != nil || control.Flush() != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if script := scripts[name]; script != nil && script(s, f.count(name)) {
		_, _ = w.Write([]byte("event: event\ndata: {\"frame\":\"ev"))
		_ = control.Flush()
		panic(http.ErrAbortHandler)
	}
}

// refuse answers instead of a stream.
func (f *fake) refuse(w http.ResponseWriter, r *http.Request, name string) bool {
	query := r.URL.Query()
	p := wire.Problem{}
	switch {
	case strings.HasPrefix(name, "ticket"):
		if query.Get("ticket") == "" || name == "ticket-bad" {
			p = wire.Problem{Type: wire.ProblemUnauthenticated, Status: http.StatusUnauthorized, Detail: "no"}
		}
	case r.Header.Get(wire.HeaderAPIKey) != key:
		p = wire.Problem{Type: wire.ProblemUnauthenticated, Status: http.StatusUnauthorized}
	case name == "gone", name == "lost" && query.Get("after") == at(25):
		p = wire.Problem{Type: wire.ProblemCompacted, Status: http.StatusGone, Oldest: at(5), Newest: at(last), Detail: "too old"}
	case name == "busy":
		switch f.count("busy refused") {
		case 1:
			p = wire.Problem{Type: wire.ProblemUnavailable, Status: http.StatusServiceUnavailable}
		case 2:
			p = wire.Problem{Type: wire.ProblemTooManyRequests, Status: http.StatusTooManyRequests}
		}
	}
	if p.Status != 0 {
		w.Header().Set("Content-Type", wire.MediaProblem)
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	}
	return p.Status != 0
}

func (f *fake) ticket(w http.ResponseWriter, r *http.Request) {
	var asked wire.NewTicket
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || r.Header.Get(wire.HeaderAPIKey) != key {
		w.Header().Set("Content-Type", wire.MediaProblem)
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(wire.Problem{Type: wire.ProblemUnauthenticated, Status: http.StatusUnauthorized})
		return
	}
	query := url.Values{"ticket": {fmt.Sprint("ticket-", f.count("tickets"))}, "namespace": asked.Namespace}
	_ = json.NewEncoder(w).Encode(wire.Ticket{Ticket: query.Get("ticket"), URL: "/api/v1/watch?" + query.Encode()})
}

// socket carries watches on a WebSocket until one of their scripts cuts it.
func (f *fake) socket(w http.ResponseWriter, r *http.Request, name string) {
	byTicket := strings.HasPrefix(r.URL.Query().Get("ticket"), "ticket-")
	if name == "ticket-bad" || byTicket == (r.Header.Get(wire.HeaderAPIKey) == key) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.WatchSubprotocol}, OriginPatterns: []string{"*"}})
	if err != nil {
		return
	}
	ended := make(chan struct{})
	var running sync.WaitGroup
	defer running.Wait()
	defer close(ended)
	begin := func(id string, after string, script func(*stream, int) bool, n int) {
		s := &stream{after: after, ended: ended, write: func(frame []byte) {
			_ = conn.Write(r.Context(), websocket.MessageText, append([]byte(`{"watch":"`+id+`",`), frame[1:]...))
		}}
		running.Go(func() {
			if script(s, n) {
				_ = conn.CloseNow()
			}
		})
	}
	if byTicket { // opens a watch by itself
		begin(r.URL.Query().Get("id"), wire.AfterNow, whole, 1)
	}
	for {
		_, message, err := conn.Read(r.Context())
		var op wire.WatchOp
		if err != nil || json.Unmarshal(message, &op) != nil {
			return
		}
		if op.Op != wire.OpWatch {
			_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"frame":"reset","watch":"`+op.ID+`","reason":"unwatched"}`))
			continue
		}
		script := scripts[name]
		if len(op.Namespace) > 0 && slices.Contains([]string{"cut", "gap"}, op.Namespace[0]) {
			script = scripts[op.Namespace[0]] // several watches, each its own way
		}
		begin(op.ID, op.After, script, f.count(name+" "+strings.Join(op.Namespace, ",")))
	}
}
