package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// poller follows one key by long polls, each at any node.
type poller struct {
	a              *audience
	rng            *rand.Rand
	namespace, key string

	mu    sync.Mutex // guards the fields below
	known uint64     // every change up to here was seen, or a later one
	polls []streams.Poll
}

func (p *poller) run(ctx context.Context) {
	const wait = time.Second
	for ctx.Err() == nil {
		known := p.knows()
		began := time.Now()
		r, err := p.a.c.readEntry(p.a.nodes[p.rng.IntN(len(p.a.nodes))], p.namespace, p.key, fmt.Sprintf("?wait=%v&index=%d", wait, known))
		if err != nil {
			p.a.rest(ctx, p.rng)
			continue
		}
		p.mu.Lock()
		p.polls = append(p.polls, streams.Poll{Read: r, Known: known, Began: began, Wait: wait, Took: time.Since(began)})
		if r.Entry != nil {
			p.known = max(p.known, r.Entry.Index)
		} else {
			p.known = max(p.known, r.Index)
		}
		p.mu.Unlock()
	}
}

func (p *poller) knows() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known
}

// readEntry asks one node for an entry.
func (c *cluster) readEntry(n *node, namespace, key, query string) (r streams.Read, err error) {
	got, err := c.get(n, entryPath(namespace, key)+query)
	if err != nil {
		return r, err
	}
	r = streams.Read{Node: n.id, Namespace: namespace, Key: key}
	r.Index, _ = strconv.ParseUint(got.header.Get(wire.HeaderIndex), 10, 64)
	switch {
	case got.status == http.StatusOK:
		return r, got.decode(&r.Entry)
	case got.status == http.StatusNotFound && got.problem() == wire.ProblemNotFound:
		return r, nil
	}
	return r, fmt.Errorf("%s/%s at %s: %v", namespace, key, n.id, got)
}
