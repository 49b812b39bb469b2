package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantilesAreThoseOfTheSortedSampleWithinABucket(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, size := range []int{1, 2, 10, 99, 1000, 20_000} {
		var halves [2]latencies
		sample := make([]time.Duration, size)
		for i := range sample {
			sample[i] = time.Duration(random.ExpFloat64() * float64(time.Duration(1)<<random.IntN(35)))
			halves[i%2].add(sample[i])
		}
		all := &halves[0]
		all.merge(&halves[1])
		slices.Sort(sample)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := sample[max(int(q*float64(size)+0.5), 1)-1]
			got := all.quantile(q)
			if got < exact || float64(got) > 1.008*float64(exact)+1 {
				t.Errorf("%d durations: quantile %g is %v, the sorted sample says %v", size, q, got, exact)
			}
		}
		if got, most := all.quantile(1), sample[size-1]; got != most {
			t.Errorf("%d durations: the maximum is %v, want exactly %v", size, got, most)
		}
	}
}

func TestEveryDurationHasABucket(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 255, 256, 257, time.Microsecond, time.Second, time.Hour, 1<<63 - 1} {
		var l latencies
		l.add(d)
		if got := l.quantile(0.5); got > max(d, 0) {
			t.Errorf("the only duration is %v, the median %v", d, got)
		}
	}
	if got := new(latencies).quantile(0.5); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
}
