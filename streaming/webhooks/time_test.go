package webhooks

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"confman/events"
)

// scripted answers for all endpoints without a network, so that time can be
// made up.
type scripted struct {
	mu     sync.Mutex // guards the fields below
	answer func(n int, r *http.Request) (*http.Response, error)
	at     []time.Time
	ids    []string
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.at = append(s.at, time.Now())
	s.ids = append(s.ids, r.Header.Get(HeaderID))
	n := len(s.at)
	s.mu.Unlock()
	return s.answer(n, r)
}

func (s *scripted) attempts() ([]time.Time, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at), slices.Clone(s.ids)
}

func status(code int, header ...string) *http.Response {
	r := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func always(code int, header ...string) *scripted {
	return &scripted{answer: func(int, *http.Request) (*http.Response, error) { return status(code, header...), nil }}
}

// through sends everything to s, and waits for as long as the bound.
func through(s *scripted) func(*Config) {
	return func(c *Config) {
		c.Transport = s
		c.Jitter = func(bound time.Duration) time.Duration { return bound }
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWaitsDoubleUpToAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(500)
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.changes(t, "pay", 2)
		c.deliver(t, "a", through(s))
		pass(5 * time.Hour)
		at, ids := s.attempts()
		want := []time.Duration{}
		for bound := time.Second; bound < time.Hour; bound *= 2 {
			want = append(want, bound)
		}
		want = append(want, time.Hour, time.Hour, time.Hour)
		var got []time.Duration
		for i := range at[1:] {
			got = append(got, at[i+1].Sub(at[i]))
			if ids[i+1] != ids[0] {
				t.Errorf("attempt %d is of another event", i+2)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("waited %v, want %v", got, want)
		}
	})
}

func TestAnAnswerMayAskForALongerWait(t *testing.T) {
	for _, tt := range []struct {
		code  int
		after string
		want  time.Duration // before the second attempt
	}{
		{503, "90", 90 * time.Second},
		{429, "90", 90 * time.Second},
		{429, "Sat, 01 Jan 2000 00:10:00 GMT", 10 * time.Minute},
		{429, "Sat, 01 Jan 1999 00:10:00 GMT", time.Second},
		{503, "7200", time.Hour},
		{503, "18446744073709551615", time.Second},
		{503, "-5", time.Second},
		{503, "soon", time.Second},
		{503, "0", time.Second},
		{500, "90", time.Second},
	} {
		synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01 00:00:00 UTC
			c, s := newCluster(), always(tt.code, "Retry-After", tt.after)
			c.elect("a")
			c.hook(hookTo("https://hooks.example"))
			c.changes(t, "pay", 1)
			c.deliver(t, "a", through(s))
			pass(90 * time.Minute)
			at, _ := s.attempts()
			if got := at[1].Sub(at[0]); got != tt.want {
				t.Errorf("%d with Retry-After %s: waited %v, want %v", tt.code, tt.after, got, tt.want)
			}
		})
	}
}

func TestTheCursorIsWrittenAtMostOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		s := &scripted{answer: func(int, *http.Request) (*http.Response, error) {
			<-time.After(10 * time.Millisecond)
			return status(200), nil
		}}
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.deliver(t, "a", through(s))
		pass(10 * time.Second)
		c.changes(t, "pay", 1000) // 10 seconds
		last := uint64(1000)
		pass(20 * time.Second)
		times, advanced := submitted[events.AdvanceWebhook](c, "w")
		if n := len(times); n < 9 || n > 12 {
			t.Fatalf("written %d times", n)
		}
		for i := range times[1:] {
			if times[i+1].Sub(times[i]) < time.Second {
				t.Errorf("written at %v, and at %v", times[i], times[i+1])
			}
		}
		if to := advanced[len(advanced)-1].To; to < last {
			t.Errorf("the end of a burst was not written down: %d of %d", to, last)
		}
	})
}

// Events about webhooks are not sent, and do not move the cursor by themselves:
// many idle webhooks write nothing.
func TestIdleWebhooksDoNotWriteTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(200)
		c.elect("a")
		for _, id := range []string{"w", "x", "y"} {
			w := hookTo("https://hooks.example")
			w.ID, w.Events = id, []string{"webhook", "config"}
			c.hook(w)
		}
		elsewhere := hookTo("https://hooks.example")
		elsewhere.ID, elsewhere.Namespace = "z", "other"
		c.hook(elsewhere)
		c.deliver(t, "a", through(s))
		c.changes(t, "pay", 5)
		pass(time.Hour)
		if tried, _ := s.attempts(); len(tried) != 15 {
			t.Errorf("%d attempts, want 15: events about webhooks were sent", len(tried))
		}
		for _, id := range []string{"w", "x", "y", "z"} {
			if times, _ := submitted[events.AdvanceWebhook](c, id); len(times) > 2 || len(times) == 0 {
				t.Errorf("%s: the cursor was written %d times for 5 events", id, len(times))
			}
		}
		if n := c.Position().Index; n > 5+8 {
			t.Errorf("5 events became %d", n)
		}
	})
}

func TestSkippedEventsMoveTheCursorSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(200)
		c.elect("a")
		w := hookTo("https://hooks.example")
		w.Namespace = "other"
		c.hook(w)
		c.deliver(t, "a", through(s))
		pass(time.Second)
		c.changes(t, "pay", 1)
		pass(50 * time.Second)
		if times, _ := submitted[events.AdvanceWebhook](c, "w"); len(times) != 0 {
			t.Error("the cursor was written for one skipped event within a minute")
		}
		pass(20 * time.Second)
		if times, _ := submitted[events.AdvanceWebhook](c, "w"); len(times) != 1 {
			t.Errorf("after 70 seconds the cursor was written %d times, want once", len(times))
		}
		c.changes(t, "pay", skippedMost-2)
		pass(5 * time.Second)
		if times, _ := submitted[events.AdvanceWebhook](c, "w"); len(times) != 1 {
			t.Error("the cursor was written for fewer than 1000 skipped events")
		}
		c.changes(t, "pay", 2)
		pass(5 * time.Second)
		if times, _ := submitted[events.AdvanceWebhook](c, "w"); len(times) != 2 {
			t.Error("the cursor was not written for 1000 skipped events")
		}
	})
}

func TestAStopWritesTheCursorDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(200)
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		_, stop := c.deliver(t, "a", through(s))
		pass(time.Second)
		c.changes(t, "pay", 1)
		pass(time.Millisecond)
		c.changes(t, "pay", 1)
		pass(100 * time.Millisecond)
		head := c.Position().Index
		stop()
		if at := c.now("w").Cursor; at < head-1 {
			t.Errorf("stopped at %d of %d", at, head)
		}
	})
}

func TestAHangingEndpointIsLeftAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		s := &scripted{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.changes(t, "pay", 1)
		d, _ := c.deliver(t, "a", through(s))
		pass(10*time.Second + time.Millisecond)
		rows, err := d.Deliveries("w")
		if err != nil || len(rows) != 1 || rows[0].State != Retrying || rows[0].Took != 10*time.Second || rows[0].Error != "no answer within 10s" {
			t.Errorf("%+v, %v", rows, err)
		}
	})
}

// What the endpoint has must not be lost to it because the cursor cannot be
// written, and must not be written faster when that fails.
func TestDeliveryGoesOnWhileTheCursorCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(200)
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.refuse(errors.New("no quorum"))
		c.changes(t, "pay", 10)
		c.deliver(t, "a", through(s))
		pass(time.Minute)
		if tried, _ := s.attempts(); len(tried) != 10 {
			t.Errorf("%d of 10 were sent", len(tried))
		}
		c.refuse(nil)
		pass(2 * time.Second)
		if at := c.now("w").Cursor; at < 10 {
			t.Errorf("the cursor stands at %d", at)
		}
	})
}

// A leader that hangs in an attempt lets go of it when another one leads, and
// writes nothing.
func TestALostLeadershipCancelsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		let := make(chan error, 1)
		s := &scripted{answer: func(n int, r *http.Request) (*http.Response, error) {
			if n <= 3 {
				return status(200), nil
			}
			<-r.Context().Done()
			let <- context.Cause(r.Context())
			return nil, r.Context().Err()
		}}
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.deliver(t, "a", through(s))
		c.changes(t, "pay", 4)
		pass(time.Second)
		before, _ := submitted[events.AdvanceWebhook](c, "w")
		c.elect("b")
		lost := time.Now()
		if err := <-let; !errors.Is(err, context.Canceled) || time.Since(lost) > 2*lookInterval {
			t.Errorf("%v after %v", err, time.Since(lost))
		}
		pass(time.Hour)
		if after, _ := submitted[events.AdvanceWebhook](c, "w"); len(after) != len(before) {
			t.Error("the cursor was written by who does not lead")
		}
		if tried, _ := s.attempts(); len(tried) != 4 {
			t.Errorf("%d attempts, want 4", len(tried))
		}
	})
}

// What an administrator mends is tried at once, however long the wait was.
func TestAChangedWebhookIsTriedAtOnce(t *testing.T) {
	for _, change := range []func(*events.Webhook){
		func(w *events.Webhook) { w.URL = "https://other.example" },
		func(w *events.Webhook) { w.Secrets = []events.WebhookSecret{{Secret: otherSecret}} },
		func(w *events.Webhook) { w.Values = true },
	} {
		synctest.Test(t, func(t *testing.T) {
			c, s := newCluster(), always(500)
			c.elect("a")
			c.hook(hookTo("https://hooks.example"))
			c.changes(t, "pay", 1)
			c.deliver(t, "a", through(s))
			pass(3 * time.Hour)
			before, _ := s.attempts()
			w := c.now("w")
			change(&w)
			c.hook(w)
			pass(time.Second)
			if after, _ := s.attempts(); len(after) != len(before)+1 {
				t.Errorf("%d attempts within a second, want 1", len(after)-len(before))
			}
		})
	}
}

// A term that begins between two looks may follow one of another leader, who
// wrote another cursor.
func TestANewTermBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newCluster(), always(500)
		c.elect("a")
		c.hook(hookTo("https://hooks.example"))
		c.changes(t, "pay", 1)
		c.deliver(t, "a", through(s))
		pass(3 * time.Hour)
		before, _ := s.attempts()
		c.elect("a")
		pass(time.Second)
		if after, _ := s.attempts(); len(after) == len(before) {
			t.Error("the courier of the term before goes on")
		}
	})
}

// What changes between two attempts holds for the second one already.
func TestAnEventUnderWayIsLetGo(t *testing.T) {
	changes := map[string]func(*cluster){
		"the webhook is for others": func(c *cluster) { w := c.now("w"); w.Events = []string{"namespace"}; c.hook(w) },
		"the webhook is disabled":   func(c *cluster) { w := c.now("w"); w.Disabled = true; c.hook(w) },
		"the webhook is deleted":    func(c *cluster) { c.unhook("w") },
		"another node leads":        func(c *cluster) { c.elect("b") },
	}
	for name, change := range changes {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster()
			s := &scripted{answer: func(int, *http.Request) (*http.Response, error) {
				change(c)
				return status(500), nil
			}}
			c.elect("a")
			c.hook(hookTo("https://hooks.example"))
			c.changes(t, "pay", 3)
			c.deliver(t, "a", func(config *Config) {
				config.Transport = s
				config.Jitter = func(time.Duration) time.Duration { return time.Millisecond }
			})
			pass(time.Minute)
			if tried, _ := s.attempts(); len(tried) != 1 {
				t.Errorf("%s: %d attempts, want 1", name, len(tried))
			}
		})
	}
}
