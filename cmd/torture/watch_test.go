package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/gallery"
	"confman/cmd/torture/proxy"
	"confman/cmd/torture/streams"
)

// arrival is how soon an event must reach a subscriber when nothing else
// happens: far less than progress, which might come to the rescue of a wake-up
// that was lost.
const arrival = 5 * time.Second

// filters are what subscribers watch, each in words of its own.
func filters() []streams.Filter {
	return []streams.Filter{
		{},
		{Events: wire.EventsAll},
		{Namespaces: []string{"teams/pay"}},
		{Namespaces: []string{"teams/pay/eu", "ops"}, Bare: true},
		{Key: "db/url"},
		{Prefix: "db"},
		{Namespaces: []string{"teams"}, Prefix: "flags/", Events: "config,namespace"},
		{Events: "config.deleted,namespace,key"},
		{Namespaces: []string{"ops"}, Key: "flags/a", Bare: true},
	}
}

// narrow is what an API key may see that sees only some keys of some namespaces.
func narrow() []wire.Grant {
	return []wire.Grant{{Namespace: "teams/pay", Role: wire.RoleViewer, Keys: "db*"}, {Namespace: "ops", Role: wire.RoleViewer}}
}

func starts() []string {
	return []string{wire.AfterStart, wire.AfterNow, wire.AfterSnapshot, "0", "1", ""}
}

// seat fills an audience with subscribers of every encoding, each kind of filter
// and each place to begin.
func (a *audience) seat(ctx context.Context, singles, parties int) {
	all := filters()
	shift := a.rng.IntN(len(all))
	filter := func(i int) streams.Filter { return all[(i+shift)%len(all)] }
	for i := range singles {
		encoding := []string{wire.EncodingSSE, wire.EncodingNDJSON}[i%2]
		a.join(ctx, encoding, pick(a.rng, starts()), filter(i/2))
	}
	for i := range parties {
		a.joinTogether(ctx, pick(a.rng, starts()), filter(3*i), filter(3*i+1), filter(3*i+2))
	}
	a.join(ctx, wire.EncodingSSE, pick(a.rng, starts()), streams.Filter{Events: wire.EventsAll, Grants: narrow()})
	a.follow(ctx, "teams/pay", "db/url")
	a.follow(ctx, "ops", "flags/a")
}

// faultsOf are what can happen to those who watch.
func (a *audience) faultsOf() map[string]func() {
	moment := func() { <-time.After(time.Duration(200+a.rng.IntN(600)) * time.Millisecond) }
	some := func() *node { return pick(a.rng, a.nodes) }
	restart := func(n *node) {
		n.start()
		a.c.awaitReady(n)
	}
	kill := func(n *node) {
		a.fault(streams.Break{Node: n.id}, n.kill9)
		restart(n)
	}
	stop := func(n *node) {
		a.fault(streams.Break{Node: n.id, Told: true}, func() {
			if code := n.term(); code != 0 {
				a.c.t.Errorf("%s ended with code %d at SIGTERM", n.id, code)
			}
		})
		restart(n)
	}
	cut := func(how func(*proxy.Proxy)) func() {
		return func() {
			n := some()
			a.fault(streams.Break{Node: n.id, Proxied: true}, func() { how(a.proxies[n]) })
		}
	}
	during := func(how func(*proxy.Proxy)) func() {
		return cut(func(p *proxy.Proxy) {
			how(p)
			moment()
			p.Pass()
			p.Reset()
		})
	}
	return map[string]func(){
		"kill -9 of the leader": func() { kill(a.c.leader()) },
		"kill -9 of a node":     func() { kill(some()) },
		"SIGTERM of the leader": func() { stop(a.c.leader()) },
		"SIGTERM of a node":     func() { stop(some()) },
		"pause of the leader": func() {
			n := a.c.leader()
			n.pause()
			moment()
			n.resume()
		},
		"RST":               cut((*proxy.Proxy).Reset),
		"FIN":               cut((*proxy.Proxy).Finish),
		"black hole":        during((*proxy.Proxy).Swallow),
		"half-open":         during((*proxy.Proxy).Abandon),
		"slow network":      during(func(p *proxy.Proxy) { p.Slow(20 << 10) }),
		"stalled network":   during((*proxy.Proxy).Hold),
		"snapshots":         func() { a.snapshots() },
		"nothing for a bit": moment,
	}
}

// snapshots has every node take one.
func (a *audience) snapshots() {
	for _, n := range a.nodes {
		_, _ = a.c.do(n, http.MethodPost, "/api/v1/cluster/snapshot", nil) // none new: refused
	}
}

// calm ends all faults and random disconnects, and waits until every subscriber
// has come to the end of what was written and waits for more.
func (a *audience) calm() {
	a.c.t.Helper()
	a.c.awaitReady(a.c.nodes...)
	a.Restless.Store(false)
	for _, n := range a.nodes {
		a.fault(streams.Break{Node: n.id, Proxied: true}, func() {
			a.proxies[n].Pass()
			a.proxies[n].Reset()
		})
	}
	<-time.After(gallery.Silence) // those who began to wait before may still give up
	a.awaitAll(a.log())
	a.awaitLive()
}

// awaitLive waits until every subscriber is being served.
func (a *audience) awaitLive() {
	a.c.t.Helper()
	for _, s := range a.subscribers {
		await(a.c.t, s.String()+" is served", func() error {
			if _, _, leg := s.Stands(); !leg.Live() {
				return fmt.Errorf("%v", leg)
			}
			return nil
		})
	}
}

// single writes once, and once more only when everybody whom it concerns has
// been told of the first, on the connection that was open before.
func (a *audience) single(times int) {
	a.c.t.Helper()
	sdk := a.c.client(a.c.key)
	worst := time.Duration(0)
	for i := range times {
		legs := make([]int, len(a.subscribers))
		for i, s := range a.subscribers {
			_, legs[i], _ = s.Stands()
		}
		namespace, key, meta := pick(a.rng, trafficNamespaces()), pick(a.rng, trafficKeys()), client.Meta{}
		request := fmt.Sprintf("single-%x-%d", a.rng.Uint64(), i)
		err := settle(a.c.t.Context(), request, func(w client.Write) error {
			w.Meta = &meta
			_, err := sdk.Put(a.c.t.Context(), namespace, key, value(request), w)
			return err
		})
		if err != nil {
			a.c.t.Fatalf("write alone: %v", err)
		}
		began := time.Now()
		l := a.log()
		for i, s := range a.subscribers {
			matches := l.Matches(s.Filter)
			if len(matches) == 0 || matches[len(matches)-1] < meta.Index {
				continue
			}
			worst = max(worst, a.awaitArrival(s, meta.Index, legs[i], began))
		}
	}
	a.c.t.Logf("%d single writes, the last subscriber had each within %v", times, worst)
}

func (a *audience) awaitArrival(s *gallery.Subscriber, event uint64, leg int, began time.Time) time.Duration {
	a.c.t.Helper()
	await(a.c.t, fmt.Sprintf("event %d comes to %s", event, s.String()), func() error {
		come, moved := s.Has(event, leg)
		if moved {
			_, _, last := s.Stands()
			a.c.t.Fatalf("%s moved to another connection while nothing happened: %v", s.String(), last)
		}
		if took := time.Since(began); !come && took > arrival {
			a.c.t.Fatalf("%s does not have event %d after %v", s.String(), event, took)
		}
		if !come {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	return time.Since(began)
}

// late adds a subscriber that begins at any event there has been, which a node
// that was restarted has only on disk.
func (a *audience) late(ctx context.Context) {
	all := filters()
	index := a.rng.IntN(len(a.archived()) + 1)
	encoding := []string{wire.EncodingSSE, wire.EncodingNDJSON}[a.rng.IntN(2)]
	a.join(ctx, encoding, fmt.Sprint(index), all[a.rng.IntN(len(all))])
}

// suffer exposes the audience to every fault, in any order. after each, something
// may be done.
func (a *audience) suffer(tr *traffic, rng *rand.Rand, after func()) {
	a.c.t.Helper()
	faults := a.faultsOf()
	names := make([]string, 0, len(faults))
	for name := range faults {
		names = append(names, name)
	}
	slices.Sort(names)
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		tr.more(20)
		a.c.t.Log(name)
		faults[name]()
		after()
	}
}

func TestEverySubscriberIsToldEachEventOnceInOrderWhateverBreaks(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	tr := c.startTraffic(2, 10*time.Millisecond, rng)
	tr.more(50)
	a, ctx := c.audience(rng, c.nodes...)
	a.narrow = c.mint("narrow", narrow()...).Key
	a.seat(ctx, rounds(10, 60), rounds(2, 12))
	for range rounds(1, 15) {
		a.suffer(tr, rng, func() { a.late(ctx) })
	}
	tr.more(20)
	tr.end()
	a.calm()
	a.single(rounds(15, 100))
	a.verify()
}

func TestAKeyNarrowedToSomeKeysSeesNothingElse(t *testing.T) {
	rng := random(t)
	c := form(t, calm())
	tr := c.startTraffic(2, 2*time.Millisecond, rng)
	tr.more(100)
	a, ctx := c.audience(rng, c.nodes...)
	key := c.mint("narrow", narrow()...).Key
	a.narrow = key
	for _, after := range []string{wire.AfterStart, wire.AfterNow, wire.AfterSnapshot} {
		for i, f := range []streams.Filter{{}, {Events: wire.EventsAll}, {Namespaces: []string{"teams"}}, {Namespaces: []string{"teams/pay", "ops"}, Prefix: "d"}} {
			f.Grants = narrow()
			a.join(ctx, encodings()[i%2], after, f)
		}
		a.joinTogether(ctx, after, streams.Filter{Grants: narrow()}, streams.Filter{Events: wire.EventsAll, Grants: narrow()})
	}
	tr.more(200)
	tr.end()
	a.calm()
	a.single(5)
	a.verify()
	for _, encoding := range encodings() {
		w := c.open(c.nodes[0], streams.Call{Encoding: encoding, Key: key, Filter: streams.Filter{Namespaces: []string{"app"}}})
		if w.status != http.StatusForbidden {
			t.Errorf("%s of a namespace of which the key sees nothing: %d %+v", encoding, w.status, w.problem)
		}
	}
}
