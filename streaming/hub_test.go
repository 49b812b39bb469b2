package streaming

import (
	"slices"
	"sync"
	"testing"
	"time"

	"confman/events"
)

const patience = 20 * time.Second

func about(index uint64, namespace, key string) events.Record {
	return events.Record{Index: index}.WithEvent(events.Event{Namespace: namespace, Key: key, Data: events.ConfigDeleted{}})
}

func itemOf(t testing.TB, r events.Record) *item {
	t.Helper()
	i, err := newItem(r)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func receive(t testing.TB, from <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-from:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

func TestWaitersAreWokenByWhatConcernsThem(t *testing.T) {
	tests := []struct {
		waits, waitsKey string
		event, key      string
		woken           bool
	}{
		{"teams", "", "teams", "k", true},
		{"teams", "", "teams/pay", "k", true},
		{"teams", "", "teams/pay/eu", "k", true},
		{"teams/pay", "", "teams", "k", false},
		{"teams/pay", "", "teams/payroll", "k", false},
		{"teams", "", "other", "k", false},
		{"teams", "", "", "", false},
		{events.Root, "", "teams/pay", "k", true},
		{events.Root, "", "", "", true},
		{"teams", "k", "teams/pay", "k", true},
		{"teams", "k", "teams", "k", true},
		{"teams", "k", "teams", "kk", false},
		{"teams", "k", "teams", "", false},
		{"teams/pay", "k", "teams", "k", false},
		{events.Root, "k", "teams/pay", "k", true},
		{events.Root, "k", "teams/pay", "other", false},
	}
	h := NewHub(HubConfig{})
	defer h.Close()
	for _, test := range tests {
		w := &waiter{topics: []topic{{test.waits, test.waitsKey}}}
		h.register(w)
		woken := h.concerned([]*item{itemOf(t, about(1, test.event, test.key))}, 1)
		if got := slices.Contains(woken, w); got != test.woken {
			t.Errorf("an event about %q %q woke a waiter for %q %q: %v, want %v", test.event, test.key, test.waits, test.waitsKey, got, test.woken)
		}
		h.remove(w)
	}
}

func TestAWaiterIsWokenOnceUntilItLooks(t *testing.T) {
	h := NewHub(HubConfig{})
	defer h.Close()
	w := &waiter{topics: []topic{{"a", ""}, {"b", ""}, {"a", "k"}}}
	h.register(w)
	batch := []*item{itemOf(t, about(1, "a", "k")), itemOf(t, about(2, "b", "k"))}
	if woken := h.concerned(batch, 2); len(woken) != 1 {
		t.Errorf("woken %d times by one batch", len(woken))
	}
	if woken := h.concerned(batch, 2); len(woken) != 0 {
		t.Error("woken again before it looked")
	}
	w.ready.Store(false)
	if woken := h.concerned(batch, 2); len(woken) != 1 {
		t.Error("not woken after it looked")
	}
}

// Whoever has missed nothing for long is woken to be told so.
func TestWhoIsFarBehindIsWokenForProgress(t *testing.T) {
	h := NewHub(HubConfig{})
	defer h.Close()
	w := &waiter{topics: []topic{{"a", ""}}}
	h.register(w)
	elsewhere := func(index uint64) []*item { return []*item{itemOf(t, about(index, "b", "k"))} }
	for index := uint64(1); index <= progressEvery; index++ {
		if len(h.concerned(elsewhere(index), index)) == 1 {
			return
		}
	}
	t.Errorf("not woken within %d records", progressEvery)
}

func TestARevokedKeyWakesEverybody(t *testing.T) {
	h := NewHub(HubConfig{})
	defer h.Close()
	wake, release := h.Wait("a/b")
	defer release()
	before := h.rights.Load()
	h.Publish([]events.Record{events.Record{Index: 1}.WithEvent(events.Event{Data: events.KeyRevoked{ID: "k"}})})
	if h.rights.Load() == before {
		t.Error("nobody will look up the rights anew")
	}
	receive(t, wake, "nobody was woken")
}

func TestPublishAndResetWake(t *testing.T) {
	h := NewHub(HubConfig{})
	defer h.Close()
	for index := uint64(1); index < 4; index++ {
		wake, release := h.WaitKey("a", "k")
		h.Publish([]events.Record{about(index, "a", "k")})
		receive(t, wake, "no wake-up after a publish")
		release()
	}
	wake, release := h.Wait("z")
	h.Reset()
	receive(t, wake, "no wake-up after a reset")
	release()
}

func TestWaitersLeaveNothingBehind(t *testing.T) {
	h := NewHub(HubConfig{})
	defer h.Close()
	var running sync.WaitGroup
	for range 20 {
		running.Go(func() {
			for range 100 {
				_, release := h.WaitKey("a/b", "k")
				release()
			}
		})
	}
	running.Wait()
	if n := h.Waiting(); n != 0 || len(h.waiters) != 0 {
		t.Errorf("%d still wait, for %d topics", n, len(h.waiters))
	}
}

func TestTheTailKeepsToItsBounds(t *testing.T) {
	small := tail{records: 10, bytes: 1 << 30}
	for index := uint64(1); index <= 100; index++ {
		small.add([]*item{itemOf(t, about(index, "a", "k"))})
	}
	if len(small.items) != 10 {
		t.Errorf("%d items are kept", len(small.items))
	}
	for _, test := range []struct {
		after  uint64
		n      int
		before bool
	}{{90, 10, false}, {95, 5, false}, {99, 1, false}, {100, 0, false}, {101, 0, false}, {89, 0, true}, {0, 0, true}} {
		got, before := small.after(nil, test.after, 1000)
		if before != test.before || len(got) != test.n {
			t.Errorf("after %d: %d items, before %v; want %d, %v", test.after, len(got), before, test.n, test.before)
		}
		for i, item := range got {
			if item.record.Index != test.after+1+uint64(i) {
				t.Errorf("after %d: item %d has index %d", test.after, i, item.record.Index)
			}
		}
	}
	byBytes := tail{records: 1000, bytes: 5 * itemOverhead}
	for index := uint64(1); index <= 100; index++ {
		byBytes.add([]*item{itemOf(t, about(index, "a", "k"))})
	}
	if len(byBytes.items) != 5 || byBytes.size != 5*itemOverhead {
		t.Errorf("%d items of %d bytes are kept", len(byBytes.items), byBytes.size)
	}
	byBytes.add([]*item{itemOf(t, about(500, "a", "k"))})
	if len(byBytes.items) != 1 || byBytes.size != itemOverhead {
		t.Errorf("after a gap %d items of %d bytes are kept", len(byBytes.items), byBytes.size)
	}
}
