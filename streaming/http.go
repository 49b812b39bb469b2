package streaming

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// sendBuffer is how much the kernel holds for a client that reads slowly, in
// bytes; Linux takes twice as much. Without a bound it is megabytes.
const sendBuffer = 128 << 10

type connKey struct{}

// ConnContext is for [http.Server]: it lets streams bound what the kernel
// buffers for their connection.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// bound bounds the send buffer of a connection.
func bound(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if tcp, ok := c.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // as it was, if it cannot be
	}
}

// ServeSSE streams server-sent events (HTML standard, section 9.2) until the
// connection ends, and closes it. The watch is opened already. It answers 200;
// the caller must not have.
func (c *Connection) ServeSSE(w http.ResponseWriter, r *http.Request) *End {
	return c.serveHTTP(w, r, c.serve)
}

// Retry is the field that tells an EventSource how long to wait before it
// connects again: between one and three seconds, so that those who were cut off
// together do not come back together.
func Retry(random func(int64) int64) string {
	return "retry: " + strconv.FormatInt(1000+random(2000), 10) + "\n\n"
}

// ServeNDJSON is ServeSSE with a JSON object on each line.
func (c *Connection) ServeNDJSON(w http.ResponseWriter, r *http.Request) *End {
	return c.serveHTTP(w, r, c.serve)
}

// StreamHeaders are those of a stream: nothing on the way may store, transform or
// hold it back.
func StreamHeaders(h http.Header, media string) {
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx
}

// serveHTTP answers with what run writes, encoded as the connection is.
func (c *Connection) serveHTTP(w http.ResponseWriter, r *http.Request, run func(session) *End) *End {
	media, first := "application/x-ndjson", ""
	if c.encoding == SSE {
		media, first = "text/event-stream", Retry(c.streams.Random)
	}
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		bound(conn)
	}
	defer c.Close()
	defer context.AfterFunc(r.Context(), c.cancel)()
	control := http.NewResponseController(w)
	c.abortBy(func() { _ = control.SetWriteDeadline(time.Now()) })
	StreamHeaders(w.Header(), media)
	w.WriteHeader(http.StatusOK)
	// For the rest of the answer: the listener sees to what comes after it.
	defer func() { _ = control.SetWriteDeadline(time.Now().Add(c.streams.Limits.Stuck)) }()
	write := func(p []byte) error {
		if err := control.SetWriteDeadline(time.Now().Add(c.streams.Limits.Stuck)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if err := c.ctx.Err(); err != nil { // cut, perhaps before the deadline was put off
			return err
		}
		if first != "" {
			p, first = append([]byte(first), p...), ""
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		return control.Flush()
	}
	why := run(session{write: write})
	c.finish(why)
	return why
}

// finish counts and drops the watches that end because the client is gone.
func (c *Connection) finish(why *End) {
	for _, w := range c.list() {
		if why.Reason == reasonLeft || why.Reason == ReasonStuck {
			c.streams.ended(why.Reason)
		}
		c.drop(w)
	}
}
