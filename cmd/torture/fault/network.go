package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"confman/cmd/torture/lab"
)

// wires makes a fault of the network, which the lab heals.
func wires(name, mode string, hold time.Duration, whom choose, how func(l *lab.Lab, rng *rand.Rand, nodes []*lab.Node) error) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Network: true, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		return Injury{Cut: nodes, Heal: func(context.Context) error { return l.Heal() }}, how(l, rng, nodes)
	}}
}

// Cut pulls the cables of nodes.
func Cut(name, mode string, whom choose, hold time.Duration) Fault {
	return wires(name, mode, hold, whom, func(l *lab.Lab, _ *rand.Rand, nodes []*lab.Node) error { return l.Cut(nodes...) })
}

// Deafen loses what arrives at a node from others, or, dumb, what it sends to
// them; what goes the other way arrives.
func Deafen(name, mode string, dumb bool, whom choose, hold time.Duration) Fault {
	return wires(name, mode, hold, whom, func(l *lab.Lab, _ *rand.Rand, nodes []*lab.Node) error {
		for _, n := range nodes {
			for _, other := range l.Others(n) {
				from, to := other, n
				if dumb {
					from, to = n, other
				}
				if err := l.OneWay(from, to); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Part loses what two nodes send to each other.
func Part(name, mode string, hold time.Duration) Fault {
	return wires(name, mode, hold, two, func(l *lab.Lab, _ *rand.Rand, pair []*lab.Node) error {
		if err := l.OneWay(pair[0], pair[1]); err != nil {
			return err
		}
		return l.OneWay(pair[1], pair[0])
	})
}

// Lose loses so many percent of all packets between nodes.
func Lose(name, mode string, percent int, hold time.Duration) Fault {
	return wires(name, mode, hold, Everyone, func(l *lab.Lab, _ *rand.Rand, nodes []*lab.Node) error { return l.Loss(percent, nodes...) })
}

// Throttle lets so many kbit/s through to and from nodes.
func Throttle(name, mode string, kbit int, whom choose, hold time.Duration) Fault {
	return wires(name, mode, hold, whom, func(l *lab.Lab, _ *rand.Rand, nodes []*lab.Node) error {
		for _, n := range nodes {
			if err := l.RateLimit(n, kbit); err != nil {
				return err
			}
		}
		return nil
	})
}

// Flap cuts and heals a node again and again, until it is healed for good.
func Flap(name, mode string, every time.Duration, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Network: true, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		stop, ended := make(chan struct{}), make(chan error, 1)
		go func() { ended <- flap(l, nodes, every, stop) }()
		return Injury{Cut: nodes, Heal: func(context.Context) error {
			close(stop)
			failed := <-ended
			if err := l.Heal(); err != nil {
				return err
			}
			return failed
		}}, nil
	}}
}

func flap(l *lab.Lab, nodes []*lab.Node, every time.Duration, stop <-chan struct{}) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for cut := true; ; cut = !cut {
		change := l.Heal
		if cut {
			change = func() error { return l.Cut(nodes...) }
		}
		if err := change(); err != nil {
			return fmt.Errorf("flap: %w", err)
		}
		select {
		case <-tick.C:
		case <-stop:
			return nil
		}
	}
}
