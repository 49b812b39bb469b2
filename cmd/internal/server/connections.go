package server

import (
	"container/list"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"confman/streaming"
)

const (
	// spareConnections are those beyond the limits. Who they are of shows with the
	// first request: members stay, monitors are answered, others are told. When all
	// are taken the oldest one gives way, so clients cannot keep members out.
	spareConnections = 256
	// crowdedPause is how long the log says nothing more of clients beyond the limits.
	crowdedPause = 10 * time.Second
)

// connections is the listener of a port that clients and members share, and counts
// those of clients.
type connections struct {
	net.Listener
	most, perAddress int
	log              zerolog.Logger

	mu        sync.Mutex // guards the fields below, and the places of connections
	clients   int
	members   int
	addresses map[netip.Addr]int // clients
	spares    *list.List         // of *connection, oldest first
	evicted   uint64             // ever
	told      time.Time          // when the log was last told of spares
}

// connection is one that was accepted.
type connection struct {
	*net.TCPConn
	port  *connections
	from  netip.Addr
	place atomic.Uint32 // one of the places; changes under port.mu
	spare *list.Element // while place is beyond
}

// Places: as what a connection is counted.
const (
	ofClient uint32 = iota
	beyond          // the limits
	ofMember
	nowhere // closed
)

func newConnections(l net.Listener, o OverloadOptions, log zerolog.Logger) *connections {
	c := &connections{Listener: l, log: log, addresses: map[netip.Addr]int{}, spares: list.New()}
	c.most, c.perAddress = o.connections()
	return c
}

// Accept accepts whoever comes; see spareConnections.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn, nil // no limit is meant for others
	}
	in := &connection{TCPConn: tcp, port: c, from: addressOf(tcp.RemoteAddr())}
	if oldest := c.admit(in); oldest != nil {
		_ = oldest.TCPConn.Close() // its place is another's already
	}
	return in, nil
}

// admit counts a connection in. It returns the one that gives way to it.
func (c *connections) admit(in *connection) (oldest *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clients < c.most && c.addresses[in.from] < c.perAddress {
		c.clients++
		c.addresses[in.from]++
		return nil
	}
	c.tell(in.from)
	if c.spares.Len() >= spareConnections {
		oldest, _ = c.spares.Front().Value.(*connection)
		c.leave(oldest)
		c.evicted++
	}
	in.spare = c.spares.PushBack(in)
	in.place.Store(beyond)
	return oldest
}

// tell logs that the limits are reached; c.mu is held.
func (c *connections) tell(from netip.Addr) {
	now := time.Now()
	if now.Sub(c.told) < crowdedPause {
		return
	}
	c.told = now
	c.log.Warn().Int("clients", c.clients).Stringer("remote", from).Int("ofRemote", c.addresses[from]).Uint64("evicted", c.evicted).
		Msg("as many connections as --max-connections or --max-connections-per-address allow: further ones are served /health and members only")
}

// leave counts a connection out of its place; c.mu is held.
func (c *connections) leave(in *connection) {
	switch in.place.Load() {
	case ofClient:
		c.clients--
		if c.addresses[in.from]--; c.addresses[in.from] == 0 {
			delete(c.addresses, in.from)
		}
	case beyond:
		c.spares.Remove(in.spare)
	case ofMember:
		c.members--
	}
	in.place.Store(nowhere)
	in.spare = nil
}

// Close closes the connection and gives its place back.
func (in *connection) Close() error {
	in.port.mu.Lock()
	in.port.leave(in)
	in.port.mu.Unlock()
	return in.TCPConn.Close()
}

// isMembers counts the connection as a member's from now on.
func (in *connection) isMembers() {
	c := in.port
	c.mu.Lock()
	defer c.mu.Unlock()
	if in.place.Load() == nowhere {
		return
	}
	c.leave(in)
	in.place.Store(ofMember)
	c.members++
}

// welcome counts the connection of a member as one, and bounds how long the body of
// anybody's request may come.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(writeTimeout)) // it can
	}
	if in := connectionOf(r); in != nil && in.place.Load() != ofMember && s.node.IsMember(r) {
		in.isMembers()
	}
}

// crowded says why a request's connection is beyond the limits; nil: it is not.
func crowded(r *http.Request) error {
	in := connectionOf(r)
	if in == nil || in.place.Load() != beyond {
		return nil
	}
	c := in.port
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case in.place.Load() == nowhere: // it gave way, and hears nothing any more
		return nil
	case c.clients < c.most && c.addresses[in.from] < c.perAddress: // others left meanwhile
		c.leave(in)
		in.place.Store(ofClient)
		c.clients++
		c.addresses[in.from]++
		return nil
	case c.clients >= c.most:
		return fmt.Errorf("it takes %d connections of clients (--max-connections)", c.most)
	}
	return fmt.Errorf("it takes %d connections of one address (--max-connections-per-address), and %s has as many", c.perAddress, in.from)
}

type connectionKey struct{}

// withConnection lets handlers find the connection of a request.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	ctx = streaming.ConnContext(ctx, c)
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if in, ok := c.(*connection); ok {
		return context.WithValue(ctx, connectionKey{}, in)
	}
	return ctx
}

func connectionOf(r *http.Request) *connection {
	in, _ := r.Context().Value(connectionKey{}).(*connection)
	return in
}

// addressOf is whom a connection is counted for: its address or, of IPv6, the /64
// that it is in, any address of which its host may take.
func addressOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	from := tcp.AddrPort().Addr().Unmap()
	if from.Is6() && from.IsGlobalUnicast() {
		return netip.PrefixFrom(from.WithZone(""), 64).Masked().Addr()
	}
	return from
}

// loadCollector shows the port and the queue of the node when it is scraped.
type loadCollector struct{ server *Server }

var (
	loadConnections = prometheus.NewDesc("confman_connections", "Connections on the port: of clients, of members, and spare ones beyond the limits.", []string{"kind"}, nil)
	loadEvicted     = prometheus.NewDesc("confman_connections_evicted_total", "Connections beyond the limits that gave way to newer ones.", nil, nil)
	loadQueue       = gauge("write_queue_length", "Writes that wait to be put into a Raft entry.")
)

// Describe implements prometheus.Collector.
func (loadCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- loadConnections
	ch <- loadEvicted
	ch <- loadQueue
}

// Collect implements prometheus.Collector.
func (c loadCollector) Collect(ch chan<- prometheus.Metric) {
	port := c.server.port
	port.mu.Lock()
	counts := map[string]int{"client": port.clients, "member": port.members, "spare": port.spares.Len()}
	evicted := port.evicted
	port.mu.Unlock()
	for kind, n := range counts {
		ch <- prometheus.MustNewConstMetric(loadConnections, prometheus.GaugeValue, float64(n), kind)
	}
	ch <- prometheus.MustNewConstMetric(loadEvicted, prometheus.CounterValue, float64(evicted))
	ch <- prometheus.MustNewConstMetric(loadQueue, prometheus.GaugeValue, float64(c.server.node.QueuedWrites()))
}
