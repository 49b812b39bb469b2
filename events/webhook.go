package events

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Webhook is an endpoint that is told of events, in order, each at least once.
type Webhook struct {
	ID          string          `json:"id"`
	URL         string          `json:"url"`
	Namespace   string          `json:"namespace"` // with its subtree
	Events      []string        `json:"events"`    // kinds, or first parts of kinds
	Values      bool            `json:"values,omitzero"`
	Description string          `json:"description,omitzero"`
	Disabled    bool            `json:"disabled,omitzero"`
	Reason      string          `json:"reason,omitzero"` // why the cluster disabled it
	Secrets     []WebhookSecret `json:"secrets"`         // the newest first
	CreatedAt   time.Time       `json:"createdAt"`
	CreatedBy   string          `json:"createdBy"`
	UpdatedAt   time.Time       `json:"updatedAt"`
	Cursor      uint64          `json:"cursor"`        // up to here every event was delivered or given up
	Dead        []DeadLetter    `json:"dead,omitzero"` // given up, the newest last
	Revision    uint64          `json:"revision"`      // index of the last event about it
}

// WebhookSecret signs deliveries.
type WebhookSecret struct {
	Secret string    `json:"secret,omitzero"` // whsec_ and base64; never empty in the history
	Until  time.Time `json:"until,omitzero"`  // zero: the one that stays
}

// DeadLetter is an event that could not be delivered for a day.
type DeadLetter struct {
	Index    uint64    `json:"index"`
	Event    string    `json:"event"` // its ULID
	Type     Kind      `json:"type"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	At       time.Time `json:"at,omitzero"`
}

// Limits of webhooks.
const (
	MaxWebhooks     = 256 // of a cluster; the leader reads the history once for each
	MaxURLBytes     = 2048
	MaxWebhookKinds = 32
	MaxDeadLetters  = 100 // kept of one webhook; older ones are dropped
	maxSecrets      = 10  // that hold at once; the oldest go first
	minSecretBytes  = 24  // Standard Webhooks: 24 to 64
	maxSecretBytes  = 64
	secretPrefix    = "whsec_"
)

// WebhookProperties are what people set on a webhook.
type WebhookProperties struct {
	URL         string   `json:"url"`
	Namespace   string   `json:"namespace"`
	Events      []string `json:"events"`
	Values      bool     `json:"values,omitzero"`
	Description string   `json:"description,omitzero"`
	Disabled    bool     `json:"disabled,omitzero"`
}

// Properties are what people set.
func (w Webhook) Properties() WebhookProperties {
	return WebhookProperties{w.URL, w.Namespace, w.Events, w.Values, w.Description, w.Disabled}
}

// WebhookCreated begins a webhook. It is told of events after this one.
type WebhookCreated struct {
	ID string `json:"id"`
	WebhookProperties
	Secret string `json:"secret,omitzero"`
}

// WebhookUpdated replaces a webhook's properties, or its secrets, or both.
type WebhookUpdated struct {
	ID string `json:"id"`
	WebhookProperties
	Reason  string          `json:"reason,omitzero"`
	Secrets []WebhookSecret `json:"secrets,omitzero"` // all that hold from now on; nil: as before
}

// WebhookDeleted ends a webhook.
type WebhookDeleted struct {
	ID string `json:"id"`
}

// WebhookAdvanced says how far a webhook was told.
type WebhookAdvanced struct {
	ID     string `json:"id"`
	Cursor uint64 `json:"cursor"`
}

// WebhookDeadLetter says that an event was given up, and the cursor is past it.
type WebhookDeadLetter struct {
	ID string `json:"id"`
	DeadLetter
}

// Kind is "webhook.created".
func (WebhookCreated) Kind() Kind { return "webhook.created" }

// Kind is "webhook.updated".
func (WebhookUpdated) Kind() Kind { return "webhook.updated" }

// Kind is "webhook.deleted".
func (WebhookDeleted) Kind() Kind { return "webhook.deleted" }

// Kind is "webhook.advanced".
func (WebhookAdvanced) Kind() Kind { return "webhook.advanced" }

// Kind is "webhook.dead-lettered".
func (WebhookDeadLetter) Kind() Kind { return "webhook.dead-lettered" }

func (p WebhookProperties) check() error {
	u, err := url.Parse(p.URL)
	switch {
	case len(p.URL) > MaxURLBytes:
		return Invalid("/url", "has %d bytes, at most %d are allowed", len(p.URL), MaxURLBytes)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return Invalid("/url", "is not an absolute http or https URL")
	case u.User != nil:
		return Invalid("/url", "has a user or password; deliveries are signed instead")
	}
	if err := CheckText("/url", p.URL, MaxURLBytes); err != nil {
		return err
	}
	if err := CheckPlace(p.Namespace); err != nil {
		return err
	}
	if len(p.Events) == 0 || len(p.Events) > MaxWebhookKinds {
		return Invalid("/events", "lists %d kinds, want 1 to %d", len(p.Events), MaxWebhookKinds)
	}
	for i, wanted := range p.Events {
		if !slices.ContainsFunc(Kinds(), func(k Kind) bool { return k.Matches(wanted) }) || strings.HasPrefix(wanted, "webhook") {
			return Invalid(fmt.Sprintf("/events/%d", i), "%.64q is neither a kind of event such as config.updated nor the first part of one such as config; events about webhooks are not sent", wanted)
		}
	}
	return CheckText("/description", p.Description, MaxTextBytes)
}

// Matches reports whether a kind is the one that is wanted, or begins with it:
// "config" matches "config.updated".
func (k Kind) Matches(wanted string) bool {
	rest, ok := strings.CutPrefix(string(k), wanted)
	return ok && wanted != "" && (rest == "" || rest[0] == '.')
}

// WebhookKey is the key of a secret (Standard Webhooks: "whsec_" and base64).
func WebhookKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return nil, Invalid("/secret", "is not whsec_ and the base64 of %d to %d bytes", minSecretBytes, maxSecretBytes)
	}
	return key, nil
}

// CreateWebhook begins a webhook.
type CreateWebhook struct {
	ID         string
	Properties WebhookProperties
	Secret     string
}

func (c CreateWebhook) decide(d *decision) error {
	if err := c.Properties.check(); err != nil {
		return err
	}
	if _, err := WebhookKey(c.Secret); err != nil {
		return err
	}
	if now := d.view.Webhook(c.ID); now.Revision > 0 {
		return refuse(ErrConflict, "a webhook with the ID %s exists already", c.ID)
	}
	d.holds(Subject{Noun: TheWebhook, Name: c.ID}, 0)
	d.record(placeOf(c.Properties.Namespace), "", WebhookCreated{c.ID, c.Properties, c.Secret})
	return nil
}

// placeOf is the namespace of an event that is about a namespace or the root.
func placeOf(namespace string) string {
	if namespace == Root {
		return ""
	}
	return namespace
}

// webhook returns a webhook that exists, and guards it.
func (d *decision) webhook(id string) (Webhook, error) {
	now := d.view.Webhook(id)
	if now.Revision == 0 {
		return now, refuse(ErrNotFound, "there is no webhook %.64s", id)
	}
	d.holds(Subject{Noun: TheWebhook, Name: id}, now.Revision)
	return now, nil
}

// UpdateWebhook replaces a webhook's properties. Its namespace stays.
type UpdateWebhook struct {
	ID         string
	Properties WebhookProperties
	Reason     string // why the cluster disables it
}

func (c UpdateWebhook) decide(d *decision) error {
	now, err := d.webhook(c.ID)
	if err != nil {
		return err
	}
	if err := c.Properties.check(); err != nil {
		return err
	}
	if c.Properties.Namespace != now.Namespace {
		return Invalid("/namespace", "stays %s for good; make another webhook", now.Namespace)
	}
	if reason := clip(c.Reason, MaxTextBytes); !same(c.Properties, now.Properties()) || reason != now.Reason {
		d.record(placeOf(now.Namespace), "", WebhookUpdated{ID: c.ID, WebhookProperties: c.Properties, Reason: reason})
	}
	return nil
}

// RotateWebhook gives a webhook a new secret. The one before holds until a time,
// those before it as long as was said then.
type RotateWebhook struct {
	ID     string
	Secret string
	Until  time.Time // of the one before; not after the stamp's time: all old ones end at once
}

func (c RotateWebhook) decide(d *decision) error {
	now, err := d.webhook(c.ID)
	if err != nil {
		return err
	}
	if _, err := WebhookKey(c.Secret); err != nil {
		return err
	}
	secrets := []WebhookSecret{{Secret: c.Secret}}
	for i, old := range now.Secrets {
		if i == 0 {
			old.Until = c.Until
		}
		if c.Until.After(d.stamp.Time) && old.Until.After(d.stamp.Time) && len(secrets) < maxSecrets {
			secrets = append(secrets, old)
		}
	}
	d.record(placeOf(now.Namespace), "", WebhookUpdated{c.ID, now.Properties(), now.Reason, secrets})
	return nil
}

// DeleteWebhook ends a webhook.
type DeleteWebhook struct {
	ID string
}

func (c DeleteWebhook) decide(d *decision) error {
	now, err := d.webhook(c.ID)
	if err != nil {
		return err
	}
	d.record(placeOf(now.Namespace), "", WebhookDeleted(c))
	return nil
}

// AdvanceWebhook notes up to which event a webhook was told. It never goes back.
type AdvanceWebhook struct {
	ID string
	To uint64
}

func (c AdvanceWebhook) decide(d *decision) error {
	now, err := d.webhook(c.ID)
	if err != nil {
		return err
	}
	if c.To > d.view.Index() {
		return Invalid("/to", "is %d, and the newest event is %d", c.To, d.view.Index())
	}
	if c.To > now.Cursor {
		d.record(placeOf(now.Namespace), "", WebhookAdvanced{c.ID, c.To})
	}
	return nil
}

// GiveUpDelivery notes that an event is not delivered any more, and goes past it.
type GiveUpDelivery struct {
	ID     string
	Letter DeadLetter
}

func (c GiveUpDelivery) decide(d *decision) error {
	now, err := d.webhook(c.ID)
	if err != nil {
		return err
	}
	if c.Letter.Index > d.view.Index() {
		return Invalid("/index", "is %d, and the newest event is %d", c.Letter.Index, d.view.Index())
	}
	if c.Letter.Index > now.Cursor {
		c.Letter.Error = clip(strings.ToValidUTF8(c.Letter.Error, "\uFFFD"), MaxTextBytes)
		d.record(placeOf(now.Namespace), "", WebhookDeadLetter{c.ID, c.Letter})
	}
	return nil
}
