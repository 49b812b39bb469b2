package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"confman/api/wire"
)

// Webhooks yields the webhooks of namespaces that the caller administers.
func (c *Client) Webhooks(ctx context.Context, r Read) iter.Seq2[wire.Webhook, error] {
	return pages[wire.Webhook](ctx, c, c.reading("list webhooks", r, "webhooks"))
}

// Webhook reads a webhook, without its secret.
func (c *Client) Webhook(ctx context.Context, id string) (h wire.Webhook, err error) {
	err = c.into(ctx, c.reading("read webhook "+id, Read{}, "webhooks", id), &h)
	return h, err
}

// CreateWebhook has an endpoint told of events. Webhook.Secret, by which it can
// tell who calls, is in this answer and that of RotateWebhookSecret only.
func (c *Client) CreateWebhook(ctx context.Context, webhook wire.NewWebhook, w Write) (h wire.Webhook, err error) {
	err = c.into(ctx, c.writing("create a webhook to "+webhook.URL, http.MethodPost, w, webhook, "webhooks"), &h)
	return h, err
}

// PutWebhook changes what webhook names; the rest stays.
func (c *Client) PutWebhook(ctx context.Context, id string, webhook wire.NewWebhook, w Write) (h wire.Webhook, err error) {
	err = c.into(ctx, c.writing("put webhook "+id, http.MethodPut, w, webhook, "webhooks", id), &h)
	return h, err
}

// DeleteWebhook ends a webhook. What it was not told yet, it never will be.
func (c *Client) DeleteWebhook(ctx context.Context, id string, w Write) error {
	return c.into(ctx, c.writing("delete webhook "+id, http.MethodDelete, w, nil, "webhooks", id), nil)
}

// RotateWebhookSecret gives a webhook another secret; until the old one ends,
// what is sent is signed with both.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string, rotate wire.RotateSecret, w Write) (h wire.Webhook, err error) {
	err = c.into(ctx, c.writing("rotate the secret of webhook "+id, http.MethodPost, w, rotate, "webhooks", id, "rotate"), &h)
	return h, err
}

// Deliveries yields what a webhook was told and what it is still to be told,
// newest first, as the leader remembers it.
func (c *Client) Deliveries(ctx context.Context, id string) iter.Seq2[wire.Delivery, error] {
	return pages[wire.Delivery](ctx, c, c.reading("list the deliveries of webhook "+id, Read{}, "webhooks", id, "deliveries"))
}

// Resend tells a webhook of one event again, by the event's index. An endpoint
// that fails is no error: Delivery says how it went.
func (c *Client) Resend(ctx context.Context, id string, index uint64) (d wire.Delivery, err error) {
	body := struct {
		Index uint64 `json:"index"`
	}{index}
	err = c.into(ctx, c.writing(fmt.Sprintf("resend event %d to webhook %s", index, id), http.MethodPost, Write{}, body, "webhooks", id, "resend"), &d)
	return d, err
}
