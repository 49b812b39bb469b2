package peer

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// streams is the raft.StreamLayer: ServeHTTP feeds Accept, Dial is in dial.go. It
// knows all open connections, so that closing it ends them.
type streams struct {
	cfg      Config
	accepted chan net.Conn
	closed   chan struct{}
	served   sync.WaitGroup // inbound streams that somebody still works on

	mu      sync.Mutex
	shut    bool
	open    map[net.Conn]struct{} // the sockets, below TLS
	inbound int
}

var errTooMany = errors.New("too many connections")

func newStreams(cfg Config) *streams {
	return &streams{
		cfg:      cfg,
		accepted: make(chan net.Conn),
		closed:   make(chan struct{}),
		open:     map[net.Conn]struct{}{},
	}
}

// Accept returns the next stream that a peer has opened.
func (s *streams) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and all streams.
func (s *streams) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil
	}
	s.shut = true
	close(s.closed)
	for c := range s.open {
		_ = c.Close()
	}
	return nil
}

// Addr returns the address that peers know this node by.
func (s *streams) Addr() net.Addr { return address(s.cfg.Advertise) }

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// track makes Close end c, until forget.
func (s *streams) track(c net.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return net.ErrClosed
	}
	s.open[c] = struct{}{}
	return nil
}

func (s *streams) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// reserve takes one of the inbound places, until release.
func (s *streams) reserve() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.shut:
		return net.ErrClosed
	case s.inbound >= s.cfg.MaxConns:
		return errTooMany
	}
	s.inbound++
	s.served.Add(1)
	return nil
}

func (s *streams) release() {
	s.mu.Lock()
	s.inbound--
	s.mu.Unlock()
	s.served.Done()
}

// stream is a connection after its upgrade.
type stream struct {
	net.Conn
	r       *bufio.Reader // may hold bytes that arrived with the upgrade
	release func()
	once    sync.Once
}

func (s *stream) Read(p []byte) (int, error) { return s.r.Read(p) }

func (s *stream) Close() error {
	err := s.Conn.Close()
	s.once.Do(s.release)
	return err
}

// socket returns the TCP connection below c.
func socket(c net.Conn) net.Conn {
	if t, ok := c.(*tls.Conn); ok {
		return t.NetConn()
	}
	return c
}

// keepAlive lets the kernel notice a peer that vanished within 25 s: inbound
// streams are read without a deadline.
func keepAlive(c net.Conn) error {
	tcp, ok := c.(interface {
		SetKeepAliveConfig(config net.KeepAliveConfig) error
	})
	if !ok {
		return nil
	}
	return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3})
}

var _ raft.StreamLayer = (*streams)(nil)
