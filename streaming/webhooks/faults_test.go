package webhooks

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"confman/events"
)

// Whatever an endpoint does, it gets every event, in order, and each attempt at
// one has the same ID.
func TestAnEndpointThatFailsMissesNothing(t *testing.T) {
	elsewhere := newReceiver(t, func(int, http.ResponseWriter, *http.Request) int {
		t.Error("a redirect was followed")
		return http.StatusOK
	})
	every := func(n int) func(int) bool { return func(i int) bool { return i%n != 0 } }
	tests := map[string]struct {
		fails func(attempt int) bool
		how   func(w http.ResponseWriter, r *http.Request) int
		says  string
	}{
		"fails":       {every(3), func(http.ResponseWriter, *http.Request) int { return 500 }, "answered 500"},
		"is not here": {every(2), func(http.ResponseWriter, *http.Request) int { return 404 }, "answered 404"},
		"redirects": {every(2), func(w http.ResponseWriter, _ *http.Request) int {
			w.Header().Set("Location", elsewhere.server.URL)
			return http.StatusTemporaryRedirect
		}, "redirects are not followed"},
		"dies in the middle": {every(2), func(w http.ResponseWriter, _ *http.Request) int {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprint(conn, "HTTP/1.1 20")
				conn.Close()
			}
			return 0
		}, "malformed HTTP status"},
		"speaks no HTTP": {every(2), func(w http.ResponseWriter, _ *http.Request) int {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprint(conn, "SSH-2.0-OpenSSH\r\n\r\n")
				conn.Close()
			}
			return 0
		}, "malformed HTTP response"},
		"answers with a header without end": {every(2), func(w http.ResponseWriter, _ *http.Request) int {
			w.Header().Set("X", strings.Repeat("x", 2*answerBytes))
			return 200 + 99 // 2xx, were it read
		}, "exceeded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newReceiver(t, func(n int, w http.ResponseWriter, r *http.Request) int {
				if tt.fails(n) {
					return tt.how(w, r)
				}
				return http.StatusOK
			})
			c := newCluster()
			c.elect("a")
			c.hook(hookTo(e.server.URL))
			d, _ := c.deliver(t, "a", local)
			ids := c.changes(t, "pay", 20)
			e.taken(t, ids)
			if got := e.got(); !slices.IsSortedFunc(got, func(a, b string) int { return slices.Index(ids, a) - slices.Index(ids, b) }) {
				t.Errorf("tried out of order: %q", got)
			}
			rows, err := d.Deliveries("w")
			if err != nil || len(rows) < 19 {
				t.Fatalf("%d deliveries, %v", len(rows), err)
			}
			c.hook(hookTo("http://127.0.0.1:1"))
			c.changes(t, "pay", 1)
			eventually(t, "the webhook's new URL is not used", func() bool {
				rows, err := d.Deliveries("w")
				return err == nil && rows[0].State == Retrying && strings.Contains(rows[0].Error, "connection refused")
			})
		})
	}
	for name, tt := range tests {
		e := newReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) int { return tt.how(w, r) })
		c := newCluster()
		d, _ := c.deliver(t, "a", local)
		c.changes(t, "pay", 1)
		c.hook(hookTo(e.server.URL))
		if got := d.try(t.Context(), c.now("w"), c.letter(t, 1)); got.err == nil || !strings.Contains(got.err.Error(), tt.says) {
			t.Errorf("an endpoint that %s: %v, want %q", name, got.err, tt.says)
		}
	}
}

// An answer that never ends, or is not read to its end, is an answer.
func TestOnlyTheStatusOfAnAnswerCounts(t *testing.T) {
	e := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) int {
		w.WriteHeader(http.StatusOK)
		for {
			if _, err := w.Write(make([]byte, answerBytes)); err != nil {
				return 0
			}
		}
	})
	c := newCluster()
	d, _ := c.deliver(t, "a", local)
	c.changes(t, "pay", 1)
	c.hook(hookTo(e.server.URL))
	if got := d.try(t.Context(), c.now("w"), c.letter(t, 1)); got.err != nil || got.status != http.StatusOK || got.took > attemptTime/2 {
		t.Errorf("%+v", got)
	}
}

// One endpoint that hangs, one that is not there and one that refuses hold up
// nobody else.
func TestABadEndpointDoesNotHoldUpOthers(t *testing.T) {
	over := make(chan struct{})
	hangs := newReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) int {
		select {
		case <-r.Context().Done():
		case <-over:
		}
		return 0
	})
	t.Cleanup(func() { close(over) })
	good := newReceiver(t, nil)
	c := newCluster()
	c.elect("a")
	for id, url := range map[string]string{"hangs": hangs.server.URL, "gone": "http://127.0.0.1:1", "refused": "http://169.254.169.254", "good": good.server.URL} {
		w := hookTo(url)
		w.ID = id
		c.hook(w)
	}
	d, stop := c.deliver(t, "a", local)
	good.taken(t, c.changes(t, "pay", 50))
	eventually(t, "the others are not counted", func() bool {
		s := d.Stats()
		return s.Delivering == 2 && s.Retrying == 2 && s.Lag >= 50 // the one that hangs has not failed yet
	})
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
}

func TestAnEndpointThatIsGoneIsDisabledAtOnce(t *testing.T) {
	e := newReceiver(t, func(n int, _ http.ResponseWriter, _ *http.Request) int {
		if n == 3 {
			return http.StatusGone
		}
		return http.StatusOK
	})
	c := newCluster()
	c.elect("a")
	c.hook(hookTo(e.server.URL))
	ids := c.changes(t, "pay", 5)
	d, _ := c.deliver(t, "a", local)
	eventually(t, "410 did not disable the webhook", func() bool { return c.now("w").Disabled })
	eventually(t, "what was delivered before is not written down", func() bool { return c.now("w").Cursor == 2 })
	if w := c.now("w"); !strings.Contains(w.Reason, "410") || len(w.Dead) > 0 {
		t.Errorf("disabled: %+v", w)
	}
	eventually(t, "it is not counted as disabled", func() bool { return d.Stats().Disabled == 1 })
	if got := e.got(); !slices.Equal(got, ids[:3]) {
		t.Errorf("tried %q", got)
	}
	w := c.now("w")
	w.Disabled = false
	c.hook(w)
	e.taken(t, ids) // on where it stopped
}

func TestWhatIsSentIsTheEventAsWatchersSeeIt(t *testing.T) {
	var got struct {
		header http.Header
		body   []byte
	}
	e := newReceiver(t, func(_ int, _ http.ResponseWriter, r *http.Request) int {
		got.header = r.Header.Clone()
		return http.StatusOK
	})
	c := newCluster()
	d, _ := c.deliver(t, "a", local)
	c.happens(t, "pay", events.ConfigCreated{Value: events.Value{Type: events.String, JSON: []byte(`"hush"`)}, Version: 1})
	l := c.letter(t, 1)
	for _, values := range []bool{false, true} {
		w := hookTo(e.server.URL)
		w.Values = values
		c.hook(w)
		before := time.Now().Unix()
		if out := d.try(t.Context(), c.now("w"), l); out.err != nil {
			t.Fatal(out.err)
		}
		body, err := l.body(values)
		if err != nil {
			t.Fatal(err)
		}
		data, err := l.record.AppendWire(nil, values)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf(`{"type":"config.created","timestamp":%q,"data":%s}`, l.record.Time.UTC().Format(time.RFC3339Nano), data)
		if string(body) != want || strings.Contains(want, "hush") != values {
			t.Errorf("sent %s, want %s", body, want)
		}
		for name, want := range map[string]string{"Content-Type": "application/json", "User-Agent": "confman/1.2.3", "Webhook-Id": l.event.ID.String(), "Authorization": "", "Cookie": ""} {
			if got := got.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if at := got.header.Get("Webhook-Timestamp"); at < fmt.Sprint(before) || at > fmt.Sprint(time.Now().Unix()) {
			t.Errorf("timestamp %s", at)
		}
	}
}

func TestAWebhookIsToldOfItsSubtreeAndKindsOnly(t *testing.T) {
	event := func(namespace string, d events.Data) events.Event { return events.Event{Namespace: namespace, Data: d} }
	config, created := events.ConfigDeleted{}, events.NamespaceCreated{}
	tests := []struct {
		namespace, kinds string
		event            events.Event
		want             bool
	}{
		{"teams", "config", event("teams", config), true},
		{"teams", "config", event("teams/pay", config), true},
		{"teams", "config", event("teamsters", config), false},
		{"teams/pay", "config", event("teams", config), false},
		{"teams", "config", event("", events.KeyCreated{}), false},
		{"teams", "key", event("", events.KeyCreated{}), false},
		{events.Root, "key", event("", events.KeyCreated{}), true},
		{events.Root, "config", event("teams", config), true},
		{"teams", "config", event("teams", created), false},
		{"teams", "config,namespace.created", event("teams", created), true},
		{"teams", "config.deleted", event("teams", config), true},
		{"teams", "config.updated", event("teams", config), false},
		{"teams", "conf", event("teams", config), false},
		{"teams", "", event("teams", config), false},
		{events.Root, "webhook", event("", events.WebhookAdvanced{}), false},
		{"teams", "webhook.updated", event("teams", events.WebhookUpdated{}), false},
	}
	for _, tt := range tests {
		if got := (terms{namespace: tt.namespace, events: tt.kinds}).selects(tt.event); got != tt.want {
			t.Errorf("a webhook for %s of %q is told of %s in %q: %v, want %v", tt.kinds, tt.namespace, tt.event.Data.Kind(), tt.event.Namespace, got, tt.want)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for name, pool := range map[string]*x509.CertPool{"nobody's": x509.NewCertPool(), "": roots} {
		c := newCluster()
		d, stop := c.deliver(t, "a", func(config *Config) { local(config); config.Roots = pool })
		c.changes(t, "pay", 1)
		c.hook(hookTo(server.URL))
		got := d.try(t.Context(), c.now("w"), c.letter(t, 1))
		var unknown x509.UnknownAuthorityError
		if name == "" && got.err != nil || name != "" && !errors.As(got.err, &unknown) {
			t.Errorf("%s certificate: %v", name, got.err)
		}
		stop()
	}
}

func TestEventsThatAreNotKeptAreSkipped(t *testing.T) {
	e := newReceiver(t, nil)
	c := newCluster()
	c.elect("a")
	ids := c.changes(t, "pay", 10)
	c.trim(7)
	c.hook(hookTo(e.server.URL))
	c.deliver(t, "a", local)
	e.taken(t, ids[7:])
	other := hookTo(e.server.URL)
	other.ID, other.Namespace = "other", "other"
	c.hook(other)
	eventually(t, "that there is nothing left is not written down", func() bool { return c.now("other").Cursor >= 7 })
}

func TestAConfigWithoutWhatItNeedsIsRefused(t *testing.T) {
	if _, err := New(Config{Allowed: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}); err == nil {
		t.Error("taken")
	}
}

func TestAWebhookIsNotToldOfWhatIsCutOffFromIt(t *testing.T) {
	e := newReceiver(t, func(int, http.ResponseWriter, *http.Request) int { return http.StatusOK })
	c := newCluster()
	c.elect("a")
	w := hookTo(e.server.URL)
	w.Namespace = "pay"
	c.hook(w)
	cut := c.changes(t, "pay/vault", 1)
	told := c.changes(t, "pay/eu", 1)
	d, _ := c.deliver(t, "a", local)
	eventually(t, "it is told of the rest", func() bool { return len(e.got()) > 0 })
	if got := e.got(); !slices.Equal(got, told) {
		t.Errorf("sent %q, want %q and not %q", got, told, cut)
	}
	if _, err := d.Resend(t.Context(), "w", 1); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("resent: %v", err)
	}
}

// An event may be tried for a day. What is erased meanwhile is not told any more,
// and of what was trimmed nobody knows whether it was erased before.
func TestARetryDoesNotTellWhatWasErasedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*testing.T, *cluster){
		`"type":"erased"`: func(t *testing.T, c *cluster) {
			c.mu.Lock()
			defer c.mu.Unlock()
			erased, err := c.records[0].Erase([]events.Place{events.ThisValue})
			if err != nil {
				t.Error(err)
			}
			c.records[0] = erased
		},
		`"type":"string"`: func(_ *testing.T, c *cluster) { c.trim(1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			c, posted := newCluster(), []string{}
			s := &scripted{answer: func(n int, r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				if posted = append(posted, string(body)); n == 1 {
					change(t, c)
					return status(500), nil
				}
				return status(200), nil
			}}
			c.elect("a")
			w := hookTo("https://hooks.example")
			w.Values = true
			c.hook(w)
			c.happens(t, "pay", events.ConfigCreated{Value: events.Value{Type: events.String, JSON: []byte(`"hunter2"`)}})
			c.deliver(t, "a", through(s))
			pass(time.Minute)
			if len(posted) != 2 || !strings.Contains(posted[0], "hunter2") || strings.Contains(posted[1], "hunter2") || !strings.Contains(posted[1], name) {
				t.Errorf("%q", posted)
			}
		})
	}
}
