package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
)

// observers are clients that read and write a few keys and note what happened.
type observers struct {
	c           *cluster
	consistency string
	round       int // keys of its own, so that each begins with none
	began       time.Time
	stop        chan struct{}
	done        sync.WaitGroup

	mu    sync.Mutex // guards the field below
	noted []porcupine.Operation
}

func (c *cluster) observe(consistency string, round int, rng *rand.Rand) *observers {
	o := &observers{c: c, consistency: consistency, round: round, began: time.Now(), stop: make(chan struct{})}
	for i := range 4 {
		seed := rng.Uint64()
		o.done.Go(func() { o.write(i, rand.New(rand.NewPCG(seed, 0))) })
	}
	for i := range 4 * len(c.nodes) { // several are under way when a leader freezes
		seed := rng.Uint64()
		o.done.Go(func() { o.read(10+i, c.nodes[i%len(c.nodes)], rand.New(rand.NewPCG(seed, 0))) })
	}
	return o
}

func (o *observers) ended() bool {
	select {
	case <-o.stop:
		return true
	default:
		return false
	}
}

func (o *observers) since() int64 { return int64(time.Since(o.began)) }

func (o *observers) note(who int, in check.Asked, out check.Got, call int64) {
	op := porcupine.Operation{ClientId: who, Input: in, Call: call, Output: out, Return: o.since()}
	o.mu.Lock()
	defer o.mu.Unlock()
	if out.Doubt {
		op.Return = int64(time.Hour) // it may still happen
	}
	o.noted = append(o.noted, op)
}

func (o *observers) key(rng *rand.Rand) string {
	return fmt.Sprintf("round-%d/register-%d", o.round, rng.IntN(3))
}

// read reads at one node. A read that fails says nothing.
func (o *observers) read(who int, n *node, rng *rand.Rand) {
	pace := time.NewTicker(8 * time.Millisecond)
	defer pace.Stop()
	for !o.ended() {
		<-pace.C
		in := check.Asked{Kind: check.Read, Key: o.key(rng)}
		call := o.since()
		a, err := o.c.get(n, entryPath("app", in.Key)+"?consistency="+o.consistency)
		if err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound {
			continue
		}
		var e wire.ConfigEntry
		if a.status == http.StatusOK && a.decode(&e) == nil {
			o.note(who, in, check.Got{Done: true, Version: e.Version, Value: text(e.Value)}, call)
		} else if a.problem() == wire.ProblemNotFound {
			o.note(who, in, check.Got{}, call)
		}
	}
}

// write puts, swaps and deletes. An attempt without an outcome is repeated until
// it has one, and the operation lasts until then.
func (o *observers) write(who int, rng *rand.Rand) {
	pace, repeated := time.NewTicker(12*time.Millisecond), false
	defer pace.Stop()
	sdk := o.c.clientWith(client.Config{Key: o.c.key, OnRetry: func(error, time.Duration) { repeated = true }})
	versions := map[string]uint64{} // as this client last saw them
	for i := 0; !o.ended(); i++ {
		<-pace.C
		in := check.Asked{Kind: check.Put, Key: o.key(rng), Value: fmt.Sprintf("%d-%d", who, i)}
		switch rng.IntN(4) {
		case 0:
			in.Kind, in.Value = check.Remove, ""
		case 1, 2:
			in.Kind, in.Match = check.Swap, versions[in.Key]
		}
		repeated = false
		call, tries, out := o.since(), 0, check.Got{}
		err := settle(o.c.t.Context(), fmt.Sprintf("round-%d-%d-%d", o.round, who, i), func(w client.Write) (err error) {
			tries++
			out, err = send(o.c, sdk, in, w)
			return err
		})
		refused := errors.Is(err, client.ErrConditionFailed) || errors.Is(err, client.ErrNotFound)
		if err != nil && !refused {
			o.c.t.Errorf("%+v: %v", in, err)
			return
		}
		if out.Done = err == nil; out.Done && in.Kind != check.Remove {
			versions[in.Key] = out.Version
		} else {
			versions[in.Key]++
		}
		out.Doubt = refused && (repeated || tries > 1)
		o.note(who, in, out, call)
	}
}

func send(c *cluster, sdk *client.Client, in check.Asked, w client.Write) (out check.Got, err error) {
	if in.Kind == check.Remove {
		return out, sdk.Delete(c.t.Context(), "app", in.Key, w)
	}
	if in.Kind == check.Swap {
		w.IfVersion = &in.Match
	}
	e, err := sdk.Put(c.t.Context(), "app", in.Key, value(in.Value), w)
	return check.Got{Version: e.Version, Value: in.Value}, err
}

func (o *observers) end() []porcupine.Operation {
	close(o.stop)
	o.done.Wait()
	return o.noted
}

// disturb kills and pauses leaders in turn.
func (c *cluster) disturb(rng *rand.Rand, times int) {
	c.t.Helper()
	between := func() { <-time.After(time.Duration(100+rng.IntN(300)) * time.Millisecond) }
	for i := range times {
		between()
		leader := c.leader()
		if i%2 == 0 {
			leader.pause()
			c.leader(leader)
			between()
			leader.resume()
			continue
		}
		leader.kill9()
		c.leader(leader)
		between()
		leader.start()
		c.awaitReady(leader)
	}
	between()
}

func TestReadsAndWritesAreLinearizableWhileLeadersDieAndFreeze(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	for round := range rounds(1, 10) {
		o := c.observe(wire.ConsistencyLinearizable, round, rng)
		c.disturb(rng, 4)
		c.awaitReady(c.nodes...)
		c.judge(o.end(), round)
	}
}

// judge has porcupine decide, and keeps what it says of a failure.
func (c *cluster) judge(all []porcupine.Operation, round int) {
	c.t.Helper()
	doubts := 0
	for _, o := range all {
		if out, _ := o.Output.(check.Got); out.Doubt {
			doubts++
		}
	}
	c.t.Logf("round %d: %d operations, %d in doubt", round, len(all), doubts)
	for _, f := range check.Linearizable(all, time.Minute, c.t.ArtifactDir()) {
		c.t.Errorf("%v (kept with -artifacts)", f)
	}
}

func TestTheCheckForLinearizabilityCatchesLocalReads(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	for try := range 5 {
		o := c.observe(wire.ConsistencyLocal, try, rng)
		c.disturb(rng, 1)
		c.awaitReady(c.nodes...)
		if porcupine.CheckOperationsTimeout(check.Model(), o.end(), time.Minute) == porcupine.Illegal {
			t.Logf("caught at try %d", try+1)
			return
		}
	}
	t.Error("local reads pass for linearizable: the check proves nothing")
}
