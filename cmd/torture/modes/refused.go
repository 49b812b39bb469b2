package modes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"confman/api/client"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// asked is a request that was answered.
type asked struct {
	began, ended time.Time
	status       int
	rest         time.Duration // Retry-After
}

// noted notes what a client does. With a status of its own, nobody else is asked.
type noted struct {
	next   http.RoundTripper
	always int

	mu  sync.Mutex // guards all
	all []asked
}

// RoundTrip implements [http.RoundTripper].
func (n *noted) RoundTrip(r *http.Request) (answer *http.Response, err error) {
	a := asked{began: time.Now()}
	if n.always != 0 {
		answer = &http.Response{StatusCode: n.always, Header: http.Header{"Retry-After": {"1"}}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}
	} else if answer, err = n.next.RoundTrip(r); err != nil {
		return nil, err
	}
	a.ended, a.status = time.Now(), answer.StatusCode
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
		a.rest = time.Duration(seconds) * time.Second
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, a)
	return answer, nil
}

// limited has a client ask for more than its share, and then one that is told 429
// for ever.
func limited(ctx context.Context, b *Bench) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: 1, Args: []string{"--rate-per-second", "10", "--rate-burst", "3"}})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if err := l.Form(ctx); err != nil {
		return err
	}
	if err := writeAt(ctx, l, http.MethodPut, "/api/v1/namespaces/limited", "{}"); err != nil {
		return err
	}
	seen := &noted{next: l.HTTP().Transport}
	sdk, err := l.SDKWith(client.Config{Key: l.Key(), HTTP: &http.Client{Transport: seen}})
	if err != nil {
		return err
	}
	var found []check.Finding
	const puts = 20
	for i := range puts {
		if _, err := sdk.Put(ctx, "limited", "k", text(fmt.Sprint(i)), client.Write{}); err != nil {
			found = append(found, says("429", "put %d failed: %v", i, err))
		}
	}
	refused := 0
	for i, a := range seen.all {
		if a.status != http.StatusTooManyRequests {
			continue
		}
		refused++
		if a.rest == 0 {
			found = append(found, says("429", "request %d was refused without Retry-After", i))
		}
		if i+1 < len(seen.all) && seen.all[i+1].began.Before(a.ended.Add(a.rest)) {
			found = append(found, says("429", "request %d came %v after a refusal that said %v", i+1, seen.all[i+1].began.Sub(a.ended), a.rest))
		}
	}
	if refused == 0 || refused > puts {
		found = append(found, says("429", "%d of %d requests were refused", refused, len(seen.all)))
	}
	loop := &noted{always: http.StatusTooManyRequests}
	if sdk, err = l.SDKWith(client.Config{HTTP: &http.Client{Transport: loop}}); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, 3500*time.Millisecond)
	defer cancel()
	if _, err := sdk.Get(limit, "limited", "k", client.Read{}); !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) || len(loop.all) > 4 {
		found = append(found, says("429", "told 429 with a second to wait for ever, a client asked %d times in 3.5 s, and ended with %v", len(loop.all), err))
	}
	b.Report.Judge(fault.ClientSide, "requests refused by 429", refused+len(loop.all), found)
	b.Logf("429: %d of %d requests refused; in a loop, asked %d times in 3.5 s", refused, len(seen.all), len(loop.all))
	return nil
}

// deadLeader kills the leader and writes by followers, who go on redirecting to it
// until they miss it. The client's breaker opens, so that it is not asked each
// time, and half-opens, so that it is found when it is back.
func deadLeader(ctx context.Context, b *Bench) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: 3, Args: []string{"--election-timeout", "3s"}})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if err := l.Form(ctx); err != nil {
		return err
	}
	if err := writeAt(ctx, l, http.MethodPut, "/api/v1/namespaces/app", "{}"); err != nil {
		return err
	}
	leader, err := l.Leader(ctx)
	if err != nil {
		return err
	}
	var d dials
	sdk, err := l.SDKWith(client.Config{Key: l.Key(), AttemptTimeout: time.Second, HTTP: d.client(l, leader)}, l.Others(leader)...)
	if err != nil {
		return err
	}
	if _, err := sdk.Cluster(ctx); err != nil { // it knows the members
		return err
	}
	leader.Kill9()
	began, tries := time.Now(), 0
	var version uint64
	err = within(ctx, 30*time.Second, "a write is acknowledged", func() error {
		tries++
		e, err := sdk.Put(ctx, "app", "k", text("once"), client.Write{IdempotencyKey: "once"})
		version = e.Version
		return err
	})
	took := time.Since(began)
	var found []check.Finding
	if err != nil || version != 1 {
		found = append(found, says("redirect", "a write while followers redirect to a dead leader: version %d, %v", version, err))
	}
	if most := 5 + int64(took/time.Second); d.made.Load() == 0 || d.made.Load() > most {
		found = append(found, says("breaker", "a dead leader was dialled %d times in %v; the breaker lets through %d", d.made.Load(), took, most))
	}
	knocks := d.made.Load()
	if err := leader.Start(); err != nil {
		return err
	}
	if err := l.AwaitReady(ctx, l.Nodes()...); err != nil {
		return err
	}
	if err := handOver(ctx, l, leader); err != nil {
		return err
	}
	if _, err := sdk.Put(ctx, "app", "k", text("twice"), client.Write{}); err != nil || d.reached.Load() == 0 {
		found = append(found, says("breaker", "a leader that is back is not found: %v", err))
	}
	b.Report.Judge(fault.ClientSide, "redirects to a dead leader", int(knocks), found)
	b.Logf("a dead leader was dialled %d times in %v, in %d calls", knocks, took.Round(time.Millisecond), tries)
	return nil
}

// dials counts the connections that a client makes to one node.
type dials struct{ made, reached atomic.Int64 }

func (d *dials) client(l *lab.Lab, to *lab.Node) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := l.Dial(ctx, network, address)
		if address == to.Address {
			if d.made.Add(1); err == nil {
				d.reached.Add(1)
			}
		}
		return conn, err
	}}}
}

// handOver makes a node the leader.
func handOver(ctx context.Context, l *lab.Lab, to *lab.Node) error {
	return lab.Await(ctx, to.ID+" leads", func() error {
		leader, err := l.Leader(ctx)
		if err != nil || leader == to {
			return err
		}
		a, err := l.Do(ctx, leader, http.MethodPost, "/api/v1/cluster/transfer-leader", fmt.Sprintf(`{"to":%q}`, to.ID))
		return errors.Join(fmt.Errorf("%s leads: %v", leader.ID, a), err)
	})
}

// compacted has a watch and a view ask for what the history no longer has.
func compacted(ctx context.Context, b *Bench) error {
	const kept = 100
	l, err := b.Lab(ctx, lab.Config{Nodes: 1, Args: []string{"--retention-events", strconv.Itoa(kept), "--retention-watch", "0s"}})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	if err := l.Form(ctx); err != nil {
		return err
	}
	t := &Trial{Lab: l, bench: b}
	for _, put := range [][2]string{{knownPath, "{}"}, {knownPath + "/config/k", `{"value":"early"}`}, {knownPath + "/config/gone", `{"value":"early"}`}} {
		if err := t.write(ctx, http.MethodPut, put[0], put[1]); err != nil {
			return err
		}
	}
	file := filepath.Join(l.Dir(), "view")
	v, err := t.view(ctx, client.ViewConfig{File: file}, nil)
	if err != nil {
		return err
	}
	if err := v.Close(); err != nil {
		return err
	}
	early := v.Status().Position // that of the file
	if err := t.write(ctx, http.MethodDelete, knownPath+"/config/gone", ""); err != nil {
		return err
	}
	if err := t.compact(ctx, early, 2*kept); err != nil {
		return err
	}
	found, err := t.begunAnew(ctx, early, file)
	if err != nil {
		return err
	}
	b.Report.Judge(fault.ClientSide, "positions no longer kept", 2, found)
	b.Logf("410: a watch from %s ended, a view began anew", early)
	return nil
}

// compact writes until the history begins later than at a position.
func (t *Trial) compact(ctx context.Context, early string, writes int) error {
	err := lab.Await(ctx, "the history begins later", func() error {
		for i := range writes {
			if err := t.write(ctx, http.MethodPut, knownPath+"/config/k", fmt.Sprintf(`{"value":"%d-%d"}`, time.Now().UnixNano(), i)); err != nil {
				return err
			}
		}
		a, err := t.Get(ctx, t.Nodes()[0], "/api/v1/watch?after="+early)
		if err == nil && a.Status != http.StatusGone {
			err = errors.New(a.String())
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.write(ctx, http.MethodPut, knownPath+"/config/k", `{"value":"newest"}`)
}

// begunAnew finds fault with a watch and a view that go on from what is not kept.
func (t *Trial) begunAnew(ctx context.Context, early, file string) (found []check.Finding, err error) {
	sdk, err := t.SDK(t.Key())
	if err != nil {
		return nil, err
	}
	var reset *client.ResetError
	for _, err = range sdk.Watch(ctx, client.WatchRequest{After: early}) {
		break
	}
	if !errors.As(err, &reset) || !errors.Is(err, client.ErrCompacted) || reset.Oldest == "" {
		found = append(found, says("410", "a watch of what is no longer kept ended with %v", err))
	}
	v, err := t.view(ctx, client.ViewConfig{File: file}, nil)
	if err != nil {
		return nil, err
	}
	defer v.Close() //nolint:errcheck // its directory goes
	err = within(ctx, 10*time.Second, "a view begins anew", func() error {
		_, there := v.Get("gone")
		if wrong := shows(v, client.SourceLive, "newest", false); len(wrong) > 0 || there || v.Status().Resets != 1 {
			return fmt.Errorf("%v, with what was deleted: %v, %+v", wrong, there, v.Status())
		}
		return nil
	})
	if err != nil {
		found = append(found, says("410", "%v", err))
	}
	return found, nil
}
