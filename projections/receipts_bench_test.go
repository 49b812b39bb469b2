package projections

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"confman/events"
)

// BenchmarkReceipts remembers requests as the folds do, each in a state of its
// own, and says what the memory of one is.
func BenchmarkReceipts(b *testing.B) {
	const n = 280_000
	rng := rand.New(rand.NewPCG(1, 2))
	live := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before, r := live(), newReceipts()
		for i := range n {
			var id events.ReceiptID
			binary.NativeEndian.PutUint64(id[:], rng.Uint64())
			r = r.copy()
			r.add(events.Receipt{ID: id, Index: uint64(i), Count: 1, Time: time.Unix(int64(i), 0)})
		}
		b.ReportMetric(float64(live()-before)/n, "B/receipt")
		runtime.KeepAlive(r)
	}
}
