package streams_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"confman/api/wire"
	. "confman/cmd/torture/streams"
)

// serving answers every request so.
func serving(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// writing answers with a body, bit by bit.
func writing(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		for i := 0; i < len(body); i += 7 {
			_, _ = io.WriteString(w, body[i:min(i+7, len(body))])
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// received reads a feed to its end.
func received(t *testing.T, c Call) (frames []Frame, lastID string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f, err := Dial(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Patience = 10 * time.Second
	for {
		frame, err := f.Next()
		if err != nil {
			return frames, f.LastID, err
		}
		frames = append(frames, frame)
	}
}

func TestServerSentEventsAreReadAsBrowsersDo(t *testing.T) {
	const resumed = `data: {"frame":"resumed","after":"1-aa"}`
	for name, test := range map[string]struct {
		body, frames, lastID string
		err                  error
	}{
		"one":              {"retry: 1\nid: 1-aa\nevent: resumed\n" + resumed + "\n\n", "resumed:1-aa:resumed", "1-aa", io.EOF},
		"CRLF":             {"id: 1-aa\r\nevent: resumed\r\n" + resumed + "\r\n\r\n", "resumed:1-aa:resumed", "1-aa", io.EOF},
		"CR":               {"id: 1-aa\revent: resumed\r" + resumed + "\r\r", "resumed:1-aa:resumed", "1-aa", io.EOF},
		"no kind":          {"id:1-aa\n" + resumed + "\n\n", "message:1-aa:resumed", "1-aa", io.EOF},
		"no id":            {"event: resumed\n" + resumed + "\n\n", "resumed::resumed", "", io.EOF},
		"comment":          {": hello\n\n" + resumed + "\n\n", "message::resumed", "", io.EOF},
		"incomplete":       {"id: 1-aa\nevent: resumed\n" + resumed + "\n", "", "", io.EOF},
		"id without data":  {"id: 1-aa\n\n", "", "1-aa", io.EOF},
		"id stays":         {"id: 1-aa\n" + resumed + "\n\n" + resumed + "\n\n", "message:1-aa:resumed message::resumed", "1-aa", io.EOF},
		"two lines":        {"data: {\ndata: \"frame\":\"goaway\"}\n\n", "message::goaway", "", io.EOF},
		"not JSON":         {"data: {\n\n", "", "", ErrMalformed},
		"an unknown field": {"whim: x\n\n", "", "", ErrMalformed},
	} {
		frames, lastID, err := received(t, Call{Address: serving(t, writing(wire.MediaSSE, test.body)), Encoding: wire.EncodingSSE})
		var got []string
		for _, f := range frames {
			got = append(got, f.Kind+":"+f.ID+":"+f.Frame.Frame)
		}
		if s := strings.Join(got, " "); s != test.frames || lastID != test.lastID || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, last ID %q, %v; want %q, %q, %v", name, s, lastID, err, test.frames, test.lastID, test.err)
		}
	}
}

func TestALineThatIsNotCompleteIsNoFrame(t *testing.T) {
	frames, _, err := received(t, Call{
		Address: serving(t, writing(wire.MediaNDJSON, `{"frame":"resumed"}`+"\n"+`{"frame":"goaway"}`)), Encoding: wire.EncodingNDJSON,
	})
	if len(frames) != 1 || !errors.Is(err, io.EOF) {
		t.Errorf("%v, %v", frames, err)
	}
}

func TestACallAsksForWhatItSays(t *testing.T) {
	f := Filter{Namespaces: []string{"a", "b/c"}, Prefix: "x/", Events: "all", Bare: true}
	for _, byID := range []bool{false, true} {
		var asked *http.Request
		address := serving(t, func(w http.ResponseWriter, r *http.Request) {
			asked = r
			w.WriteHeader(http.StatusGone)
			_, _ = io.WriteString(w, `{"type":"`+wire.ProblemCompacted+`"}`)
		})
		feed, err := Dial(t.Context(), Call{Address: address, Key: "secret", Encoding: wire.EncodingSSE, Filter: f, After: "7-aabbccdd", ByID: byID})
		if err != nil {
			t.Fatal(err)
		}
		feed.Close()
		want := "events=all&namespace=a&namespace=b%2Fc&prefix=x%2F&values=none"
		if !byID {
			want = "after=7-aabbccdd&" + want
		}
		if asked.URL.RawQuery != want || (asked.Header.Get("Last-Event-Id") == "7-aabbccdd") != byID || asked.Header.Get(wire.HeaderAPIKey) != "secret" {
			t.Errorf("asked %s with %v, want %s", asked.URL, asked.Header, want)
		}
		if feed.Status != http.StatusGone || feed.Problem.Type != wire.ProblemCompacted {
			t.Errorf("refused: %d %+v", feed.Status, feed.Problem)
		}
	}
}

func TestASocketCarriesFramesAndOps(t *testing.T) {
	address := serving(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.WatchSubprotocol}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		_, op, err := conn.Read(r.Context())
		if err != nil || !strings.Contains(string(op), `"op":"watch","id":"w1","namespace":["a"]`) {
			t.Errorf("the server reads %s, %v", op, err)
		}
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(`{"frame":"resumed","watch":"w1"}`))
		_ = conn.Close(websocket.StatusGoingAway, "")
	})
	s, status, _, err := DialSocket(t.Context(), Call{Address: address}, "")
	if err != nil || status != http.StatusSwitchingProtocols {
		t.Fatal(status, err)
	}
	defer s.Close()
	if err := s.Send(t.Context(), Filter{Namespaces: []string{"a"}}.Op("w1", "")); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Next(t.Context()); err != nil || f.Watch != "w1" {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := s.Next(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the end: %v", err)
	}
}
