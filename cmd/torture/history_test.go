package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
)

// history is the audit from event 1 on.
type history []wire.AuditEvent

// awaitAgreement waits until all nodes that run stand at the same position, and
// returns it.
func (c *cluster) awaitAgreement() (position string) {
	c.t.Helper()
	await(c.t, "all nodes at one position", func() error {
		position = ""
		for _, n := range c.nodes {
			if !n.runs() {
				continue
			}
			a, err := c.get(n, "/api/v1/cluster")
			if err != nil {
				return err
			}
			now := a.header.Get(wire.HeaderPosition)
			if a.status != http.StatusOK || now == "" || position != "" && now != position {
				return fmt.Errorf("%s is at %q, another at %q: %v", n.id, now, position, a)
			}
			position = now
		}
		return nil
	})
	return position
}

// oneHistory checks that every node has the same history, event by event and
// dense from 1 on, with the same chain at each, and returns it.
func (c *cluster) oneHistory() history {
	c.t.Helper()
	position := c.awaitAgreement()
	var first history
	for _, n := range c.nodes {
		if !n.runs() {
			continue
		}
		h := c.historyOf(n)
		if len(h) == 0 || h[len(h)-1].Position != position {
			c.t.Fatalf("the history of %s has %d events, the node stands at %s", n.id, len(h), position)
		}
		for i, e := range h {
			if e.Index != uint64(i)+1 {
				c.t.Fatalf("%s: event %d stands where %d should: a hole", n.id, e.Index, i+1)
			}
			if first != nil && e.Position != first[i].Position {
				c.t.Fatalf("event %d is %s on %s and %s on %s", e.Index, e.Position, n.id, first[i].Position, c.nodes[0].id)
			}
		}
		if first == nil {
			first = h
		}
	}
	return first
}

func (c *cluster) historyOf(n *node) (h history) {
	c.t.Helper()
	for e, err := range c.client(c.key, n).Audit(c.t.Context(), client.AuditQuery{Ascending: true}, client.Read{}) {
		if err != nil {
			c.t.Fatalf("audit of %s: %v", n.id, err)
		}
		h = append(h, e)
	}
	return h
}

// checkPast compares reads as of random indexes on every node with the folded
// history.
func (c *cluster) checkPast(h history, namespace string, keys []string, rng *rand.Rand, reads int) {
	c.t.Helper()
	since := slices.IndexFunc(h, func(e wire.AuditEvent) bool { return e.Namespace == namespace })
	for _, n := range c.nodes {
		if !n.runs() {
			continue
		}
		sdk := c.client(c.key, n)
		for range reads {
			index := uint64(since+1) + rng.Uint64N(uint64(len(h)-since))
			key := keys[rng.IntN(len(keys))]
			want, live := check.History(h).At(index, namespace)[key]
			got, err := sdk.Get(c.t.Context(), namespace, key, client.Read{At: strconv.FormatUint(index, 10)})
			if live != (err == nil) || err != nil && !errors.Is(err, client.ErrNotFound) || live && text(got.Value) != want {
				c.t.Fatalf("%s as of %d on %s: %q, %v; the history has %q, %v", key, index, n.id, text(got.Value), err, want, live)
			}
		}
	}
}
