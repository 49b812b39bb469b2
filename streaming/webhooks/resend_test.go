package webhooks

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"confman/events"
)

func TestDeliveriesCanBeResent(t *testing.T) {
	e := newReceiver(t, func(n int, _ http.ResponseWriter, _ *http.Request) int {
		if n == 2 || n == 4 {
			return http.StatusTeapot
		}
		return http.StatusOK
	})
	c := newCluster()
	c.elect("a")
	w := hookTo(e.server.URL)
	w.Disabled, w.Namespace, w.Cursor = true, "pay", 1
	w.Dead = []events.DeadLetter{{Index: 1, Event: "THE-ID", Type: "config.deleted", Attempts: 7, Error: "answered 500", At: time.Now()}}
	ids := c.changes(t, "pay", 1)
	c.changes(t, "other", 1)
	c.hook(w)
	d, _ := c.deliver(t, "a", local)

	rows, err := d.Deliveries("w")
	if want := (Delivery{ID: "THE-ID", Index: 1, Type: "config.deleted", State: Dead, Attempts: 7, Error: "answered 500", LastAt: w.Dead[0].At}); err != nil || len(rows) != 1 || rows[0] != want {
		t.Errorf("deliveries %+v, %v, want %+v", rows, err, want)
	}
	eventually(t, "the leader does not take it up", func() bool { return d.endpoint("w") != nil })
	for n, want := range []State{Delivered, Dead, Delivered, Dead} {
		got, err := d.Resend(t.Context(), "w", 1)
		if err != nil || got.State != want || got.ID != ids[0] || got.Index != 1 || got.Attempts != n+1 || (got.Status == http.StatusOK) != (want == Delivered) {
			t.Errorf("resent: %+v, %v, want %s", got, err, want)
		}
	}
	if got := e.got(); !slices.Equal(got, []string{ids[0], ids[0], ids[0], ids[0]}) {
		t.Errorf("sent %q", got)
	}
	if rows, err := d.Deliveries("w"); err != nil || len(rows) != 1 || rows[0].Attempts != 4 {
		t.Errorf("deliveries %+v, %v", rows, err)
	}
	if at := c.now("w").Cursor; at != 1 {
		t.Errorf("the cursor went to %d", at)
	}
	for index, want := range map[uint64]error{0: events.ErrNotFound, 2: events.ErrNotFound, 99: events.ErrNotFound} {
		if _, err := d.Resend(t.Context(), "w", index); !errors.Is(err, want) {
			t.Errorf("event %d: %v, want %v", index, err, want)
		}
	}
	if _, err := d.Resend(t.Context(), "none", 1); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("no webhook: %v", err)
	}
	if _, err := d.Deliveries("none"); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("no webhook: %v", err)
	}
	c.trim(1)
	if _, err := d.Resend(t.Context(), "w", 1); !errors.Is(err, events.ErrCompacted) {
		t.Errorf("not kept: %v", err)
	}
	c.elect("b")
	eventually(t, "it does not notice that it leads no more", func() bool { return d.endpoint("w") == nil })
	if _, err := d.Resend(t.Context(), "w", 1); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("not the leader: %v", err)
	}
}

// A resend waits for its turn, as long as who asked does.
func TestOneResendAtATime(t *testing.T) {
	arrived, let := make(chan struct{}), make(chan struct{})
	e := newReceiver(t, func(int, http.ResponseWriter, *http.Request) int {
		arrived <- struct{}{}
		<-let
		return http.StatusOK
	})
	c := newCluster()
	c.elect("a")
	w := hookTo(e.server.URL)
	w.Disabled = true
	c.hook(w)
	c.changes(t, "pay", 1)
	d, _ := c.deliver(t, "a", local)
	eventually(t, "the leader does not take it up", func() bool { return d.endpoint("w") != nil })
	first := make(chan error, 1)
	go func() {
		_, err := d.Resend(t.Context(), "w", 1)
		first <- err
	}()
	<-arrived
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Resend(gone, "w", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	close(let)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := len(e.got()); n != 1 {
		t.Errorf("%d were sent", n)
	}
}

func TestOnlySoManyDeliveriesAreRemembered(t *testing.T) {
	var d deliveries
	for index := range uint64(keptDeliveries + 50) {
		d.note(letter{record: events.Record{Index: index}, event: events.Event{Data: events.ConfigDeleted{}}}, trial{}, Delivered, time.Time{})
	}
	rows := d.newest()
	if len(rows) != keptDeliveries || rows[0].Index != keptDeliveries+49 || rows[len(rows)-1].Index != 50 {
		t.Errorf("%d rows from %d to %d", len(rows), rows[0].Index, rows[len(rows)-1].Index)
	}
}
