package identity

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RatesConfig bounds how often each principal may ask.
type RatesConfig struct {
	PerSecond float64 // requests in the long run; 0: as many as they like
	Burst     int     // requests at once; default PerSecond, at least 1
	Now       func() time.Time
}

// Rates is a token bucket for each principal. Its memory is that of the principals
// that asked lately: a bucket that is full again is as good as none.
type Rates struct {
	limit rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	sweep   int // how many buckets make it worth looking for full ones
}

const fewBuckets = 1024

// NewRates makes buckets, all full.
func NewRates(c RatesConfig) *Rates {
	r := &Rates{limit: rate.Limit(c.PerSecond), burst: c.Burst, now: c.Now, buckets: map[string]*rate.Limiter{}, sweep: fewBuckets}
	if r.burst <= 0 {
		r.burst = max(1, int(c.PerSecond))
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// Allow takes one request from the principal's bucket. If none is left it takes
// nothing and says how long it takes until there is one.
func (r *Rates) Allow(name string) (retryAfter time.Duration, ok bool) {
	if r.limit <= 0 {
		return 0, true
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	bucket := r.buckets[name]
	if bucket == nil {
		r.forget(now)
		bucket = rate.NewLimiter(r.limit, r.burst)
		r.buckets[name] = bucket
	}
	taken := bucket.ReserveN(now, 1)
	if retryAfter = taken.DelayFrom(now); retryAfter > 0 {
		taken.CancelAt(now)
		return retryAfter, false
	}
	return 0, true
}

// forget drops the buckets that are full, once there are twice as many buckets as
// were left the last time: in the long run a constant effort for each new one.
func (r *Rates) forget(now time.Time) {
	if len(r.buckets) < r.sweep {
		return
	}
	for name, bucket := range r.buckets {
		if bucket.TokensAt(now) >= float64(r.burst) {
			delete(r.buckets, name)
		}
	}
	r.sweep = max(fewBuckets, 2*len(r.buckets))
}
