package wire

import "time"

// NewWebhook is the body of POST /api/v1/webhooks, and of PUT
// /api/v1/webhooks/{id}, where what is absent stays.
type NewWebhook struct {
	URL       string   `json:"url,omitempty"`
	Namespace string   `json:"namespace,omitempty"` // with its subtree; "/" for everything
	Events    []string `json:"events,omitempty"`    // kinds or first parts of kinds; default config, publish-request
	// Values false (the default) leaves values out of what is sent.
	Values      *bool  `json:"values,omitempty"`
	Description string `json:"description,omitempty"`
	// Disabled: nothing is delivered; when it is enabled again, delivery goes on
	// where it stopped.
	Disabled *bool `json:"disabled,omitempty"`
}

// Webhook is an endpoint that is told of events, in order, each at least once.
type Webhook struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Namespace   string   `json:"namespace"`
	Events      []string `json:"events"`
	Values      bool     `json:"values"`
	Description string   `json:"description,omitempty"`
	Disabled    bool     `json:"disabled"`
	Reason      string   `json:"reason,omitempty"` // why the cluster disabled it
	// Secret (whsec_…) is in the answers that made it only.
	Secret    string    `json:"secret,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Cursor is the event up to which everything was delivered or given up, as
	// the history knows it; the leader may be further.
	Cursor uint64 `json:"cursor"`
	// Lag is how many events the node stands ahead of the cursor.
	Lag uint64 `json:"lag"`
}

// RotateSecret is the body of POST /api/v1/webhooks/{id}/rotate: the answer, a
// Webhook, has the new secret. What is sent is signed with both until the old
// one ends.
type RotateSecret struct {
	Overlap string `json:"overlap,omitempty"` // a Go duration; default 24h, 0s ends all old ones at once
}

// Delivery is one event on its way to an endpoint: a row of GET
// /api/v1/webhooks/{id}/deliveries, newest first.
type Delivery struct {
	ID       string    `json:"id"` // webhook-id, the event's ULID: the same in every attempt
	Index    uint64    `json:"index"`
	Type     string    `json:"type"`
	State    string    `json:"state"` // one of the Delivery constants
	Attempts int       `json:"attempts"`
	Status   int       `json:"status,omitempty"` // of the last attempt
	Error    string    `json:"error,omitempty"`
	LastAt   time.Time `json:"lastAt,omitzero"`
	NextAt   time.Time `json:"nextAt,omitzero"`
	Millis   int64     `json:"millis,omitempty"` // the last attempt took
}

// States of a Delivery.
const (
	DeliveryDone    = "delivered"
	DeliveryRetried = "retrying"
	DeliveryDead    = "dead" // given up after a day; it can be resent
)
