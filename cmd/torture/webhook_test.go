package torture

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// misbehaviours of endpoints, and what their webhooks ask for.
func misbehaviours() (all map[string]manners, asked map[string]wire.NewWebhook) {
	now := func(chance float64, instead int) manners {
		return func(_ int, rng *rand.Rand) (int, bool) {
			if rng.Float64() < chance {
				return instead, false
			}
			return http.StatusNoContent, false
		}
	}
	all = map[string]manners{
		"well":  now(0, 0),
		"fails": now(0.04, http.StatusInternalServerError),
		"dies":  now(0.04, 0),
		"hangs": func(n int, _ *rand.Rand) (int, bool) { return http.StatusOK, n == 3 },
		"redirects": func(n int, _ *rand.Rand) (int, bool) {
			return map[bool]int{true: http.StatusTemporaryRedirect, false: http.StatusOK}[n%20 == 5], false
		},
		"gone": func(n int, _ *rand.Rand) (int, bool) {
			return map[bool]int{true: http.StatusGone, false: http.StatusOK}[n >= 10], false
		},
		"trap": now(0, 0),
	}
	asked = map[string]wire.NewWebhook{
		"well":      {Namespace: wire.Root, Events: []string{"config", "namespace", "key"}},
		"fails":     {Namespace: "teams/pay"},
		"dies":      {Namespace: "teams/pay", Values: new(true)},
		"hangs":     {Namespace: "teams", Events: []string{"config.created", "config.deleted"}},
		"redirects": {Namespace: "teams/pay/eu", Events: []string{"config"}},
		"gone":      {Namespace: "teams", Events: []string{"config"}},
	}
	return all, asked
}

// hook makes the webhooks of a receiver's endpoints.
func (r *receiver) hook(c *cluster, asked map[string]wire.NewWebhook) {
	for name, a := range asked {
		e := r.endpoints[name]
		a.URL = r.server.URL + "/" + name
		made, err := c.client(c.key).CreateWebhook(c.t.Context(), a, client.Write{})
		if err != nil {
			c.t.Fatalf("a webhook to %s: %v", name, err)
		}
		e.hook, e.secrets = made, []given{{secret: made.Secret}}
	}
}

// meant are the events of a log that a webhook is to be told of.
func meant(hook wire.Webhook, log []wire.Event) (want []wire.Event) {
	begun := false
	for _, e := range log {
		if e.Type == "webhook.created" && strings.Contains(string(e.Data), hook.ID) {
			begun = true
			continue
		}
		inside := hook.Namespace == wire.Root || e.Namespace == hook.Namespace || strings.HasPrefix(e.Namespace, hook.Namespace+"/")
		wanted := slices.ContainsFunc(hook.Events, func(kind string) bool { return e.Type == kind || strings.HasPrefix(e.Type, kind+".") })
		if begun && inside && wanted {
			want = append(want, e)
		}
	}
	return want
}

// has returns nil when the endpoint has taken all it is to be told of.
func (e *endpoint) has(want []wire.Event) error {
	taken := map[string]bool{}
	for _, a := range e.got() {
		taken[a.id] = taken[a.id] || a.taken()
	}
	for i, w := range want {
		if !taken[w.ID] {
			return fmt.Errorf("%s has %d events of %d, event %d is missing", e.name, i, len(want), w.Index)
		}
	}
	return nil
}

func TestWebhooksTellEverythingInOrderThoughReceiversAndLeadersFail(t *testing.T) {
	rng := random(t)
	c := form(t, plan{args: []string{"--webhook-allow", "127.0.0.0/8"}})
	all, asked := misbehaviours()
	r := newReceiver(t, rng, all)
	r.hook(c, asked)

	tr := c.startTraffic(3, 15*time.Millisecond, rng)
	for range rounds(1, 10) {
		tr.more(40)
		c.disturb(rng, 2)
		for _, name := range []string{"well", "fails"} {
			r.endpoints[name].rotate(c, "1h")
		}
		tr.more(40)
		c.disturb(rng, 2)
		r.endpoints["fails"].rotate(c, "0s")
	}
	tr.more(40)
	tr.end()
	c.awaitReady(c.nodes...)
	c.comeBack(r.endpoints["gone"])
	for _, e := range r.endpoints {
		if e.name != "gone" {
			e.recover()
		}
	}
	c.conclude(r)
}

// comeBack checks that an endpoint that said 410 is left alone, and enables its
// webhook again.
func (c *cluster) comeBack(e *endpoint) {
	c.t.Helper()
	sdk := c.client(c.key)
	await(c.t, "410 disables the webhook", func() error {
		now, err := sdk.Webhook(c.t.Context(), e.hook.ID)
		if err == nil && (!now.Disabled || !strings.Contains(now.Reason, "410")) {
			err = fmt.Errorf("%+v", now)
		}
		return err
	})
	refused := 0
	for _, a := range e.got() {
		if a.status == http.StatusGone {
			refused++
		}
	}
	if refused > rounds(5, 41) { // each leader that dies may leave it to the next
		c.t.Errorf("an endpoint was told %d times after it had said that it is gone", refused-1)
	}
	e.recover()
	err := settle(c.t.Context(), "come-back", func(w client.Write) error {
		_, err := sdk.PutWebhook(c.t.Context(), e.hook.ID, wire.NewWebhook{URL: e.hook.URL, Namespace: e.hook.Namespace, Disabled: new(false)}, w)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// conclude waits until everything has arrived and holds it against the log.
func (c *cluster) conclude(r *receiver) {
	t := c.t
	t.Helper()
	end := indexOf(t, c.put("teams%2Fpay%2Feu", "end", "of it"))
	log := c.eventLog(c.leader(), end)
	for name, e := range r.endpoints {
		if name == "trap" {
			if got := e.got(); len(got) > 0 {
				t.Errorf("the target of a redirect was told of %d events", len(got))
			}
			continue
		}
		want := meant(e.hook, log)
		await(t, name+" is told of everything", func() error { return e.has(want) })
		for _, err := range e.check(want) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d events in %d requests", name, len(want), len(e.got()))
		await(t, "that is written down", func() error {
			now, err := c.client(c.key).Webhook(t.Context(), e.hook.ID)
			if last := want[len(want)-1].Index; err == nil && now.Cursor < last {
				err = fmt.Errorf("the cursor of %s stands at %d, %d was delivered", name, now.Cursor, last)
			}
			return err
		})
	}
}

func TestADeliveryIsListedAndResentOnWhicheverNodeOneAsks(t *testing.T) {
	rng := random(t)
	p := calm()
	p.args = append(p.args, "--webhook-allow", "127.0.0.0/8")
	c := form(t, p)
	c.namespace("app")
	fails := func(n int, _ *rand.Rand) (int, bool) {
		return map[bool]int{true: http.StatusTeapot, false: http.StatusOK}[n == 0], false
	}
	r := newReceiver(t, rng, map[string]manners{"app": fails})
	r.hook(c, map[string]wire.NewWebhook{"app": {Namespace: "app"}})
	e := r.endpoints["app"]
	c.put("app", "k", "1")
	c.put("app", "k", "2")
	want := meant(e.hook, c.eventLog(c.nodes[0], indexOf(t, c.put("app", "k", "3"))))
	await(t, "all are taken", func() error { return e.has(want) })
	for _, n := range c.nodes {
		sdk, rows := c.client(c.key, n), 0
		for row, err := range sdk.Deliveries(t.Context(), e.hook.ID) {
			if err != nil {
				t.Fatalf("deliveries at %s: %v", n.id, err)
			}
			one := want[len(want)-1-rows] // the newest first
			rows++
			attempts := map[bool]int{true: 2, false: 1}[rows == len(want)]
			if row.ID != one.ID || row.Index != one.Index || row.State != wire.DeliveryDone || row.Attempts != attempts {
				t.Errorf("at %s delivery %d is %+v, want %d attempts of %s", n.id, rows, row, attempts, one.ID)
			}
		}
		if rows != len(want) {
			t.Errorf("%s lists %d deliveries of %d", n.id, rows, len(want))
		}
	}
	for _, n := range c.nodes {
		before := e.got()
		d, err := c.client(c.key, n).Resend(t.Context(), e.hook.ID, want[1].Index)
		if err != nil || d.ID != want[1].ID || d.State != wire.DeliveryDone {
			t.Errorf("resend at %s: %+v, %v", n.id, d, err)
		}
		if again := e.got()[len(before):]; len(again) != 1 || again[0].id != want[1].ID || e.checkSignature(again[0]) != nil {
			t.Errorf("resent at %s: %+v", n.id, again)
		}
	}
}
