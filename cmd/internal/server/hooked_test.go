package server

import (
	"fmt"
	"testing"
	"time"

	"confman/events"
	"confman/streaming"
)

// What webhooks read is the whole history in order, be it in memory, on disk, or
// partly both.
func TestWebhooksReadTheHistoryWithoutAGap(t *testing.T) {
	c := start(t, 1, nil)
	s := c.nodes[0].running
	for i := range 3 {
		put := events.Transact{}
		for k := range events.MaxOperations {
			put.Set = append(put.Set, events.PutEntry{Namespace: "a", Key: fmt.Sprintf("k%d", k), Value: fmt.Appendf(nil, "%d", i), Actor: "ann"})
		}
		if _, err := s.node.Submit(t.Context(), put, events.Stamp{Time: time.Now(), ID: newID(), Actor: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	newest := s.node.State().Index()
	empty := streaming.NewHub(streaming.HubConfig{})
	defer empty.Close()
	for name, hub := range map[string]*streaming.Hub{"memory": s.hub, "disk": empty} {
		for _, after := range []uint64{0, 1, 5, newest - recent - 1, newest - recent, newest - 1, newest} {
			next := after + 1
			for r, err := range (hooked{s.node, hub, time.Now}).Records(after) {
				if err != nil || r.Index != next {
					t.Fatalf("%s, after %d: event %d, %v, want %d", name, after, r.Index, err, next)
				}
				next++
			}
			if next != newest+1 {
				t.Errorf("%s, after %d: it ends before event %d, want %d", name, after, next, newest+1)
			}
		}
	}
	if records, ok := s.hub.Recent(newest-1, recent); !ok || len(records) != 1 {
		t.Errorf("in memory after %d: %d records, %v", newest-1, len(records), ok)
	}
}
