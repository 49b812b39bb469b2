package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
)

// load is writers that put and delete unique values until they are ended, each
// through a client of its own, each write settled before the next.
type load struct {
	c         *cluster
	namespace string
	keys      []string
	cancel    context.CancelFunc
	done      sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	acked    []check.Acked
	failures []error
	gap      time.Duration // longest time between two acknowledgements
	last     time.Time
	wake     chan struct{} // closed at the next acknowledgement
}

// startLoad begins to write to keys of a namespace that exists. End it.
func (c *cluster) startLoad(namespace string, writers int, seed uint64) *load {
	ctx, cancel := context.WithCancel(c.t.Context())
	l := &load{c: c, namespace: namespace, cancel: cancel, last: time.Now(), wake: make(chan struct{})}
	for i := range 8 {
		l.keys = append(l.keys, fmt.Sprintf("key-%d", i))
	}
	for i := range writers {
		l.done.Go(func() { l.write(ctx, fmt.Sprintf("%x-%d", seed, i), rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	return l
}

func (l *load) write(ctx context.Context, writer string, rng *rand.Rand) {
	sdk := l.c.client(l.c.key)
	settling := context.WithoutCancel(ctx)       // the last one is settled too
	pace := time.NewTicker(3 * time.Millisecond) // enough to be in the way of every fault
	defer pace.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		<-pace.C
		w := check.Acked{Namespace: l.namespace, Key: l.keys[rng.IntN(len(l.keys))]}
		request, meta := fmt.Sprintf("%s-%d", writer, i), client.Meta{}
		remove := rng.IntN(8) == 0
		if !remove {
			w.Value = "value-of-" + request
		}
		err := settle(settling, request, func(write client.Write) error {
			write.Meta = &meta
			if remove {
				return sdk.Delete(settling, l.namespace, w.Key, write)
			}
			_, err := sdk.Put(settling, l.namespace, w.Key, value(w.Value), write)
			return err
		})
		w.Index = meta.Index
		l.note(w, err)
	}
}

func (l *load) note(w check.Acked, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, client.ErrNotFound) && w.Value == "": // deleted already
		return
	case err != nil:
		l.failures = append(l.failures, fmt.Errorf("%s: %w", w.Key, err))
		return
	}
	now := time.Now()
	l.gap, l.last = max(l.gap, now.Sub(l.last)), now
	l.acked = append(l.acked, w)
	close(l.wake)
	l.wake = make(chan struct{})
}

// more waits until some more writes have been acknowledged.
func (l *load) more(writes int) {
	l.c.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for target := -1; ; {
		l.mu.Lock()
		have, wake := len(l.acked), l.wake
		l.mu.Unlock()
		if target < 0 {
			target = have + writes
		}
		if have >= target {
			return
		}
		select {
		case <-wake:
		case <-timeout.C:
			l.c.t.Fatalf("%d of %d writes in %v", writes-(target-have), writes, patience)
		}
	}
}

// longestGap is the longest time without an acknowledgement since the last call.
func (l *load) longestGap() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	gap := l.gap
	l.gap = 0
	return gap
}

// end ends the writers and returns what was acknowledged. A write that failed in
// any other way than by a deletion that found nothing is an error of the test.
func (l *load) end() []check.Acked {
	l.c.t.Helper()
	l.cancel()
	l.done.Wait()
	for _, err := range l.failures {
		l.c.t.Errorf("a write failed: %v", err)
	}
	if len(l.acked) == 0 {
		l.c.t.Fatal("nothing was acknowledged")
	}
	return l.acked
}

// keeps finds every acknowledged write in the history, at its index, once.
func keeps(t testing.TB, h history, acked []check.Acked) {
	t.Helper()
	for _, f := range check.History(h).Kept(acked) {
		t.Error(f)
	}
}

// fill writes values of some bytes at the leader, a Raft entry each or nearly,
// until the Raft log has so many entries.
func (c *cluster) fill(leader *node, namespace string, entries uint64, size int) {
	c.t.Helper()
	padding, began := strings.Repeat("x", size), time.Now()
	var writers sync.WaitGroup
	for w := range 3 { // more would share entries
		writers.Go(func() {
			for i := 0; !c.t.Failed(); i++ {
				a, err := c.do(leader, http.MethodPut, entryPath(namespace, fmt.Sprintf("fill-%d", (w+3*i)%500)), value(fmt.Sprint(w, i, padding)))
				if err != nil || a.status >= http.StatusBadRequest {
					c.t.Errorf("fill: %v, %v", a, err)
				}
				if i%100 == 0 && c.raftIndex(leader) >= entries {
					return
				}
			}
		})
	}
	writers.Wait()
	c.t.Logf("%d entries of %d bytes in %v", c.raftIndex(leader), size, time.Since(began))
}

// raftIndex is the last Raft entry that a node has folded.
func (c *cluster) raftIndex(n *node) uint64 {
	var status wire.Cluster
	a, err := c.get(n, "/api/v1/cluster")
	if err == nil {
		err = a.decode(&status)
	}
	if err != nil {
		c.t.Error(err)
	}
	return status.RaftIndex
}
