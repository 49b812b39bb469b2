// Package figures remembers the last hour of what a node measured of itself, for
// whoever draws it. It measures nothing and has no clock: somebody adds a sample
// every [Interval].
package figures

import (
	"sync"
	"time"

	"confman/api/wire"
)

const (
	// Interval is the time between two samples.
	Interval = 10 * time.Second
	// Kept is how many samples are remembered: an hour's. With 128 bytes each that
	// takes 45 KiB.
	Kept = int(time.Hour / Interval)
)

// Ring is the latest samples of a node. Its zero value is empty, and good.
type Ring struct {
	mu      sync.Mutex // guards what follows
	samples [Kept]wire.Sample
	added   int // ever
}

// Add adds a sample, and forgets the one of an hour ago.
func (r *Ring) Add(s wire.Sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[r.added%Kept] = s
	r.added++
}

// Samples are those whose time is after another, in the order in which they were
// added; empty, not nil, when there are none.
func (r *Ring) Samples(after time.Time) []wire.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := []wire.Sample{}
	for i := max(0, r.added-Kept); i < r.added; i++ {
		if s := r.samples[i%Kept]; s.Time.After(after) {
			found = append(found, s)
		}
	}
	return found
}
