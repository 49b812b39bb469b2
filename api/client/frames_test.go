package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"confman/api/wire"
)

// place is the position of event i of the one true history.
func place(i uint64) string { return fmt.Sprintf("%d-%08x", i, uint32(i*2654435761)) }

func frame(f wire.Frame) string {
	line, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(line) + "\n"
}

// resumed opens a stream of a node that heard from its leader now or, where
// stale is given, so long ago.
func resumed(after, head uint64, stale ...time.Duration) string {
	lag := int64(0)
	for _, s := range stale {
		lag = s.Milliseconds()
	}
	return frame(wire.Frame{Frame: wire.FrameResumed, After: place(after), Head: place(head), StaleMs: &lag, LeaderKnown: new(true)})
}

func progress(at uint64) string {
	return frame(wire.Frame{Frame: wire.FrameProgress, Position: place(at), StaleMs: new(int64(0)), LeaderKnown: new(true)})
}

func event(prev, index uint64) string {
	return frame(wire.Frame{Frame: wire.FrameEvent, Prev: prev, Event: &wire.Event{Index: index, Position: place(index), Type: "config.updated", Namespace: "pay", Key: "k"}})
}

func snapshot(at uint64) string {
	return frame(wire.Frame{Frame: wire.FrameSnapshot, Position: place(at), StaleMs: new(int64(0)), LeaderKnown: new(true)})
}

func entry(key string, version, index uint64) string {
	e := wire.ConfigEntry{Namespace: "pay", Key: key, Value: fmt.Append(nil, version), Type: wire.TypeNumber, Version: version, Index: index}
	return frame(wire.Frame{Frame: wire.FrameEntry, Entry: &e})
}

func snapshotEnd(at uint64, entries int) string {
	return frame(wire.Frame{Frame: wire.FrameSnapshotEnd, Position: place(at), Entries: entries})
}

func reset(reason string) string {
	return frame(wire.Frame{Frame: wire.FrameReset, Reason: reason, Detail: "because", Oldest: place(7), Newest: place(9)})
}

func goaway() string { return frame(wire.Frame{Frame: wire.FrameGoaway, Reason: wire.ReasonShutdown}) }

// change is the frame of an event that sets a key of pay to a number, the same
// as its version.
func change(prev, index uint64, key string, version uint64) string {
	return changed(prev, index, "config.updated", "pay", key, fmt.Sprintf(`{"value":%d,"type":"number","version":%d}`, version, version), false)
}

func deletion(prev, index uint64, key string, version uint64) string {
	return changed(prev, index, "config.deleted", "pay", key, fmt.Sprintf(`{"version":%d,"previous":{"version":%d}}`, version, version-1), false)
}

func changed(prev, index uint64, kind, namespace, key, data string, more bool) string {
	return frame(wire.Frame{Frame: wire.FrameEvent, Prev: prev, More: more, Event: &wire.Event{
		Index: index, Position: place(index), Type: kind, Namespace: namespace, Key: key, Data: json.RawMessage(data),
	}})
}

// contact is a progress frame of a node that heard from a leader so long ago.
func contact(at uint64, stale time.Duration) string {
	return frame(wire.Frame{Frame: wire.FrameProgress, Position: place(at), StaleMs: new(stale.Milliseconds()), LeaderKnown: new(true)})
}

// visit is how a node treats one connection: it says this, and then hangs up,
// or falls silent.
type visit struct {
	says   string
	silent bool
	status int    // 0: 200
	typ    string // problem type
	media  string // empty: NDJSON
	dial   bool   // the connection cannot be made
}

// quiet is a visit that stays, and says no more.
func quiet(says string) visit { return visit{says: says, silent: true} }

// visits is a network without sockets: each connection takes the next visit,
// and the last one for ever.
type visits struct {
	steps []visit
	asked []string      // after what each connection was to begin
	sent  []http.Header // with each
	at    uint64        // what event index a linearizable read shows
}

// streaming is the answer that a stream begins with.
func streaming(body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {wire.MediaNDJSON}}, Body: body}
}

func (v *visits) RoundTrip(r *http.Request) (*http.Response, error) {
	response := streaming(nil)
	if r.URL.Path != "/api/v1/watch" {
		response.Header.Set(wire.HeaderIndex, "100") // what a node knows by itself
		response.Body = io.NopCloser(strings.NewReader("null"))
		switch {
		case r.URL.Query().Get("consistency") != wire.ConsistencyLinearizable:
		case r.Header.Get(wire.HeaderMinIndex) != "":
			return nil, errors.New("waits for ever")
		default:
			response.Header.Set(wire.HeaderIndex, fmt.Sprint(v.at))
		}
		return response, nil
	}
	now := v.steps[min(len(v.asked), len(v.steps)-1)]
	v.asked = append(v.asked, r.URL.Query().Get("after"))
	v.sent = append(v.sent, r.Header)
	body := now.says
	switch {
	case now.dial:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case now.status >= 400:
		response.StatusCode = now.status
		response.Header.Set("Content-Type", wire.MediaProblem)
		body = `{"type":"` + now.typ + `","title":"T","detail":"because","oldest":"` + place(7) + `","newest":"` + place(9) + `"}`
	case now.media != "":
		response.Header.Set("Content-Type", now.media)
	}
	response.Body = io.NopCloser(io.MultiReader(strings.NewReader(body), ending{r.Context(), now.silent}))
	return response, nil
}

// ending is how a connection ends: at once, or when whoever asked has enough of
// the silence.
type ending struct {
	ctx    context.Context
	silent bool
}

func (e ending) Read([]byte) (int, error) {
	if !e.silent {
		return 0, io.EOF
	}
	<-e.ctx.Done()
	return 0, e.ctx.Err()
}

// told is a frame as the tests compare it.
func told(f wire.Frame) string {
	switch f.Frame {
	case wire.FrameEvent:
		return fmt.Sprint(f.Event.Index)
	case wire.FrameProgress:
		return "p" + f.Position[:strings.Index(f.Position, "-")]
	case wire.FrameResumed:
		return "r" + f.After[:strings.Index(f.After, "-")]
	case wire.FrameEntry:
		return f.Entry.Key
	case wire.FrameSnapshot:
		return "{"
	case wire.FrameSnapshotEnd:
		return "}"
	}
	return f.Frame
}

// feed is a body whose lines come from a channel.
type feed struct {
	ctx   context.Context
	lines <-chan string
}

func (f feed) Read(p []byte) (int, error) {
	select {
	case line := <-f.lines:
		return copy(p, line), nil
	case <-f.ctx.Done():
		return 0, f.ctx.Err()
	}
}

func (feed) Close() error { return nil }
