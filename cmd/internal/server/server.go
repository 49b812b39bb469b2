package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"confman/api"
	"confman/events"
	"confman/replication"
	"confman/replication/peer"
	"confman/streaming"
	"confman/streaming/webhooks"
)

// Limits of one connection.
const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = 90 * time.Second
	writeTimeout      = 90 * time.Second // what waits or takes longer sets its own
	maxHeaderBytes    = 32 << 10
	goodbyeTimeout    = time.Second // at a stop, for watches
	graceTimeout      = time.Second // at a stop, for what has begun; long polls end then
	drainTimeout      = 5 * time.Second
)

// Env is the world that a node runs in.
type Env struct {
	Stdout  io.Writer // the first admin key, when it is made up here
	Log     zerolog.Logger
	Version string
	// Fatal ends the process at once; the node can no longer be trusted.
	Fatal func(error)
	Now   func() time.Time // nil: the clock
}

// Server is one running node: its listener, its replica, its API.
type Server struct {
	options  Options
	port     *connections
	http     *http.Server
	api      *api.Server
	hub      *streaming.Hub
	node     *replication.Node
	served   chan error
	requests context.CancelFunc // ends the requests that wait for something
	members  *http.Transport    // to the other members, for requests and questions of clients
	denials  api.Denials        // what this node refuses
	entrance entrance
	traces   *tracing // nil: none
	chores
}

// chores are what a server does of itself.
type chores struct {
	deliverer      *webhooks.Deliverer
	stopDeliveries func()
	backups        *backups // nil: none are made
	stopBackups    func()
	sampler        *sampler
}

// Start opens the port and the node. The node may still be waiting for its
// cluster when it returns; the API says so.
func Start(o Options, env Env) (*Server, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	certs, err := loadCertificates(o.TLS, env)
	if err != nil {
		return nil, err
	}
	traces, err := newTracing(o.Tracing, o.Node.ID, env)
	if err != nil {
		return nil, err
	}
	hub := streaming.NewHub(streaming.HubConfig{})
	s, err := open(o, env, certs, hub, traces)
	if err != nil {
		hub.Close()
		traces.close()
		return nil, err
	}
	base, cancel := context.WithCancel(context.Background())
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	s.requests = cancel
	if certs != nil {
		s.http.TLSConfig = certs.serverConfig()
		certs.keep(s.renewConnections)
	}
	o.adviseTLS(env.Log)
	s.entrance.keys.Keep()
	s.deliver(s.deliverer)
	s.stopBackups = s.backups.start()
	s.sampler.start()
	go func() { s.served <- s.serve() }()
	return s, nil
}

// open opens what the server needs and serves nothing yet.
func open(o Options, env Env, certs *certificates, hub *streaming.Hub, traces *tracing) (*Server, error) {
	config, err := nodeConfig(o, env, certs, hub)
	if err != nil {
		return nil, err
	}
	if traces != nil {
		config.Trace = traces.step
	}
	s := &Server{options: o, hub: hub, members: transport(certs), entrance: entrance{certs: certs}, traces: traces, served: make(chan error, 1)}
	secret := []byte(config.Token)
	who, err := s.identity(env, certs, secret)
	if err != nil {
		return nil, err
	}
	if s.entrance.keys, err = openKeyUses(o, env); err != nil {
		return nil, err
	}
	config.Questions = map[string]replication.Answerer{questionKeyUses: answerKeyUses(s.entrance.keys)}
	if s.backups, err = newBackups(o, env); err != nil {
		return nil, err
	}
	config.About.Backups = s.backups.trouble
	listener, err := net.Listen("tcp", o.Node.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	s.port = newConnections(listener, o.Overload, env.Log)
	if s.node, err = replication.Open(config); err != nil {
		return nil, errors.Join(err, s.port.Close())
	}
	if s.backups != nil {
		s.backups.node = s.node
	}
	if s.denials, err = openDenials(o, env); err != nil {
		return nil, errors.Join(err, s.node.Close(), s.port.Close())
	}
	handler, err := s.handler(env, certs, secret, who)
	if err != nil {
		return nil, errors.Join(err, s.denials.Log.Close(), s.node.Close(), s.port.Close())
	}
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		WriteTimeout: writeTimeout, ErrorLog: stdlog.New(debugWriter{env.Log}, "", 0), ConnContext: withConnection,
	}
	return s, nil
}

func (s *Server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.port, "", "")
	}
	return s.http.Serve(s.port)
}

// Wait returns when the context ends or the listener fails, after the node has
// handed over, answered what it had begun, and closed.
func (s *Server) Wait(ctx context.Context) error {
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.served:
	}
	s.entrance.certs.Close()
	s.sampler.close()
	s.stopBackups()
	s.stopDeliveries() // while this node may still write how far they came
	s.goodbye()
	// Both at once: the node hands leadership over and waits for whoever reads
	// from its stores; the listener lets those finish, and not for ever.
	closed := make(chan error, 1)
	go func() { closed <- s.node.Close() }()
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	waits := time.AfterFunc(graceTimeout, s.requests)
	defer waits.Stop()
	if s.http.Shutdown(drain) != nil {
		err = errors.Join(err, s.http.Close())
	}
	err = errors.Join(err, <-closed, s.denials.Log.Close(), s.entrance.keys.Close())
	s.members.CloseIdleConnections()
	s.hub.Close()
	s.traces.close()
	return err
}

// goodbye has the watches go on elsewhere. What is written until this node stops
// reaches them there.
func (s *Server) goodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	defer time.AfterFunc(goodbyeTimeout, s.requests).Stop() // for those that have not begun yet
	s.api.Drain(ctx)
}

// transport is for calling other members in the name of a client.
func transport(certs *certificates) *http.Transport {
	t := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleTimeout}
	if certs != nil {
		t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&tls.Dialer{Config: certs.dial()}).DialContext(ctx, network, address) // the certificates of the moment
			if err != nil {
				return nil, err
			}
			return peer.Expiring(conn), nil
		}
	}
	return t
}

// renewConnections has what was let in by certificates or authorities that were
// replaced prove itself anew: members' connections are made again, and whoever
// watches is looked up again. Requests are checked one by one anyway.
func (s *Server) renewConnections() {
	s.node.Redial()
	s.members.CloseIdleConnections()
	s.hub.Reset()
}

// handler serves members under /internal/v1/ and everybody else by the API.
func (s *Server) handler(env Env, certs *certificates, secret []byte, who api.Identity) (http.Handler, error) {
	own := cluster{s.node, s.options.Members.Election}
	registry, commits, err := newRegistry(s.node, func() bool { return own.Standing().Quorum }, env.Version)
	if err != nil {
		return nil, err
	}
	if s.deliverer, err = newDeliverer(s.options.Webhooks, s.node, s.hub, env, s.traces); err != nil {
		return nil, err
	}
	for _, c := range []prometheus.Collector{webhookCollector{s.deliverer}, denialCollector{s.denials.Log}, verifyCollector{s.node}, clockCollector{s.node}, certificateCollector{certs}, loadCollector{s}, backupCollector{s.backups}} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	s.sampler = &sampler{node: s.node, commits: commits, now: env.Now}
	who.Uses = keyUses{s.entrance.keys, s.node}
	config := api.Config{
		Writer: s.node, Reader: s.node, Cluster: own, Prover: prover{s.node}, Keeper: s.node, Hub: s.hub,
		NodeID: s.options.Node.ID, Version: env.Version, Scheme: "http",
		Limits:   api.Limits{Rules: s.options.rules(), Watches: s.options.Watches.limits(), Admission: s.options.Overload.admission(), Crowded: crowded},
		Web:      api.Web{Dashboard: s.options.HTTP.Dashboard.site(env.Log), CORSOrigins: s.options.HTTP.CORSOrigins, AllowedHosts: s.options.allowedHosts(), TicketSecret: secret},
		Identity: who, Denials: s.denials,
		Outside:  api.Outside{Members: s.traces.client("ask", s.members), Figures: s.sampler, Webhooks: s.deliverer},
		Registry: registry, Log: env.Log, Now: env.Now, NewID: newID, Random: rand.Reader,
	}
	if certs != nil {
		config.Scheme = "https"
	}
	if s.options.HTTP.Forward {
		config.Forward = s.traces.client("forward", s.members)
	}
	public, err := api.New(config)
	if err != nil {
		return nil, err
	}
	s.api, s.sampler.watches = public, public.WatchStats
	members := s.forMembers(certs)
	clients := s.traces.server(public)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/internal/") {
			clients.ServeHTTP(w, r)
			return
		}
		members.ServeHTTP(w, r)
	}), nil
}

// forMembers serves members, and nobody else.
func (s *Server) forMembers(certs *certificates) http.Handler {
	members := s.node.Handler()
	return refusingMembers(s.denials.Log, func(w http.ResponseWriter, r *http.Request) {
		if why := certs.refusesMember(r.TLS); why != "" {
			http.Error(w, why, http.StatusUnauthorized)
			return
		}
		s.welcome(w, r)
		members.ServeHTTP(w, r)
	})
}

// allowedHosts are the host names that requests may address: the given ones, and
// that by which members reach this one and redirects name it. None: any.
func (o Options) allowedHosts() []string {
	given := o.HTTP.AllowedHosts
	own, _, err := net.SplitHostPort(o.Node.Advertise)
	if len(given) == 0 || err != nil {
		return given
	}
	return append(slices.Clip(given), own)
}

func newID() ulid.ULID { return ulid.MustNew(ulid.Now(), rand.Reader) }

func (o *Options) rules() events.Rules {
	return events.Rules{MaxValueBytes: int(o.Limits.MaxValueBytes)}
}

func nodeConfig(o Options, env Env, certs *certificates, hub *streaming.Hub) (replication.Config, error) {
	members, err := o.members()
	if err != nil {
		return replication.Config{}, err
	}
	token, err := o.token()
	if err != nil {
		return replication.Config{}, err
	}
	first := &firstKey{file: o.Members.FirstKey, out: env.Stdout}
	if err := first.check(); err != nil {
		return replication.Config{}, err
	}
	proving, err := o.Proof.config()
	if err != nil {
		return replication.Config{}, err
	}
	c := replication.Config{
		Member: replication.Member{ID: o.Node.ID, Address: o.Node.Advertise},
		Dir:    o.Node.Data, Token: token, Peers: members, Join: o.Members.Join, Learner: o.Members.Learner,
		RequirePeerCertificate: o.TLS.PeerCA != "",
		ElectionTimeout:        o.Members.Election, Rules: o.rules(), MinFreeBytes: uint64(o.Limits.MinFreeBytes), Retention: o.Retention, Archive: o.Archive,
		Proof: proving, About: about(env, certs), FirstKey: first.make, FirstKeyStands: first.stands,
		Announce: hub, Fatal: env.Fatal, Log: env.Log,
	}
	if certs != nil {
		c.ClientTLS = certs.dial
	}
	return c, nil
}

// firstKey is the admin key that a new cluster begins with: read from a file,
// or made up and printed once.
type firstKey struct {
	file string
	out  io.Writer
	made string // to be printed when it stands
}

func (f *firstKey) check() error {
	if f.file == "" {
		return nil
	}
	_, err := readSecret("--bootstrap-admin-key-file", f.file)
	return err
}

func (f *firstKey) make() (events.CreateKey, error) {
	id, key := api.MintKey(rand.Reader)
	f.made = key
	if f.file != "" {
		given, err := readSecret("--bootstrap-admin-key-file", f.file)
		if err != nil {
			return events.CreateKey{}, err
		}
		f.made, key = "", given
	}
	return events.CreateKey{
		ID: id, Name: "admin", Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}}, Digest: events.DigestKey(key),
	}, nil
}

func (f *firstKey) stands() {
	if f.made != "" {
		fmt.Fprintf(f.out, "admin key (shown once): %s\n", f.made)
		f.made = ""
	}
}

// debugWriter takes what net/http complains about clients.
type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(line []byte) (int, error) {
	w.log.Debug().Str("part", "http").Msg(strings.TrimSpace(string(line)))
	return len(line), nil
}
