package client

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"confman/api/wire"
)

// DeniedQuery selects rows of a node's record of denials; an empty member selects
// all.
type DeniedQuery struct {
	Since, Until time.Time // both inclusive
	Principal    string
	Reason       string // one of wire.DeniedReasons
	// Page is how many rows one request brings. 0: the server's own size.
	Page int
	// Endpoint is the member whose rows these are, given as in Config.Endpoints or
	// one that Cluster named. Empty: whichever answers first.
	Endpoint string
}

// Denied yields what one node refused for lack of identity or right, newest first;
// Denied.Node says which. Every node has rows of its own.
func (c *Client) Denied(ctx context.Context, q DeniedQuery) iter.Seq2[wire.Denied, error] {
	call := c.reading("list denials", Read{}, "audit", "denied")
	for name, value := range map[string]string{"principal": q.Principal, "reason": q.Reason} {
		if value != "" {
			call.query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			call.query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Page > 0 {
		call.query.Set(wire.ParamLimit, strconv.Itoa(q.Page))
	}
	node := &pinned{client: c}
	if q.Endpoint != "" {
		call.what += " of " + q.Endpoint
		node.origin, call.err = originOf(q.Endpoint)
		if call.err == nil && !c.nodes.known(node.origin) {
			call.err = fmt.Errorf("%w: not a known member", ErrInvalid)
		}
	}
	return pagesBy[wire.Denied](ctx, call, node.do)
}

// pinned asks one node only: the one it was given, or that which answers first.
// What is asked of it means nothing to another.
type pinned struct {
	client *Client
	origin string
}

// do is Client.do with one node to ask, once.
func (p *pinned) do(ctx context.Context, call call) (answer, error) {
	if p.origin == "" {
		a, err := p.client.do(ctx, call)
		p.origin = a.origin
		return a, err
	}
	if call.err != nil {
		return answer{}, fmt.Errorf("%s: %w", call.what, call.err)
	}
	a, failed := p.client.attempt(ctx, call, p.origin)
	if failed != nil {
		return a, ended(call, failed.maybe, failed.err)
	}
	return a, nil
}
