package replication

import (
	"strings"
	"testing"

	"confman/events"
)

// An entry of the Raft log above 64 MiB cannot be read back, and the guards of a
// proposal may be larger than its events.
func TestABatchIsBoundedByGuardsAsWellAsByEvents(t *testing.T) {
	long := strings.Repeat("n", events.MaxNamespaceBytes)
	guards := make([]events.Guard, 5000) // 2.5 MB
	for i := range guards {
		guards[i].Subject = events.Subject{Noun: events.TheContents, Namespace: long}
	}
	for name, proposal := range map[string]events.Proposal{
		"guards": {Guards: guards},
		"events": {Bodies: [][]byte{make([]byte, 2_500_000)}},
	} {
		p := &proposer{queue: make(chan *pending, 40), stop: make(chan struct{})}
		for range cap(p.queue) {
			p.queue <- newPending(proposal)
		}
		if batch := p.gather(); len(batch) != 1 || len(events.EncodeEntry([]events.Proposal{batch[0].proposal})) < maxBatchBytes {
			t.Errorf("%s: %d proposals of 2.5 MB in one entry, want 1", name, len(batch))
		}
	}
}
