package memory_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"

	"confman/api/memory"
	"confman/events"
)

func set(t *testing.T, n *memory.Node, key, value string) {
	t.Helper()
	_, err := n.Submit(t.Context(), events.PutEntry{Namespace: "pay", Key: key, Value: jsontext.Value(value)},
		events.Stamp{Time: time.Now(), ID: ulid.Make(), Actor: "ana"})
	if err != nil {
		t.Fatal(err)
	}
}

// What the rows tell is what was folded, now and as of any index.
func TestNodeKeepsItsHistory(t *testing.T) {
	var announced uint64
	n := memory.New(memory.Config{Announce: func(records []events.Record) { announced = records[len(records)-1].Index }})
	set(t, n, "a", "1")
	before := n.State().Index()
	set(t, n, "b", "1")
	set(t, n, "a", "2")
	if announced != n.State().Index() {
		t.Errorf("announced up to %d of %d", announced, n.State().Index())
	}
	h, release := n.History(n.State().Index())
	defer release()
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	last := uint64(0)
	for r, err := range h.RecordsBefore(0) {
		if err != nil || last != 0 && r.Index != last-1 {
			t.Errorf("record %d after %d, %v", r.Index, last, err)
		}
		last = r.Index
	}
	then, release := n.History(before)
	defer release()
	if e, err := then.Entry("pay", "a"); err != nil || e.Version != 1 {
		t.Errorf("as of %d: %+v, %v", before, e, err)
	}
	if err := then.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	if loaded, err := n.Reloaded(); err != nil || loaded.Entry("pay", "a").Version != 2 || loaded.Position() != n.State().Position() {
		t.Errorf("loaded %v, %v, want %s", loaded.Position(), err, n.State().Position())
	}
}

func TestAwaitReturnsOnceTheIndexIsThere(t *testing.T) {
	n := memory.New(memory.Config{})
	done := make(chan error, 1)
	go func() { done <- n.Await(t.Context(), 4) }()
	for end := time.Now().Add(10 * time.Second); n.Waiting() == 0 && time.Now().Before(end); runtime.Gosched() {
	}
	set(t, n, "a", "1")
	set(t, n, "a", "2")
	select {
	case err := <-done:
		t.Fatalf("at %d: %v", n.State().Index(), err)
	default:
	}
	set(t, n, "a", "3")
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Await(ctx, 99); !errors.Is(err, events.ErrBehind) || n.Waiting() != 0 {
		t.Errorf("%v, and %d wait", err, n.Waiting())
	}
}

func TestForksGoOnByThemselves(t *testing.T) {
	n := memory.New(memory.Config{})
	set(t, n, "a", "1")
	fork, at := n.Fork(), n.State().Index()
	set(t, fork, "a", "2")
	set(t, n, "a", "3")
	set(t, n, "b", "1")
	for _, test := range []struct {
		node  *memory.Node
		value string
		last  uint64
	}{{n, "3", at + 2}, {fork, "2", at + 1}} {
		h, release := test.node.History(test.node.State().Index())
		defer release()
		e, err := h.Entry("pay", "a")
		if err != nil || string(e.Value.JSON) != test.value || test.node.State().Index() != test.last || h.Verify(1, events.Chain{}) != nil {
			t.Errorf("at %d: %+v, %v, want %s at %d", test.node.State().Index(), e, err, test.value, test.last)
		}
	}
}
