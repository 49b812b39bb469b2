package admission

import (
	"fmt"
	"sync"
)

// QuotaConfig describes a [Quota]. All fields are required.
type QuotaConfig struct {
	Reason string // one of the constants
	Name   string // of what it bounds, such as "exports at once"
	Flag   string // that sets Most
	Most   int64
}

// Quota bounds what is held for long. One flow has at most half of it, so that
// there is always something left for others.
type Quota struct {
	config QuotaConfig

	mu    sync.Mutex // guards the fields below
	taken int64
	flows map[string]int64 // those that hold something
}

// NewQuota makes one.
func NewQuota(c QuotaConfig) *Quota { return &Quota{config: c, flows: map[string]int64{}} }

// Take takes n, or nothing and says why: a [*Refusal]. Give back as much.
func (q *Quota) Take(flow string, n int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	c, share := q.config, max(1, q.config.Most/2)
	switch {
	case q.flows[flow]+n > share:
		return &Refusal{c.Reason, fmt.Sprintf("it takes %d %s (%s), half of them of one principal", c.Most, c.Name, c.Flag), ErrShare}
	case q.taken+n > c.Most:
		return &Refusal{c.Reason, fmt.Sprintf("it takes %d %s (%s)", c.Most, c.Name, c.Flag), ErrFull}
	}
	q.taken += n
	q.flows[flow] += n
	return nil
}

// Give gives n back.
func (q *Quota) Give(flow string, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken -= n
	if q.flows[flow] -= n; q.flows[flow] == 0 {
		delete(q.flows, flow)
	}
}

// Taken is how much is taken.
func (q *Quota) Taken() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken
}
