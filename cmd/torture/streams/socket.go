package streams

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
)

// maxMessage is longer than any frame, in bytes.
const maxMessage = 16 << 20

// Socket is a WebSocket with any number of watches.
type Socket struct {
	conn *websocket.Conn
	tcp  *net.TCPConn
}

// DialSocket opens a WebSocket. What the call says about a watch opens its first
// one; with first empty there is none. When the server refuses, within 10 s, the
// socket is nil and status and problem say how.
func DialSocket(ctx context.Context, c Call, first string) (s *Socket, status int, problem wire.Problem, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	target := "/api/v1/watch"
	if len(c.Query) > 0 {
		target += "?" + c.Query.Encode()
	}
	if first != "" {
		target = c.target() + "&" + wire.ParamWatch + "=" + first
	}
	s = &Socket{}
	var mu sync.Mutex
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := c.connect(ctx)
		mu.Lock()
		defer mu.Unlock()
		s.tcp = conn
		return conn, err
	}}
	defer transport.CloseIdleConnections()
	//nolint:bodyclose // it is in memory, or the connection's own
	conn, answer, err := websocket.Dial(ctx, "ws://"+c.Address+target, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: c.header(), Subprotocols: []string{wire.WatchSubprotocol},
	})
	if err != nil {
		if answer == nil {
			return nil, 0, problem, fmt.Errorf("watch at %s: %w", c.Address, err)
		}
		return nil, answer.StatusCode, problem, readProblem(answer.Body, &problem)
	}
	conn.SetReadLimit(maxMessage)
	mu.Lock()
	defer mu.Unlock()
	s.conn = conn
	return s, http.StatusSwitchingProtocols, problem, nil
}

// Next waits for a frame. Its error is [ErrMalformed], or how the connection
// ended, which it does with the context too.
func (s *Socket) Next(ctx context.Context) (Frame, error) {
	kind, message, err := s.conn.Read(ctx)
	if err != nil {
		return Frame{}, err
	}
	if kind != websocket.MessageText {
		return Frame{}, fmt.Errorf("%w: a binary message", ErrMalformed)
	}
	return decode(message)
}

// Send sends what the client asks for.
func (s *Socket) Send(ctx context.Context, op wire.WatchOp) error {
	message, err := json.Marshal(op)
	if err != nil {
		return err
	}
	return s.SendRaw(ctx, message)
}

// SendRaw sends a text message, whatever it says.
func (s *Socket) SendRaw(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, message)
}

// Close ends the connection without a closing handshake.
func (s *Socket) Close() { _ = s.conn.CloseNow() }

// Reset ends the connection with a RST.
func (s *Socket) Reset() {
	_ = s.tcp.SetLinger(0)
	_ = s.tcp.Close()
	s.Close()
}
