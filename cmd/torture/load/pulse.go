package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/lab"
)

// newest is the highest event index that any client was told.
type newest struct{ atomic.Uint64 }

func (n *newest) saw(index uint64) {
	for {
		highest := n.Load()
		if index <= highest || n.CompareAndSwap(highest, index) {
			return
		}
	}
}

func entryPath(namespace, key string) string {
	return "/api/v1/namespaces/" + namespace + "/config/" + key
}

// value is the body of a write of a string.
func value(text string) wire.PutConfig {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string can be encoded
	}
	return wire.PutConfig{Value: raw, Type: wire.TypeString}
}

// text is the string that an entry's value is.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// beats is how many keys pulses write to: few, so that each is soon written again.
const beats = 10

// pulseWrite asks one node once, and the leader if the node says who that is.
// What has no outcome then is settled by the way.
func (l *Load) pulseWrite(ctx context.Context, number int, _ *rand.Rand) {
	nodes := l.lab.Nodes()
	n, key := nodes[number%len(nodes)], fmt.Sprintf("beat-%d", number%beats)
	put := value(fmt.Sprintf("pulse-%x-%d", l.config.Seed, number))
	name := text(put.Value)
	p := Pulse{Node: n.ID, Began: time.Now()}
	e, err := l.putOnce(ctx, n, key, name, put)
	if p.Took = time.Since(p.Began); err != nil {
		p.Error = err.Error()
	}
	l.Record.change(func() { l.Record.writes = append(l.Record.writes, p) })
	if err != nil {
		e, err = l.putAtLast(ctx, key, name, put)
	}
	if err != nil {
		l.refused("a pulse", err)
		return
	}
	l.index.saw(e.Index)
	l.Record.ack("pulse", check.Acked{Namespace: Pulses, Key: key, Value: name, Index: e.Index})
}

// putOnce is one attempt, within 2 s.
func (l *Load) putOnce(ctx context.Context, n *lab.Node, key, name string, put wire.PutConfig) (e wire.ConfigEntry, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	body, err := json.Marshal(put)
	if err != nil {
		panic(err) // it can be encoded
	}
	for range 2 {
		a, err := l.lab.Do(ctx, n, http.MethodPut, entryPath(Pulses, key), string(body), wire.HeaderIdempotencyKey, name)
		if err != nil {
			return e, err
		}
		if a.Status == http.StatusTemporaryRedirect {
			if n = l.at(a.Header.Get("Location")); n != nil {
				continue
			}
		}
		if a.Status >= http.StatusMultipleChoices {
			return e, errors.New(a.String())
		}
		return e, json.Unmarshal(a.Body, &e)
	}
	return e, errors.New("sent from one node to another and on")
}

// at is the node that a URL is of.
func (l *Load) at(url string) *lab.Node {
	for _, n := range l.lab.Nodes() {
		if strings.HasPrefix(url, n.URL()+"/") {
			return n
		}
	}
	return nil
}

func (l *Load) putAtLast(ctx context.Context, key, name string, put wire.PutConfig) (e wire.ConfigEntry, err error) {
	sdk, err := l.lab.SDK(l.lab.Key())
	if err != nil {
		return e, err
	}
	return e, settle(ctx, name, func(ctx context.Context, w client.Write) error {
		e, err = sdk.Put(ctx, Pulses, key, put, w)
		return err
	})
}

// refused notes a write that failed: without an outcome it is counted, anything
// else must not happen.
func (l *Load) refused(what string, err error) {
	if unsettled(err) {
		l.Record.count(what + " without an outcome")
		return
	}
	l.Record.violation("writes", fmt.Sprintf("%s failed: %v", what, err))
}

// pulseRead reads a register linearizably at one node, which may stand still
// meanwhile. What a read that fails would have said is not known.
func (l *Load) pulseRead(ctx context.Context, number int, rng *rand.Rand) {
	nodes := l.lab.Nodes()
	n := nodes[number%len(nodes)]
	in, out := check.Asked{Kind: check.Read, Key: l.register(rng)}, check.Got{}
	p, call := Pulse{Node: n.ID, Began: time.Now()}, l.Record.since()
	a, err := l.lab.Get(context.WithoutCancel(ctx), n, entryPath(Registers, in.Key)+"?consistency="+wire.ConsistencyLinearizable)
	p.Took = time.Since(p.Began)
	var e wire.ConfigEntry
	switch {
	case err != nil:
		p.Error = err.Error()
	case a.Status == http.StatusOK && json.Unmarshal(a.Body, &e) == nil:
		out = check.Got{Done: true, Version: e.Version, Value: text(e.Value)}
	case a.Problem() != wire.ProblemNotFound:
		p.Error = a.String()
	}
	l.Record.change(func() { l.Record.gets = append(l.Record.gets, p) })
	if p.Error == "" {
		l.Record.operation(1000+n.Number(), in, out, call)
	}
}
