package crowd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"confman/api/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const long = 20 * time.Second // for what takes milliseconds

// script is what a server of the test says on one connection. send takes the
// JSON of a frame and fails when the client has gone.
type script func(ctx context.Context, send func(frame []byte) error) error

// serve is a server that follows scripts, in all encodings.
func serve(t *testing.T, says script) (node string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/watch" || r.URL.Query().Get("namespace") != "a" || r.Header.Get(wire.HeaderAPIKey) != "secret" {
			t.Errorf("%s with key %q", r.URL, r.Header.Get(wire.HeaderAPIKey))
		}
		if r.Header.Get("Upgrade") != "" {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.WatchSubprotocol}})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.CloseNow() }()
			_ = says(c.CloseRead(ctx), func(frame []byte) error { return c.Write(ctx, websocket.MessageText, frame) })
			return
		}
		form := "%s\n"
		if r.Header.Get("Accept") == wire.MediaSSE {
			form = "event: x\ndata: %s\n\n"
		}
		ended, stop := context.WithCancel(ctx)
		defer stop()
		defer context.AfterFunc(r.Context(), stop)()
		_ = says(ended, func(frame []byte) error {
			if _, err := fmt.Fprintf(w, form, frame); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
	}))
	t.Cleanup(func() {
		cancel()
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// says sends frames, then waits for the client to go.
func says(frames ...[]byte) script {
	return func(ctx context.Context, send func([]byte) error) error {
		for _, f := range frames {
			if err := send(f); err != nil {
				return err
			}
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

const resumed = `{"frame":"resumed","after":"10-9f3c2a1b","head":"10-9f3c2a1b"}`

// watchOf is a good beginning: resumed after 10, then so many events.
func watchOf(t *testing.T, events int) (frames [][]byte) {
	frames = append(frames, []byte(resumed))
	for i := range uint64(events) {
		value := make([]byte, StampBytes)
		Stamp(value, time.Now())
		frames = append(frames, eventFrame(t, "", 10+i, 11+i, string(value)))
	}
	return frames
}

func open(t *testing.T, config Config) *Crowd {
	t.Helper()
	config.Key, config.Query = "secret", url.Values{"namespace": {"a"}, "after": {"now"}}.Encode()
	c, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCrowdReadsEveryEventOfEveryWatch(t *testing.T) {
	for _, encoding := range []string{wire.EncodingSSE, wire.EncodingNDJSON, wire.EncodingWebSocket} {
		t.Run(encoding, func(t *testing.T) {
			var mu sync.Mutex
			var all []time.Duration
			var told uint64
			c := open(t, Config{
				Node: serve(t, says(watchOf(t, 300)...)), Encoding: encoding, Connections: 40, TimedEvery: 10,
				Round: func(events uint64, lags []time.Duration) {
					mu.Lock()
					defer mu.Unlock()
					all, told = append(all, lags...), events
				},
			})
			if err := c.Await(t.Context(), 300, long); err != nil {
				t.Fatal(err)
			}
			if err := c.Check(300); err != nil {
				t.Error(err)
			}
			for _, other := range []uint64{299, 301} {
				if err := c.Check(other); err == nil || !strings.Contains(err.Error(), "40 of 40 watches deviate") {
					t.Errorf("with %d events expected: %v", other, err)
				}
			}
			if n := c.Counts(); n.Events != 40*300 || n.Decoded != 0 || n.Reads == 0 || n.Bytes < 40*300*200 {
				t.Errorf("%+v", n)
			}
			c.Close()
			mu.Lock()
			defer mu.Unlock()
			if slices.Sort(all); told != 40*300 || len(all) != 4*300 || all[0] <= 0 || all[len(all)-1] > time.Minute {
				t.Errorf("told of %d events and %d lags", told, len(all))
			}
		})
	}
}

func TestCrowdSaysWhatDeviates(t *testing.T) {
	frame := func(prev, index uint64) []byte { return eventFrame(t, "", prev, index, "x") }
	first := []byte(resumed)
	for name, x := range map[string]struct {
		frames [][]byte
		says   string // empty: all is well
	}{
		"in order":              {[][]byte{first, frame(10, 11), frame(11, 15)}, ""},
		"with progress":         {[][]byte{first, frame(10, 11), []byte(`{"frame":"progress","position":"14-00"}`), frame(11, 15)}, ""},
		"a gap":                 {[][]byte{first, frame(10, 11), frame(12, 13)}, "event 13 follows 12, and the last one was 11"},
		"a duplicate":           {[][]byte{first, frame(10, 11), frame(10, 11)}, "event 11 follows 10, and the last one was 11"},
		"a hidden duplicate":    {[][]byte{first, frame(10, 11), frame(11, 11)}, "event 11 after event 11"},
		"backwards":             {[][]byte{first, frame(10, 11), frame(11, 5)}, "event 5 after event 11"},
		"after its own past":    {[][]byte{first, []byte(`{"frame":"progress","position":"14-00"}`), frame(10, 12), frame(12, 15)}, "event 12 after event 10 and progress to 14"},
		"progress backwards":    {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`{"frame":"progress","position":"11-00"}`)}, "progress to 11-00 after event 12"},
		"one too few":           {[][]byte{first, frame(10, 12)}, "had 1 events of 2"},
		"one too many":          {[][]byte{first, frame(10, 11), frame(11, 12), frame(12, 13)}, "had 3 events of 2"},
		"resumed twice":         {[][]byte{first, first, frame(10, 11), frame(11, 12)}, "for a second time"},
		"reset":                 {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`{"frame":"reset","reason":"stuck"}`)}, "reset stuck"},
		"goaway":                {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`{"frame":"goaway","reason":"shutdown"}`)}, "goaway shutdown"},
		"an event after it":     {[][]byte{first, frame(10, 11), []byte(`{"frame":"reset","reason":"stuck"}`), frame(11, 12)}, "event 12 after the end"},
		"not a frame":           {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`hello`)}, "is not a frame"},
		"a frame of no kind":    {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`{"frame":"entry"}`)}, `frame "entry"`},
		"of a watch not wanted": {[][]byte{first, eventFrame(t, "w3", 10, 11, "x"), frame(10, 11), frame(11, 12)}, "event 11 of watch w3"},
		"no position":           {[][]byte{first, frame(10, 11), frame(11, 12), []byte(`{"frame":"progress","position":"here"}`)}, `"here" is not a position`},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Crowd{streams: make([]*stream, 1), watches: make([]watch, 1)}
			s := &stream{crowd: c, watches: c.watches}
			c.streams[0] = s
			for _, f := range x.frames {
				s.frame(f)
			}
			err := c.Check(2)
			if (err == nil) != (x.says == "") || err != nil && !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v; want %q", err, x.says)
			}
		})
	}
}

func TestConnectionThatEndsIsADeviation(t *testing.T) {
	frames := watchOf(t, 2)
	c := open(t, Config{
		Node: serve(t, func(ctx context.Context, send func([]byte) error) error {
			for _, f := range frames {
				if err := send(f); err != nil {
					return err
				}
			}
			return nil // and the connection ends
		}), Encoding: wire.EncodingNDJSON, Connections: 3,
	})
	if err := c.Await(t.Context(), 3, long); err != nil { // they have ended: nothing is awaited
		t.Fatal(err)
	}
	if err := c.Check(2); err == nil || !strings.Contains(err.Error(), "3 of 3 watches deviate") || !strings.Contains(err.Error(), "ended: EOF") {
		t.Error(err)
	}
}

func TestManyWatchesShareAWebSocket(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.WatchSubprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.CloseNow() }()
		ids := []string{r.URL.Query().Get("id")}
		for len(ids) < 20 {
			_, data, err := c.Read(r.Context())
			var op wire.WatchOp
			if err = errors.Join(err, json.Unmarshal(data, &op)); err != nil || op.Op != wire.OpWatch || !slices.Equal(op.Namespace, []string{"a"}) || op.After != "now" {
				t.Errorf("%s: %v", data, err)
				return
			}
			ids = append(ids, op.ID)
		}
		for _, id := range ids {
			_ = c.Write(r.Context(), websocket.MessageText, []byte(`{"frame":"resumed","watch":"`+id+`","after":"10-9f3c2a1b"}`))
		}
		for i := range uint64(50) {
			for _, id := range ids {
				_ = c.Write(r.Context(), websocket.MessageText, eventFrame(t, id, 10+i, 11+i, "x"))
			}
		}
		_, _, _ = c.Read(context.Background()) // until the client goes
	}))
	defer s.Close()
	c := open(t, Config{Node: s.URL, Encoding: wire.EncodingWebSocket, Connections: 3, Watches: 20})
	if err := c.Await(t.Context(), 50, long); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(50); err != nil {
		t.Error(err)
	}
	if n := c.Counts(); n.Events != 3*20*50 || n.Decoded != 0 {
		t.Errorf("%+v", n)
	}
}

func TestPausedConnectionsStopWhileOthersGoOnAndThenCatchUp(t *testing.T) {
	const events = 4000 // more bytes than the kernel keeps for a connection
	value := strings.Repeat("x", 2000)
	c := open(t, Config{
		Node: serve(t, func(ctx context.Context, send func([]byte) error) error {
			err := send([]byte(resumed))
			for i := uint64(0); i < events && err == nil; i++ {
				err = send(eventFrame(t, "", 10+i, 11+i, value))
			}
			<-ctx.Done()
			return err
		}), Encoding: wire.EncodingNDJSON, Connections: 3, Pausing: 1,
	})
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	counts := func() (paused, others uint64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.watches[0].count, min(c.watches[1].count, c.watches[2].count)
	}
	before, others := counts()
	paused := before
	for deadline := time.Now().Add(long); others < events; paused, others = counts() {
		if time.Now().After(deadline) {
			t.Fatalf("the others had %d events of %d", others, events)
		}
		<-time.After(time.Millisecond)
	}
	if paused != before || paused == events {
		t.Errorf("the paused one has had %d events, %d when it was paused", paused, before)
	}
	if err := c.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := c.Await(t.Context(), events, long); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(events); err != nil {
		t.Error(err)
	}
	if got := c.Paused(); !slices.Equal(got, []string{""}) {
		t.Errorf("ended: %q", got)
	}
}

func TestPausedConnectionThatIsEndedIsToldNotCounted(t *testing.T) {
	cut := make(chan struct{})
	c := open(t, Config{
		Node: serve(t, func(ctx context.Context, send func([]byte) error) error {
			if err := send([]byte(resumed)); err != nil {
				return err
			}
			select {
			case <-cut:
				return send([]byte(`{"frame":"reset","reason":"stuck"}`))
			case <-ctx.Done():
				return ctx.Err()
			}
		}), Encoding: wire.EncodingSSE, Connections: 1, Pausing: 1,
	})
	if err := errors.Join(c.Pause(), c.Resume()); err != nil {
		t.Fatal(err)
	}
	close(cut)
	if err := c.Await(t.Context(), 1, long); err != nil {
		t.Fatal(err)
	}
	if got := c.Paused(); !slices.Equal(got, []string{"reset stuck, after 0 events"}) {
		t.Errorf("ended: %q", got)
	}
	if err := c.Check(5); err != nil {
		t.Error(err)
	}
}

func TestAwaitGivesUpWhenNothingComes(t *testing.T) {
	c := open(t, Config{Node: serve(t, says(watchOf(t, 3)...)), Encoding: wire.EncodingSSE, Connections: 2})
	if err := c.Await(t.Context(), 4, 50*time.Millisecond); err == nil || !strings.Contains(err.Error(), "2 of 2 watches do not have 4 events") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Await(ctx, 4, long); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOpenSaysWhyItCannot(t *testing.T) {
	answers := func(status int, header http.Header, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range header {
				w.Header()[name] = values
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for _, x := range []struct{ node, encoding, says string }{
		{answers(403, nil, `{"detail":"no role"}`), wire.EncodingSSE, `403 Forbidden {"detail":"no role"}`},
		{answers(200, nil, ""), wire.EncodingWebSocket, "200 OK"},
		{answers(101, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, ""), wire.EncodingWebSocket, "subprotocol"},
		{"http://" + closed.Addr().String(), wire.EncodingSSE, "connection refused"},
		{"https://127.0.0.1:1", wire.EncodingSSE, "without TLS"},
	} {
		c, err := Open(t.Context(), Config{Node: x.node, Encoding: x.encoding, Connections: 5})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v; want %q", x.node, err, x.says)
		}
	}
}
