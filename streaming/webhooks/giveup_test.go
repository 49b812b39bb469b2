package webhooks

import (
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"confman/events"
)

func TestAnEventIsGivenUpAfterADayAndTheNextOneFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		ids := []string{}
		s := &scripted{answer: func(_ int, r *http.Request) (*http.Response, error) {
			if r.Header.Get(HeaderID) == ids[1] {
				return status(500), nil
			}
			return status(204), nil
		}}
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		ids = c.changes(t, "pay", 3)
		d, _ := c.deliver(t, "a", through(s))
		begun := time.Now()
		pass(23*time.Hour + 59*time.Minute)
		if times, _ := submitted[events.GiveUpDelivery](c, "w"); len(times) > 0 {
			t.Fatalf("given up after %v", times[0].Sub(begun))
		}
		if got := d.Stats(); got.Retrying != 1 || got.Lag != c.Position().Index-1 {
			t.Errorf("before it is given up: %+v", got)
		}
		if at := c.now("w").Cursor; at != 1 {
			t.Errorf("meanwhile the cursor stands at %d, want 1", at)
		}
		pass(2 * time.Hour)
		times, dead := submitted[events.GiveUpDelivery](c, "w")
		tried, attempts := s.attempts()
		if len(dead) != 1 || dead[0].Letter.Index != 2 || dead[0].Letter.Attempts != len(tried)-2 || dead[0].Letter.Error != "answered 500" {
			t.Fatalf("given up: %+v after %d attempts", dead, len(tried))
		}
		if after := times[0].Sub(begun); after < 24*time.Hour || after > 25*time.Hour {
			t.Errorf("given up after %v", after)
		}
		if got := attempts[len(attempts)-2:]; attempts[0] != ids[0] || !slices.Equal(got, ids[1:]) {
			t.Errorf("the last attempts are of %q, want %q", got, ids)
		}
		rows, err := d.Deliveries("w")
		if err != nil || len(rows) != 3 || rows[0].State != Delivered || rows[1].State != Dead || rows[2].State != Delivered || rows[1].Attempts != dead[0].Letter.Attempts {
			t.Errorf("deliveries %+v, %v", rows, err)
		}
		if got := d.Stats(); got.Dead != 1 || got.Retrying != 0 || got.Delivering != 1 || got.Failures != got.Attempts-2 {
			t.Errorf("after it was given up: %+v", got)
		}
	})
}

// A day counts from the event, so one that another leader tried before is not
// tried for another day, and one that came while the webhook was disabled is
// tried for a day from when it was enabled.
func TestTheDayOutlivesTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(500)
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.changes(t, "pay", 1)
		_, stop := c.deliver(t, "a", through(s))
		pass(time.Hour)
		c.age(19 * time.Hour)
		c.elect("b")
		stop()
		c.deliver(t, "b", through(s))
		pass(5 * time.Hour)
		if _, dead := submitted[events.GiveUpDelivery](c, "w"); len(dead) != 1 {
			t.Fatalf("given up after 25 hours: %+v", dead)
		}

		w := c.now("w")
		w.Disabled = true
		c.hook(w)
		pass(time.Minute)
		c.changes(t, "pay", 1)
		c.age(30 * time.Hour)
		w.Disabled = false
		c.hook(w)
		pass(time.Hour)
		c.age(19 * time.Hour)
		pass(time.Hour)
		if _, dead := submitted[events.GiveUpDelivery](c, "w"); len(dead) != 1 {
			t.Errorf("what came while the webhook was disabled was given up 21 hours after it was enabled")
		}
		pass(5 * time.Hour)
		if _, dead := submitted[events.GiveUpDelivery](c, "w"); len(dead) != 2 {
			t.Errorf("%d were given up, want 2", len(dead))
		}
	})
}

// A dead endpoint with many events older than a day is asked once a second, not
// as fast as it refuses.
func TestOldEventsAreNotGivenUpInARush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		s := &scripted{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return status(200), nil
			}
			return status(500), nil
		}}
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.changes(t, "pay", 100)
		pass(48 * time.Hour)
		c.deliver(t, "a", through(s))
		pass(10*time.Second + time.Millisecond)
		if _, dead := submitted[events.GiveUpDelivery](c, "w"); len(dead) < 10 || len(dead) > 12 {
			t.Errorf("%d were given up in 10 seconds", len(dead))
		}
	})
}
