package streaming_test

import (
	"sync"
	"testing"
	"time"

	"confman/events"
	"confman/streaming"
)

func about(namespace string) events.Record {
	return events.Record{Index: 1}.WithEvent(events.Event{Namespace: namespace, Key: "k", Data: events.ConfigDeleted{}})
}

func rang(wake <-chan struct{}) bool {
	select {
	case <-wake:
		return true
	default:
		return false
	}
}

func TestWaitersAreWokenByTheirSubtree(t *testing.T) {
	tests := []struct {
		waits, event string
		woken        bool
	}{
		{"teams", "teams", true},
		{"teams", "teams/pay", true},
		{"teams", "teams/pay/eu", true},
		{"teams/pay", "teams", false},
		{"teams/pay", "teams/payroll", false},
		{"teams", "other", false},
		{"teams", "", false},
		{events.Root, "teams/pay", true},
		{events.Root, "", true},
	}
	for _, test := range tests {
		var hub streaming.Hub
		wake, release := hub.Wait(test.waits)
		hub.Publish([]events.Record{about(test.event)})
		if got := rang(wake); got != test.woken {
			t.Errorf("an event in %q woke a waiter for %q: %v, want %v", test.event, test.waits, got, test.woken)
		}
		release()
	}
}

func TestOneBatchWakesAllItConcerns(t *testing.T) {
	var hub streaming.Hub
	a, leaveA := hub.Wait("a")
	b, leaveB := hub.Wait("b")
	c, leaveC := hub.Wait("c")
	hub.Publish([]events.Record{about("a"), about("a/b"), about("b")})
	if !rang(a) || !rang(b) || rang(c) {
		t.Errorf("woken: a %v, b %v, c %v", rang(a), rang(b), rang(c))
	}
	leaveA()
	leaveB()
	leaveC()
	for _, namespace := range []string{"a", "b", "c"} {
		if n := hub.Waiting(namespace); n != 0 {
			t.Errorf("%d still wait for %s", n, namespace)
		}
	}
}

// Leaving an old bell must not silence the new one of the same name.
func TestLeavingLateHurtsNobody(t *testing.T) {
	var hub streaming.Hub
	_, leaveFirst := hub.Wait("a")
	hub.Publish([]events.Record{about("a")})
	second, leaveSecond := hub.Wait("a")
	leaveFirst()
	hub.Publish([]events.Record{about("a")})
	if !rang(second) {
		t.Error("the second waiter was not woken")
	}
	leaveSecond()
}

func TestResetWakesEverybody(t *testing.T) {
	var hub streaming.Hub
	a, leaveA := hub.Wait("a")
	root, leaveRoot := hub.Wait(events.Root)
	hub.Reset()
	if !rang(a) || !rang(root) {
		t.Error("somebody sleeps on")
	}
	leaveA()
	leaveRoot()
}

// Who takes the wake-up before looking misses nothing, however publishing and
// waiting interleave.
func TestNothingFallsBetweenTakingAndLooking(t *testing.T) {
	const last = 2000
	var hub streaming.Hub
	var mu sync.Mutex
	visible := 0
	look := func() int {
		mu.Lock()
		defer mu.Unlock()
		return visible
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for seen := 0; seen < last; {
				wake, release := hub.Wait("a")
				now := look()
				if now == seen {
					select {
					case <-wake:
					case <-time.After(30 * time.Second):
						t.Errorf("not woken after %d of %d", seen, last)
						now = last
					}
				}
				release()
				seen = now
			}
		})
	}
	for range last {
		mu.Lock()
		visible++
		mu.Unlock()
		hub.Publish([]events.Record{about("a/b")})
	}
	readers.Wait()
}

func BenchmarkPublishWithoutWaiters(b *testing.B) {
	var hub streaming.Hub
	batch := []events.Record{about("teams/pay"), about("teams/pay"), about("other")}
	b.ReportAllocs()
	for b.Loop() {
		hub.Publish(batch)
	}
}
