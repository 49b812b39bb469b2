package webhooks

import (
	"context"
	"fmt"
	"slices"

	"confman/events"
)

// Deliveries are what a webhook's endpoint was told of lately, newest attempt
// first, and the events that were given up for it. What this leader did it
// remembers; what another one did, and all other nodes do, is only given up
// events.
func (d *Deliverer) Deliveries(id string) ([]Delivery, error) {
	w := d.config.Node.Webhook(id)
	if !exists(w) {
		return nil, missing(id)
	}
	var rows []Delivery
	if e := d.endpoint(id); e != nil {
		rows = e.newest()
	}
	for _, l := range slices.Backward(w.Dead) {
		if !slices.ContainsFunc(rows, func(r Delivery) bool { return r.Index == l.Index }) {
			rows = append(rows, Delivery{ID: l.Event, Index: l.Index, Type: l.Type, State: Dead, Attempts: l.Attempts, Error: l.Error, LastAt: l.At})
		}
	}
	slices.SortStableFunc(rows, func(a, b Delivery) int { return b.LastAt.Compare(a.LastAt) })
	return rows, nil
}

// Resend makes one attempt to deliver an event now, whatever became of it before
// and also while the webhook is disabled. It moves nothing: events that follow
// are not held up, and an event that is being retried goes on being. What went
// wrong with the attempt is in the delivery; the error says why there was none:
// no such webhook, no such event for it ([events.ErrNotFound]), no longer kept
// ([events.ErrCompacted]), not the leader ([events.NotLeaderError]), or the
// context's.
func (d *Deliverer) Resend(ctx context.Context, id string, index uint64) (Delivery, error) {
	w := d.config.Node.Webhook(id)
	if !exists(w) {
		return Delivery{}, missing(id)
	}
	e := d.endpoint(id)
	if e == nil {
		return Delivery{}, fmt.Errorf("resend event %d: %w", index, &events.NotLeaderError{})
	}
	l, err := d.letter(termsOf(w), index)
	if err != nil {
		return Delivery{}, fmt.Errorf("resend event %d: %w", index, err)
	}
	select { // one at a time
	case e.resends <- struct{}{}:
		defer func() { <-e.resends }()
	case <-ctx.Done():
		return Delivery{}, ctx.Err()
	}
	t := d.try(ctx, w, l)
	if t.err != nil && ctx.Err() != nil {
		return Delivery{}, ctx.Err()
	}
	return e.resent(l, t), nil
}

// letter is an event that a webhook with these terms is told of.
func (d *Deliverer) letter(t terms, index uint64) (letter, error) {
	if index == 0 || index > d.config.Source.Position().Index {
		return letter{}, noEvent(index)
	}
	for r, err := range d.config.Source.Records(index - 1) {
		if err != nil {
			return letter{}, err
		}
		e, err := r.Event()
		if err != nil {
			return letter{}, err
		}
		if !t.selects(e) || d.config.Node.Cut(t.namespace, e.Namespace) {
			break
		}
		return d.newLetter(r, e), nil
	}
	return letter{}, noEvent(index)
}

// endpoint is nil while the node does not lead, and for a moment after a webhook
// was made.
func (d *Deliverer) endpoint(id string) *endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.endpoints[id]
}

func missing(id string) error {
	return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("there is no webhook with the ID %.64q", id)}
}

func noEvent(index uint64) error {
	return &events.Refusal{Kind: events.ErrNotFound, Detail: fmt.Sprintf("event %d is not one that this webhook is told of", index)}
}
