package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// steady takes the same time for every operation and fails some.
type steady struct {
	took   time.Duration
	fails  func(operation int) bool
	done   int
	closed bool
}

var errNo = errors.New("no")

func (s *steady) next(context.Context) error {
	<-time.After(s.took)
	s.done++
	if s.fails != nil && s.fails(s.done) {
		return errNo
	}
	return nil
}

func (s *steady) close() error {
	s.closed = true
	return nil
}

func TestLoadCountsWhatEndsAfterTheWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*steady
		l := load{clients: 3, warmUp: 95 * time.Millisecond, duration: time.Second, open: func(int) (client, error) {
			all = append(all, &steady{took: 10 * time.Millisecond})
			return all[len(all)-1], nil
		}}
		o, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if o.latencies.count != 300 || o.rate() != 300 || o.errors != 0 {
			t.Errorf("%d operations, %g a second, %d errors; want 300, 300, 0", o.latencies.count, o.rate(), o.errors)
		}
		if got := o.latencies.quantile(0.5); got != 10*time.Millisecond {
			t.Errorf("median %v, want 10ms", got)
		}
		for i, c := range all {
			if !c.closed {
				t.Errorf("client %d is still open", i)
			}
		}
	})
}

func TestLoadCountsErrorsApartAndDoesNotSpinOnThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &steady{took: 10 * time.Millisecond, fails: func(n int) bool { return n%2 == 0 }}
		l := load{clients: 1, duration: 3 * time.Second, open: func(int) (client, error) { return c, nil }}
		o, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Two operations and a pause are 30 ms.
		if o.latencies.count != 100 || o.errors != 100 || !errors.Is(o.example, errNo) {
			t.Errorf("%d operations, %d errors such as %v; want 100, 100, no", o.latencies.count, o.errors, o.example)
		}
	})
}

func TestLoadThatNeverSucceedsIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := load{clients: 1, duration: time.Second, open: func(int) (client, error) {
			return &steady{took: time.Millisecond, fails: func(int) bool { return true }}, nil
		}}
		if _, err := l.run(t.Context()); !errors.Is(err, errNo) {
			t.Errorf("error %v, want that of the operations", err)
		}
	})
}

func TestLoadEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		l := load{clients: 2, duration: time.Hour, pid: 1, open: func(int) (client, error) { return &steady{took: time.Millisecond}, nil }}
		if _, err := l.run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want cancellation", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
