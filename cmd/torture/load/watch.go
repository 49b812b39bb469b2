package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/gallery"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/streams"
)

// seats are those who watch.
type seats struct {
	gallery *gallery.Gallery
	all     []*gallery.Subscriber
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

func (s *seats) end() {
	s.cancel()
	s.done.Wait()
}

// spot is where a watcher is: at a node, in one of its lives.
type spot struct {
	node *lab.Node
	life int
}

// watch seats watchers: of everything by SSE, of parts by NDJSON, some that share
// WebSockets, a slow one.
func (l *Load) watch(ctx context.Context) {
	s := &seats{gallery: gallery.New(gallery.Config{Spot: l.spot, Dial: l.lab.Dial, Heard: func(at gallery.Spot, e *wire.Event) { l.heard(at, e) }})}
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.seats = s
	parts := []streams.Filter{
		{Events: wire.EventsAll},
		{Namespaces: []string{Registers}},
		{Namespaces: []string{Together, Governed}, Events: wire.EventsAll},
		{Prefix: "beat-1"},
		{Namespaces: []string{Together}, Bare: true},
		{Key: "beat-7"},
		{Events: "config.deleted,draft,publish-request"},
		{Namespaces: []string{Pulses}, Bare: true}, // read slowly
	}
	encodings := []string{wire.EncodingSSE, wire.EncodingNDJSON, wire.EncodingNDJSON, wire.EncodingSSE, wire.EncodingWebSocket, wire.EncodingWebSocket, wire.EncodingWebSocket, wire.EncodingSSE}
	starts := []string{wire.AfterStart, wire.AfterNow, wire.AfterSnapshot}
	rng := l.rng(60)
	var together []*gallery.Subscriber
	for i := range l.config.Watchers {
		seat := gallery.Seat{
			Name: fmt.Sprint("watcher-", i), Key: l.lab.Key(), Encoding: encodings[i%len(parts)], After: starts[i%len(starts)], Filter: parts[i%len(parts)],
			RNG: rand.New(rand.NewPCG(rng.Uint64(), 0)),
		}
		if i%len(parts) == len(parts)-1 {
			seat.Pace = time.Second
		}
		w := s.gallery.Subscriber(seat)
		if s.all = append(s.all, w); seat.Encoding == wire.EncodingWebSocket {
			together = append(together, w)
			continue
		}
		s.done.Go(func() { w.Run(ctx) })
	}
	if len(together) > 0 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 0))
		s.done.Go(func() { s.gallery.RunTogether(ctx, own, together...) })
	}
}

func (l *Load) spot(rng *rand.Rand) gallery.Spot {
	nodes := l.lab.Nodes()
	n := nodes[rng.IntN(len(nodes))]
	return gallery.Spot{Node: n.ID, Address: n.Address, Place: spot{n, n.Lives()}}
}

// heard reads, right after a node told of an event, what the event changed: what
// is announced is visible.
func (l *Load) heard(from gallery.Spot, e *wire.Event) {
	at, _ := from.Place.(spot)
	r, ok := l.readAt(context.Background(), at.node, e.Namespace, e.Key, "")
	if !ok || at.node.Lives() != at.life { // another life may know less
		return
	}
	r.Told = e.Index
	l.Record.read("get after an event", r)
}

// arrival is how long an event may be on its way to a watcher who reads: less than
// a connection is quiet before its watcher is told of progress, which hides a
// wake-up that was lost.
const arrival = 8 * time.Second

// Watched waits until every watcher has the last event that is for it, ends them
// all, and returns what they were told, and who was told too late, or never. Stop
// the load before.
func (l *Load) Watched(ctx context.Context, log *streams.Log) (all []streams.Stream, late []string) {
	ctx, cancel := context.WithTimeout(ctx, 2*lab.Patience) // with all of them together
	defer cancel()
	for _, w := range l.seats.all {
		matches := log.Matches(w.Filter)
		if len(matches) == 0 {
			continue
		}
		if err := awaitEvent(ctx, w, matches[len(matches)-1]); err != nil {
			late = append(late, err.Error())
		}
	}
	l.seats.end()
	for _, w := range l.seats.all {
		all = append(all, w.Stream())
	}
	return all, late
}

// awaitEvent waits until a watcher has an event, which must not have been long on
// its way on a connection that was open before.
func awaitEvent(ctx context.Context, w *gallery.Subscriber, index uint64) error {
	var leg streams.Leg
	err := lab.Await(ctx, w.String()+" comes to the end", func() (err error) {
		at, legs, last := w.Stands()
		if leg = last; at < index {
			err = fmt.Errorf("at %d of %d; %d connections, the last: %v", at, index, legs, last)
		}
		return err
	})
	if err != nil || w.Pace > 0 {
		return err
	}
	for _, f := range leg.Frames {
		if f.Event == nil || f.Event.Index != index || leg.Began.After(f.Event.Time) {
			continue
		}
		if took := f.At.Sub(f.Event.Time); took > arrival {
			return fmt.Errorf("%s was told of event %d after %v, on a connection that it had", w, index, took)
		}
	}
	return nil
}
