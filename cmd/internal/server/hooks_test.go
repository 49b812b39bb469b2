package server

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"confman/api/client"
	"confman/api/wire"
)

// endpoint takes what a webhook sends, and notes the values in the order in which
// they came.
type endpoint struct {
	url string

	mu     sync.Mutex // guards the fields below
	secret string
	status int
	came   []string // repetitions too: "event's ID value"
}

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{status: http.StatusNoContent}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // whoever sent it stopped
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		id := r.Header.Get("Webhook-Id")
		if want := signed(e.secret, id, r.Header.Get("Webhook-Timestamp"), body); r.Header.Get("Webhook-Signature") != want {
			t.Errorf("event %s is signed %s, want %s", id, r.Header.Get("Webhook-Signature"), want)
		}
		var said struct {
			Data struct {
				Data struct{ Value json.RawMessage }
			}
		}
		if err := json.Unmarshal(body, &said); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		e.came = append(e.came, id+" "+string(said.Data.Data.Value))
		w.WriteHeader(e.status)
	}))
	t.Cleanup(s.Close)
	e.url = s.URL
	return e
}

// signed is the signature that Standard Webhooks 1.0.0 asks for.
func signed(secret, id, timestamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err.Error()
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (e *endpoint) set(secret string, status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secret, e.status = secret, status
}

func (e *endpoint) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.came)
}

// values are those that came, each for the first time.
func (e *endpoint) values() (values []string) {
	seen := map[string]bool{}
	for _, one := range e.got() {
		if !seen[one] {
			seen[one] = true
			values = append(values, one[strings.Index(one, " ")+1:])
		}
	}
	return values
}

func allowing(network string) func(*Options) {
	return func(o *Options) { o.Webhooks.Allowed = []string{network} }
}

// hook makes a webhook for namespace app with values, at a node.
func (c *started) hook(url string, at ...*node) wire.Webhook {
	c.t.Helper()
	made, err := c.sdk(adminKey, at...).CreateWebhook(c.t.Context(), wire.NewWebhook{URL: url, Namespace: "app", Events: []string{"config"}, Values: new(true)}, client.Write{})
	if err != nil {
		c.t.Fatal(err)
	}
	return made
}

// deliveries are those that a node tells of, the newest first.
func (c *started) deliveries(id string, at ...*node) (rows []wire.Delivery) {
	c.t.Helper()
	for row, err := range c.sdk(adminKey, at...).Deliveries(c.t.Context(), id) {
		if err != nil {
			c.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestAWebhookIsToldOfEverythingInOrderThoughTheLeaderStops(t *testing.T) {
	c := start(t, 3, allowing("127.0.0.1/32"))
	leader, followers := c.leader()
	e := newEndpoint(t)
	strict := *c.http
	strict.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	to := ask(t, &strict, "POST", followers[0].url+"/api/v1/webhooks", `{}`, "X-Api-Key: "+adminKey).is(t, 307).header.Get("Location")
	if to != leader.url+"/api/v1/webhooks" {
		t.Errorf("sent on to %s, want the leader %s", to, leader.url)
	}
	hook := c.hook(e.url, followers[0])
	e.set(hook.Secret, http.StatusNoContent)

	var want []string
	write := func(n int, at ...*node) {
		t.Helper()
		for range n {
			value := fmt.Sprint(len(want))
			if _, err := c.sdk(adminKey, at...).Put(t.Context(), "app", "k", wire.PutConfig{Value: []byte(value)}, client.Write{}); err != nil {
				t.Fatal(err)
			}
			want = append(want, value)
		}
	}
	told := func() {
		t.Helper()
		c.eventually("the endpoint is told of everything", func() error {
			if got := e.values(); !slices.Equal(got, want) {
				return fmt.Errorf("it has %q of %q", got, want)
			}
			return nil
		})
	}
	write(10)
	told()
	if n := len(e.got()); n != 10 {
		t.Errorf("while nothing fails, 10 events came in %d requests", n)
	}
	write(10) // some of which may not be delivered yet
	c.stop(leader)
	write(10, followers...)
	told()
	next, _ := c.leader()
	rows := c.deliveries(hook.ID, followers...)
	if len(rows) < 10 || rows[0].State != wire.DeliveryDone || rows[0].Status != http.StatusNoContent {
		t.Errorf("deliveries as %s tells: %+v", next.id, rows)
	}
	c.run(leader)
	c.ready()
	told()
}

// put sets app's key k.
func (c *started) put(value string) {
	c.t.Helper()
	if _, err := c.sdk(adminKey).Put(c.t.Context(), "app", "k", wire.PutConfig{Value: []byte(value)}, client.Write{}); err != nil {
		c.t.Fatal(err)
	}
}

// rows waits until deliveries, by event, are in the states.
func (c *started) rows(id string, at *node, states ...string) (rows []wire.Delivery) {
	c.t.Helper()
	c.eventually("deliveries of "+id, func() error {
		rows = c.deliveries(id, at)
		slices.SortFunc(rows, func(a, b wire.Delivery) int { return cmp.Compare(a.Index, b.Index) })
		if !slices.EqualFunc(rows, states, func(d wire.Delivery, state string) bool { return d.State == state }) {
			return fmt.Errorf("%s tells of %+v, want %q", at.id, rows, states)
		}
		return nil
	})
	return rows
}

func TestDeliveriesAreToldRepeatedAndCountedWhicheverNodeIsAsked(t *testing.T) {
	c := start(t, 3, allowing("127.0.0.1/32"))
	leader, followers := c.leader()
	e := newEndpoint(t)
	hook := c.hook(e.url)
	e.set(hook.Secret, http.StatusNoContent)
	c.put("1")
	c.put("2")
	for i, n := range c.nodes {
		first := c.rows(hook.ID, n, wire.DeliveryDone, wire.DeliveryDone)[0]
		again, err := c.sdk(adminKey, n).Resend(t.Context(), hook.ID, first.Index)
		if err != nil || again.State != wire.DeliveryDone || again.Attempts != i+2 || again.ID != first.ID {
			t.Errorf("resent at %s: %+v, %v", n.id, again, err)
		}
		if came := e.got(); len(came) != i+3 || came[len(came)-1] != first.ID+" 1" {
			t.Errorf("resent at %s: %q", n.id, came)
		}
	}
	metrics := c.do("GET", leader.url+"/metrics", "").is(t, 200, "confman_webhooks_delivering 1\n", "confman_webhooks_retrying 0\n", "confman_webhook_attempts_total 5\n",
		"confman_webhook_failures_total 0\n", "confman_webhook_dead_letters_total 0\n", "confman_webhooks_disabled 0\n", "confman_webhooks_lag_events ")
	for _, n := range followers {
		c.do("GET", n.url+"/metrics", "").is(t, 200, "confman_webhooks_delivering 0\n", "confman_webhook_attempts_total 0\n")
	}
	problems, err := promlint.New(strings.NewReader(metrics.body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "confman_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestAnEndpointThatIsGoneIsLeftAloneUntilItsWebhookIsEnabledAgain(t *testing.T) {
	c := start(t, 1, allowing("127.0.0.1/32"))
	e := newEndpoint(t)
	hook := c.hook(e.url)
	e.set(hook.Secret, http.StatusGone)
	c.put("1")
	c.put("2")
	c.eventually("the webhook is disabled", func() error {
		now, err := c.sdk(adminKey).Webhook(t.Context(), hook.ID)
		if err == nil && (!now.Disabled || !strings.Contains(now.Reason, "410 Gone")) {
			err = fmt.Errorf("%+v", now)
		}
		return err
	})
	c.eventually("that is counted", func() error {
		return c.do("GET", c.nodes[0].url+"/metrics", "").want(200, "confman_webhooks_disabled 1\n", "confman_webhooks_delivering 0\n")
	})
	if came := e.values(); !slices.Equal(came, []string{"1"}) {
		t.Errorf("the endpoint was told of %q", came)
	}
	e.set(hook.Secret, http.StatusNoContent)
	if _, err := c.sdk(adminKey).PutWebhook(t.Context(), hook.ID, wire.NewWebhook{Disabled: new(false)}, client.Write{}); err != nil {
		t.Fatal(err)
	}
	c.rows(hook.ID, c.nodes[0], wire.DeliveryDone, wire.DeliveryDone)
	if came := e.values(); !slices.Equal(came, []string{"1", "2"}) {
		t.Errorf("the endpoint was told of %q", came)
	}
}

func TestAnAddressThatIsNotAllowedIsRefusedAndTheDeliveriesSaySo(t *testing.T) {
	for name, test := range map[string]struct{ allowed, scheme, says string }{
		"plain http":               {"", "http", "127.0.0.1 is refused: plain http goes to allowed addresses only; use https"},
		"https":                    {"", "https", "127.0.0.1 is refused: it is not a public address"},
		"http to another than may": {"127.0.0.2/32", "http", "127.0.0.1 is refused: plain http goes to allowed addresses only; use https"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, 1, func(o *Options) {
				if test.allowed != "" {
					o.Webhooks.Allowed = []string{test.allowed}
				}
			})
			e := newEndpoint(t)
			hook := c.hook(test.scheme + strings.TrimPrefix(e.url, "http"))
			c.put("1")
			if row := c.rows(hook.ID, c.nodes[0], wire.DeliveryRetried)[0]; !strings.Contains(row.Error, test.says) || row.NextAt.IsZero() || row.Status != 0 {
				t.Errorf("%+v, want %q", row, test.says)
			}
			if came := e.got(); len(came) > 0 {
				t.Errorf("it came all the same: %q", came)
			}
		})
	}
}
