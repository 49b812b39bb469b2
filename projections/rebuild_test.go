package projections_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"confman/events"
	"confman/projections"
)

// What rebuilding holds is the state and the rows that it has not handed over yet:
// not the history that it has been through.
func TestARebuildHoldsNoMoreOfALongerHistory(t *testing.T) {
	const writes, valueBytes = 3000, 4 << 10
	p, store := &present{TB: t, State: projections.Empty(), raft: projections.Origin{Term: 1}}, newRows()
	for i := range writes {
		text := fmt.Sprintf("%q", strings.Repeat(fmt.Sprintf("%04x", i), valueBytes/4))
		c := events.PutEntry{Namespace: "a", Key: "x", Value: []byte(text), Actor: "ann"}
		store.write(p.must(p.decide(c, time.Unix(1000, 0), "")).Rows)
	}
	n := p.Index()
	h := projections.NewHistory(store.at(n), n)
	var batches, longest, first, most int
	state, err := projections.Rebuild(h, store.at(0), func(rows []projections.Row) error {
		batches++
		longest = max(longest, len(rows))
		runtime.GC() // with one batch in hand, as every time
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if most = max(most, int(m.HeapAlloc)); first == 0 {
			first = most
		}
		return nil
	}, func(uint64) {})
	if err != nil || state.Index() != n {
		t.Fatal(state.Index(), err)
	}
	if batches < 4 || longest > 8192 {
		t.Errorf("%d batches of up to %d rows", batches, longest)
	}
	if grown := most - first; grown > 4<<20 {
		t.Errorf("%d MiB more were held in the end, of a history of %d MiB", grown>>20, writes*valueBytes>>20)
	}
	runtime.KeepAlive(store)
}
