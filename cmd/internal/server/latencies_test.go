package server

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLatenciesSinceAnEarlierReading(t *testing.T) {
	r := prometheus.NewRegistry()
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{.001, .002, .004, .008}})
	if l := readLatencies(r); l.all != 0 || l.quantile(0.5) != 0 {
		t.Errorf("of nothing: %+v", l)
	}
	r.MustRegister(h)
	observe := func(seconds float64, times int) {
		for range times {
			h.Observe(seconds)
		}
	}
	observe(.0075, 1000) // long ago
	before := readLatencies(r)
	observe(.0015, 50)
	observe(.003, 49)
	observe(.006, 1)
	l := readLatencies(r).since(before)
	for share, want := range map[float64]float64{0.01: 1.02, 0.25: 1.5, 0.5: 2, 0.99: 4, 0.995: 6, 1: 8} {
		if got := l.quantile(share); l.all != 100 || math.Abs(got-want) > 1e-9 {
			t.Errorf("%v of %d took %v ms, want %v", share, l.all, got, want)
		}
	}
	if l := readLatencies(r).since(readLatencies(r)); l.all != 0 || l.quantile(0.99) != 0 {
		t.Errorf("of none: %+v", l)
	}
	before = readLatencies(r)
	observe(1, 3) // beyond all buckets
	if l := readLatencies(r).since(before); l.all != 3 || l.quantile(0.5) != 8 {
		t.Errorf("of long ones: %+v, %v", l, l.quantile(0.5))
	}
	if l := readLatencies(r).since(latencies{}); l.all != 1103 {
		t.Errorf("of all: %+v", l)
	}
}
