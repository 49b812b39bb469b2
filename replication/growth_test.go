package replication

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// grow writes events to a few keys until the history has n, many at a time.
func (n *testNode) grow(t *testing.T, until uint64, keys int) {
	t.Helper()
	const atOnce = 128
	value := strings.Repeat("x", 240)
	ctx := t.Context()
	ended := make(chan error, 8)
	for w := range cap(ended) {
		go func() {
			var err error
			for i := 0; err == nil && n.State().Index() < until; i++ {
				var tx events.Transact
				for k := range atOnce {
					set := put(fmt.Sprintf("grow/%d", w), fmt.Sprintf("k%d", (i*atOnce+k)%(keys/cap(ended))), "")
					set.Value = jsontext.Value(fmt.Sprintf(`"%s %d"`, value, i))
					tx.Set = append(tx.Set, set)
				}
				_, err = n.Submit(ctx, tx, stamp())
			}
			ended <- err
		}()
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// What a snapshot and a start cost must not grow with the history. No time is
// asserted: the counts are, and the times are printed.
func TestSnapshotAndStartCostTheSameWithALongHistory(t *testing.T) {
	sizes := []uint64{1_000, 30_000}
	if os.Getenv("CONFMAN_TORTURE") != "" {
		sizes = []uint64{1_000, 1_000_000}
	}
	const keys = 8 * 128
	for _, size := range sizes {
		c := newCluster(t, 1)
		n := c.leader()
		began := time.Now()
		n.grow(t, size, keys)
		grown := time.Since(began)

		began = time.Now()
		marker, err := n.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		snapshot := time.Since(began)
		if marker.Index < size {
			t.Fatalf("the marker is at %d of %d", marker.Index, size)
		}
		began = time.Now()
		if _, err := n.Submit(t.Context(), put("grow", "after", "the marker"), stamp()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := time.Since(began)
		after := uint64(0)
		for range 5 {
			o, err := n.Submit(t.Context(), put("grow", "after", fmt.Sprint(after)), stamp())
			if err != nil {
				t.Fatal(err)
			}
			after = o.Index
		}
		position := n.State().Position()

		config := n.Node.config
		n.engine.Load().abrupt = true
		c.stop("n1")
		runtime.GC()
		began = time.Now()
		again1 := c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers}, listen(t, config.Address))
		eventually(t, "the old state is back", func() bool { return again1.State().Position() == position })
		start := time.Since(began)
		again1.heard.mu.Lock()
		folded := len(again1.heard.records)
		again1.heard.mu.Unlock()
		if folded != 5 {
			t.Errorf("with %d events the start folded %d, want the 5 after the marker", size, folded)
		}
		t.Logf("%d events, %d keys: written in %v, first snapshot %v, next write and snapshot %v, start %v",
			position.Index, again1.State().Len(), grown, snapshot, again, start)
		c.stop("n1")
	}
}
