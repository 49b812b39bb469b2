package streaming

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"confman/events"
)

// Subprotocol is the one that this package speaks on WebSockets.
const Subprotocol = "confman.watch.v1"

// Limits of what a client may send, and of the time that control frames take.
const (
	maxMessage     = 32 << 10
	controlTimeout = 5 * time.Second
	maxUnanswered  = 3   // pings
	controlBuffer  = 256 // a control frame has 127 bytes at most
	readBuffer     = 512 // clients say little
)

// WebSocketOptions say how a WebSocket is accepted and what its messages mean.
// The functions outlive the request; what they hold is held for as long as the
// connection is.
type WebSocketOptions struct {
	Origins []string // other origins that may connect: https://host[:port], or *
	// Decode reads a message. Where the message names a watch, the Op has its ID
	// even if the error, a refusal, says that it cannot be done. What no client
	// should ever send has an error and no ID, and ends the connection.
	Decode func(message []byte) (Op, error)
	// Ended is told why the connection ended.
	Ended func(*End)
}

// Op is what a client asks for on a WebSocket.
type Op struct {
	Unwatch      bool // the watch of this ID; else open the subscription
	Subscription Subscription
}

// ServeWebSocket upgrades the request and returns: the connection then serves and
// closes itself, in goroutines of its own, so that all that the HTTP server keeps
// for a request is given back. One watch may be open already; the client opens
// and ends others. A request that cannot be upgraded is answered.
func (c *Connection) ServeWebSocket(w http.ResponseWriter, r *http.Request, o WebSocketOptions) {
	hijacker := &hijacker{ResponseWriter: w}
	s := &socket{connection: c, decode: o.Decode, inbox: make(chan []byte), late: make(chan lateStart)}
	conn, err := websocket.Accept(hijacker, r, &websocket.AcceptOptions{
		Subprotocols: []string{Subprotocol}, OriginPatterns: o.Origins, CompressionMode: websocket.CompressionDisabled,
		OnPongReceived: func(context.Context, []byte) { s.heard.Store(true) },
	})
	if err != nil { // and answered
		c.Close()
		o.Ended(&End{Reason: reasonLeft, Detail: err.Error()})
		return
	}
	s.conn, s.frames = conn, hijacker.conn
	s.frames.stuck = c.streams.Limits.Stuck
	conn.SetReadLimit(maxMessage)
	go func() { o.Ended(s.serve()) }() // Drain waits for it
}

// socket is the WebSocket of a connection.
type socket struct {
	connection *Connection
	conn       *websocket.Conn
	frames     *frameConn
	decode     func([]byte) (Op, error)
	inbox      chan []byte
	late       chan lateStart
	heard      atomic.Bool // the client has sent something since the last ping
	pinged     bool        // at the last beat
	unanswered int         // pings, one after the other

	running sync.WaitGroup
}

// serve serves the connection to its end, and closes it.
func (s *socket) serve() *End {
	c := s.connection
	c.abortBy(func() { _ = s.frames.Close() })
	s.running.Go(s.read)
	why := c.serve(session{write: s.frames.writeFrames, beat: s.beat, message: s.message, inbox: s.inbox, late: s.late})
	c.finish(why)
	s.goodbye(why)
	c.cancel()
	s.running.Wait()
	c.Close()
	return why
}

// read hands over the client's messages, one after the other, each when the one
// before has been dealt with: a client that sends too fast waits.
func (s *socket) read() {
	defer close(s.inbox)
	for {
		_, m, err := s.conn.Read(context.Background()) // until the connection is closed
		if err != nil {
			return
		}
		s.heard.Store(true)
		select {
		case s.inbox <- m:
		case <-s.connection.ctx.Done():
			return
		}
	}
}

// beat pings the client at every other beat, and gives up on one that leaves
// maxUnanswered in a row without an answer. Pings are counted, not seconds: a node
// that was suspended knows nothing of the time between.
func (s *socket) beat(o *output) error {
	if s.pinged = !s.pinged; !s.pinged {
		return nil
	}
	if s.unanswered++; s.heard.Swap(false) {
		s.unanswered = 0
	}
	if s.unanswered > maxUnanswered {
		return &End{Reason: ReasonStuck, Detail: fmt.Sprintf("no answer to %d pings", maxUnanswered)}
	}
	o.buf = appendHeader(o.buf, opPing, 0)
	return nil
}

// message does what the client asks for. Its error ends the connection.
func (s *socket) message(o *output, m []byte) error {
	op, err := s.decode(m)
	id := op.Subscription.ID
	c := s.connection
	c.mu.Lock()
	w := c.watches[id]
	c.mu.Unlock()
	switch {
	case err != nil && id == "":
		return &End{Reason: ReasonInvalid, Detail: err.Error()}
	case op.Unwatch && w != nil:
		c.endWatch(w, o, &End{Reason: ReasonUnwatched})
	case w != nil:
		return &End{Reason: ReasonInvalid, Detail: fmt.Sprintf("there is a watch %q already on this connection", id)}
	case err != nil:
		c.refuse(o, id, err)
	case op.Unwatch:
		c.refuse(o, id, events.Invalid("/id", "is %q, which is no watch of this connection", id))
	default:
		s.open(o, op.Subscription)
	}
	return nil
}

// lateStart is where a watch begins that had to wait for it.
type lateStart struct {
	watch *watch
	start start
	err   error
}

// open opens a watch. One that has to wait for its position does not hold up the
// others.
func (s *socket) open(o *output, sub Subscription) {
	c := s.connection
	w, err := c.add(sub)
	if err != nil {
		c.refuse(o, sub.ID, err)
		return
	}
	if sub.Start.Position.Index > c.streams.Source.Position().Index {
		s.running.Go(func() {
			from, err := c.find(c.ctx, sub)
			select {
			case s.late <- lateStart{w, from, err}:
			case <-s.connection.ctx.Done():
			}
		})
		return
	}
	from, err := c.find(c.ctx, sub)
	c.arrived(o, lateStart{w, from, err})
}

// arrived starts a watch whose beginning is known, or says why it cannot be.
func (c *Connection) arrived(o *output, l lateStart) {
	switch {
	case l.watch.over: // the client did not wait for it
	case l.err != nil:
		c.drop(l.watch)
		c.refuse(o, l.watch.id, l.err)
	default:
		c.start(l.watch, l.start)
	}
}

// refuse says why a watch was not opened.
func (c *Connection) refuse(o *output, id string, err error) {
	why := endOf(c.logged(err))
	o.ended(id, why, events.Position{})
	c.streams.ended(why.Reason)
}

// goodbye closes the connection with the code that its end has (RFC 6455, 7.4.1).
func (s *socket) goodbye(why *End) {
	code := websocket.StatusPolicyViolation
	switch why.Reason {
	case reasonLeft, ReasonStuck: // nobody listens
		_ = s.conn.CloseNow()
		return
	case ReasonShutdown, ReasonUnavailable:
		code = websocket.StatusGoingAway
	case ReasonInternal:
		code = websocket.StatusInternalError
	}
	_ = s.conn.Close(code, why.Reason)
}

// hijacker gives the library a connection that frames can also be written to
// past it.
type hijacker struct {
	http.ResponseWriter
	conn *frameConn
}

// Hijack takes the connection over from the HTTP server. What the server has
// read already stays to be read; its buffers are given back.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	bound(conn)
	early, err := buffered.Peek(buffered.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	h.conn = &frameConn{Conn: conn, early: bytes.Clone(early)}
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, readBuffer), bufio.NewWriterSize(h.conn, controlBuffer)), nil
}

// frameConn has two writers: the library, of control frames, each with one
// Write, and this package, of whole messages. Frames of a server are not masked
// and without compression have no state, so they may alternate.
type frameConn struct {
	net.Conn
	early []byte // read before the upgrade; belongs to the one who reads
	stuck time.Duration

	mu     sync.Mutex // held while something is written
	closed bool       // a close frame was sent: nothing may follow it
}

// Read reads what came before the upgrade, then from the connection.
func (c *frameConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write writes a control frame.
func (c *frameConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > 0 && p[0]&0xf == opClose {
		c.closed = true
	}
	if err := c.SetWriteDeadline(time.Now().Add(controlTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// writeFrames writes messages that are framed already.
func (c *frameConn) writeFrames(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	if err := c.SetWriteDeadline(time.Now().Add(c.stuck)); err != nil {
		return err
	}
	_, err := c.Conn.Write(p)
	return err
}
