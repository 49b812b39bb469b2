package webhooks

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
)

// Source is the history as this node knows it; [confman/streaming.Source] says
// more.
type Source interface {
	Position() events.Position
	Edge() events.Position
	// Records yields the records after an index; [events.ErrCompacted] when it is
	// below Edge.
	Records(after uint64) iter.Seq2[events.Record, error]
}

// Node is the node that delivers when it leads.
type Node interface {
	// Leading is the term in which the node leads and has applied all that
	// earlier terms committed. It is asked often.
	Leading() (term uint64, ok bool)
	// Webhooks yields all webhooks of the present.
	Webhooks() iter.Seq[events.Webhook]
	// Webhook is one of them; the zero value when there is none.
	Webhook(id string) events.Webhook
	// Cut reports whether a namespace cuts itself, or one between, off from the
	// roles of one above it: then a webhook up there is not told of it.
	Cut(above, namespace string) bool
	// Submit records what a command comes to, in the name of [events.System]. It
	// fails where the node does not lead.
	Submit(ctx context.Context, c events.Command) error
}

// Config is what a [Deliverer] needs. Source, Node and Wait are required.
type Config struct {
	Source Source
	Node   Node
	// Wait is [confman/streaming.Hub.Wait].
	Wait    func(namespace string) (wake <-chan struct{}, release func())
	Version string // of confman, for User-Agent
	// Allowed are the addresses that are dialled though they are not public, and
	// the only ones that plain http goes to. None: public ones, by https.
	Allowed  []netip.Prefix
	Roots    *x509.CertPool // that endpoints' certificates come from; nil: the system's
	Resolver *net.Resolver  // nil: the system's
	Log      zerolog.Logger
	Now      func() time.Time // nil: the clock
	// Jitter is a wait of up to a bound; nil: evenly spread.
	Jitter func(bound time.Duration) time.Duration
	// Transport sends in place of the guarded one, which then guards nothing: for
	// tests.
	Transport http.RoundTripper
	// Through is what the transports send through; nil: nothing.
	Through func(http.RoundTripper) http.RoundTripper
}

// Deliverer tells endpoints of events while its node leads.
type Deliverer struct {
	config        Config
	secure, plain http.RoundTripper
	attempts      atomic.Uint64
	failures      atomic.Uint64
	dead          atomic.Uint64

	mu        sync.Mutex           // guards endpoints
	endpoints map[string]*endpoint // by webhook; nil while the node does not lead
}

// endpoint is what the leader knows of a webhook beyond the history.
type endpoint struct {
	deliveries
	position atomic.Uint64 // everything up to here was delivered, given up, or is not for it
	failing  atomic.Bool   // an event is being retried
	resends  chan struct{} // has room for one

	// The goroutine that serves it; reign's own.
	terms terms
	stop  context.CancelFunc // nil: there is none
	ended chan struct{}
}

// lookInterval is how often the node looks whether it still leads, and which
// webhooks there are.
const lookInterval = 200 * time.Millisecond

// New checks the configuration. It starts nothing.
func New(c Config) (*Deliverer, error) {
	if c.Source == nil || c.Node == nil || c.Wait == nil {
		return nil, errors.New("webhooks: Source, Node and Wait are required")
	}
	c.Version = cmp.Or(c.Version, "unknown")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = func(bound time.Duration) time.Duration { return rand.N(bound) }
	}
	d := &Deliverer{config: c, secure: c.Transport, plain: c.Transport}
	if c.Transport == nil {
		d.secure = c.transport(newGuard(c.Allowed, true))
		d.plain = c.transport(newGuard(c.Allowed, false))
	}
	if c.Through != nil {
		d.secure, d.plain = c.Through(d.secure), c.Through(d.plain)
	}
	return d, nil
}

// Run delivers whenever the node leads, until the context ends, and then writes
// down how far it came: end it before the node gives up leadership, and fewer
// events are sent twice. It returns when all its goroutines have.
func (d *Deliverer) Run(ctx context.Context) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	defer func() {
		for _, t := range []http.RoundTripper{d.secure, d.plain} {
			if t, ok := t.(interface{ CloseIdleConnections() }); ok {
				t.CloseIdleConnections()
			}
		}
	}()
	for {
		if term, ok := d.config.Node.Leading(); ok {
			d.reign(ctx, term, tick.C)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// leads reports whether the node leads in a term.
func (d *Deliverer) leads(term uint64) bool {
	now, ok := d.config.Node.Leading()
	return ok && now == term
}

// reign serves all endpoints for as long as the node leads in a term.
func (d *Deliverer) reign(ctx context.Context, term uint64, tick <-chan time.Time) {
	d.config.Log.Info().Uint64("term", term).Msg("webhooks are delivered from here")
	ctx, cancel := context.WithCancel(ctx)
	var couriers sync.WaitGroup
	defer func() {
		cancel()
		couriers.Wait()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.endpoints = nil
	}()
	for d.leads(term) {
		d.look(ctx, term, &couriers)
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
	}
}

// look starts who is to be served, and stops who is not, or not any more in the
// same way.
func (d *Deliverer) look(ctx context.Context, term uint64, couriers *sync.WaitGroup) {
	before := d.endpoints // nobody else writes it
	now := make(map[string]*endpoint, len(before))
	for w := range d.config.Node.Webhooks() {
		e := before[w.ID]
		if e == nil {
			e = &endpoint{resends: make(chan struct{}, 1)}
		}
		now[w.ID] = e
		if e.stop != nil && (w.Disabled || e.terms != termsOf(w)) {
			e.stop()
		}
		if !w.Disabled && !e.serving() {
			d.start(ctx, term, w.ID, e, couriers)
		}
	}
	for id, e := range before {
		if now[id] == nil && e.stop != nil {
			e.stop()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endpoints = now
}

// start has an endpoint served. The webhook is looked at now, and not when its
// last courier may still have been writing down how far it was.
func (d *Deliverer) start(ctx context.Context, term uint64, id string, e *endpoint, couriers *sync.WaitGroup) {
	w := d.config.Node.Webhook(id)
	e.position.Store(w.Cursor)
	ended := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	e.terms, e.stop, e.ended = termsOf(w), stop, ended
	c := &courier{Deliverer: d, endpoint: e, webhook: id, term: term, terms: e.terms, at: w.Cursor, recorded: w.Cursor, recordedAt: d.config.Now()}
	couriers.Go(func() {
		defer close(ended)
		defer stop()
		c.run(ctx)
	})
}

// serving reports whether the endpoint's goroutine has not ended yet.
func (e *endpoint) serving() bool {
	if e.stop == nil {
		return false
	}
	select {
	case <-e.ended:
		return false
	default:
		return true
	}
}
