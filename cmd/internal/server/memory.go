package server

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory that a burst needed (a snapshot, an export, a replay) goes back to the
// system soon after it. The Go runtime keeps what its heap once was until the next
// collections say that it is less, and a node at rest has one in two minutes.
const (
	giveBackEvery = 10 * time.Second
	mostIdle      = 64 << 20 // bytes that may lie idle until then
)

// giveBack gives idle memory back until the context ends.
func giveBack(ctx context.Context) {
	ticks := time.NewTicker(giveBackEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			if idleHeap() > mostIdle {
				debug.FreeOSMemory()
			}
		case <-ctx.Done():
			return
		}
	}
}

// idleHeap is how many bytes of the heap nothing uses and the system could have.
func idleHeap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
