package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
	restMost     = 30 * time.Second // a longer Retry-After is not waited for
)

// backoff is how long to wait before retry n, counted from 1: full jitter, that
// is anything from nothing to a bound that doubles each time. See "Exponential
// Backoff And Jitter", AWS Architecture Blog, 2015.
func backoff(n int) time.Duration {
	bound := backoffMost
	if n <= 6 {
		bound = min(bound, backoffFirst<<(n-1))
	}
	return rand.N(bound + 1)
}

// budget bounds how much the retries of a whole client add to the load of a
// cluster that is in trouble: one for every ten calls and one a second, with
// some saved up.
type budget struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

const (
	budgetMost      = 20
	budgetPerCall   = 0.1
	budgetPerSecond = 1
)

func newBudget(now time.Time) *budget { return &budget{tokens: budgetMost, at: now} }

// call pays in for a call.
func (b *budget) call() { b.earn(budgetPerCall) }

// earn pays in.
func (b *budget) earn(tokens float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(budgetMost, b.tokens+tokens)
}

// retry takes out one retry, and reports whether there was one.
func (b *budget) retry(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(budgetMost, b.tokens+budgetPerSecond*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// overdue is a context.DeadlineExceeded that says what it means here.
type overdue string

func (o overdue) Error() string      { return string(o) }
func (overdue) Is(target error) bool { return target == context.DeadlineExceeded }

// sleep waits, or returns the context's error when that ends first. It does not
// begin to wait for longer than the context lasts.
func sleep(ctx context.Context, d time.Duration) error {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return overdue("no time left to try again")
	}
	return pause(ctx, d)
}

// pause waits, or returns the context's error when that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
