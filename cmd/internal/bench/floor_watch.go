package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"confman/api/wire"
	"confman/cmd/internal/bench/crowd"
	"confman/cmd/internal/cli"
)

// The floors of watches: one event goes to all connections, each of which has a
// goroutine that waits for the next block of events and writes it. Blocks are
// encoded once for all.
//
//   - ndjson: the bare socket, taken over from net/http; a block is one write.
//   - sse: net/http, Write and Flush of a block.
//   - websocket: coder/websocket, Write of one event after another.

// floorFirst is the index before the first event of a floor; all have as many digits.
const floorFirst = 1_000_000_000

// fanoutCommand is the hidden command that serves a floor of watches.
func fanoutCommand(env cli.Env) *cobra.Command {
	f := &fanout{subscribers: map[*subscriber]struct{}{}, index: floorFirst}
	var valueBytes int
	cmd := &cobra.Command{Use: "watch-floor", Hidden: true, Args: cobra.NoArgs}
	cmd.Flags().StringVar(&f.encoding, "encoding", wire.EncodingNDJSON, "ndjson, sse or websocket")
	cmd.Flags().IntVar(&f.ahead, "ahead", 1, "blocks that may wait for a connection")
	cmd.Flags().IntVar(&valueBytes, "value-bytes", minValueBytes, "size of a value")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f.shape(valueBytes)
		return f.serve(cmd.Context(), env.Stdout)
	}
	return cmd
}

// fanout is the server of a floor.
type fanout struct {
	encoding string
	ahead    int
	frame    []byte // of an event, to be filled in
	prev     int    // where in it the numbers and the time go
	at       int
	stamp    int

	publishing sync.Mutex // held by the one who publishes; guards index
	index      uint64     // of the newest event

	mu          sync.Mutex // guards subscribers
	subscribers map[*subscriber]struct{}
}

// subscriber is one connection.
type subscriber struct {
	blocks chan block
	gone   chan struct{}
}

// block is what is written at once: events, or their bytes on the wire.
type block struct {
	frames [][]byte
	bytes  []byte
}

// shape makes the frame of an update of an entry, as long as Confman's are.
func (f *fanout) shape(valueBytes int) {
	value := func(first string) json.RawMessage {
		return strconv.AppendQuote(nil, first+strings.Repeat("x", valueBytes-len(first)))
	}
	zeros := strings.Repeat("0", crowd.StampBytes)
	change, err := json.Marshal(wire.ConfigChange{Value: value(zeros), Type: wire.TypeString, Version: 1000, Previous: &wire.PreviousVersion{Value: value(zeros), Version: 999}})
	if err == nil {
		f.frame, err = json.Marshal(wire.Frame{Frame: wire.FrameEvent, Prev: floorFirst, Event: &wire.Event{
			Index: floorFirst, Position: fmt.Sprintf("%d-9f3c2a1b", floorFirst), ID: strings.Repeat("0", 26), Type: "config.updated",
			Time: time.Now().UTC(), Actor: "root", Namespace: namespace, Key: "key-0", CorrelationID: strings.Repeat("0", 26), Data: change,
		}})
	}
	if err != nil {
		panic(err) // all of it is plain text
	}
	after := func(mark string) int { return bytes.Index(f.frame, []byte(mark)) + len(mark) }
	f.prev, f.at, f.stamp = after(`"prev":`), after(`"event":{"index":`), after(`"value":"`)
}

// serve serves until the context ends. It prints its URL first.
func (f *fanout) serve(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("floor of watches: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /api/v1/watch", f.watch)
	mux.HandleFunc("POST /publish", f.publish)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: mux}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("floor of watches: %w", err)
	}
	return nil
}

// watch serves one connection. What fails is a client that has gone.
func (f *fanout) watch(w http.ResponseWriter, r *http.Request) {
	s := &subscriber{blocks: make(chan block, f.ahead), gone: make(chan struct{})}
	defer close(s.gone)
	switch f.encoding {
	case wire.EncodingSSE:
		w.Header().Set("Content-Type", wire.MediaSSE)
		_ = f.send(r.Context(), s, func(b block) error {
			if _, err := w.Write(b.bytes); err != nil {
				return err
			}
			return http.NewResponseController(w).Flush()
		})
	case wire.EncodingWebSocket:
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.WatchSubprotocol}})
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		_ = f.send(c.CloseRead(context.Background()), s, func(b block) error {
			for _, frame := range b.frames {
				if err := c.Write(context.Background(), websocket.MessageText, frame); err != nil {
					return err
				}
			}
			return nil
		})
	default:
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		if _, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: "+wire.MediaNDJSON+"\r\n\r\n"); err != nil {
			return
		}
		_ = f.send(context.Background(), s, func(b block) error {
			_, err := c.Write(b.bytes)
			return err
		})
	}
}

// send writes blocks until the context ends or one cannot be written.
func (f *fanout) send(ctx context.Context, s *subscriber, write func(block) error) error {
	f.publishing.Lock()
	at := f.index
	f.mu.Lock()
	f.subscribers[s] = struct{}{}
	f.mu.Unlock()
	f.publishing.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subscribers, s)
	}()
	first := fmt.Appendf(nil, `{"frame":"resumed","after":"%d-9f3c2a1b","head":"%[1]d-9f3c2a1b"}`, at)
	for b := f.block(at, [][]byte{first}); ; {
		if err := write(b); err != nil {
			return err
		}
		select {
		case b = <-s.blocks:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// block encodes frames, the first of which is at an index.
func (f *fanout) block(index uint64, frames [][]byte) block {
	b := block{frames: frames}
	for i, frame := range frames {
		switch f.encoding {
		case wire.EncodingSSE:
			b.bytes = fmt.Appendf(b.bytes, "event: event\nid: %d-9f3c2a1b\ndata: %s\n\n", index+uint64(i), frame)
		case wire.EncodingNDJSON:
			b.bytes = append(append(b.bytes, frame...), '\n')
		}
	}
	return b
}

// publish makes blocks of ?batch= events until the time ?until=, in Unix
// nanoseconds: ?rate= events a second, or with 0 as fast as the slowest
// connection takes them. It answers with how many events there were.
func (f *fanout) publish(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	until, err1 := strconv.ParseInt(q.Get("until"), 10, 64)
	batch, err2 := strconv.Atoi(q.Get("batch"))
	rate, err3 := strconv.ParseFloat(q.Get("rate"), 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.publishing.Lock()
	defer f.publishing.Unlock()
	var events uint64
	for start, due := time.Now(), time.Now(); due.UnixNano() < until; {
		if rate > 0 && wait(r.Context(), due) != nil {
			return
		}
		f.announce(f.next(batch, due))
		events += uint64(batch)
		if due = time.Now(); rate > 0 {
			due = start.Add(time.Duration(float64(events) / rate * float64(time.Second)))
		}
	}
	fmt.Fprintln(w, events)
}

// next makes a block of events that were due at a time.
func (f *fanout) next(batch int, due time.Time) block {
	frames := make([][]byte, batch)
	for i := range frames {
		frame := bytes.Clone(f.frame)
		strconv.AppendUint(frame[:f.prev], f.index, 10)
		f.index++
		strconv.AppendUint(frame[:f.at], f.index, 10)
		crowd.Stamp(frame[f.stamp:], due)
		frames[i] = frame
	}
	return f.block(f.index-uint64(batch)+1, frames)
}

// announce hands a block to every connection, and waits for those that have
// enough to do.
func (f *fanout) announce(b block) {
	f.mu.Lock()
	all := make([]*subscriber, 0, len(f.subscribers))
	for s := range f.subscribers {
		all = append(all, s)
	}
	f.mu.Unlock()
	for _, s := range all {
		select {
		case s.blocks <- b:
		case <-s.gone:
		}
	}
}

// watchFloor is a floor in a process of its own.
type watchFloor struct {
	*process
	url   string
	index uint64
}

func openWatchFloor(ctx context.Context, stderr io.Writer, encoding string, ahead, valueBytes int) (*watchFloor, error) {
	p, err := start(ctx, stderr, "bench", "watch-floor", "--encoding", encoding,
		"--ahead", strconv.Itoa(ahead), "--value-bytes", strconv.Itoa(valueBytes))
	if err != nil {
		return nil, err
	}
	return &watchFloor{process: p, url: strings.TrimSpace(p.ready), index: floorFirst}, nil
}

// publish makes events until the end.
func (f *watchFloor) publish(ctx context.Context, p publishing, _ int) error {
	query := url.Values{
		"until": {strconv.FormatInt(p.until.UnixNano(), 10)}, "batch": {strconv.Itoa(p.batch)}, "rate": {strconv.FormatFloat(p.rate, 'g', -1, 64)},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/publish?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("floor of watches: %w", err)
	}
	defer response.Body.Close()
	var events uint64
	if _, err := fmt.Fscan(response.Body, &events); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("floor of watches: %s %w", response.Status, err)
	}
	f.index += events
	return nil
}
