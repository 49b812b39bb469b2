package admission_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"confman/api/admission"
)

func newQueue(places int) *admission.Queue {
	return admission.NewQueue(admission.QueueConfig{Name: "reads", Flag: "--max-reads", Places: places, Wait: time.Second, Now: time.Now})
}

// enter takes a place that is free.
func enter(t *testing.T, q *admission.Queue, flow string, cost int) admission.Pass {
	t.Helper()
	p, err := q.Enter(t.Context(), flow, cost)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lines lets requests wait and notes in which order they are served. Each holds its
// places until it is told.
type lines struct {
	t *testing.T
	q *admission.Queue

	mu     sync.Mutex // guards the fields below while requests are woken
	served []string
	ends   []error
	passes []admission.Pass
}

// join puts n requests of a flow in line, one after the other.
func (l *lines) join(flow string, cost, n int) {
	for range n {
		go func() {
			p, err := l.q.Enter(l.t.Context(), flow, cost)
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.ends = append(l.ends, err)
				return
			}
			l.served, l.passes = append(l.served, flow), append(l.passes, p)
		}()
		synctest.Wait()
	}
}

// leave gives back what the first ones hold that were served.
func (l *lines) leave(n int) {
	for range n {
		p := l.passes[0]
		l.passes = l.passes[1:]
		p.Leave()
		synctest.Wait()
	}
}

func TestALongLineOfOneDelaysAnotherByATurnOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(4)}
		l.join("greedy", 1, 4)
		for range 3 { // more than the queue takes: it is 16 long
			l.join("greedy", 1, 4)
		}
		l.join("polite", 1, 1)
		for n := 1; ; n++ {
			l.leave(1)
			if l.served[len(l.served)-1] == "polite" {
				t.Logf("served after %d others", n-1)
				break
			}
			if n > admission.MaxCost+1 {
				t.Fatalf("still waits after %v", l.served)
			}
		}
		for len(l.passes) > 0 {
			l.leave(1)
		}
	})
}

func TestFlowsGetEqualPlacesWhateverTheirRequestsCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(16)
		all := enter(t, q, "before", 16)
		l := &lines{t: t, q: q}
		l.join("cheap", 1, 40)
		l.join("costly", 8, 20)
		all.Leave()
		synctest.Wait()
		for len(l.served) < 27 && len(l.passes) > 0 {
			l.leave(1)
		}
		cost := map[string]int{}
		for _, flow := range l.served {
			cost[flow] += map[string]int{"cheap": 1, "costly": 8}[flow]
		}
		if d := cost["cheap"] - cost["costly"]; d < -admission.MaxCost || d > admission.MaxCost {
			t.Errorf("places by flow: %v", cost)
		}
		for len(l.passes) > 0 {
			l.leave(1)
		}
	})
}

func TestAWaitEndsAndSaysWhoseFaultItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(4)}
		l.join("greedy", 1, 4)
		began := time.Now()
		l.join("greedy", 1, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if waited := time.Since(began); len(l.ends) != 1 || !errors.Is(l.ends[0], admission.ErrFull) || waited != time.Second {
			t.Fatalf("%v after %s, want %v after 1s: nobody else waits", l.ends, waited, admission.ErrFull)
		}
		l.join("greedy", 1, 1)
		time.Sleep(time.Millisecond)
		l.join("polite", 1, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(l.ends) != 3 || !errors.Is(l.ends[1], admission.ErrShare) || !errors.Is(l.ends[2], admission.ErrFull) {
			t.Fatalf("%v, want %v for the one with all places and %v for the other", l.ends[1:], admission.ErrShare, admission.ErrFull)
		}
		for _, end := range l.ends {
			var refusal *admission.Refusal
			if !errors.As(end, &refusal) || refusal.Reason != admission.ReasonQueue || !strings.Contains(end.Error(), "--max-reads") || !strings.Contains(end.Error(), "4 ") {
				t.Errorf("%v names neither limit nor flag", end)
			}
		}
		l.leave(4)
		if held, waiting := l.q.Held(); held != 0 || waiting != 0 {
			t.Errorf("%d held, %d wait", held, waiting)
		}
	})
}

// A queue that stands makes everybody late and nobody faster.
func TestAStandingQueueLosesItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(20)}
		var late time.Duration // the longest wait of those served in the third second
		begun := time.Now()
		for range 300 { // two come every 10 ms, and one can be served
			for range 2 {
				go func() {
					came := time.Now()
					p, err := l.q.Enter(t.Context(), "greedy", 1)
					l.mu.Lock()
					defer l.mu.Unlock()
					if err != nil {
						return
					}
					l.passes = append(l.passes, p)
					if came.Sub(begun) > 2*time.Second {
						late = max(late, time.Since(came))
					}
				}()
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
			l.leave(min(1, len(l.passes)))
		}
		if late == 0 || late > 110*time.Millisecond {
			t.Errorf("after two seconds of overload requests wait for up to %s, want about 100ms", late)
		}
		for len(l.passes) > 0 {
			l.leave(1)
		}
	})
}

func TestWhoHasLeftHasNoShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(4)}
		for i := range 8 {
			p := enter(t, l.q, fmt.Sprint("gone ", i), 1)
			p.Leave()
		}
		l.join("other", 1, 3)
		l.join("modest", 1, 2)
		time.Sleep(time.Millisecond)
		l.join("other", 1, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(l.ends) != 2 || !errors.Is(l.ends[0], admission.ErrFull) || !errors.Is(l.ends[1], admission.ErrFull) {
			t.Errorf("%v, want %v: each has half at most", l.ends, admission.ErrFull)
		}
		l.leave(4)
	})
}

func TestWhenTooManyWaitTheNewestOfTheLongestLineGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(2)}
		l.join("greedy", 1, 2)
		l.join("greedy", 1, 8)
		l.join("greedy", 1, 1)
		if len(l.ends) != 1 || !errors.Is(l.ends[0], admission.ErrFull) {
			t.Fatalf("%v, want one that is refused at once", l.ends)
		}
		l.join("polite", 1, 2)
		if len(l.ends) != 3 || !errors.Is(l.ends[1], admission.ErrShare) {
			t.Fatalf("%v, want two of the greedy ones to make room", l.ends)
		}
		if _, waiting := l.q.Held(); waiting != 8 {
			t.Errorf("%d wait", waiting)
		}
		for len(l.passes) > 0 {
			l.leave(1)
		}
		if len(l.served) != 10 {
			t.Errorf("%d served: %v", len(l.served), l.served)
		}
	})
}

func TestACostlyRequestIsNotOvertakenForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lines{t: t, q: newQueue(16)}
		l.join("cheap", 1, 16)
		l.join("costly", admission.MaxCost, 1)
		l.join("cheap", 1, 16)
		for n := 0; l.served[len(l.served)-1] != "costly"; n++ {
			if len(l.passes) == 0 || n > 40 {
				t.Fatalf("served %v", l.served)
			}
			l.leave(1)
		}
		for len(l.passes) > 0 {
			l.leave(1)
		}
	})
}

func TestACallerWhoLeavesTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(1)
		first := enter(t, q, "a", 1)
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		go func() { _, err = q.Enter(ctx, "b", 1) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		first.Leave()
		first.Leave() // once is enough
		if held, waiting := q.Held(); held != 0 || waiting != 0 {
			t.Errorf("%d held, %d wait", held, waiting)
		}
	})
}

// Whatever happens, no more places are taken than there are, and all come back.
func TestPlacesAreNeitherLostNorMadeUp(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		const places = 24
		q := newQueue(places)
		var held, most, served atomic.Int64
		var all sync.WaitGroup
		for i := range 200 {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			all.Go(func() {
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rng.IntN(3000))*time.Millisecond)
					cost := 1 + rng.IntN(admission.MaxCost)
					p, err := q.Enter(ctx, fmt.Sprint("flow ", rng.IntN(6)), cost)
					if err == nil {
						now := held.Add(int64(cost))
						most.Store(max(most.Load(), now))
						served.Add(1)
						time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
						held.Add(-int64(cost))
						p.Leave()
					}
					cancel()
				}
			})
		}
		all.Wait()
		if most.Load() > places || served.Load() == 0 {
			t.Errorf("%d of %d places were taken at once; %d served", most.Load(), places, served.Load())
		}
		if held, waiting := q.Held(); held != 0 || waiting != 0 {
			t.Errorf("at the end %d held, %d wait", held, waiting)
		}
		if p := enter(t, q, "after", admission.MaxCost); p == (admission.Pass{}) {
			t.Error("no pass")
		}
	})
}

func BenchmarkEnter(b *testing.B) {
	q := newQueue(256)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, _ := q.Enter(b.Context(), "somebody", 1)
			p.Leave()
		}
	})
}
