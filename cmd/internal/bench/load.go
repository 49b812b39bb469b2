package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limits of a load.
const (
	patience   = 10 * time.Second      // for one operation; longer is an error
	errorPause = 10 * time.Millisecond // after an error, which is often a quick one
)

// client does one operation after another. It is for one goroutine.
type client interface {
	// next does an operation and returns when it has ended.
	next(ctx context.Context) error
	close() error
}

// load is how much is asked of something for how long.
type load struct {
	clients  int
	warmUp   time.Duration // first, not counted
	duration time.Duration
	open     func(number int) (client, error)
	pid      int // of the server, whose CPU time is measured; 0: of none
}

// outcome is what a load has found.
type outcome struct {
	latencies latencies
	elapsed   time.Duration
	cpu       time.Duration // of the server
	errors    uint64
	example   error // one of the errors
}

// rate is the operations done in a second.
func (o *outcome) rate() float64 { return float64(o.latencies.count) / o.elapsed.Seconds() }

// run puts the load on and returns what it found. Failed operations are part of
// that; the error is for a load that could not be put on at all.
func (l load) run(ctx context.Context) (*outcome, error) {
	clients := make([]client, 0, l.clients)
	defer func() {
		for _, c := range clients {
			_ = c.close() // everything was answered
		}
	}()
	for i := range l.clients {
		c, err := l.open(i)
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	start := time.Now().Add(l.warmUp)
	results := make([]outcome, len(clients))
	var done sync.WaitGroup
	for i, c := range clients {
		done.Go(func() { results[i].work(ctx, c, start, start.Add(l.duration)) })
	}
	cpu, err := l.cpu(ctx, start)
	done.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	sum := &outcome{elapsed: l.duration, cpu: cpu}
	for i := range results {
		sum.latencies.merge(&results[i].latencies)
		sum.errors += results[i].errors
		if sum.example == nil {
			sum.example = results[i].example
		}
	}
	if sum.latencies.count == 0 {
		return nil, fmt.Errorf("no operation succeeded: %w", errors.Join(sum.example, errors.New("or none ended in time")))
	}
	return sum, nil
}

// cpu is the CPU time that the server uses while operations are counted.
func (l load) cpu(ctx context.Context, start time.Time) (used time.Duration, err error) {
	if l.pid == 0 {
		return 0, nil
	}
	for i, at := range []time.Time{start, start.Add(l.duration)} {
		select {
		case <-time.After(time.Until(at)):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		now, err := cpuOf(l.pid)
		if err != nil {
			return 0, err
		}
		if used = now - used; i == 0 {
			used = now
		}
	}
	return used, nil
}

// work counts the operations of one client that end between two times.
func (o *outcome) work(ctx context.Context, c client, start, end time.Time) {
	now := time.Now()
	for now.Before(end) && ctx.Err() == nil {
		began := now
		err := c.next(ctx)
		now = time.Now()
		switch {
		case err != nil:
			o.errors++
			o.example = err
			select {
			case <-time.After(errorPause):
			case <-ctx.Done():
			}
			now = time.Now()
		case now.After(start) && !now.After(end):
			o.latencies.add(now.Sub(began))
		}
	}
}
