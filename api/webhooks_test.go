package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/streaming/webhooks"
)

const newHook = `{"url":"https://hooks.example.com/x","namespace":"pay"}`

func (b *bench) webhook(body string, headers ...string) wire.Webhook {
	b.t.Helper()
	r := b.do("POST", webhooksPath, body, headers...).is(201)
	w := decodeAs[wire.Webhook](r)
	if r.header.Get("Location") != webhooksPath+"/"+w.ID || r.header.Get("Cache-Control") != "no-store" {
		b.t.Errorf("headers %v", r.header)
	}
	return w
}

func TestAWebhookIsMadeChangedAndDeleted(t *testing.T) {
	b := newGoverned(t)
	made := b.webhook(`{"url":"https://hooks.example.com/x","namespace":"pay","description":"chat"}`)
	if key, err := events.WebhookKey(made.Secret); err != nil || len(key) != 32 {
		t.Errorf("secret %s: %v", made.Secret, err)
	}
	if !slices.Equal(made.Events, []string{"config", "publish-request"}) || made.Values || made.Disabled || made.CreatedBy != "ana" || made.Lag != 0 {
		t.Errorf("made %+v", made)
	}
	path := webhooksPath + "/" + made.ID
	for body, want := range map[string]func(wire.Webhook) bool{
		`{"events":["config.deleted"],"values":true}`:    func(w wire.Webhook) bool { return slices.Equal(w.Events, []string{"config.deleted"}) && w.Values },
		`{"url":"https://hooks.example.com/y"}`:          func(w wire.Webhook) bool { return w.URL == "https://hooks.example.com/y" },
		`{"disabled":true,"description":""}`:             func(w wire.Webhook) bool { return w.Disabled && w.Description == "" },
		`{"disabled":true,"namespace":"pay","x":"more"}`: func(w wire.Webhook) bool { return w.Disabled },
	} {
		w := decodeAs[wire.Webhook](b.do("PUT", path, body).is(200))
		if !want(w) || w.Secret != "" || w.ID != made.ID || w.Namespace != "pay" {
			t.Errorf("%s: %+v", body, w)
		}
	}
	if w := decodeAs[wire.Webhook](b.do("GET", path, nil).is(200)); !w.Values || w.URL != "https://hooks.example.com/y" || !w.Disabled || w.Secret != "" {
		t.Errorf("what is absent does not stay: %+v", w)
	}
	b.do("DELETE", path, nil).is(204)
	for _, method := range []string{"GET", "DELETE"} {
		b.do(method, path, nil).problem(404, wire.ProblemNotFound)
	}
	b.do("PUT", path, `{"values":true}`).problem(404, wire.ProblemNotFound)
}

func TestTheReasonForDisablingStaysUntilItIsEnabled(t *testing.T) {
	b := newGoverned(t)
	made := b.webhook(newHook)
	p := b.node.State().Webhook(made.ID).Properties()
	p.Disabled = true
	b.submit(events.UpdateWebhook{ID: made.ID, Properties: p, Reason: "410 Gone"})
	path := webhooksPath + "/" + made.ID
	if w := decodeAs[wire.Webhook](b.do("PUT", path, `{"description":"looked at"}`).is(200)); w.Reason != "410 Gone" {
		t.Errorf("reason %q", w.Reason)
	}
	if w := decodeAs[wire.Webhook](b.do("PUT", path, `{"disabled":false}`).is(200)); w.Reason != "" || w.Disabled {
		t.Errorf("enabled again: %+v", w)
	}
}

func TestASecretIsToldOnce(t *testing.T) {
	b := newGoverned(t)
	made := decodeAs[wire.Webhook](b.do("POST", webhooksPath, newHook, "Idempotency-Key: 1").is(201))
	path := webhooksPath + "/" + made.ID
	b.writesNothing(func() {
		b.do("POST", webhooksPath, newHook, "Idempotency-Key: 1").problem(409, wire.ProblemConflict, "rotate")
	})
	rotated := decodeAs[wire.Webhook](b.do("POST", path+"/rotate", `{"overlap":"1h"}`, "Idempotency-Key: 2").is(200))
	b.writesNothing(func() {
		b.do("POST", path+"/rotate", `{"overlap":"1h"}`, "Idempotency-Key: 2").problem(409, wire.ProblemConflict)
	})
	secrets := b.node.State().Webhook(made.ID).Secrets
	if len(secrets) != 2 || secrets[0].Secret != rotated.Secret || secrets[1].Secret != made.Secret || rotated.Secret == made.Secret {
		t.Fatalf("secrets %+v after %s", secrets, rotated.Secret)
	}
	if left := secrets[1].Until.Sub(moment); left < 59*time.Minute || left > 2*time.Hour {
		t.Errorf("the old one ends %s after the beginning", left)
	}
	b.do("POST", path+"/rotate", `{"overlap":"0s"}`).is(200)
	if secrets := b.node.State().Webhook(made.ID).Secrets; len(secrets) != 1 {
		t.Errorf("no overlap, and yet %+v", secrets)
	}
	b.do("POST", path+"/rotate", nil).is(200)
	for _, overlap := range []string{"-1s", "9000h", "soon"} {
		b.do("POST", path+"/rotate", wire.RotateSecret{Overlap: overlap}).problem(400, wire.ProblemMalformed, "overlap")
	}
	for _, path := range []string{path, webhooksPath, "/api/v1/audit", "/api/v1/namespaces/pay/audit"} {
		if got := b.do("GET", path, nil).is(200); strings.Contains(got.body, "whsec_") {
			t.Errorf("%s tells a secret: %s", path, got.body)
		}
	}
}

func TestWebhooksThatCannotBe(t *testing.T) {
	b := newGoverned(t)
	made := b.webhook(newHook)
	b.writesNothing(func() {
		for _, body := range []string{
			`{"url":"https://x.example"}`, `{"namespace":"pay"}`, `{"url":"ftp://x","namespace":"pay"}`, `{"url":"https://u:p@x","namespace":"pay"}`,
			`{"url":"https://x","namespace":"pay","events":[]}`, `{"url":"https://x","namespace":"pay","events":["webhook"]}`, `{"url":"https://x","namespace":"*"}`,
		} {
			b.do("POST", webhooksPath, body).problem(400, wire.ProblemMalformed)
		}
		b.do("PUT", webhooksPath+"/"+made.ID, `{"namespace":"other"}`).problem(400, wire.ProblemMalformed, "namespace")
		b.do("PUT", webhooksPath+"/"+made.ID, `{"events":[]}`).problem(400, wire.ProblemMalformed, "events")
		b.do("DELETE", webhooksPath+"/"+made.ID, nil, `If-Match: "r4"`).problem(400, wire.ProblemMalformed)
	})
	for range events.MaxWebhooks - 1 {
		b.webhook(newHook)
	}
	b.writesNothing(func() { b.do("POST", webhooksPath, newHook).problem(413, wire.ProblemTooLarge, "256 webhooks") })
	b.do("DELETE", webhooksPath+"/"+made.ID, nil).is(204)
	b.do("POST", webhooksPath, newHook).is(201)
}

func TestWebhooksAreForTheAdminsOfTheirNamespace(t *testing.T) {
	b := newGoverned(t)
	everything := b.webhook(`{"url":"https://hooks.example.com/x","namespace":"/"}`)
	other := b.webhook(`{"url":"https://hooks.example.com/x","namespace":"other"}`)
	admin, publisher := by(b.key("pat", "pay", "admin", "")), by(b.key("p", "pay", "publisher", ""))
	b.do("POST", webhooksPath, newHook, publisher).problem(403, wire.ProblemForbidden, "admin")
	b.do("POST", webhooksPath, `{"url":"https://x.example","namespace":"/"}`, admin).problem(403, wire.ProblemForbidden)
	mine := b.webhook(newHook, admin)
	if list := decodeAs[[]wire.Webhook](b.do("GET", webhooksPath, nil, admin).is(200)); len(list) != 1 || list[0].ID != mine.ID {
		t.Errorf("the admin of pay sees %+v", list)
	}
	b.writesNothing(func() {
		for _, id := range []string{everything.ID, other.ID} {
			for method, path := range map[string]string{"GET": id, "PUT": id, "DELETE": id, "POST": id + "/rotate"} {
				b.do(method, webhooksPath+"/"+path, `{}`, admin).problem(404, wire.ProblemNotFound)
			}
			b.do("GET", webhooksPath+"/"+id+"/deliveries", nil, admin).problem(404, wire.ProblemNotFound)
			b.do("POST", webhooksPath+"/"+id+"/resend", `{"index":1}`, admin).problem(404, wire.ProblemNotFound)
		}
	})
	page := b.do("GET", webhooksPath+"?limit=2", nil).is(200)
	next, _, _ := strings.Cut(strings.TrimPrefix(page.header.Get("Link"), "<"), ">")
	if rest := decodeAs[[]wire.Webhook](b.do("GET", next, nil).is(200)); len(rest) != 1 || rest[0].ID != mine.ID {
		t.Errorf("page 2 is %+v", rest)
	}
}

var _ Deliveries = (*webhooks.Deliverer)(nil)

// courier stands for the node's deliverer.
type courier struct {
	rows   []webhooks.Delivery
	resent []string
	err    error
}

func (c *courier) Deliveries(string) ([]webhooks.Delivery, error) { return slices.Clone(c.rows), c.err }

func (c *courier) Resend(_ context.Context, id string, index uint64) (webhooks.Delivery, error) {
	c.resent = append(c.resent, fmt.Sprint(id, " ", index))
	return webhooks.Delivery{ID: "01J", Index: index, Type: "config.updated", State: webhooks.Dead, Attempts: 9, Status: 503, Error: "503", LastAt: moment, Took: 1500 * time.Millisecond}, c.err
}

func TestDeliveriesAreListedAndResent(t *testing.T) {
	var c courier
	b := newGoverned(t, func(config *Config) { config.Outside.Webhooks = &c })
	made := b.webhook(newHook)
	for i := range 5 {
		c.rows = append(c.rows, webhooks.Delivery{ID: "01J", Index: uint64(i + 1), Type: "config.created", State: webhooks.Delivered, Attempts: 1, Status: 200, LastAt: moment.Add(time.Duration(i/2) * time.Second)})
	}
	c.rows[4].State, c.rows[4].NextAt = webhooks.Retrying, moment.Add(time.Hour)
	var got []uint64
	for next := webhooksPath + "/" + made.ID + "/deliveries?limit=2"; next != ""; {
		page := b.do("GET", next, nil).is(200)
		for _, d := range decodeAs[[]wire.Delivery](page) {
			got = append(got, d.Index)
		}
		next, _, _ = strings.Cut(strings.TrimPrefix(page.header.Get("Link"), "<"), ">")
	}
	if !slices.Equal(got, []uint64{5, 4, 3, 2, 1}) {
		t.Errorf("events %v", got)
	}
	b.writesNothing(func() {
		d := decodeAs[wire.Delivery](b.do("POST", webhooksPath+"/"+made.ID+"/resend", `{"index":7}`).is(200))
		if d.State != wire.DeliveryDead || d.Status != 503 || d.Millis != 1500 || d.Index != 7 || !slices.Equal(c.resent, []string{made.ID + " 7"}) {
			t.Errorf("%+v, resent %v", d, c.resent)
		}
		b.do("POST", webhooksPath+"/"+made.ID+"/resend", `{}`).problem(400, wire.ProblemMalformed, "index")
		c.err = &events.NotLeaderError{}
		b.do("POST", webhooksPath+"/"+made.ID+"/resend", `{"index":7}`).problem(503, wire.ProblemUnavailable)
	})
	b.node.follows("127.0.0.1:6200")
	for method, path := range map[string]string{"GET": "/deliveries", "POST": "/resend"} {
		if r := b.do(method, webhooksPath+"/"+made.ID+path, `{"index":7}`).is(307); r.header.Get("Location") != "http://127.0.0.1:6200"+webhooksPath+"/"+made.ID+path {
			t.Errorf("a follower sends to %s", r.header.Get("Location"))
		}
	}
}

func TestANodeThatDeliversNothingSaysSo(t *testing.T) {
	b := newGoverned(t)
	made := b.webhook(newHook)
	b.do("GET", webhooksPath+"/"+made.ID+"/deliveries", nil).problem(503, wire.ProblemUnavailable, "delivers no webhooks")
}
