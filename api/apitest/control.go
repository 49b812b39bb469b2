package apitest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"

	"confman/events"
)

// Set sets an entry to a value, as JSON, past the API, and returns the event
// index at which it was written, or stood already.
func (s *Server) Set(namespace, key string, value any) uint64 {
	s.t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		s.t.Errorf("apitest: set %s/%s: %v", namespace, key, err)
		return 0
	}
	return s.submit(events.PutEntry{Namespace: namespace, Key: key, Value: jsontext.Value(encoded)})
}

// Delete deletes an entry, past the API, and returns the index of the event.
func (s *Server) Delete(namespace, key string) uint64 {
	s.t.Helper()
	return s.submit(events.DeleteEntry{Namespace: namespace, Key: key})
}

// Position is where the history stands: what a watch calls its head.
func (s *Server) Position() string { return s.node.State().Position().String() }

// Cut breaks all connections, without a word. New ones are served.
func (s *Server) Cut() {
	s.mu.Lock()
	all := slices.Collect(maps.Keys(s.connections))
	clear(s.connections)
	s.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// Restart is Cut and what else a new process would bring: nothing in memory but
// the history. Address, keys, tickets and positions stay good.
func (s *Server) Restart() {
	s.t.Helper()
	s.stop(func() {
		s.hub.Load().Close()
		s.start()
	})
}

// Refuse answers every request with a status and a problem document, until it is
// called with 0. Streams that run go on.
func (s *Server) Refuse(status int) { s.refuses.Store(int64(status)) }

// Trim forgets the events before one, as retention does: a watch that would
// begin before them is told 410, one that runs and has not come as far is reset.
func (s *Server) Trim(oldest uint64) {
	s.t.Helper()
	h, release := s.node.History(s.node.State().Index())
	defer release()
	edge, err := h.Record(oldest - 1)
	if err != nil {
		s.t.Errorf("apitest: trim: %v", err)
		return
	}
	s.submit(events.RaiseLevel{Level: events.NewestLevel}) // as a cluster does whose members can all read it
	s.submit(events.TrimHistory{To: events.Horizon{Oldest: oldest, Chain: edge.Chain, Time: edge.Time}})
}

func (s *Server) submit(c events.Command) uint64 {
	s.t.Helper()
	done, err := s.node.Submit(s.t.Context(), c, events.Stamp{Time: time.Now(), ID: ulid.Make(), Actor: "apitest"})
	if err != nil {
		s.t.Errorf("apitest: %v", err)
	}
	return done.Index
}
