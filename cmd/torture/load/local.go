package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/streams"
)

// local reads at whichever node, each time no older than the last answer was.
func (l *Load) local(int) turn {
	last := uint64(0)
	return func(ctx context.Context, _ int, rng *rand.Rand) {
		nodes := l.lab.Nodes()
		n, least := nodes[rng.IntN(len(nodes))], max(last, 1)
		key := fmt.Sprintf("beat-%d", rng.IntN(beats))
		r, ok := l.readAt(ctx, n, Pulses, key, fmt.Sprintf("?min_index=%d&wait=1s", least))
		if !ok {
			return
		}
		r.Told, last = last, r.Index
		l.Record.read("local get", r)
	}
}

// readAt asks one node for an entry. What is no answer to it says nothing.
func (l *Load) readAt(ctx context.Context, n *lab.Node, namespace, key, query string) (r streams.Read, ok bool) {
	a, err := l.lab.Get(ctx, n, entryPath(namespace, key)+query)
	if err != nil {
		return r, false
	}
	r = streams.Read{Node: n.ID, Namespace: namespace, Key: key}
	r.Index, _ = strconv.ParseUint(a.Header.Get(wire.HeaderIndex), 10, 64)
	switch {
	case a.Status == http.StatusOK:
		return r, json.Unmarshal(a.Body, &r.Entry) == nil
	case a.Status == http.StatusNotFound && a.Problem() == wire.ProblemNotFound:
		return r, true
	}
	return r, false
}

// past reads an entry as it was.
func (l *Load) past(ctx context.Context, _ int, rng *rand.Rand) {
	head := l.index.Load()
	if head == 0 {
		return
	}
	nodes, at := l.lab.Nodes(), 1+rng.Uint64N(head)
	n, key := nodes[rng.IntN(len(nodes))], fmt.Sprintf("beat-%d", rng.IntN(beats))
	r, ok := l.readAt(ctx, n, Pulses, key, fmt.Sprintf("?at=%d", at))
	if ok {
		r.Index = at
		l.Record.read("get as of an index", r)
	}
}

// transaction changes some keys together.
func (l *Load) transaction(ctx context.Context, number int, rng *rand.Rand) {
	sdk, err := l.lab.SDK(l.lab.Key())
	if err != nil {
		panic(err) // the lab's own addresses are well-formed
	}
	name, sets := fmt.Sprintf("transaction-%x-%d", l.config.Seed, number), []wire.SetOperation(nil)
	for i, key := range rng.Perm(10)[:2+rng.IntN(3)] {
		put := value(fmt.Sprint(name, "-", i))
		sets = append(sets, wire.SetOperation{Namespace: Together, Key: fmt.Sprint("key-", key), Value: put.Value, Type: put.Type})
	}
	var result wire.TransactionResult
	err = settle(ctx, name, func(ctx context.Context, w client.Write) (err error) {
		result, err = sdk.Transact(ctx, wire.Transaction{Set: sets}, w)
		return err
	})
	if err != nil {
		l.refused("a transaction", err)
		return
	}
	var acked []check.Acked
	for i, r := range result.Results {
		acked = append(acked, check.Acked{Namespace: Together, Key: r.Key, Value: text(sets[i].Value), Index: r.Index})
	}
	l.index.saw(result.Index)
	l.Record.ack("transaction", acked...)
}
