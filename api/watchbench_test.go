package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
)

// newWatchBench is a bench whose clock is the true one: connections have
// deadlines.
func newWatchBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	return newBench(t, append([]func(*Config){func(c *Config) { c.Now = time.Now }}, change...)...)
}

// stream is an open watch over SSE or NDJSON.
type stream struct {
	t      testing.TB
	header http.Header
	lines  *bufio.Reader
	close  context.CancelFunc
}

// sent is one frame as it came. id and event are those of SSE.
type sent struct {
	wire.Frame
	raw, id, event string
}

// watch opens a watch as the admin, unless a header says otherwise.
func (b *bench) watch(query string, headers ...string) *stream {
	b.t.Helper()
	return b.watchURL(watchPath+query, headers...)
}

func (b *bench) watchURL(path string, headers ...string) *stream {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", b.root)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if request.Header.Set(name, value); value == "" {
			request.Header.Del(name)
		}
	}
	response, err := b.client().Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { cancel(); response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		b.t.Fatalf("%s: %s %s", path, response.Status, body)
	}
	return &stream{b.t, response.Header, bufio.NewReader(response.Body), cancel}
}

// client is one with connections of its own.
func (b *bench) client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	b.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// read is the next frame; at the end of the stream it has none.
func (s *stream) read() (f sent) {
	s.t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		if errors.Is(err, io.EOF) && line == "" {
			return f
		}
		if err != nil {
			s.t.Fatalf("%q: %v", line, err)
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case s.header.Get("Content-Type") == wire.MediaNDJSON:
			f.raw = line
		case name == "event":
			f.event = value
		case name == "id":
			f.id = value
		case name == "data":
			f.raw = value
		case line == "" && f.raw == "": // after retry
			continue
		case line != "":
			continue
		}
		if f.raw == "" || line != "" && s.header.Get("Content-Type") != wire.MediaNDJSON {
			continue
		}
		if err := json.Unmarshal([]byte(f.raw), &f.Frame); err != nil {
			s.t.Fatalf("%s: %v", f.raw, err)
		}
		return f
	}
}

// next is the next frame, which must be of a kind.
func (s *stream) next(kind string) sent {
	s.t.Helper()
	f := s.read()
	if f.Frame.Frame != kind {
		s.t.Fatalf("frame %q, want %s", f.raw, kind)
	}
	return f
}

// keys are those of the next events or entries.
func (s *stream) keys(kind string, n int) (keys []string) {
	s.t.Helper()
	for range n {
		switch f := s.next(kind); kind {
		case wire.FrameEntry:
			keys = append(keys, f.Entry.Namespace+":"+f.Entry.Key)
		default:
			keys = append(keys, f.Event.Namespace+":"+f.Event.Key)
		}
	}
	return keys
}

// socket is a WebSocket of watches.
type socket struct {
	t    testing.TB
	ctx  context.Context
	conn *websocket.Conn
}

// dial opens a WebSocket as the admin, unless a header says otherwise. Without a
// socket, refused is the answer.
func (b *bench) dial(query string, headers ...string) (s *socket, refused reply) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	b.t.Cleanup(cancel)
	header := http.Header{"X-Api-Key": {b.root}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if header.Set(name, value); value == "" {
			header.Del(name)
		}
	}
	conn, response, err := websocket.Dial(ctx, b.url+watchPath+query, &websocket.DialOptions{
		HTTPHeader: header, Subprotocols: []string{wire.WatchSubprotocol},
	})
	if response != nil && response.Body != nil {
		defer response.Body.Close()
	}
	if err != nil {
		if response == nil {
			b.t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		return nil, reply{b.t, "dial " + query, response.StatusCode, response.Header, string(body)}
	}
	conn.SetReadLimit(1 << 20)
	b.t.Cleanup(func() { conn.CloseNow() })
	if conn.Subprotocol() != wire.WatchSubprotocol {
		b.t.Errorf("subprotocol %q", conn.Subprotocol())
	}
	return &socket{b.t, ctx, conn}, reply{}
}

// connect is dial that must succeed.
func (b *bench) connect(query string, headers ...string) *socket {
	b.t.Helper()
	s, refused := b.dial(query, headers...)
	if s == nil {
		b.t.Fatalf("%s: %d %s", query, refused.status, refused.body)
	}
	return s
}

func (s *socket) next(kind string) (f sent) {
	s.t.Helper()
	_, m, err := s.conn.Read(s.ctx)
	if err != nil {
		s.t.Fatalf("%v, want %s", err, kind)
	}
	holdFrame(s.t, m)
	f.raw = string(m)
	if err := json.Unmarshal(m, &f.Frame); err != nil || f.Frame.Frame != kind {
		s.t.Fatalf("frame %s, %v, want %s", m, err, kind)
	}
	return f
}

func (s *socket) send(message string) {
	s.t.Helper()
	if err := s.conn.Write(s.ctx, websocket.MessageText, []byte(message)); err != nil {
		s.t.Fatal(err)
	}
}

// closed is the code that the node closes with.
func (s *socket) closed() websocket.StatusCode {
	_, _, err := s.conn.Read(s.ctx)
	return websocket.CloseStatus(err)
}

// plain replaces what differs from run to run.
func plain(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`retry: [12][0-9]{3}`, "retry: R"},
		{`[0-9]+-[0-9a-f]{8}`, "POSITION"},
		{`"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"`, `"TIME"`},
		{`"[0-9A-HJKMNP-TV-Z]{26}"`, `"ULID"`},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}
