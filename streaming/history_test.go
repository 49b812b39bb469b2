package streaming

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
)

// history is a true source in memory: what is committed is visible first and
// published second, as a node does it.
type history struct {
	hub *Hub

	mu      sync.Mutex // guards the fields below
	records []events.Record
	edge    events.Position
	changed chan struct{}
}

func newHistory(t testing.TB, c HubConfig) *history {
	h := &history{hub: NewHub(c), changed: make(chan struct{}), edge: events.Chain{}.At(0)}
	t.Cleanup(h.hub.Close)
	return h
}

// commit adds events, as one transaction, and publishes them.
func (h *history) commit(es ...events.Event) {
	h.hub.Publish(h.append(es...))
}

// append adds events, as one transaction, without publishing them.
func (h *history) append(es ...events.Event) (batch []events.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var chain events.Chain
	if n := len(h.records); n > 0 {
		chain = h.records[n-1].Chain
	}
	for i, e := range es {
		if len(es) > 1 {
			e.Transaction = fmt.Sprintf("T%d", len(h.records)-i)
		}
		index := uint64(len(h.records) + 1)
		e.ID = ulid.MustNew(index, nil)
		body, err := e.Encode()
		if err != nil {
			panic(err)
		}
		r := events.Record{Index: index, Time: time.Unix(int64(index), 0).UTC(), More: i < len(es)-1, Body: body}
		chain = chain.Next(r.AppendStored(nil))
		r.Chain = chain
		h.records = append(h.records, r)
		batch = append(batch, r)
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return batch
}

// trim moves the edge.
func (h *history) trim(oldest uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.edge = h.records[oldest-2].Position()
}

func (h *history) all() []events.Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.records)
}

func (h *history) Position() events.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.position(uint64(len(h.records)))
}

func (h *history) position(index uint64) events.Position {
	if index == 0 {
		return events.Chain{}.At(0)
	}
	return h.records[index-1].Position()
}

func (h *history) Edge() events.Position {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.edge
}

func (h *history) PositionAt(index uint64) (events.Position, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if index < h.edge.Index {
		return events.Position{}, events.ErrCompacted
	}
	if index > uint64(len(h.records)) {
		return events.Position{}, events.ErrNotFound
	}
	return h.position(index), nil
}

func (h *history) Records(after uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		if after < h.Edge().Index {
			yield(events.Record{}, events.ErrCompacted)
			return
		}
		for _, r := range h.all()[after:] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (h *history) Await(ctx context.Context, index uint64) error {
	for {
		h.mu.Lock()
		n, changed := uint64(len(h.records)), h.changed
		h.mu.Unlock()
		if n >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("event %d of %d: %w", index, n, events.ErrBehind)
		}
	}
}

func (h *history) Contact() (time.Duration, bool) { return 3 * time.Millisecond, true }

func (h *history) Snapshot() Snapshot { return fold(h.all()) }

// present is a naive fold of records.
type present struct {
	at      events.Position
	entries map[string]events.Entry
}

func fold(records []events.Record) present {
	p := present{at: events.Chain{}.At(0), entries: map[string]events.Entry{}}
	for _, r := range records {
		p.at = r.Position()
		e, err := r.Event()
		if err != nil {
			panic(err)
		}
		name := e.Namespace + "\x00" + e.Key
		entry := events.Entry{Namespace: e.Namespace, Key: e.Key, Revision: r.Index}
		switch d := e.Data.(type) {
		case events.ConfigCreated:
			entry.Value, entry.Version = d.Value, d.Version
			p.entries[name] = entry
		case events.ConfigUpdated:
			entry.Value, entry.Version = d.Value, d.Version
			p.entries[name] = entry
		case events.ConfigDeleted:
			delete(p.entries, name)
		}
	}
	return p
}

func (p present) Position() events.Position { return p.at }

func (p present) Entries(subtree string) iter.Seq[events.Entry] {
	return func(yield func(events.Entry) bool) {
		names := make([]string, 0, len(p.entries))
		for name := range p.entries {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			e := p.entries[name]
			if (subtree == "/" || e.Namespace == subtree || strings.HasPrefix(e.Namespace, subtree+"/")) && !yield(e) {
				return
			}
		}
	}
}

// caller may see everything until it is told otherwise.
type caller struct {
	mu    sync.Mutex // guards the fields below
	ended *End
	until time.Time
	lost  string // of which nothing is seen any more
	only  string // namespace prefix; empty: all
}

func (c *caller) Renew() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return c.ended
	}
	return nil
}

func (c *caller) revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = &End{Reason: ReasonRevoked, Detail: "the key was revoked"}
}

func (c *caller) Sees(e *events.Event) bool { return strings.HasPrefix(e.Namespace, c.only) }

func (c *caller) SeesWithin(subtree string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return subtree != c.lost
}

// lose takes away the right to see anything of a namespace.
func (c *caller) lose(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = namespace
}

func (c *caller) SeesEntry(namespace, _ string) bool { return strings.HasPrefix(namespace, c.only) }

func (c *caller) Expires() time.Time { return c.until }

// newStreams serves a history with short beats.
func newStreams(t testing.TB, h *history, l Limits) *Streams {
	t.Helper()
	s, err := New(Config{
		Hub: h.hub, Source: h, Limits: l, Now: time.Now, Random: func(n int64) int64 { return n / 2 },
		AppendEntry: func(dst []byte, e *events.Entry, bare bool) []byte {
			shown := map[string]any{"namespace": e.Namespace, "key": e.Key, "version": e.Version}
			if !bare {
				shown["value"] = json.RawMessage(e.Value.JSON)
			}
			encoded, err := json.Marshal(shown)
			if err != nil {
				t.Error(err)
			}
			return append(dst, encoded...)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(namespace, key, value string) events.Event {
	return events.Event{Actor: "alice", Namespace: namespace, Key: key, Data: events.ConfigCreated{
		Value: events.Value{Type: events.String, JSON: []byte(`"` + value + `"`)}, Version: 1,
	}}
}

func remove(namespace, key string) events.Event {
	return events.Event{Actor: "alice", Namespace: namespace, Key: key, Data: events.ConfigDeleted{Version: 2}}
}

// frame is what a client reads.
type frame struct {
	Frame, Watch, Position, After, Head, Reason, Detail string
	Oldest, Newest                                      string
	Prev                                                uint64
	More                                                bool
	Entries                                             int
	Event                                               struct {
		Index          uint64
		Position, Type string
		Namespace, Key string
		Transaction    string
		Data           struct{ Value json.RawMessage }
	}
	Entry struct {
		Namespace, Key string
		Value          json.RawMessage
	}
}

func parse(t testing.TB, data []byte) (f frame) {
	t.Helper()
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	return f
}
