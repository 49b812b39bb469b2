// Package proxy is a TCP proxy with faults: it can hold connections, swallow
// what they carry, slow them down, and cut them in all the ways in which
// networks do.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy carries connections to one target. Faults reach all connections that it
// has, and modes also those that come.
type Proxy struct {
	target   string
	dial     Dialer
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	mode    mode
	changed chan struct{} // closed when the mode changes
	links   map[*link]struct{}
	closed  bool
}

// mode is what becomes of bytes.
type mode struct {
	kind modeKind
	rate int // bytes per second, of a slow proxy
}

type modeKind int

const (
	pass modeKind = iota
	hold
	swallow
	slow
)

// link is one connection through the proxy.
type link struct {
	client, server *net.TCPConn
	lossy          bool // bytes of it were swallowed; guarded by Proxy.mu
}

// chunk is how much is carried at once, in bytes.
const chunk = 4 << 10

// Dialer connects to the target.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// New makes a proxy on a free port of the loopback address. Close it.
func New(target string) (*Proxy, error) { return NewOver(target, (&net.Dialer{}).DialContext) }

// NewOver is New for a target that is reached in another way. Connections to it
// must be TCP.
func NewOver(target string, dial Dialer) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", target, err)
	}
	p := &Proxy{target: target, dial: dial, listener: l, changed: make(chan struct{}), links: map[*link]struct{}{}}
	p.done.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens, HOST:PORT.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Close cuts all connections and returns when nothing of the proxy runs.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.set(mode{})
	p.Reset()
	p.done.Wait()
	return err
}

// Pass carries everything. Connections of which something was swallowed are
// reset: what they carry is no longer whole.
func (p *Proxy) Pass() {
	p.set(mode{})
	for _, l := range p.all(func(l *link) bool { return l.lossy }) {
		l.reset()
	}
}

// Hold carries nothing and loses nothing: who writes is blocked when the
// buffers are full.
func (p *Proxy) Hold() { p.set(mode{kind: hold}) }

// Swallow takes everything and carries nothing, like a network that drops all
// packets behind a machine that acknowledges them.
func (p *Proxy) Swallow() { p.set(mode{kind: swallow}) }

// Slow carries so many bytes per second on each connection and direction.
func (p *Proxy) Slow(rate int) { p.set(mode{kind: slow, rate: max(rate, 1)}) }

// Reset ends all connections with a RST at both ends.
func (p *Proxy) Reset() {
	for _, l := range p.all(nil) {
		l.reset()
	}
}

// Finish ends all connections with a FIN at both ends.
func (p *Proxy) Finish() {
	for _, l := range p.all(nil) {
		l.close()
	}
}

// Abandon resets all connections at the server's end and leaves the client's
// end open and silent, as a machine does that lost power behind a firewall.
// The next Reset or Finish ends them.
func (p *Proxy) Abandon() {
	p.Swallow()
	for _, l := range p.all(nil) {
		p.lose(l)
		_ = l.server.SetLinger(0)
		_ = l.server.Close()
	}
}

func (p *Proxy) set(m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
}

// now is the mode for a link, and the channel that closes when the mode changes.
// A link that lost something never carries anything again.
func (p *Proxy) now(l *link) (mode, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.lossy {
		return mode{kind: swallow}, p.changed
	}
	return p.mode, p.changed
}

func (p *Proxy) lose(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.lossy = true
}

func (p *Proxy) all(chosen func(*link) bool) (links []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if chosen == nil || chosen(l) {
			links = append(links, l)
		}
	}
	return links
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if client, ok := conn.(*net.TCPConn); ok && err == nil {
			p.done.Go(func() { p.carry(client) })
		}
	}
}

// carry connects a client with the target until either ends.
func (p *Proxy) carry(client *net.TCPConn) {
	conn, err := p.dial(context.Background(), "tcp", p.target)
	server, ok := conn.(*net.TCPConn)
	if err != nil || !ok {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	p.links[l] = struct{}{}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		l.reset()
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(l, server, client) })
	both.Go(func() { p.copy(l, client, server) })
	both.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	l.close()
}

// copy carries one direction until it ends, and tells the other side how.
func (p *Proxy) copy(l *link, to, from *net.TCPConn) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if p.forward(l, to, buffer[:n]) != nil {
			return
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, net.ErrClosed), !p.lossless(l):
		case errors.Is(err, io.EOF): // the end is told on
			_ = to.CloseWrite()
		default:
			l.reset()
		}
		return
	}
}

// lossless waits until the proxy carries something, and reports whether the
// connection is whole then.
func (p *Proxy) lossless(l *link) bool {
	for {
		m, changed := p.now(l)
		switch m.kind {
		case hold:
			<-changed
		case swallow:
			p.lose(l)
			return false
		case pass, slow:
			return true
		}
	}
}

// forward writes bytes as the mode says.
func (p *Proxy) forward(l *link, to *net.TCPConn, bytes []byte) error {
	for len(bytes) > 0 {
		m, changed := p.now(l)
		part := len(bytes)
		switch m.kind {
		case hold:
			<-changed
			continue
		case swallow:
			p.lose(l)
			return nil
		case slow:
			part = min(part, max(1, m.rate/20))
			pace := time.NewTimer(time.Duration(part) * time.Second / time.Duration(m.rate))
			select {
			case <-pace.C:
			case <-changed:
				pace.Stop()
				continue
			}
		case pass:
		}
		if _, err := to.Write(bytes[:part]); err != nil {
			return fmt.Errorf("carry to %s: %w", to.RemoteAddr(), err)
		}
		bytes = bytes[part:]
	}
	return nil
}

func (l *link) reset() {
	_ = l.client.SetLinger(0)
	_ = l.server.SetLinger(0)
	l.close()
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}
