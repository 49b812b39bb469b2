package identity_test

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/identity"
)

func TestEachPrincipalHasABucketOfItsOwn(t *testing.T) {
	now := newClock()
	rates := identity.NewRates(identity.RatesConfig{PerSecond: 2, Burst: 3, Now: now.Now})
	take := func(name string, ok bool, after time.Duration) {
		t.Helper()
		if got, allowed := rates.Allow(name); allowed != ok || got != after {
			t.Fatalf("%s: %t, after %s; want %t, after %s", name, allowed, got, ok, after)
		}
	}
	for range 3 {
		take("ann", true, 0)
	}
	for range 5 { // asking in vain costs nothing
		take("ann", false, 500*time.Millisecond)
	}
	take("bob", true, 0)
	now.advance(200 * time.Millisecond)
	take("ann", false, 300*time.Millisecond)
	now.advance(300 * time.Millisecond)
	take("ann", true, 0)
	take("ann", false, 500*time.Millisecond)
	now.advance(time.Hour)
	for range 3 {
		take("ann", true, 0)
	}
	take("ann", false, 500*time.Millisecond)
}

func TestRatesAreOffAtZeroAndHaveABurstOfOneSecond(t *testing.T) {
	now := newClock()
	off := identity.NewRates(identity.RatesConfig{Now: now.Now})
	for range 10_000 {
		if _, ok := off.Allow("ann"); !ok {
			t.Fatal("refused")
		}
	}
	for perSecond, burst := range map[float64]int{0.5: 1, 20: 20} {
		rates, n := identity.NewRates(identity.RatesConfig{PerSecond: perSecond, Now: now.Now}), 0
		for ; n < 100; n++ {
			if _, ok := rates.Allow("ann"); !ok {
				break
			}
		}
		if n != burst {
			t.Errorf("%g per second: %d at once", perSecond, n)
		}
	}
}

func TestMemoryOfRatesIsThatOfWhoeverAskedLately(t *testing.T) {
	now := newClock()
	rates := identity.NewRates(identity.RatesConfig{PerSecond: 1, Burst: 2, Now: now.Now})
	rates.Allow("busy")
	rates.Allow("busy")
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for n := range 200_000 { // 1,000 a second, each forgotten a second later
		if n%1000 == 0 {
			now.advance(time.Second)
			rates.Allow("busy")
		}
		if _, ok := rates.Allow(strconv.Itoa(n)); !ok {
			t.Fatal("refused")
		}
	}
	if grown := int64(heap()) - int64(before); grown > 2<<20 {
		t.Errorf("%d KiB for at most some 2,000 principals at a time", grown>>10)
	}
	if _, ok := rates.Allow("busy"); ok {
		t.Error("a bucket that was not full was forgotten")
	}
}

func TestABurstIsNotExceededByAskingAllAtOnce(t *testing.T) {
	now := newClock()
	rates := identity.NewRates(identity.RatesConfig{PerSecond: 1, Burst: 50, Now: now.Now})
	var all sync.WaitGroup
	var allowed atomic.Int32
	for range 8 {
		all.Go(func() {
			for range 100 {
				if _, ok := rates.Allow("ann"); ok {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if allowed.Load() != 50 {
		t.Errorf("%d of 50", allowed.Load())
	}
}
