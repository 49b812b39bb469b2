package crowd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"confman/api/wire"
)

// dial opens a connection, asks for its watches, and gives the stream its
// descriptor and splitter. It returns what came behind the head of the answer.
func (c *Crowd) dial(ctx context.Context, s *stream, small bool) (begun []byte, err error) {
	node, err := url.Parse(c.config.Node)
	if err != nil || node.Scheme != "http" {
		return nil, fmt.Errorf("%q is not the URL of a node without TLS", c.config.Node)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	if small {
		dialer.Control = smallReceiveBuffer
	}
	conn, err := dialer.DialContext(ctx, "tcp", node.Host)
	if err != nil {
		return nil, err
	}
	defer conn.Close() // the stream has a copy
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(c.request(node.Host)); err != nil {
		return nil, fmt.Errorf("ask for a watch: %w", err)
	}
	in := bufio.NewReader(conn)
	if s.split, err = c.accept(s, in); err != nil {
		return nil, fmt.Errorf("the answer to a watch: %w", err)
	}
	if _, err := conn.Write(c.operations()); err != nil {
		return nil, fmt.Errorf("ask for more watches: %w", err)
	}
	begun, err = in.Peek(in.Buffered())
	if err != nil {
		return nil, err
	}
	s.fd, err = descriptor(conn)
	return begun, err
}

// request is the request that opens a watch.
func (c *Crowd) request(host string) []byte {
	query := c.config.Query
	var b bytes.Buffer
	headers := "Accept: " + wire.MediaSSE + "\r\n"
	switch c.config.Encoding {
	case wire.EncodingNDJSON:
		headers = "Accept: " + wire.MediaNDJSON + "\r\n"
	case wire.EncodingWebSocket:
		query += "&" + wire.ParamWatch + "=w0"
		headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + wire.WatchSubprotocol + "\r\n"
	}
	fmt.Fprintf(&b, "GET /api/v1/watch?%s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\n%s\r\n", query, host, wire.HeaderAPIKey, c.config.Key, headers)
	return b.Bytes()
}

// accept reads the head of the answer, which says how the stream is taken apart.
func (c *Crowd) accept(s *stream, in *bufio.Reader) (splitter, error) {
	head := textproto.NewReader(in)
	status, err := head.ReadLine()
	if err != nil {
		return nil, err
	}
	header, err := head.ReadMIMEHeader()
	if err != nil {
		return nil, err
	}
	socket := c.config.Encoding == wire.EncodingWebSocket
	want := "HTTP/1.1 200 "
	if socket {
		want = "HTTP/1.1 101 "
	}
	if !strings.HasPrefix(status, want) {
		said, _ := in.Peek(min(in.Buffered(), 300)) // it is buffered
		return nil, fmt.Errorf("%s %s", status, said)
	}
	if socket {
		if got := header.Get("Sec-Websocket-Protocol"); got != wire.WatchSubprotocol {
			return nil, fmt.Errorf("a WebSocket with subprotocol %q, want %s", got, wire.WatchSubprotocol)
		}
		return &messages{each: s.frame, pong: s.pong}, nil
	}
	body := &lines{each: s.frame}
	if c.config.Encoding == wire.EncodingSSE {
		body.prefix = []byte("data: ")
	}
	if header.Get("Transfer-Encoding") == "chunked" {
		return &chunks{body: body}, nil
	}
	return body, nil
}

// operations asks for the watches of a connection but the first.
func (c *Crowd) operations() (asked []byte) {
	query, err := url.ParseQuery(c.config.Query)
	if err != nil {
		panic("crowd: Config.Query: " + err.Error())
	}
	for i := 1; i < c.config.Watches; i++ {
		op, err := json.Marshal(wire.WatchOp{
			Op: wire.OpWatch, ID: "w" + strconv.Itoa(i),
			Namespace: query[wire.ParamNamespace], Key: query.Get(wire.ParamKey), Prefix: query.Get(wire.ParamPrefix),
			After: query.Get(wire.ParamAfter), Events: query.Get(wire.ParamEvents), Values: query.Get(wire.ParamValues),
		})
		if err != nil {
			panic(err) // it is made of strings
		}
		asked = masked(asked, opText, op)
	}
	return asked
}

// pong answers a ping. A connection that takes nothing for the moment needs none.
func (s *stream) pong(payload []byte) {
	_, _ = syscall.Write(s.fd, masked(nil, opPong, payload))
}

func smallReceiveBuffer(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, smallBuffer)
	})
	return errors.Join(err, set)
}

// descriptor is a copy of a connection's descriptor. The runtime's poller does
// not know it, which is what makes it cheap, and it never blocks.
func descriptor(conn net.Conn) (fd int, err error) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(original uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(original)); err == nil {
			syscall.CloseOnExec(fd)
		}
	})
	return fd, errors.Join(controlErr, err)
}
