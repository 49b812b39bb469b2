package streams

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"confman/api/wire"
)

// Call is a request for a watch, or for what else answers in frames. Key is an
// API key; a ticket goes into Query, with whatever else the filter does not say.
type Call struct {
	Address  string // HOST:PORT, of a node or of a proxy before it
	Path     string // "": that of watches
	Key      string
	Encoding string
	Filter   Filter
	After    string
	ByID     bool // ask by Last-Event-ID, as a browser does that has lost its connection
	Query    url.Values
	Header   http.Header
	Buffer   int // bytes that the kernel receives for a client that does not read; 0: as it likes
	// Dial opens the connection, which must be TCP; nil: from here.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// answerPatience is how long a server may take to answer a request for a stream.
// It waits 5 s for a position that it has not reached.
const answerPatience = 10 * time.Second

// target is the path and query of the call.
func (c Call) target() string {
	q := c.Filter.Query()
	if c.After != "" && !c.ByID {
		q.Set(wire.ParamAfter, c.After)
	}
	for name, values := range c.Query {
		q[name] = values
	}
	return cmp.Or(c.Path, "/api/v1/watch") + "?" + q.Encode()
}

func (c Call) header() http.Header {
	h := http.Header{}
	for name, values := range c.Header {
		h[name] = values
	}
	if c.Key != "" {
		h.Set(wire.HeaderAPIKey, c.Key)
	}
	if c.ByID {
		h.Set("Last-Event-Id", c.After)
	}
	return h
}

// connect opens the connection of a call.
func (c Call) connect(ctx context.Context) (*net.TCPConn, error) {
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: answerPatience}).DialContext
	}
	conn, err := dial(ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("watch at %s: %w", c.Address, err)
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("watch at %s: not TCP", c.Address), conn.Close())
	}
	if c.Buffer > 0 {
		err = tcp.SetReadBuffer(c.Buffer)
	}
	return tcp, err
}

// ErrMalformed is what a client cannot make sense of.
var ErrMalformed = errors.New("malformed stream")

// Feed is the answer to a call: a stream, or the problem that there is none.
// One goroutine at a time may use it.
type Feed struct {
	Status  int
	Problem wire.Problem // when Status is not 200
	Header  http.Header

	conn     *net.TCPConn
	unwatch  func() bool
	lines    *bufio.Reader
	sse      bool
	afterCR  bool
	LastID   string        // the Last-Event-ID that a browser would send, of SSE
	Retry    string        // as the last retry field said, of SSE
	Patience time.Duration // how long Next waits for the next byte; 0: for ever
}

// Dial asks for a watch by SSE or NDJSON and returns once the answer has begun,
// within 10 s. When the context ends the connection is closed.
func Dial(ctx context.Context, c Call) (*Feed, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	f := &Feed{conn: conn, sse: c.Encoding == wire.EncodingSSE, unwatch: context.AfterFunc(ctx, func() { _ = conn.Close() })}
	if err := f.ask(ctx, c); err != nil {
		f.Close()
		return nil, fmt.Errorf("watch at %s: %w", c.Address, err)
	}
	return f, nil
}

func (f *Feed) ask(ctx context.Context, c Call) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Address+c.target(), nil)
	if err != nil {
		return err
	}
	r.Header = c.header()
	media := map[string]string{wire.EncodingSSE: wire.MediaSSE, wire.EncodingNDJSON: wire.MediaNDJSON}[c.Encoding]
	r.Header.Set("Accept", media)
	if err := f.conn.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return err
	}
	if err := r.Write(f.conn); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(f.conn), r) //nolint:bodyclose // Close closes what is below it
	if err != nil {
		return err
	}
	f.Status, f.Header, f.lines = answer.StatusCode, answer.Header, bufio.NewReader(answer.Body)
	got, _, _ := strings.Cut(f.Header.Get("Content-Type"), ";")
	if f.Status == http.StatusOK && got != media {
		return fmt.Errorf("%w: %s, asked for %s", ErrMalformed, got, media)
	}
	if f.Status != http.StatusOK {
		return readProblem(f.lines, &f.Problem)
	}
	return nil
}

func readProblem(body io.Reader, into *wire.Problem) error {
	if err := json.NewDecoder(body).Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: a problem: %w", ErrMalformed, err)
	}
	return nil
}

// Close ends the watch with a FIN.
func (f *Feed) Close() {
	f.unwatch()
	_ = f.conn.Close()
}

// Reset ends the watch with a RST.
func (f *Feed) Reset() {
	_ = f.conn.SetLinger(0)
	f.Close()
}

// Next waits for a frame. Its error is [ErrMalformed], or how the connection
// ended.
func (f *Feed) Next() (Frame, error) {
	deadline := time.Time{}
	if f.Patience > 0 {
		deadline = time.Now().Add(f.Patience)
	}
	if err := f.conn.SetDeadline(deadline); err != nil {
		return Frame{}, err
	}
	if f.sse {
		return f.nextEvent()
	}
	line, err := f.lines.ReadBytes('\n')
	if err != nil {
		return Frame{}, err
	}
	return decode(line)
}

func decode(data []byte) (f Frame, err error) {
	f.At = time.Now()
	if err := json.Unmarshal(data, &f.Frame); err != nil {
		return f, fmt.Errorf("%w: %.200q: %w", ErrMalformed, data, err)
	}
	return f, nil
}

// nextEvent reads as the HTML standard says, 9.2.6: an event that is not
// complete when the stream ends is none.
func (f *Feed) nextEvent() (Frame, error) {
	var data []byte
	id, hasID, kind := f.LastID, false, "message"
	for {
		line, err := f.line()
		if err != nil {
			return Frame{}, err
		}
		if line == "" {
			f.LastID = id
			if data == nil {
				kind = "message"
				continue
			}
			frame, err := decode(data)
			frame.Kind, frame.HasID = kind, hasID
			if hasID {
				frame.ID = id
			}
			return frame, err
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "event":
			kind = value
		case "id":
			id, hasID = value, true
		case "retry":
			f.Retry = value
		default:
			return Frame{}, fmt.Errorf("%w: the field %.100q", ErrMalformed, field)
		}
	}
}

// line reads up to CR, LF or both.
func (f *Feed) line() (string, error) {
	var line []byte
	for {
		b, err := f.lines.ReadByte()
		switch {
		case err != nil:
			return "", err
		case b == '\n' && f.afterCR:
			f.afterCR = false
			continue
		case b == '\n', b == '\r':
			f.afterCR = b == '\r'
			return string(line), nil
		}
		f.afterCR = false
		line = append(line, b)
	}
}
