package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"confman/api/admission"
	"confman/api/dashboard"
	"confman/api/identity"
	"confman/events"
	"confman/streaming"
)

// Config is what a [Server] needs. Zero values mean the documented defaults;
// the fields without one are required.
type Config struct {
	Writer  Writer
	Reader  Reader
	Cluster Cluster
	Prover  Prover // nil: the node neither checks its records nor signs checkpoints
	Keeper  Keeper // nil: the node has no files
	Hub     *streaming.Hub

	NodeID  string
	Version string // of the program
	Scheme  string // of the members' URLs; default "http"

	Limits   Limits
	Web      Web
	Identity Identity
	Denials  Denials
	Forward  http.RoundTripper // carries writes to the leader; nil: they are redirected (307)
	Outside  Outside

	Registry *prometheus.Registry
	Log      zerolog.Logger
	Now      func() time.Time
	NewID    func() ulid.ULID
	Random   io.Reader // cryptographic; makes API keys
}

// Limits bound what one request and all together may ask for.
type Limits struct {
	Rules events.Rules  // the sizes that the rules allow
	Wait  time.Duration // the longest a request may ask to wait; default 60 s
	Audit int           // the most events that one page of an audit looks at; default 20,000
	// Search is the most entries that one page of a search looks at; default 100,000.
	Search int

	Admission admission.Config // how much at once; see there. Its Now and Waited are set here.
	// Crowded says why a connection is one too many. It is served what anybody may
	// ask, and nothing else. Nil: none is.
	Crowded func(*http.Request) error

	Ticket  time.Duration    // how long a ticket for a watch is good; default 12 h
	Watches streaming.Limits // see there
}

// Identity says who besides the bearers of API keys may ask. The zero value: nobody,
// and everybody as often as they like.
type Identity struct {
	Issuer       *identity.Issuer   // of tokens
	Sessions     *identity.Sessions // of browsers; default: of Web.TicketSecret, for 8 h
	Login        *identity.Login    // of browsers at the issuer; with Issuer, and of Sessions
	Certificates bool               // of clients, verified by the listener
	// Member tells certificates of the cluster's members, who are nobody here.
	Member func(*tls.ConnectionState) bool
	// Trusted tells whether the certificate of a connection, which may be old, would
	// be taken now; nil: it would.
	Trusted func(*tls.ConnectionState) bool
	Rates   *identity.Rates // of each principal; nil: any
	Uses    KeyUses         // of API keys; nil: nobody remembers
}

// Web is what browsers are allowed.
type Web struct {
	Dashboard    *dashboard.Site // default: the one that is built in
	CORSOrigins  []string        // "https://host[:port]", or "*" for all; default none
	AllowedHosts []string        // host names, without ports, that requests for data may address; default all
	// TicketSecret is the same on all nodes of the cluster and after a restart;
	// tickets for watches are signed with a key made of it, and sessions sealed with
	// another. At least 16 bytes; required.
	TicketSecret []byte
}

// Server is the HTTP interface of one node. It has no goroutines of its own; an
// exchange that waits ends with its request's context, and watches with Drain.
type Server struct {
	Config
	paths   *paths
	kinds   []problemKind
	metered *metrics
	tickets tickets
	streams *streaming.Streams
	gate    *admission.Gate
	tally   *tally // of warnings
	openapi func() ([]byte, error)
}

// New checks the configuration and registers the server's metrics.
func New(c Config) (*Server, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	metered, err := newMetrics(c.Registry)
	if err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	s := &Server{
		Config:  c,
		paths:   newPathsOf(table(), metered),
		kinds:   problemKinds(),
		metered: metered,
		tally:   newTally(),
		openapi: sync.OnceValues(openAPIJSON),
	}
	if s.gate, err = openGate(c, metered); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if s.tickets, err = newTickets(c.Web.TicketSecret); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if s.Identity.Sessions == nil {
		s.Identity.Sessions, err = identity.NewSessions(identity.SessionsConfig{Secret: c.Web.TicketSecret, Now: c.Now, Random: c.Random, Log: c.Log})
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
	}
	s.streams, err = streaming.New(streaming.Config{
		Hub: c.Hub, Source: source{s}, AppendEntry: appendShown, Limits: c.Limits.Watches,
		Log: c.Log, Now: c.Now, Random: rand.Int64N,
	})
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if err := c.Registry.Register(watchCollector{s.streams}); err != nil {
		return nil, fmt.Errorf("api: register metrics: %w", err)
	}
	return s, nil
}

// Drain says goodbye to all watches, in the course of half a second, and refuses
// new ones. It returns when they are gone; those who are left when the context
// ends are cut off. Call it once, before the HTTP server is shut down, which does
// not wait for streams.
func (s *Server) Drain(ctx context.Context) { s.streams.Drain(ctx) }

// check refuses what cannot work and fills in the defaults.
func (c *Config) check() error {
	switch {
	case c.Writer == nil, c.Reader == nil, c.Cluster == nil, c.Hub == nil:
		return errors.New("config: Writer, Reader, Cluster and Hub are required")
	case c.Registry == nil, c.Now == nil, c.NewID == nil, c.Random == nil:
		return errors.New("config: Registry, Now, NewID and Random are required")
	case len(c.Web.TicketSecret) < minTicketSecret:
		return fmt.Errorf("config: Web.TicketSecret has %d bytes, want %d or more", len(c.Web.TicketSecret), minTicketSecret)
	case c.Limits.Wait < 0, c.Limits.Audit < 0, c.Limits.Search < 0, c.Limits.Ticket < 0:
		return errors.New("config: limits are not negative")
	}
	c.Scheme = cmp.Or(c.Scheme, "http")
	c.Web.Dashboard = cmp.Or(c.Web.Dashboard, dashboard.New(nil))
	c.Limits.Wait = cmp.Or(c.Limits.Wait, time.Minute)
	c.Limits.Audit = cmp.Or(c.Limits.Audit, 20_000)
	c.Limits.Search = cmp.Or(c.Limits.Search, 100_000)
	c.Limits.Ticket = cmp.Or(c.Limits.Ticket, 12*time.Hour)
	c.Limits.Rules.MaxValueBytes = cmp.Or(c.Limits.Rules.MaxValueBytes, events.DefaultMaxValueBytes)
	c.Limits.Rules.MaxProposalBytes = cmp.Or(c.Limits.Rules.MaxProposalBytes, events.DefaultMaxProposalBytes)
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.Now()
	s.metered.inFlight.Inc()
	x := &exchange{Server: s, w: w, r: r, api: strings.HasPrefix(r.URL.Path, "/api/")}
	defer func() { // also when an answer is cut off
		x.depart()
		s.metered.inFlight.Dec()
		measured := s.metered.nowhere
		if x.endpoint != nil {
			measured = x.endpoint.meter
		}
		if x.opened.IsZero() {
			x.opened = s.Now()
		}
		measured.observe(x.code, x.opened.Sub(began).Seconds())
	}()
	if r.ContentLength != 0 {
		x.mayRead(time.Now(), bodyFirst)
	}
	x.begin()
	if err := x.run(); err != nil {
		x.fail(err)
	}
}

// begin sets the headers that every answer has.
func (x *exchange) begin() {
	x.correlation = x.correlate()
	x.set("X-Correlation-Id", x.correlation)
	x.set("X-Content-Type-Options", "nosniff")
	if x.api {
		x.set("Cache-Control", "private, no-cache")
		x.set("Vary", "Accept, Authorization, X-Api-Key")
	}
	x.allowOrigin()
}

// run takes the request through everything that is the same for all routes, in
// this order: where, who, may they, how fresh.
func (x *exchange) run() error {
	if x.r.Method == http.MethodConnect {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "CONNECT is for proxies; this is none"}
	}
	found, names, err := x.paths.find(x.r.URL)
	if err != nil {
		return err
	}
	x.names = names
	if x.r.Method == http.MethodOptions {
		return x.options(found)
	}
	e := found.methods[x.r.Method]
	if e == nil {
		x.set("Allow", found.allow)
		return fmt.Errorf("%w: %s takes %s", errMethod, found.pattern, found.allow)
	}
	x.endpoint, x.r.Pattern = e, found.pattern
	if err := x.parseQuery(); err != nil {
		return err
	}
	if e.access == anyone {
		return e.serve(x)
	}
	if err := x.checkHost(); err != nil {
		return err
	}
	if err := x.credentials(); err != nil {
		return err
	}
	if err := x.crowded(); err != nil {
		return err
	}
	if e.leads {
		return x.write()
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.authorize(); err != nil {
		return err
	}
	if err := x.fresh(); err != nil {
		return err
	}
	return x.turn()
}

// correlate takes the request's correlation ID, or the trace it belongs to, or
// makes one up.
func (x *exchange) correlate() string {
	if given := x.r.Header["X-Correlation-Id"]; len(given) == 1 && isCorrelationID(given[0]) {
		return given[0]
	}
	if parent := x.r.Header["Traceparent"]; len(parent) == 1 {
		if trace := traceID(parent[0]); trace != "" {
			return trace
		}
	}
	return x.NewID().String()
}

func isCorrelationID(s string) bool { return len(s) >= 1 && len(s) <= 128 && isPlain(s) }

// isPlain reports whether a text is of letters, digits, dots, underscores and
// dashes only.
func isPlain(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// traceID reads the trace-id of a traceparent (W3C Trace Context, 3.2.2), or
// returns "".
func traceID(parent string) string {
	if len(parent) < 55 || parent[2] != '-' || parent[35] != '-' || parent[:2] == "ff" {
		return ""
	}
	trace := parent[3:35]
	if strings.Trim(trace, "0") == "" || strings.Trim(trace, "0123456789abcdef") != "" {
		return ""
	}
	return trace
}
