package server

import "github.com/prometheus/client_golang/prometheus"

// latencies are a histogram's durations so far: of each bucket the highest, in
// seconds, and how many were that long or shorter; then of all.
type latencies struct {
	bounds []float64
	counts []uint64
	all    uint64
}

// readLatencies reads the one histogram that there is; empty when there is none.
func readLatencies(from prometheus.Gatherer) (l latencies) {
	families, err := from.Gather()
	if err != nil || len(families) == 0 || len(families[0].GetMetric()) == 0 { // nothing that a chart could show
		return l
	}
	h := families[0].GetMetric()[0].GetHistogram()
	for _, b := range h.GetBucket() {
		l.bounds = append(l.bounds, b.GetUpperBound())
		l.counts = append(l.counts, b.GetCumulativeCount())
	}
	l.all = h.GetSampleCount()
	return l
}

// since are those that came after others of the same histogram.
func (l latencies) since(before latencies) latencies {
	later := latencies{bounds: l.bounds, counts: make([]uint64, len(l.counts)), all: l.all - before.all}
	for i, n := range l.counts {
		if later.counts[i] = n; i < len(before.counts) {
			later.counts[i] -= before.counts[i]
		}
	}
	return later
}

// quantile is how long a share of them took at most, in milliseconds, as if those of
// a bucket were spread evenly in it; 0 when there are none. What is beyond all
// buckets counts as the highest of them.
func (l latencies) quantile(share float64) float64 {
	const second = 1e3
	rank, low, below := share*float64(l.all), 0.0, 0.0
	if l.all == 0 {
		return 0
	}
	for i, n := range l.counts {
		if float64(n) >= rank && float64(n) > below {
			return second * (low + (l.bounds[i]-low)*(rank-below)/(float64(n)-below))
		}
		low, below = l.bounds[i], float64(n)
	}
	return second * low
}
