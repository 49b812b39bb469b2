package bench

import (
	"math/bits"
	"time"
)

// Buckets are 1/128 of a power of two wide: below 0.8 % of what they hold.
const (
	subBits     = 7
	maxBits     = 40 // of nanoseconds, 18 minutes; longer counts as that
	bucketCount = (maxBits - subBits + 1) << subBits
)

// latencies is a histogram of durations. Its size does not depend on how many
// it has seen. The zero value is empty and ready.
type latencies struct {
	counts [bucketCount]uint32
	count  uint64
	most   time.Duration
}

func bucketOf(d time.Duration) int {
	ns := min(uint64(max(d, 0)), 1<<maxBits-1)
	shift := max(0, bits.Len64(ns)-subBits-1)
	return shift<<subBits + int(ns>>shift)
}

// topOf is the longest duration of a bucket.
func topOf(bucket int) time.Duration {
	shift := max(0, bucket>>subBits-1)
	return time.Duration((bucket-shift<<subBits+1)<<shift - 1)
}

func (l *latencies) add(d time.Duration) {
	l.counts[bucketOf(d)]++
	l.count++
	l.most = max(l.most, d)
}

func (l *latencies) merge(other *latencies) {
	for i, n := range other.counts {
		l.counts[i] += n
	}
	l.count += other.count
	l.most = max(l.most, other.most)
}

// quantile is the duration that a share q of all, 0 to 1, did not exceed, at
// most 0.8 % too long; 0 when there are none.
func (l *latencies) quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(l.count)+0.5), 1)
	for i, n := range l.counts {
		if rank <= uint64(n) {
			return min(topOf(i), l.most)
		}
		rank -= uint64(n)
	}
	return l.most
}
