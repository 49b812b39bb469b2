package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"time"

	"confman/cmd/torture/lab"
)

// choose picks nodes by their role at this moment.
type choose func(ctx context.Context, l *lab.Lab, rng *rand.Rand) ([]*lab.Node, error)

// Leader is the node that leads.
func Leader(ctx context.Context, l *lab.Lab, _ *rand.Rand) ([]*lab.Node, error) {
	leader, err := l.Leader(ctx)
	return []*lab.Node{leader}, err
}

// Follower is one that does not lead.
func Follower(ctx context.Context, l *lab.Lab, rng *rand.Rand) ([]*lab.Node, error) {
	return followers(1)(ctx, l, rng)
}

// Everyone is all nodes.
func Everyone(_ context.Context, l *lab.Lab, _ *rand.Rand) ([]*lab.Node, error) {
	return l.Nodes(), nil
}

// two are the leader and a follower.
func two(ctx context.Context, l *lab.Lab, rng *rand.Rand) ([]*lab.Node, error) {
	leader, err := l.Leader(ctx)
	if err != nil {
		return nil, err
	}
	others := l.Others(leader)
	return []*lab.Node{leader, others[rng.IntN(len(others))]}, nil
}

func followers(count int) choose {
	return func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (chosen []*lab.Node, err error) {
		leader, err := l.Leader(ctx)
		if err != nil {
			return nil, err
		}
		others := l.Others(leader)
		for _, i := range rng.Perm(len(others))[:count] {
			chosen = append(chosen, others[i])
		}
		return chosen, nil
	}
}

// Kill ends processes by SIGKILL, all at once.
func Kill(name, mode string, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		for _, n := range nodes {
			n.Signal(syscall.SIGKILL)
		}
		for _, n := range nodes {
			n.Kill9()
		}
		return Injury{Nodes: nodes}, nil
	}}
}

// Terminate asks a process to end, which it must with code 0.
func Terminate(name, mode string, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		injury := Injury{Nodes: nodes, Told: true}
		ctx, cancel := context.WithTimeout(ctx, lab.Patience) // its disk may be slow, and its store merges tables
		defer cancel()
		for _, n := range nodes {
			code, err := n.Term(ctx)
			if err != nil {
				n.Signal(syscall.SIGQUIT) // what it hangs in is in its log
				return injury, err
			}
			if code != 0 {
				return injury, errors.New(n.ID + " did not end well when it was asked to")
			}
		}
		return injury, nil
	}}
}

// Pause stops processes by SIGSTOP.
func Pause(name, mode string, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		injury := Injury{Nodes: nodes, Heal: func(context.Context) error {
			for _, n := range nodes {
				n.Resume()
			}
			return nil
		}}
		for _, n := range nodes {
			err = errors.Join(err, n.Pause(ctx))
		}
		return injury, err
	}}
}

// Jump sets clocks ahead, or behind, at once, and then right.
func Jump(name, mode string, ahead time.Duration, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Mild: true, Clock: true, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		injury := Injury{Heal: func(context.Context) (failed error) {
			for _, n := range nodes {
				failed = errors.Join(failed, n.SetClock(0))
			}
			return failed
		}}
		for _, n := range nodes {
			err = errors.Join(err, n.SetClock(ahead))
		}
		return injury, err
	}}
}

// PowerCut takes the power of nodes, all at once: what their disks were not told
// to keep is gone.
func PowerCut(name, mode string, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Disk: true, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		injury := Injury{Nodes: nodes, Heal: func(context.Context) (failed error) {
			for _, n := range nodes {
				failed = errors.Join(failed, n.Volume().Remount())
			}
			return failed
		}}
		for _, n := range nodes {
			err = errors.Join(err, n.Volume().PowerCut())
		}
		for _, n := range nodes {
			n.Kill9()
		}
		return injury, err
	}}
}

// Strace has system calls of processes go wrong; see [lab.Node.Strace].
func Strace(name, mode, inject string, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		return each(nodes, func(n *lab.Node) (func() error, error) { return n.Strace(ctx, inject) })
	}}
}

// Starve gives processes so many percent of a core.
func Starve(name, mode string, percent int, whom choose, hold time.Duration) Fault {
	return Fault{Name: name, Mode: mode, Hold: hold, Inject: func(ctx context.Context, l *lab.Lab, rng *rand.Rand) (Injury, error) {
		nodes, err := whom(ctx, l, rng)
		if err != nil {
			return Injury{}, err
		}
		return each(nodes, func(n *lab.Node) (func() error, error) { return n.LimitCPU(percent) })
	}}
}

// each does something to nodes that can be undone. They need not be down then,
// and may be: a disk that hangs ends its node.
func each(nodes []*lab.Node, do func(*lab.Node) (undo func() error, err error)) (Injury, error) {
	var undos []func() error
	injury := Injury{Nodes: nodes, Heal: func(context.Context) (failed error) {
		for _, undo := range undos {
			failed = errors.Join(failed, undo())
		}
		return failed
	}}
	for _, n := range nodes {
		undo, err := do(n)
		if err != nil {
			return injury, err
		}
		undos = append(undos, undo)
	}
	return injury, nil
}
