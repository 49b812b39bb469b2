package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"confman/api/client"
	"confman/api/wire"
)

// kind is what an operation on one key does.
type kind string

const (
	read   kind = "get"
	put    kind = "put"
	swap   kind = "put if version"
	remove kind = "delete"
)

// asked is an operation as it was sent.
type asked struct {
	kind  kind
	key   string
	value string
	match uint64 // swap: the version that the key must have, 0: it must not exist
}

// got is how an operation ended: done, or refused because the state was another.
type got struct {
	done    bool
	version uint64
	value   string
	// doubt: it was refused when it was repeated, and whether the first attempt
	// is still on its way nobody can tell.
	doubt bool
}

// register is one key: what the model knows of it.
type register struct {
	live    bool
	version uint64
	value   string
}

// step is the specification: which states may follow when an operation ended
// so. An entry's version counts its deletions.
func (s register) step(in asked, out got) []register {
	next := register{live: in.kind != remove, version: s.version + 1, value: in.value}
	allowed := map[kind]bool{
		read: s.live, put: true, remove: s.live, swap: s.live && s.version == in.match || !s.live && in.match == 0,
	}[in.kind]
	switch {
	case in.kind == read:
		if out.done == s.live && (!s.live || out.version == s.version && out.value == s.value) {
			return []register{s}
		}
	case out.doubt && allowed:
		return []register{s, next}
	case out.doubt:
		return []register{s}
	case out.done && allowed && (in.kind == remove || out.version == next.version):
		return []register{next}
	case !out.done && !allowed:
		return []register{s}
	}
	return nil
}

// linearizable is the model of all keys.
func linearizable() porcupine.Model {
	nondeterministic := porcupine.NondeterministicModel{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			keys := map[string][]porcupine.Operation{}
			for _, o := range all {
				in, _ := o.Input.(asked)
				keys[in.key] = append(keys[in.key], o)
			}
			parts := make([][]porcupine.Operation, 0, len(keys))
			for _, part := range keys {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() []any { return []any{register{}} },
		Step: func(state, input, output any) (next []any) {
			s, _ := state.(register)
			in, _ := input.(asked)
			out, _ := output.(got)
			for _, r := range s.step(in, out) {
				next = append(next, r)
			}
			return next
		},
		Equal: func(a, b any) bool { return a == b },
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%+v: %+v", input, output)
		},
	}
	return nondeterministic.ToModel()
}

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

func (o *observers) note(who int, in asked, out got, call int64) {
	op := porcupine.Operation{ClientId: who, Input: in, Call: call, Output: out, Return: o.since()}
	o.mu.Lock()
	defer o.mu.Unlock()
	if out.doubt {
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
		in := asked{kind: read, key: o.key(rng)}
		call := o.since()
		a, err := o.c.get(n, entryPath("app", in.key)+"?consistency="+o.consistency)
		if err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound {
			continue
		}
		var e wire.ConfigEntry
		if a.status == http.StatusOK && a.decode(&e) == nil {
			o.note(who, in, got{done: true, version: e.Version, value: text(e.Value)}, call)
		} else if a.problem() == wire.ProblemNotFound {
			o.note(who, in, got{}, call)
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
		in := asked{kind: put, key: o.key(rng), value: fmt.Sprintf("%d-%d", who, i)}
		switch rng.IntN(4) {
		case 0:
			in.kind, in.value = remove, ""
		case 1, 2:
			in.kind, in.match = swap, versions[in.key]
		}
		repeated = false
		call, tries, out := o.since(), 0, got{}
		err := settle(o.c.t.Context(), fmt.Sprintf("round-%d-%d-%d", o.round, who, i), func(w client.Write) (err error) {
			tries++
			out, err = in.send(o.c, sdk, w)
			return err
		})
		refused := errors.Is(err, client.ErrConditionFailed) || errors.Is(err, client.ErrNotFound)
		if err != nil && !refused {
			o.c.t.Errorf("%+v: %v", in, err)
			return
		}
		if out.done = err == nil; out.done && in.kind != remove {
			versions[in.key] = out.version
		} else {
			versions[in.key]++
		}
		out.doubt = refused && (repeated || tries > 1)
		o.note(who, in, out, call)
	}
}

func (in asked) send(c *cluster, sdk *client.Client, w client.Write) (out got, err error) {
	if in.kind == remove {
		return out, sdk.Delete(c.t.Context(), "app", in.key, w)
	}
	if in.kind == swap {
		w.IfVersion = &in.match
	}
	e, err := sdk.Put(c.t.Context(), "app", in.key, value(in.value), w)
	return got{version: e.Version, value: in.value}, err
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
		if out, _ := o.Output.(got); out.doubt {
			doubts++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(linearizable(), all, time.Minute)
	c.t.Logf("round %d: %d operations, %d in doubt: %v", round, len(all), doubts, result)
	if result == porcupine.Ok {
		return
	}
	path := filepath.Join(c.t.ArtifactDir(), "history-"+strconv.Itoa(round)+".html")
	if err := porcupine.VisualizePath(linearizable(), info, path); err != nil {
		c.t.Error(err)
	}
	c.t.Errorf("not linearizable: %v; see %s (kept with -artifacts)", result, path)
}

func TestTheCheckForLinearizabilityCatchesLocalReads(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	for try := range 5 {
		o := c.observe(wire.ConsistencyLocal, try, rng)
		c.disturb(rng, 1)
		c.awaitReady(c.nodes...)
		if porcupine.CheckOperationsTimeout(linearizable(), o.end(), time.Minute) == porcupine.Illegal {
			t.Logf("caught at try %d", try+1)
			return
		}
	}
	t.Error("local reads pass for linearizable: the check proves nothing")
}
