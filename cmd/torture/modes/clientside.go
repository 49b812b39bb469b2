package modes

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"confman/api/client"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
	"confman/cmd/torture/proxy"
)

func clientSide() Mode {
	return Mode{fault.ClientSide, "streams cut by RST, FIN and a black hole, stuck readers, 2,000 watchers and a killed leader, 429, a redirect to a dead leader, 410, a cluster that is down", runClientSide}
}

func runClientSide(ctx context.Context, b *Bench) error {
	if err := underLoad(ctx, b); err != nil {
		return err
	}
	for _, one := range []func(context.Context, *Bench) error{stuck, limited, deadLeader, compacted} {
		if err := one(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// underLoad is what clients meet at a cluster that others use, too.
func underLoad(ctx context.Context, b *Bench) error {
	t, err := b.Trial(ctx, lab.Config{}, load.Config{Pulses: 20, Registers: 20, Local: 10, Past: 5})
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	if err := t.outage(ctx); err != nil {
		return err
	}
	stop, err := t.feed(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for round := 0; round == 0 || !b.Over(); round++ {
		for _, one := range []func(context.Context) error{t.cuts, t.many} {
			if err := one(ctx); err != nil {
				return err
			}
		}
	}
	stop()
	return t.Verify(ctx)
}

// crowded is the namespace that the watchers of this mode watch.
const crowded = "crowd"

// feed writes to it, ten times a second, until stop.
func (t *Trial) feed(ctx context.Context) (stop func(), err error) {
	sdk, err := t.SDK(t.Key())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	if err := t.write(ctx, http.MethodPut, "/api/v1/namespaces/"+crowded, "{}"); err != nil {
		cancel()
		return nil, err
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				key := client.Write{IdempotencyKey: fmt.Sprintf("crowd-%x-%d", t.bench.Seed, i)}
				for ctx.Err() == nil {
					if _, err := sdk.Put(ctx, crowded, fmt.Sprint("k", i%20), text(fmt.Sprint(i)), key); err == nil {
						break
					}
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); writing.Wait() }, nil
}

// doors are a proxy in front of each node, for clients that know the nodes'
// own addresses.
type doors struct {
	byAddress map[string]*proxy.Proxy
	http      *http.Client
}

func openDoors(l *lab.Lab) (*doors, error) {
	d := &doors{byAddress: map[string]*proxy.Proxy{}}
	for _, n := range l.Nodes() {
		p, err := proxy.NewOver(n.Address, l.Dial)
		if err != nil {
			d.close()
			return nil, err
		}
		d.byAddress[n.Address] = p
	}
	d.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, d.byAddress[address].Address())
	}}}
	return d, nil
}

func (d *doors) close() {
	if d.http != nil {
		d.http.CloseIdleConnections()
	}
	for _, p := range d.byAddress {
		_ = p.Close() // its listener's end
	}
}

// cuts ends the connections of watchers in each way that networks have.
func (t *Trial) cuts(ctx context.Context) error {
	d, err := openDoors(t.Lab)
	if err != nil {
		return err
	}
	defer d.close()
	const watchers = 30
	c, err := t.crowd(ctx, watchers, client.Config{HTTP: d.http})
	if err != nil {
		return err
	}
	defer c.end()
	for range t.bench.Rounds(5) {
		for _, cut := range []func(*proxy.Proxy){(*proxy.Proxy).Reset, (*proxy.Proxy).Finish} {
			for _, p := range d.byAddress {
				cut(p)
			}
			t.Calm(ctx, time.Second)
		}
	}
	const whole = "watchers of a node behind a black hole are whole again"
	t.bench.Report.Promise(whole, 0, 30*time.Second) // 20 s of silence are borne
	hole := d.byAddress[t.Nodes()[t.bench.RNG.IntN(len(t.Nodes()))].Address]
	hole.Swallow()
	began := time.Now()
	t.Calm(ctx, time.Second)
	found := c.arrive(ctx, "a black hole")
	t.bench.Report.Measure(whole, time.Since(began))
	hole.Pass()
	found = append(found, c.verify(ctx, "RST, FIN and a black hole")...)
	t.bench.Report.Judge(fault.ClientSide, "watchers that were cut", watchers, found)
	t.bench.Logf("%d watchers were cut by RST, FIN and a black hole, which took %v", watchers, time.Since(began).Round(time.Millisecond))
	return nil
}

// many kills the leader under many watchers, which must not come back all at
// once.
func (t *Trial) many(ctx context.Context) error {
	watchers := 2000
	if t.bench.Quick() {
		watchers = 300
	}
	c, err := t.crowd(ctx, watchers, client.Config{})
	if err != nil {
		return err
	}
	defer c.end()
	if late := c.arrive(ctx, "many watchers"); len(late) > 0 {
		t.bench.Report.Judge(fault.ClientSide, "watchers of a killed leader", watchers, late)
		return nil
	}
	what := fmt.Sprintf("%d watchers are whole again after the leader is killed", watchers)
	t.bench.Report.Promise(what, 0, 10*time.Second)
	var found []check.Finding
	_, _, err = t.Strike(ctx, fault.Kill("leader killed under many watchers", fault.ClientSide, fault.Leader, 0), func(fault.Injury) error {
		began := time.Now()
		if _, err := t.Leader(ctx); err != nil {
			return err
		}
		found = c.arrive(ctx, "a killed leader")
		t.bench.Report.Measure(what, time.Since(began))
		return nil
	})
	if err != nil {
		return err
	}
	found = append(found, c.verify(ctx, "a killed leader")...)
	found = append(found, c.spread()...)
	t.bench.Report.Judge(fault.ClientSide, "watchers of a killed leader", watchers, found)
	return nil
}

// write writes at the leader.
func (t *Trial) write(ctx context.Context, method, path, body string) error {
	return writeAt(ctx, t.Lab, method, path, body)
}

func writeAt(ctx context.Context, l *lab.Lab, method, path, body string) error {
	leader, err := l.Leader(ctx)
	if err != nil {
		return err
	}
	a, err := l.Do(ctx, leader, method, path, body)
	if err != nil || a.Status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s at %s: %v %w", method, path, leader.ID, a, err)
	}
	return nil
}

// allKilled ends all nodes at once.
func allKilled() fault.Fault {
	return fault.Kill("cluster down at a client's start", fault.ClientSide, fault.Everyone, 0)
}
