package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/lab"
)

// Config says how much of each there is, in operations per second. The zero
// value is the mix that is meant; a negative rate is none.
type Config struct {
	Seed         uint64
	Pulses       float64 // writes, and as many linearizable reads
	Registers    float64
	Local        float64
	Past         float64
	Transactions float64
	Publishes    float64
	Watchers     int // 0: 8; negative: none
}

func (c Config) filled() Config {
	for rate, usual := range map[*float64]float64{
		&c.Pulses: 50, &c.Registers: 40, &c.Local: 30, &c.Past: 10, &c.Transactions: 5, &c.Publishes: 2,
	} {
		if *rate == 0 {
			*rate = usual
		}
	}
	if c.Watchers == 0 {
		c.Watchers = 8
	}
	return c
}

// Namespaces of the load. Values in them are unique.
const (
	Registers = "registers"
	Pulses    = "pulses"
	Together  = "together" // of transactions
	Governed  = "governed" // nothing changes without two approvals
)

// Approvers is how many approvals by others a change of Governed needs.
const Approvers = 2

// Load is clients at work.
type Load struct {
	Record *Record

	lab    *lab.Lab
	config Config
	people people
	seats  *seats
	cancel context.CancelFunc
	done   sync.WaitGroup
	began  time.Time
	index  newest
}

// Start makes namespaces and people on a cluster that is ready, and begins to
// work. Stop it.
func Start(ctx context.Context, l *lab.Lab, c Config) (*Load, error) {
	load := &Load{Record: newRecord(), lab: l, config: c.filled(), began: time.Now()}
	for _, namespace := range []string{Registers, Pulses, Together, Governed} {
		if err := load.namespace(ctx, namespace); err != nil {
			return nil, err
		}
	}
	if err := load.hire(ctx); err != nil {
		return nil, err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	load.cancel = cancel
	load.work(working)
	load.watch(working)
	return load, nil
}

// work starts all but the watchers.
func (l *Load) work(ctx context.Context) {
	c := l.config
	l.beat(ctx, c.Pulses, 1, l.pulseWrite)
	l.beat(ctx, c.Pulses, 2, l.pulseRead)
	const writers = 6
	for i := range writers {
		l.pace(ctx, c.Registers/writers, uint64(10+i), l.newRegisters(i).step)
	}
	for i := range l.lab.Nodes() {
		l.pace(ctx, c.Local/float64(len(l.lab.Nodes())), uint64(20+i), l.local(i))
	}
	l.pace(ctx, c.Past, 40, l.past)
	l.pace(ctx, c.Transactions, 41, l.transaction)
	const authors = 3
	for i := range authors {
		l.pace(ctx, c.Publishes/authors, uint64(50+i), l.publish(i))
	}
}

// turn does one thing. It has a number, 0, 1, …, and ends by itself: what it
// writes is settled even when the load is being stopped.
type turn func(ctx context.Context, number int, rng *rand.Rand)

func (l *Load) rng(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(l.config.Seed, stream)) }

// pace takes turns at a rate, each after the one before it.
func (l *Load) pace(ctx context.Context, rate float64, stream uint64, take turn) {
	if rate <= 0 {
		return
	}
	rng := l.rng(stream)
	l.done.Go(func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
				take(ctx, i, rng)
			case <-ctx.Done():
				return
			}
		}
	})
}

// beat takes turns at a rate, whether or not those before have ended, up to a
// bound that only a cluster reaches that hangs.
func (l *Load) beat(ctx context.Context, rate float64, stream uint64, take turn) {
	if rate <= 0 {
		return
	}
	rng, slots := l.rng(stream), make(chan struct{}, 1000)
	l.done.Go(func() {
		tick := time.NewTicker(time.Duration(float64(time.Second) / rate))
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			own := rand.New(rand.NewPCG(rng.Uint64(), 0))
			select {
			case slots <- struct{}{}:
				l.done.Go(func() { take(ctx, i, own); <-slots })
			default:
				l.Record.count("pulse left out")
			}
		}
	})
}

// Newest is the highest event index that any writer was told of.
func (l *Load) Newest() uint64 { return l.index.Load() }

// Stop ends all work but the watchers', and returns when each write is settled
// or given up after [lab.Patience].
func (l *Load) Stop() {
	l.seats.gallery.Restless.Store(false) // or who is not told of the last events finds them by coming again
	l.cancel()
	l.done.Wait()
}

// Close ends the watchers, too, and what still waits.
func (l *Load) Close() {
	l.Stop()
	l.seats.end()
}

// settle repeats a write under its idempotency key until its outcome is known or
// patience ends: then the error is still that it is unknown, or never tried.
// The end of the context does not end it: a write that began is to have an end.
func settle(ctx context.Context, key string, write func(context.Context, client.Write) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lab.Patience)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := write(ctx, client.Write{IdempotencyKey: key})
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
			return fmt.Errorf("%w: %w", client.ErrOutcomeUnknown, err)
		}
		if !unsettled(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
}

// unsettled reports whether a write may have happened, or may be tried again.
func unsettled(err error) bool {
	return errors.Is(err, client.ErrOutcomeUnknown) || errors.Is(err, client.ErrUnavailable)
}

func (l *Load) namespace(ctx context.Context, path string) error {
	sdk, err := l.lab.SDK(l.lab.Key())
	if err != nil {
		return err
	}
	err = settle(ctx, "namespace-"+path, func(ctx context.Context, w client.Write) error {
		_, err := sdk.PutNamespace(ctx, path, wire.PutNamespace{}, w)
		return err
	})
	if err != nil {
		return fmt.Errorf("create the namespace %s: %w", path, err)
	}
	return nil
}
