package webhooks

import (
	"net/http"
	"strconv"
	"time"
)

// Waits between attempts. The bound doubles from backoffLeast to backoffMost; the
// wait itself is anything up to it, so that endpoints that failed together do
// not come back together ("full jitter").
const (
	backoffLeast = time.Second
	backoffMost  = time.Hour
)

// backoff is the bound of the wait after an event has failed some times, 1 or
// more.
func backoff(failures int) time.Duration {
	bound := backoffLeast
	for ; failures > 1 && bound < backoffMost; failures-- {
		bound *= 2
	}
	return min(bound, backoffMost)
}

// retryAfter is how long an answer asks to be left alone, at most backoffMost:
// 429 and 503 may say so, in seconds or as a date (RFC 9110 § 10.2.3).
func retryAfter(r *http.Response, now time.Time) time.Duration {
	said := r.Header.Get("Retry-After")
	if r.StatusCode != http.StatusTooManyRequests && r.StatusCode != http.StatusServiceUnavailable || said == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseUint(said, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(said); err == nil {
		wait = date.Sub(now)
	}
	return min(max(wait, 0), backoffMost)
}
