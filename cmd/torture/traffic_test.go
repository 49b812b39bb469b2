package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// What traffic is about: names of which some begin like others.
func trafficNamespaces() []string {
	return []string{"teams", "teams/pay", "teams/pay/eu", "teams/payroll", "ops"}
}

func trafficKeys() []string { return []string{"db/url", "db/pool", "db", "flags/a", "flags/ab"} }

// traffic is writers that do all that makes events, each write settled before
// the next.
type traffic struct {
	c      *cluster
	cancel context.CancelFunc
	done   sync.WaitGroup
	writes atomic.Int64
}

// startTraffic begins to write. End it.
func (c *cluster) startTraffic(writers int, pace time.Duration, rng *rand.Rand) *traffic {
	ctx, cancel := context.WithCancel(c.t.Context())
	tr := &traffic{c: c, cancel: cancel}
	for i := range writers {
		seed := rng.Uint64()
		w := &writer{traffic: tr, sdk: c.client(c.key), name: fmt.Sprintf("%x-%d", seed, i), rng: rand.New(rand.NewPCG(seed, 0))}
		tr.done.Go(func() { w.run(ctx, pace) })
	}
	return tr
}

func (tr *traffic) end() {
	tr.cancel()
	tr.done.Wait()
}

// more waits for some more writes.
func (tr *traffic) more(writes int64) {
	tr.c.t.Helper()
	target := tr.writes.Load() + writes
	await(tr.c.t, "more writes", func() error {
		if have := tr.writes.Load(); have < target {
			return fmt.Errorf("%d to go", target-have)
		}
		return nil
	})
}

type writer struct {
	*traffic
	sdk  *client.Client
	name string
	rng  *rand.Rand
	keys []string // API keys that it made
}

func (w *writer) run(ctx context.Context, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		request := fmt.Sprintf("%s-%d", w.name, i)
		act := w.act(request)
		err := settle(ctx, request, func(write client.Write) error { return act(ctx, write) })
		switch {
		case err == nil:
			w.writes.Add(1)
		case ctx.Err() != nil, errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrConflict):
		default:
			w.c.t.Errorf("write %s: %v", request, err)
		}
		<-tick.C
	}
}

// act picks something to do; repeating it does the same.
func (w *writer) act(request string) func(context.Context, client.Write) error {
	namespace, key := pick(w.rng, trafficNamespaces()), pick(w.rng, trafficKeys())
	switch dice := w.rng.IntN(100); {
	case dice < 65:
		put := w.value(request)
		return func(ctx context.Context, write client.Write) error {
			_, err := w.sdk.Put(ctx, namespace, key, put, write)
			return err
		}
	case dice < 77:
		return func(ctx context.Context, write client.Write) error { return w.sdk.Delete(ctx, namespace, key, write) }
	case dice < 92:
		t := w.transaction(request)
		return func(ctx context.Context, write client.Write) error {
			_, err := w.sdk.Transact(ctx, t, write)
			return err
		}
	case dice < 95:
		return func(ctx context.Context, write client.Write) error {
			_, err := w.sdk.PutNamespace(ctx, namespace, wire.PutNamespace{Description: &request}, write)
			return err
		}
	case dice < 97:
		return func(ctx context.Context, write client.Write) error {
			return w.sdk.DeleteNamespace(ctx, namespace, write)
		}
	case dice < 99 || len(w.keys) == 0:
		return func(ctx context.Context, write client.Write) error {
			k, err := w.sdk.CreateKey(ctx, wire.NewKey{Name: request, Grants: []wire.Grant{{Namespace: namespace, Role: wire.RoleViewer}}}, write)
			if err == nil {
				w.keys = append(w.keys, k.ID)
			}
			return err
		}
	}
	id := pick(w.rng, w.keys)
	return func(ctx context.Context, write client.Write) error { return w.sdk.RevokeKey(ctx, id, write) }
}

// transaction sets and deletes a few keys of several namespaces.
func (w *writer) transaction(request string) (t wire.Transaction) {
	seen := map[string]bool{}
	for i := range 2 + w.rng.IntN(5) {
		namespace, key := pick(w.rng, trafficNamespaces()), pick(w.rng, trafficKeys())
		if seen[namespace+" "+key] {
			continue
		}
		seen[namespace+" "+key] = true
		if w.rng.IntN(30) == 0 {
			t.Delete = append(t.Delete, wire.DeleteOperation{Namespace: namespace, Key: key})
			continue
		}
		put := w.value(fmt.Sprintf("%s-%d", request, i))
		t.Set = append(t.Set, wire.SetOperation{Namespace: namespace, Key: key, Value: put.Value, Type: put.Type})
	}
	return t
}

// value is one that was never there before: a string with what escapes badly,
// sometimes a long one, or a number or an object.
func (w *writer) value(unique string) wire.PutConfig {
	switch w.rng.IntN(8) {
	case 0:
		return value(unique + "\r\n\r\nid: 0\ndata: {}\n\n\"<&\u2028é")
	case 1:
		return value(unique + strings.Repeat("x", w.rng.IntN(20<<10)))
	case 2:
		return wire.PutConfig{Value: json.RawMessage(fmt.Sprintf("%d.50", w.rng.Uint32())), Type: wire.TypeNumber}
	case 3:
		return wire.PutConfig{Value: json.RawMessage(fmt.Sprintf("{\"unique\":%q}", unique)), Type: wire.TypeJSON}
	}
	return value(unique)
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }
