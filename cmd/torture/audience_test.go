package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/gallery"
	"confman/cmd/torture/proxy"
	"confman/cmd/torture/streams"
)

// audience is the subscribers of a cluster: who watches, through what, which
// faults they were exposed to, and the audit that decides who is right.
type audience struct {
	*gallery.Gallery
	c           *cluster
	rng         *rand.Rand // of the test's goroutine
	nodes       []*node    // that subscribers go to
	proxies     map[*node]*proxy.Proxy
	subscribers []*gallery.Subscriber
	pollers     []*poller
	done        sync.WaitGroup
	cancel      context.CancelFunc
	narrow      string // an API key with the grants of those filters that have any

	archiving sync.Mutex // held from asking for a page to having added it

	mu     sync.Mutex // guards the fields below
	reads  []streams.Read
	breaks []streams.Break
	audit  []wire.AuditEvent
}

// spot is where a connection goes.
type spot struct {
	node *node
	life *run // of the node, or one before it
}

// audience makes one without subscribers, which go to these nodes and live as
// long as the context.
func (c *cluster) audience(rng *rand.Rand, nodes ...*node) (*audience, context.Context) {
	c.t.Helper()
	a := &audience{c: c, rng: rng, nodes: nodes, proxies: map[*node]*proxy.Proxy{}}
	a.Gallery = gallery.New(gallery.Config{Spot: a.spot, Heard: a.probe})
	for _, n := range nodes {
		p, err := proxy.New(n.address)
		if err != nil {
			c.t.Fatal(err)
		}
		a.proxies[n] = p
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	c.t.Cleanup(a.end)
	everywhere := slices.Clone(c.nodes)
	a.done.Go(func() { a.archive(ctx, everywhere) })
	return a, ctx
}

// end ends all subscribers.
func (a *audience) end() {
	a.cancel()
	for _, p := range a.proxies {
		_ = p.Close() // cutting what waits for an answer
	}
	a.done.Wait()
}

// join adds a subscriber by SSE or NDJSON.
func (a *audience) join(ctx context.Context, encoding, after string, f streams.Filter) *gallery.Subscriber {
	s := a.subscriber(encoding, after, f)
	a.done.Go(func() { s.Run(ctx) })
	return s
}

// joinTogether adds subscribers that share WebSockets.
func (a *audience) joinTogether(ctx context.Context, after string, filters ...streams.Filter) {
	var members []*gallery.Subscriber
	for _, f := range filters { // all with the same grants: a connection has one API key
		members = append(members, a.subscriber(wire.EncodingWebSocket, after, f))
	}
	rng := a.source()
	a.done.Go(func() { a.RunTogether(ctx, rng, members...) })
}

func (a *audience) subscriber(encoding, after string, f streams.Filter) *gallery.Subscriber {
	seat := gallery.Seat{Name: fmt.Sprint(len(a.subscribers)), RNG: a.source(), Key: a.c.key, Encoding: encoding, After: after, Filter: f}
	if f.Grants != nil {
		seat.Key = a.narrow
	}
	s := a.Subscriber(seat)
	a.subscribers = append(a.subscribers, s)
	return s
}

// follow adds a long poll.
func (a *audience) follow(ctx context.Context, namespace, key string) {
	p := &poller{a: a, rng: a.source(), namespace: namespace, key: key}
	a.pollers = append(a.pollers, p)
	a.done.Go(func() { p.run(ctx) })
}

func (a *audience) source() *rand.Rand { return rand.New(rand.NewPCG(a.rng.Uint64(), 0)) }

// spot is any node, at its address or through its proxy.
func (a *audience) spot(rng *rand.Rand) gallery.Spot {
	n := a.nodes[rng.IntN(len(a.nodes))]
	at := gallery.Spot{Node: n.id, Address: n.address, Place: spot{n, n.life()}}
	if at.Proxied = rng.IntN(2) == 1; at.Proxied {
		at.Address = a.proxies[n].Address()
	}
	return at
}

// rest is the pause before somebody connects again.
func (a *audience) rest(ctx context.Context, rng *rand.Rand) {
	select {
	case <-time.After(time.Duration(5+rng.IntN(50)) * time.Millisecond):
	case <-ctx.Done():
	}
}

// probe reads, right after a node told of an event, what the event changed.
func (a *audience) probe(from gallery.Spot, e *wire.Event) {
	at, _ := from.Place.(spot)
	r, err := a.c.readEntry(at.node, e.Namespace, e.Key, "")
	if err != nil || at.node.life() != at.life { // another life may know less
		return
	}
	r.Told = e.Index
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads = append(a.reads, r)
}

// fault does something that ends connections without a word, or, told, after
// one.
func (a *audience) fault(b streams.Break, do func()) {
	b.From = time.Now()
	do()
	b.To = time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.breaks = append(a.breaks, b)
}

// archive reads the audit as it grows, since what is old may be forgotten.
func (a *audience) archive(ctx context.Context, nodes []*node) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for a.archiveFrom(nodes[i%len(nodes)]) {
			continue
		}
	}
}

// archiveFrom takes a page of the audit and reports whether there is more.
func (a *audience) archiveFrom(n *node) (more bool) {
	a.archiving.Lock()
	defer a.archiving.Unlock()
	have := len(a.archived())
	got, err := a.c.get(n, fmt.Sprintf("/api/v1/audit?order=asc&limit=1000&after=%d", have))
	if err != nil || got.status >= http.StatusInternalServerError {
		return false
	}
	var page []wire.AuditEvent
	if err := got.decode(&page); err != nil || got.status != http.StatusOK {
		a.c.t.Errorf("audit of %s after %d: %v", n.id, have, got)
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range page {
		if e.Index != uint64(len(a.audit))+1 {
			a.c.t.Errorf("audit of %s after %d has event %d next to %d", n.id, have, e.Index, len(a.audit))
			return false
		}
		a.audit = append(a.audit, e)
	}
	return len(page) == 1000
}

func (a *audience) archived() []wire.AuditEvent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.audit[:len(a.audit):len(a.audit)]
}

// log is the history as it is once all nodes agree on it.
func (a *audience) log() *streams.Log {
	a.c.t.Helper()
	position := a.c.awaitAgreement()
	await(a.c.t, "the audit is archived", func() error {
		a.archiveFrom(a.nodes[0])
		audit := a.archived()
		if len(audit) == 0 || audit[len(audit)-1].Position != position {
			return fmt.Errorf("%d events, the nodes are at %s", len(audit), position)
		}
		return nil
	})
	l, err := streams.NewLog(a.archived())
	if err != nil {
		a.c.t.Fatal(err)
	}
	return l
}

// verify ends the subscribers and holds all that they were told against the
// history. They must have come to its end before.
func (a *audience) verify() {
	a.c.t.Helper()
	reached := a.log()
	a.awaitAll(reached)
	a.end()
	l := a.log()
	frames, legs, found := 0, 0, []string{}
	for _, s := range a.subscribers {
		stream := s.Stream()
		legs += len(stream.Legs)
		for _, leg := range stream.Legs {
			frames += len(leg.Frames)
		}
		found = append(found, l.Check(stream, a.breaks, reached.Head())...)
	}
	for _, r := range a.reads {
		if err := l.CheckRead(r); err != nil {
			found = append(found, err.Error())
		}
	}
	polls := 0
	for _, p := range a.pollers {
		polls += len(p.polls)
		for _, poll := range p.polls {
			if err := l.CheckPoll(poll, a.breaks); err != nil {
				found = append(found, err.Error())
			}
		}
	}
	a.c.t.Logf("%d events to %d subscribers in %d frames on %d connections, %d long polls, %d reads of what was told, %d faults",
		l.Head(), len(a.subscribers), frames, legs, polls, len(a.reads), len(a.breaks))
	if len(found) > 0 {
		a.c.t.Errorf("%d deviations:\n%s", len(found), strings.Join(found[:min(len(found), 30)], "\n"))
	}
}

// awaitAll waits until every subscriber has the last event that is for it.
func (a *audience) awaitAll(l *streams.Log) {
	a.c.t.Helper()
	for _, s := range a.subscribers {
		matches := l.Matches(s.Filter)
		if len(matches) == 0 {
			a.c.t.Errorf("%s: nothing ever happened", s.String())
			continue
		}
		last := matches[len(matches)-1]
		await(a.c.t, s.String()+" comes to the end", func() error {
			if at, legs, leg := s.Stands(); at < last {
				return fmt.Errorf("at %d of %d; %d connections, the last: %v", at, last, legs, leg)
			}
			return nil
		})
	}
}
