package replication

import (
	"context"
	"sync/atomic"
	"time"
)

// readiness is what a node must have heard before it is ready.
type readiness struct {
	readyTerm atomic.Uint64 // the term in which a barrier of this leader went through
	informed  atomic.Bool   // this node has applied all that was acknowledged when its leader became known
}

const (
	informInterval = 20 * time.Millisecond
	// informPause is how long a node may stand still, or be busy, and still be taken
	// for one that nothing has escaped.
	informPause = 500 * time.Millisecond
)

// inform keeps engine.informed. A heartbeat says who leads and nothing of how far
// the history goes, and what a follower knows to be committed is never more than
// what it has: after it was without a leader, or stood still, it has to ask.
func (n *Node) inform(ctx context.Context, e *engine) {
	tick := time.NewTicker(informInterval)
	defer tick.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch {
		case e.leader().ID == "", time.Since(last) > informPause:
			e.informed.Store(false)
		case !e.informed.Load():
			asking, cancel := context.WithTimeout(ctx, maxConfirmation)
			e.informed.Store(n.Linearizable(asking) == nil)
			cancel()
		}
	}
}
