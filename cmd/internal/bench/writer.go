package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"confman/api/wire"
	"confman/cmd/internal/bench/crowd"
)

// writer writes the same keys of its own again and again, all in one request.
// It is for one goroutine.
type writer struct {
	conn    *conn
	request []byte
	stamps  []int // where in the request the values begin
}

// newWriter makes writer number of those that write batch keys at a time: with
// PUT when it is one, else with a transaction.
func newWriter(c *cluster, number, batch, valueBytes int) (*writer, error) {
	to, err := newConn(c.leader, patience)
	if err != nil {
		return nil, err
	}
	value := strconv.AppendQuote(nil, strings.Repeat("0", crowd.StampBytes)+strings.Repeat("x", valueBytes-crowd.StampBytes))
	method, path := "PUT", fmt.Sprintf("/api/v1/namespaces/%s/config/key-%d", namespace, number)
	var content any = wire.PutConfig{Value: value}
	if batch > 1 {
		method, path = "POST", "/api/v1/transactions"
		var t wire.Transaction
		for i := range batch {
			t.Set = append(t.Set, wire.SetOperation{Namespace: namespace, Key: fmt.Sprintf("key-%d-%d", number, i), Value: value})
		}
		content = t
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: to, request: fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, to.url.Host, wire.HeaderAPIKey, c.key, wire.MediaJSON, len(body), body)}
	mark := []byte(`"value":"`)
	for at := 0; ; {
		i := bytes.Index(w.request[at:], mark)
		if i < 0 {
			return w, nil
		}
		at += i + len(mark)
		w.stamps = append(w.stamps, at)
	}
}

// write writes values that begin with the time at which this was due.
func (w *writer) write(ctx context.Context, due time.Time) error {
	for _, at := range w.stamps {
		crowd.Stamp(w.request[at:], due)
	}
	return expect(ctx, w.conn, w.request)
}

// publishing is how events come about.
type publishing struct {
	writers int
	batch   int       // events of one write
	rate    float64   // events a second of all writers; 0: as they can
	until   time.Time // the end
	gate    *gate     // nil: the writers do not wait for readers
	found   *recorder
}

// publish writes until the end. Writes that fail are the recorder's.
func (c *cluster) publish(ctx context.Context, p publishing, valueBytes int) error {
	working, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	var turn atomic.Int64
	for i := range p.writers {
		working.Go(func() error {
			w, err := newWriter(c, i, p.batch, valueBytes)
			if err != nil {
				return err
			}
			defer func() { _ = w.conn.close() }() // all is answered
			for {
				due := time.Now()
				if p.rate > 0 {
					due = start.Add(time.Duration(float64(turn.Add(1)-1) * float64(p.batch) / p.rate * float64(time.Second)))
				}
				if due.After(p.until) {
					return nil
				}
				if err := p.one(ctx, w, due); err != nil {
					return err
				}
			}
		})
	}
	return working.Wait()
}

// one is one write, as soon as it is due and the gate lets it through.
func (p *publishing) one(ctx context.Context, w *writer, due time.Time) error {
	if p.rate > 0 {
		if err := wait(ctx, due); err != nil {
			return err
		}
	} else if p.gate != nil {
		if err := p.gate.pass(ctx, p.until); err != nil {
			return err
		}
		if due = time.Now(); due.After(p.until) {
			return nil
		}
	}
	began := time.Now()
	err := w.write(ctx, due)
	p.found.put(time.Since(began), err)
	if err == nil {
		return nil
	}
	if p.gate != nil {
		p.gate.open()
	}
	return wait(ctx, time.Now().Add(errorPause))
}

// writeLog writes so many events, or some more, as fast as it can.
func (c *cluster) writeLog(ctx context.Context, events, valueBytes int) error {
	const writers, batch = 4, 128
	working, ctx := errgroup.WithContext(ctx)
	var written atomic.Int64
	for i := range writers {
		working.Go(func() error {
			w, err := newWriter(c, i, batch, valueBytes)
			if err != nil {
				return err
			}
			defer func() { _ = w.conn.close() }() // all is answered
			for written.Add(batch)-batch < int64(events) && err == nil {
				err = w.write(ctx, time.Now())
			}
			return err
		})
	}
	return working.Wait()
}

// gate keeps writers from running ahead of the readers.
type gate struct {
	free     chan struct{}
	each     uint64 // deliveries that a write leads to
	released uint64 // writes that have been read by all, on average
}

// newGate lets so many writes go ahead of what is read.
func newGate(ahead int, each uint64) *gate {
	g := &gate{free: make(chan struct{}, ahead), each: each}
	for range ahead {
		g.free <- struct{}{}
	}
	return g
}

// read notes how many deliveries there have been. It is for one goroutine.
func (g *gate) read(deliveries uint64) {
	for ; g.released < deliveries/g.each; g.released++ {
		g.open()
	}
}

// open lets one more write through: one was read by all, or came to nothing.
func (g *gate) open() {
	select {
	case g.free <- struct{}{}:
	default: // one that seemed to have come to nothing was read by all
	}
}

// pass returns when the next write may go, or at a time.
func (g *gate) pass(ctx context.Context, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-g.free:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// recorder holds what is found until somebody takes it.
type recorder struct {
	mu      sync.Mutex // guards all below
	lags    latencies
	puts    latencies
	errors  uint64
	example error
}

// recorded is what a recorder held.
type recorded struct {
	lags, puts *latencies
	errors     uint64
	example    error
}

func (r *recorder) lag(all []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range all {
		r.lags.add(d)
	}
}

func (r *recorder) put(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errors++
		r.example = err
		return
	}
	r.puts.add(took)
}

// take empties the recorder.
func (r *recorder) take() recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	lags, puts := r.lags, r.puts
	found := recorded{lags: &lags, puts: &puts, errors: r.errors, example: r.example}
	r.lags, r.puts, r.errors, r.example = latencies{}, latencies{}, 0, nil
	return found
}
