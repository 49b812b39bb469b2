package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/wire"
)

// feed is a small cluster of one that has a history and watches of it, as NDJSON.
type feed struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	log     []wire.Event // event i is at i-1
	more    chan struct{}
	cutting chan struct{} // closed to end all streams
	refusal int           // status of every request; 0: none
	oldest  uint64        // events up to it are no longer retained
	goodbye *wire.Frame   // sent to all streams before they end
	absent  string        // a namespace that does not exist
	watches int
}

func newFeed(t *testing.T) *feed {
	t.Helper()
	f := &feed{t: t, more: make(chan struct{}), cutting: make(chan struct{}), absent: "absent"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/watch", f.watch)
	mux.HandleFunc("GET /api/v1/namespaces/{ns}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("ns") == f.absent {
			problem(w, http.StatusNotFound, "namespace absent does not exist")
			return
		}
		answer(w, 200, wire.Namespace{Path: r.PathValue("ns")})
	})
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		refusal := f.refusal
		f.mu.Unlock()
		if refusal != 0 {
			problem(w, refusal, "")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { f.cut(); f.Close() })
	return f
}

func (f *feed) shell() *shell { return newShell(f.t, &server{Server: f.Server}) }

// plainJSON leaves < > & as they are, as a node does.
func plainJSON(v any) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
	return bytes.TrimSpace(buffer.Bytes())
}

func positionOf(index uint64) string { return fmt.Sprintf("%d-%08x", index, index) }

// change is one operation of a transaction: a value, or none to delete.
type change struct{ namespace, key, typ, value string }

// set makes one event.
func (f *feed) set(namespace, key, typ, value string) {
	f.transact(change{namespace, key, typ, value})
}

// transact makes an event of each change, all at once.
func (f *feed) transact(changes ...change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	transaction := ""
	if len(changes) > 1 {
		transaction = "tx" + strconv.Itoa(len(f.log)+1)
	}
	for _, c := range changes {
		data := wire.ConfigChange{Version: 1, Type: c.typ, Value: json.RawMessage(c.value)}
		kind := "config.created"
		for _, e := range slices.Backward(f.log) {
			if e.Namespace != c.namespace || e.Key != c.key {
				continue
			}
			var before wire.ConfigChange
			_ = json.Unmarshal(e.Data, &before)
			data.Version = before.Version + 1
			if before.Type != "" {
				kind, data.Previous = "config.updated", &wire.PreviousVersion{Value: before.Value, Version: before.Version}
			}
			break
		}
		if c.value == "" {
			kind, data.Value = "config.deleted", nil
		}
		f.append(wire.Event{Type: kind, Namespace: c.namespace, Key: c.key, Transaction: transaction}, data)
	}
	close(f.more)
	f.more = make(chan struct{})
}

func (f *feed) append(e wire.Event, data any) {
	e.Index = uint64(len(f.log) + 1)
	e.Position, e.ID, e.Time, e.Actor = positionOf(e.Index), "01J", noon, "ana"
	e.Data = plainJSON(data)
	f.log = append(f.log, e)
}

// say ends all streams with a frame.
func (f *feed) say(frame wire.Frame) {
	f.mu.Lock()
	f.goodbye = &frame
	f.mu.Unlock()
	f.cut()
}

// cut breaks all streams off.
func (f *feed) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.cutting)
	f.cutting = make(chan struct{})
}

// refuse answers every request with a status from now on; 0: no longer.
func (f *feed) refuse(status int) {
	f.mu.Lock()
	f.refusal = status
	f.mu.Unlock()
	f.cut()
}

// awaitWatches waits until so many watches were opened.
func (f *feed) awaitWatches(n int) {
	f.t.Helper()
	await(f.t, fmt.Sprintf("%d watches", n), func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.watches >= n
	})
}

func (f *feed) watch(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f.mu.Lock()
	head, cutting, oldest := uint64(len(f.log)), f.cutting, f.oldest
	f.watches++
	f.mu.Unlock()
	after := head
	switch given := query.Get(wire.ParamAfter); given {
	case wire.AfterNow, "", wire.AfterSnapshot:
	case wire.AfterStart:
		after = oldest
	default:
		index, _, _ := strings.Cut(given, "-")
		after, _ = strconv.ParseUint(index, 10, 64)
		if after > head {
			problem(w, http.StatusGatewayTimeout, "this node has not come as far as "+given)
			return
		}
		if after < oldest {
			w.Header().Set("Content-Type", wire.MediaProblem)
			w.WriteHeader(http.StatusGone)
			_ = json.NewEncoder(w).Encode(wire.Problem{Title: "Gone", Status: 410, Oldest: positionOf(oldest), Newest: positionOf(head)})
			return
		}
	}
	w.Header().Set("Content-Type", wire.MediaNDJSON)
	flush := http.NewResponseController(w)
	send := func(frame wire.Frame) { _, _ = w.Write(append(plainJSON(frame), '\n')); _ = flush.Flush() }
	if query.Get(wire.ParamAfter) == wire.AfterSnapshot {
		f.snapshot(send, query["namespace"], query.Get(wire.ParamPrefix), head)
	} else {
		send(wire.Frame{Frame: wire.FrameResumed, After: positionOf(after), Head: positionOf(head), StaleMs: new(int64(0)), LeaderKnown: new(true)})
	}
	f.follow(r, send, after, head, cutting)
}

func (f *feed) snapshot(send func(wire.Frame), namespaces []string, prefix string, head uint64) {
	send(wire.Frame{Frame: wire.FrameSnapshot, Position: positionOf(head), StaleMs: new(int64(0)), LeaderKnown: new(true)})
	f.mu.Lock()
	now := map[string]wire.ConfigEntry{}
	for _, e := range f.log[:head] {
		var data wire.ConfigChange
		_ = json.Unmarshal(e.Data, &data)
		delete(now, e.Namespace+" "+e.Key)
		if data.Type != "" && inside(e.Namespace, namespaces) && strings.HasPrefix(e.Key, prefix) {
			now[e.Namespace+" "+e.Key] = wire.ConfigEntry{
				Namespace: e.Namespace, Key: e.Key, Value: data.Value, Type: data.Type, Version: data.Version,
				UpdatedAt: e.Time, UpdatedBy: e.Actor, Index: e.Index, Position: e.Position,
			}
		}
	}
	f.mu.Unlock()
	names := []string{}
	for name := range now {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		send(wire.Frame{Frame: wire.FrameEntry, Entry: new(now[name])})
	}
	send(wire.Frame{Frame: wire.FrameSnapshotEnd, Position: positionOf(head), Entries: len(now)})
}

func inside(namespace string, subtrees []string) bool {
	return len(subtrees) == 0 || slices.ContainsFunc(subtrees, func(s string) bool { return namespace == s || strings.HasPrefix(namespace, s+"/") })
}

// follow sends events until the stream is cut, and says when it has reached the
// head.
func (f *feed) follow(r *http.Request, send func(wire.Frame), after, head uint64, cutting <-chan struct{}) {
	query := r.URL.Query()
	matches := func(e wire.Event) bool {
		kinds := query.Get(wire.ParamEvents)
		return inside(e.Namespace, query["namespace"]) && strings.HasPrefix(e.Key, query.Get(wire.ParamPrefix)) &&
			(query.Get(wire.ParamKey) == "" || query.Get(wire.ParamKey) == e.Key) &&
			(kinds == wire.EventsAll || strings.HasPrefix(e.Type, "config."))
	}
	prev := after
	for {
		f.mu.Lock()
		more, events := f.more, slices.Clone(f.log[after:])
		f.mu.Unlock()
		for i, e := range events {
			after = e.Index
			if !matches(e) {
				continue
			}
			frame := wire.Frame{Frame: wire.FrameEvent, Prev: prev, Event: new(e)}
			for _, next := range events[i+1:] {
				if matches(next) {
					frame.More = e.Transaction != "" && next.Transaction == e.Transaction
					break
				}
			}
			send(frame)
			prev = e.Index
		}
		if prev < head {
			send(wire.Frame{Frame: wire.FrameProgress, Position: positionOf(after), StaleMs: new(int64(0)), LeaderKnown: new(true)})
		}
		head = 0
		select {
		case <-more:
		case <-r.Context().Done():
			return
		case <-cutting:
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.goodbye != nil {
				send(*f.goodbye)
			}
			return
		}
	}
}

// await waits for a condition.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
