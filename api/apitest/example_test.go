package apitest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"confman/api/apitest"
	"confman/api/client"
	"confman/api/wire"
)

// A test of a program that follows its settings: they change under it, and the
// server goes away and comes back.
func TestAViewFollowsThroughARestart(t *testing.T) {
	server := apitest.NewServer(t)
	server.Set("shop", "limit", 10)
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: server.Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	view, err := c.View(t.Context(), client.ViewConfig{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { view.Close() })
	limit := func(want string) {
		t.Helper()
		late := time.After(20 * time.Second)
		for {
			changed := view.Changed() // before looking
			e, ok := view.Get("limit")
			if ok && string(e.Value) == want {
				return
			}
			select {
			case <-changed:
			case <-late:
				t.Fatalf("limit is %s, want %s; %+v", e.Value, want, view.Status())
			}
		}
	}
	limit("10")
	server.Set("shop", "limit", 20)
	limit("20")
	server.Restart()
	server.Set("shop", "limit", 30)
	limit("30")
}

// Whatever happens to the connection, a watch delivers each event once.
func TestAWatchMissesNothingAndRepeatsNothing(t *testing.T) {
	server := apitest.NewServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const events = 60
	connected := make(chan struct{}, events)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range events {
			server.Set("shop", "n", i)
			switch i {
			case 10:
				<-connected
				server.Cut()
			case 20:
				<-connected
				server.Restart()
			case 30:
				<-connected
				server.Refuse(http.StatusServiceUnavailable)
				server.Cut()
			case 35:
				server.Refuse(0)
			case 40:
				<-connected
				server.Restart()
			}
		}
	}()
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: server.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := 0
	for f, err := range c.Watch(ctx, client.WatchRequest{Namespaces: []string{"shop"}, After: wire.AfterStart}) {
		if err != nil {
			t.Fatalf("after %d events: %v", next, err)
		}
		if f.Frame == wire.FrameResumed {
			connected <- struct{}{}
		}
		if f.Frame != wire.FrameEvent {
			continue
		}
		var change wire.ConfigChange
		var n int
		if json.Unmarshal(f.Event.Data, &change) != nil || json.Unmarshal(change.Value, &n) != nil || n != next {
			t.Fatalf("event %d is %s", next, f.Event.Data)
		}
		if next++; next == events {
			break
		}
	}
	<-written
}
