package api

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"confman/api/wire"
	"confman/events"
	"confman/streaming/webhooks"
)

const (
	webhooksPath       = "/api/v1/webhooks"
	webhookSecretBytes = 32
	// How long the secret before goes on being good, unless asked otherwise, and at
	// most.
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

// wireWebhook is a webhook as it is shown: never with its secrets.
func wireWebhook(w events.Webhook, now uint64) wire.Webhook {
	return wire.Webhook{
		ID: w.ID, URL: w.URL, Namespace: w.Namespace, Events: w.Events, Values: w.Values, Description: w.Description,
		Disabled: w.Disabled, Reason: w.Reason, CreatedAt: w.CreatedAt.UTC(), CreatedBy: w.CreatedBy, UpdatedAt: w.UpdatedAt.UTC(),
		Cursor: w.Cursor, Lag: now - min(w.Cursor, now),
	}
}

// findWebhook is the webhook that the path names, if the caller is admin of its
// namespace.
func (x *exchange) findWebhook() (events.Webhook, error) {
	w := x.present().Webhook(x.names.id)
	if w.Revision == 0 || !x.principal.Can(events.Admin, w.Namespace, "") {
		return w, &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("there is no webhook %.64s, or none for you to see", x.names.id)}
	}
	return w, nil
}

// surelyWebhook is findWebhook for a write.
func (x *exchange) surelyWebhook() (events.Webhook, error) { return surely(x, x.findWebhook) }

// listWebhooks answers GET /api/v1/webhooks: those of namespaces that the caller
// administers, by ID. The mark of a page is its last ID.
func (x *exchange) listWebhooks() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	page := []wire.Webhook{}
	for w := range x.state.Webhooks(p.after) {
		if !x.principal.Can(events.Admin, w.Namespace, "") {
			continue
		}
		if len(page) == p.limit {
			x.next(p, page[len(page)-1].ID)
			break
		}
		page = append(page, wireWebhook(w, x.state.Index()))
	}
	return x.sendJSON(http.StatusOK, page)
}

// getWebhook answers GET /api/v1/webhooks/{id}.
func (x *exchange) getWebhook() error {
	w, err := x.findWebhook()
	if err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, wireWebhook(w, x.state.Index()))
}

// createWebhook answers POST /api/v1/webhooks. The secret is in this one answer
// only, as that of an API key is.
func (x *exchange) createWebhook() error {
	var asked wire.NewWebhook
	if err := x.decode(&asked, smallBody); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if asked.Namespace == "" {
		return events.Invalid("/namespace", "is missing; %s is that of everything", events.Root)
	}
	if err := x.need(events.Admin, asked.Namespace, ""); err != nil {
		return err
	}
	if n := x.Reader.State().WebhookCount(); n >= events.MaxWebhooks {
		return &events.Refusal{Kind: events.ErrTooLarge, Detail: fmt.Sprintf("there are %d webhooks, more are not allowed in a cluster; let one endpoint hand events on", n)}
	}
	if asked.Events == nil {
		asked.Events = []string{"config", "publish-request"}
	}
	id, secret := x.NewID().String(), x.mintSecret()
	done, err := x.submit(events.CreateWebhook{ID: id, Secret: secret, Properties: events.WebhookProperties{
		URL: asked.URL, Namespace: asked.Namespace, Events: asked.Events, Values: asked.Values != nil && *asked.Values,
		Description: asked.Description, Disabled: asked.Disabled != nil && *asked.Disabled,
	}})
	if err != nil {
		return err
	}
	x.set("Location", webhooksPath+"/"+id)
	return x.sendSecret(http.StatusCreated, done, id, secret)
}

// mintSecret makes up a secret as Standard Webhooks writes them. A source of
// randomness that fails is a panic, as in [MintKey].
func (x *exchange) mintSecret() string {
	raw := make([]byte, webhookSecretBytes)
	if _, err := io.ReadFull(x.Random, raw); err != nil {
		panic(fmt.Sprintf("mint the secret of a webhook: %v", err))
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(raw)
}

// sendSecret answers with a webhook and its new secret. A repeated request is told
// that it came too late for that.
func (x *exchange) sendSecret(status int, done events.Outcome, id, secret string) error {
	if done.Replayed {
		return &events.Refusal{Kind: events.ErrConflict, Detail: fmt.Sprintf(
			"the secret was made at event %d by the first request with this Idempotency-Key, and only its answer had it; if that is lost, find the webhook (GET %s) and rotate its secret", done.Index, webhooksPath)}
	}
	now := x.Reader.State()
	shown := wireWebhook(now.Webhook(id), now.Index())
	shown.Secret = secret
	x.set("Cache-Control", "no-store")
	return x.sendJSON(status, shown)
}

// webhookChange is the body of PUT /api/v1/webhooks/{id}, a [wire.NewWebhook] of
// which what is absent stays and what is empty becomes so.
type webhookChange struct {
	URL         *string   `json:"url"`
	Namespace   *string   `json:"namespace"`
	Events      *[]string `json:"events"`
	Values      *bool     `json:"values"`
	Description *string   `json:"description"`
	Disabled    *bool     `json:"disabled"`
}

// putWebhook answers PUT /api/v1/webhooks/{id}.
func (x *exchange) putWebhook() error {
	var put webhookChange
	if err := x.decode(&put, smallBody); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	w, err := x.surelyWebhook()
	if err != nil {
		return err
	}
	p := w.Properties()
	replace(&p.URL, put.URL)
	replace(&p.Namespace, put.Namespace)
	replace(&p.Events, put.Events)
	replace(&p.Values, put.Values)
	replace(&p.Description, put.Description)
	replace(&p.Disabled, put.Disabled)
	c := events.UpdateWebhook{ID: w.ID, Properties: p}
	if p.Disabled {
		c.Reason = w.Reason
	}
	if _, err := x.submit(c); err != nil {
		return err
	}
	now := x.Reader.State()
	return x.sendJSON(http.StatusOK, wireWebhook(now.Webhook(w.ID), now.Index()))
}

// replace sets what is given.
func replace[T any](into, given *T) {
	if given != nil {
		*into = *given
	}
}

// deleteWebhook answers DELETE /api/v1/webhooks/{id}.
func (x *exchange) deleteWebhook() error {
	if err := x.refuseConditions(); err != nil {
		return err
	}
	w, err := x.surelyWebhook()
	if err != nil {
		return err
	}
	if _, err := x.submit(events.DeleteWebhook{ID: w.ID}); err != nil {
		return err
	}
	return x.noContent()
}

// rotateWebhook answers POST /api/v1/webhooks/{id}/rotate.
func (x *exchange) rotateWebhook() error {
	var asked wire.RotateSecret
	if err := x.decodeOptional(&asked); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	overlap := defaultOverlap
	if asked.Overlap != "" {
		var err error
		if overlap, err = time.ParseDuration(asked.Overlap); err != nil || overlap < 0 || overlap > maxOverlap {
			return events.Invalid("/overlap", "is %.40q, want a duration from 0s to %s, such as 24h", asked.Overlap, maxOverlap)
		}
	}
	w, err := x.surelyWebhook()
	if err != nil {
		return err
	}
	c := events.RotateWebhook{ID: w.ID, Secret: x.mintSecret()}
	if overlap > 0 {
		c.Until = x.Now().Add(overlap)
	}
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	return x.sendSecret(http.StatusOK, done, w.ID, c.Secret)
}

// deliveries is what tells how a webhook is delivered, once the caller may ask.
func (x *exchange) deliveries() (Deliveries, error) {
	if _, err := x.findWebhook(); err != nil {
		return nil, err
	}
	if x.Outside.Webhooks == nil {
		return nil, fmt.Errorf("this node delivers no webhooks: %w", events.ErrUnavailable)
	}
	return x.Outside.Webhooks, nil
}

// listDeliveries answers GET /api/v1/webhooks/{id}/deliveries: the newest attempt
// first, as the leader remembers them. The mark of a page is the time and the
// event of its last row.
func (x *exchange) listDeliveries() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	from, err := x.deliveries()
	if err != nil {
		return err
	}
	all, err := from.Deliveries(x.names.id)
	if err != nil {
		return err
	}
	mark := func(d webhooks.Delivery) string { return fmt.Sprintf("%020d-%020d", d.LastAt.UnixNano(), d.Index) }
	slices.SortFunc(all, func(a, b webhooks.Delivery) int { return cmp.Compare(mark(b), mark(a)) })
	page, last := []wire.Delivery{}, ""
	for _, d := range all {
		if p.after != "" && mark(d) >= p.after {
			continue
		}
		if len(page) == p.limit {
			x.next(p, last)
			break
		}
		page, last = append(page, wireDelivery(d)), mark(d)
	}
	return x.sendJSON(http.StatusOK, page)
}

func wireDelivery(d webhooks.Delivery) wire.Delivery {
	shown := wire.Delivery{
		ID: d.ID, Index: d.Index, Type: string(d.Type), State: string(d.State), Attempts: d.Attempts, Status: d.Status, Error: d.Error,
		Millis: d.Took.Milliseconds(),
	}
	if !d.LastAt.IsZero() {
		shown.LastAt = d.LastAt.UTC()
	}
	if !d.NextAt.IsZero() {
		shown.NextAt = d.NextAt.UTC()
	}
	return shown
}

// resend is the body of POST /api/v1/webhooks/{id}/resend.
type resend struct {
	Index uint64 `json:"index"`
}

// resendDelivery answers POST /api/v1/webhooks/{id}/resend with how the one attempt
// went. It is no event; an idempotency key has no effect.
func (x *exchange) resendDelivery() error {
	var asked resend
	if err := x.decode(&asked, smallBody); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if asked.Index == 0 {
		return events.Invalid("/index", "is missing; GET …/deliveries lists the events")
	}
	to, err := x.deliveries()
	if err != nil {
		return err
	}
	d, err := to.Resend(x.r.Context(), x.names.id, asked.Index)
	if err != nil {
		return err
	}
	return x.sendJSON(http.StatusOK, wireDelivery(d))
}
