package modes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

func bootstrap() Mode {
	return Mode{fault.Bootstrap, "1, 2 and 3 nodes in all orders, operators' mistakes, wiped nodes, an address that changes", runBootstrap}
}

// Promises of a bootstrap.
const (
	forms   = "cluster forms after its last founder is up"
	returns = "cluster is ready again after a majority is up"
	names   = "mistake is named, or the node ends"
)

// named is how long a mistake may stay unsaid.
const named = 5 * time.Second

func runBootstrap(ctx context.Context, b *Bench) error {
	b.Report.Promise(forms, 0, 3*time.Second)
	b.Report.Promise(returns, 0, 3*time.Second)
	b.Report.Promise(names, 0, named)
	for round := 0; round == 0 || !b.Over(); round++ {
		for _, one := range []func(context.Context, *Bench) error{formInOrders, mistakes, certificates, wiped, renamed} {
			if err := one(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// formInOrders forms clusters of each size in each order; in a quick run, in one.
func formInOrders(ctx context.Context, b *Bench) error {
	for size := 1; size <= 3; size++ {
		orders := permutations(size)
		if b.Quick() {
			orders = orders[b.RNG.IntN(len(orders)):][:1]
		}
		for _, order := range orders {
			if err := formInOrder(ctx, b, order); err != nil {
				return err
			}
		}
	}
	return nil
}

// permutations are all orders of 0, 1, …, n-1.
func permutations(n int) (all [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, shorter := range permutations(n - 1) {
		for at := 0; at < n; at++ {
			all = append(all, slices.Insert(slices.Clone(shorter), at, n-1))
		}
	}
	return all
}

// formInOrder starts nodes one after the other, then a majority of them once more.
func formInOrder(ctx context.Context, b *Bench, order []int) error {
	l, err := b.Lab(ctx, lab.Config{Nodes: len(order)})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	for i, which := range order {
		n := l.Nodes()[which]
		if err := n.Start(); err != nil {
			return err
		}
		if i == len(order)-1 {
			break
		}
		if err := lab.Await(ctx, n.ID+" answers", func() error { _, err := l.Get(ctx, n, "/health"); return err }); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := l.AwaitReady(ctx, l.Nodes()...); err != nil {
		return fmt.Errorf("start in the order %v: %w", order, err)
	}
	b.Report.Measure(forms, time.Since(began))
	identity, found := oneCluster(ctx, l, l.Nodes()...)
	for _, n := range l.Nodes() {
		n.Kill9()
	}
	majority := l.Nodes()[:len(order)/2+1]
	began = time.Now()
	for _, n := range majority {
		if err := n.Start(); err != nil {
			return err
		}
	}
	if err := l.AwaitReady(ctx, majority...); err != nil {
		return fmt.Errorf("start a majority again: %w", err)
	}
	b.Report.Measure(returns, time.Since(began))
	again, more := oneCluster(ctx, l, majority...)
	if found = append(found, more...); again != identity {
		found = append(found, says(fault.Bootstrap, "cluster %s is cluster %s after a restart", identity, again))
	}
	b.Logf("formed in the order %v", order)
	b.Report.Judge(fault.Bootstrap, "clusters formed", 1, found)
	return nil
}

// oneCluster finds fault with nodes that are not of one cluster, and returns its
// identity.
func oneCluster(ctx context.Context, l *lab.Lab, nodes ...*lab.Node) (identity string, found []check.Finding) {
	for _, n := range nodes {
		c, err := l.Cluster(ctx, n)
		if err != nil || c.ID == "" || identity != "" && c.ID != identity {
			found = append(found, says(fault.Bootstrap, "%s is of cluster %q, another of %q: %v", n.ID, c.ID, identity, err))
		}
		identity = c.ID
	}
	return identity, found
}

// ends starts a node that must end soon, with one line that says why.
func ends(ctx context.Context, b *Bench, n *lab.Node, why string) (found []check.Finding) {
	began, from := time.Now(), n.LogSize()
	if err := n.Start(); err != nil {
		return []check.Finding{says("mistake", "%v", err)}
	}
	limit, cancel := context.WithTimeout(ctx, 2*named)
	defer cancel()
	code, err := n.Exit(limit)
	b.Report.Measure(names, time.Since(began))
	if err != nil || code == 0 {
		n.Kill9()
		found = append(found, says("mistake", "%s goes on, or ended with code %d, and is to say %q: %v", n.ID, code, why, err))
	}
	text, err := n.LogSince(from)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; err != nil || !strings.HasPrefix(last, "confman: ") || !strings.Contains(last, why) {
		found = append(found, says("mistake", "the last line of %s is %q, and is to say %q: %v", n.ID, last, why, err))
	}
	return found
}

// waits holds a node to it that it says soon, in its log and when it is asked, for
// what it waits.
func waits(ctx context.Context, b *Bench, l *lab.Lab, n *lab.Node, why string) (found []check.Finding) {
	began := time.Now()
	err := within(ctx, 2*named, n.ID+" says why it waits", func() error {
		r, err := l.Ready(ctx, n)
		if err != nil {
			return err
		}
		if !strings.Contains(strings.Join(r.Reasons, "; "), why) {
			return fmt.Errorf("it gives %q, and is to say %q", r.Reasons, why)
		}
		return hasLine(n, 0, why)
	})
	b.Report.Measure(names, time.Since(began))
	if err != nil {
		found = append(found, says("mistake", "%v", err))
	}
	return found
}

// wipe takes away what a node has.
func wipe(n *lab.Node) error {
	if n.Running() {
		return errors.New(n.ID + " runs")
	}
	return os.RemoveAll(n.Data)
}
