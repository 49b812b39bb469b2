package api

import (
	"context"
	"net/http"

	"confman/streaming/webhooks"
)

// Outside is what some routes reach beyond the node. Its zero value serves: they
// then say what they lack.
type Outside struct {
	// Members carries questions to the other members, with the credentials of
	// whoever asks, and writes of sessions to the leader; nil: they count as silent,
	// and such writes are redirected.
	Members http.RoundTripper
	// Figures are what this node remembers of itself; nil: nothing.
	Figures Figures
	// Webhooks tells how deliveries go; nil: 503.
	Webhooks Deliveries
}

// Deliveries is what the node's [webhooks.Deliverer] tells and does while it leads.
type Deliveries interface {
	// Deliveries are the latest of a webhook, newest attempt first.
	Deliveries(id string) ([]webhooks.Delivery, error)
	// Resend makes one attempt now. What went wrong with it is in the delivery;
	// the error says why there was none.
	Resend(ctx context.Context, id string, index uint64) (webhooks.Delivery, error)
}
