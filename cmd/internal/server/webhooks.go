package server

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"confman/events"
	"confman/replication"
	"confman/streaming"
	"confman/streaming/webhooks"
)

// WebhookOptions bound where webhooks go.
type WebhookOptions struct {
	Allowed []string
}

func (o *WebhookOptions) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&o.Allowed, "webhook-allow", nil, "networks, such as 10.1.0.0/16, that webhooks may go to though they are not public, and by plain http")
}

func (o WebhookOptions) prefixes() (allowed []netip.Prefix, err error) {
	for _, s := range o.Allowed {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("--webhook-allow %q: want a network such as 10.1.0.0/16", s)
		}
		allowed = append(allowed, p.Masked())
	}
	return allowed, nil
}

// newDeliverer makes what delivers this node's webhooks while it leads.
func newDeliverer(o WebhookOptions, node *replication.Node, hub *streaming.Hub, env Env, traces *tracing) (*webhooks.Deliverer, error) {
	allowed, err := o.prefixes()
	if err != nil {
		return nil, err
	}
	h := hooked{node, hub, env.Now}
	return webhooks.New(webhooks.Config{
		Source: h, Node: h, Wait: hub.Wait, Version: env.Version, Allowed: allowed, Log: env.Log, Now: env.Now,
		Through: func(t http.RoundTripper) http.RoundTripper { return traces.client("webhook", t) },
	})
}

// hooked shows a node to package webhooks.
type hooked struct {
	*replication.Node
	hub *streaming.Hub
	now func() time.Time
}

// recent is how many records are taken from memory at a time.
const recent = 256

// Position is where the node stands.
func (h hooked) Position() events.Position { return h.State().Position() }

// Edge is the oldest position that records can be read from.
func (h hooked) Edge() events.Position { return h.State().Edge() }

// Records yields the records after an index, from memory where they are there.
func (h hooked) Records(after uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		for newest := h.State().Index(); ; {
			records, ok := h.hub.Recent(after, recent)
			if !ok {
				break
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
				after = r.Index
			}
			if after >= newest || len(records) == 0 {
				return
			}
		}
		history, release := h.History(h.State().Index())
		defer release()
		history.Records(after + 1)(yield)
	}
}

// Webhooks yields all webhooks of the present.
func (h hooked) Webhooks() iter.Seq[events.Webhook] { return h.State().Webhooks("") }

// Cut reports whether roles of one namespace do not hold in another below it.
// The root is cut off from nothing: only an admin of everything makes webhooks
// there.
func (h hooked) Cut(above, namespace string) bool {
	return above != events.Root && !events.RolesReach(h.State(), above, namespace)
}

// Webhook is one of them.
func (h hooked) Webhook(id string) events.Webhook { return h.State().Webhook(id) }

// Submit records what a command comes to.
func (h hooked) Submit(ctx context.Context, c events.Command) error {
	_, err := h.Node.Submit(ctx, c, events.Stamp{Time: h.now(), ID: newID(), Actor: events.System})
	return err
}

// deliver runs the deliverer until it is stopped.
func (s *Server) deliver(d *webhooks.Deliverer) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	s.stopDeliveries = func() {
		cancel()
		<-done
	}
}
