package modes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
	"confman/replication/disk"
)

func mix() Mode {
	return Mode{"mix", "all faults in random order, now and then a mild one on top of another", runMix}
}

// sparse is the size of a disk that will not be full, in bytes: it takes what is
// written to it.
const sparse = 8 << 30

// runMix makes one fault at a time that may cost the quorum. A quick run takes
// each kind of fault once.
func runMix(ctx context.Context, b *Bench) error {
	t, err := b.mixed(ctx)
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	blows := t.blows()
	var deck []blow
	for made := 0; ctx.Err() == nil; made++ {
		if len(deck) == 0 { // so that each comes as often as every other
			if made > 0 && b.Quick() {
				break
			}
			for _, i := range b.RNG.Perm(len(blows)) {
				deck = append(deck, blows[i])
			}
		}
		if made > 0 && !b.Quick() && b.Over() {
			break
		}
		t.Calm(ctx, time.Duration(500+b.RNG.IntN(2500))*time.Millisecond)
		if err := deck[0](ctx); err != nil {
			return err
		}
		deck = deck[1:]
	}
	return t.Verify(ctx)
}

// mixed is a cluster under load to which everything can be done that this machine
// allows.
func (b *Bench) mixed(ctx context.Context) (*Trial, error) {
	c := lab.Config{DiskBytes: sparse, Args: []string{"--min-free-bytes", fmt.Sprint(disk.MinHardBytes)}}
	if err := b.clocked(ctx, &c); err != nil {
		return nil, err
	}
	t, err := b.Trial(ctx, c, load.Config{})
	if errors.Is(err, lab.ErrNoDisk) {
		b.Logf("faults of the disk are left out: %v", err)
		c.DiskBytes = 0
		t, err = b.Trial(ctx, c, load.Config{})
	}
	return t, err
}

// blow is one thing that is done to a cluster.
type blow func(ctx context.Context) error

// blows are all that a cluster may meet: the faults and, unless the run is quick,
// what its operators do.
func (t *Trial) blows() (all []blow) {
	faults := fault.Fit(t.Lab, fault.All())
	for _, f := range faults {
		all = append(all, func(ctx context.Context) error {
			made := f
			if t.bench.RNG.IntN(3) == 0 && !f.Mild && !f.Alone {
				made = onTop(f, mild(faults, t.bench.RNG))
			}
			_, _, err := t.Strike(ctx, made, nil)
			return err
		})
	}
	if t.bench.Quick() {
		return all
	}
	all = append(all, t.rollingRestart, t.replaced, t.backedUp)
	if t.Nodes()[0].Volume() != nil {
		all = append(all, t.fullFollower, t.fullLeader)
	}
	return all
}

func mild(faults []fault.Fault, rng *rand.Rand) fault.Fault {
	for {
		if f := faults[rng.IntN(len(faults))]; f.Mild {
			return f
		}
	}
}

// onTop makes a fault while a mild one holds.
func onTop(f, mild fault.Fault) fault.Fault {
	both := f
	both.Name = f.Name + ", on top of: " + mild.Name
	both.Inject = func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (fault.Injury, error) {
		below, err := mild.Inject(ctx, l, rng)
		if err != nil {
			return below, err
		}
		above, err := f.Inject(ctx, l, rng)
		return fault.Both(above, below), err
	}
	return both
}
