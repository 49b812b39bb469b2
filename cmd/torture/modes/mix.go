package modes

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/load"
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
	t, err := b.Trial(ctx, lab.Config{DiskBytes: sparse}, load.Config{})
	if errors.Is(err, lab.ErrNoDisk) {
		b.Logf("faults of the disk are left out: %v", err)
		t, err = b.Trial(ctx, lab.Config{}, load.Config{})
	}
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // what matters has been verified
	faults := fault.Fit(t.Lab, fault.All())
	var deck []fault.Fault
	for made := 0; ctx.Err() == nil; made++ {
		if len(deck) == 0 { // so that each comes as often as every other
			if made > 0 && b.Quick() {
				break
			}
			for _, i := range b.RNG.Perm(len(faults)) {
				deck = append(deck, faults[i])
			}
		}
		if made > 0 && !b.Quick() && b.Over() {
			break
		}
		f := deck[0]
		deck = deck[1:]
		if b.RNG.IntN(3) == 0 && !f.Mild && !f.Alone {
			f = onTop(f, mild(faults, b.RNG))
		}
		t.Calm(ctx, time.Duration(500+b.RNG.IntN(2500))*time.Millisecond)
		if _, _, err := t.Strike(ctx, f, nil); err != nil {
			return err
		}
	}
	return t.Verify(ctx)
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
