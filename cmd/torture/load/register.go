package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"confman/api/client"
	"confman/cmd/torture/check"
)

// lifetime is how long a register is used: the operations of each are to be few
// enough to be judged.
const lifetime = 20 * time.Second

// register is one that is in use now.
func (l *Load) register(rng *rand.Rand) string {
	return fmt.Sprintf("time-%d/register-%d", int(time.Since(l.began)/lifetime), rng.IntN(4))
}

// registers is a client that puts, swaps and deletes.
type registers struct {
	*Load
	who      int
	sdk      *client.Client
	repeated bool
	versions map[string]uint64 // as this client last saw them
}

func (l *Load) newRegisters(who int) *registers {
	r := &registers{Load: l, who: who, versions: map[string]uint64{}}
	sdk, err := l.lab.SDKWith(client.Config{Key: l.lab.Key(), OnRetry: func(error, time.Duration) { r.repeated = true }})
	if err != nil {
		panic(err) // the lab's own addresses are well-formed
	}
	r.sdk = sdk
	return r
}

func (r *registers) step(ctx context.Context, number int, rng *rand.Rand) {
	in := check.Asked{Kind: check.Put, Key: r.register(rng), Value: fmt.Sprintf("writer-%d-%d", r.who, number)}
	switch rng.IntN(4) {
	case 0:
		in.Kind, in.Value = check.Remove, ""
	case 1, 2:
		in.Kind, in.Match = check.Swap, r.versions[in.Key]
	}
	r.repeated = false
	call, tries, out, index := r.Record.since(), 0, check.Got{}, uint64(0)
	err := settle(ctx, fmt.Sprintf("register-%x-%d-%d", r.config.Seed, r.who, number), func(ctx context.Context, w client.Write) (err error) {
		tries++
		out, index, err = r.send(ctx, in, w)
		return err
	})
	refused := errors.Is(err, client.ErrConditionFailed) || errors.Is(err, client.ErrNotFound)
	switch {
	case err == nil:
		out.Done = true
		r.index.saw(index)
		r.Record.ack("", check.Acked{Namespace: Registers, Key: in.Key, Value: in.Value, Index: index})
	case refused:
		out.Doubt = r.repeated || tries > 1
	case unsettled(err):
		out.Unknown = true
	default:
		r.Record.violation("writes", fmt.Sprintf("%+v failed: %v", in, err))
		out.Unknown = true
	}
	if r.versions[in.Key]++; out.Done && in.Kind != check.Remove {
		r.versions[in.Key] = out.Version
	}
	r.Record.operation(r.who, in, out, call)
}

func (r *registers) send(ctx context.Context, in check.Asked, w client.Write) (out check.Got, index uint64, err error) {
	if in.Kind == check.Remove {
		var meta client.Meta
		w.Meta = &meta
		err = r.sdk.Delete(ctx, Registers, in.Key, w)
		return check.Got{Index: meta.Index}, meta.Index, err
	}
	if in.Kind == check.Swap {
		w.IfVersion = &in.Match
	}
	e, err := r.sdk.Put(ctx, Registers, in.Key, value(in.Value), w)
	return check.Got{Version: e.Version, Value: in.Value}, e.Index, err
}
