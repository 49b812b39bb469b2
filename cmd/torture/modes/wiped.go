package modes

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// wiped has one member come back without its data, then two: neither may vote,
// nor make another cluster, and the survivor keeps what was acknowledged.
func wiped(ctx context.Context, b *Bench) error {
	l, err := b.formed(ctx)
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // what matters has been seen
	identity, found := oneCluster(ctx, l, l.Nodes()...)
	order := b.RNG.Perm(3)
	survivor, lost := l.Nodes()[order[0]], []*lab.Node{l.Nodes()[order[1]], l.Nodes()[order[2]]}
	if err := keep(ctx, l, survivor); err != nil {
		return err
	}
	lost[0].Kill9()
	if err := wipe(lost[0]); err != nil {
		return err
	}
	found = append(found, ends(ctx, b, lost[0], "is empty")...)
	if err := l.AwaitReady(ctx, survivor, lost[1]); err != nil {
		return err
	}
	survivor.Kill9()
	lost[1].Kill9()
	if err := wipe(lost[1]); err != nil {
		return err
	}
	for _, n := range lost { // without the survivor: they must not begin anew
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range lost {
		found = append(found, waits(ctx, b, l, n, "waiting for "+survivor.ID+" at ")...)
	}
	if err := survivor.Start(); err != nil {
		return err
	}
	for _, n := range lost {
		limit, cancel := context.WithTimeout(ctx, 2*named)
		if code, err := n.Exit(limit); err != nil || code == 0 {
			found = append(found, says("mistake", "%s, which is wiped, goes on beside %s, or ended with code %d: %v", n.ID, survivor.ID, code, err))
		}
		cancel()
		if err := hasLine(n, 0, "confman: ", "is empty"); err != nil {
			found = append(found, says("mistake", "%v", err))
		}
	}
	found = append(found, keeps(ctx, l, survivor, identity)...)
	b.Report.Judge(fault.Bootstrap, "nodes wiped", len(lost), found)
	b.Logf("wiped: %s, then %s, too", lost[0].ID, lost[1].ID)
	return nil
}

const keptPath = "/api/v1/namespaces/kept/config/k"

// keep writes what must survive, waits until a node has it, and has it take a
// snapshot: what it has beyond, it cannot know to be committed once it starts
// alone.
func keep(ctx context.Context, l *lab.Lab, at *lab.Node) error {
	leader, err := l.Leader(ctx)
	if err != nil {
		return err
	}
	for _, put := range [][2]string{{"/api/v1/namespaces/kept", "{}"}, {keptPath, `{"value":"acknowledged"}`}} {
		a, err := l.Do(ctx, leader, http.MethodPut, put[0], put[1])
		if err != nil || a.Status >= http.StatusMultipleChoices {
			return fmt.Errorf("write %s: %v %w", put[0], a, err)
		}
	}
	err = lab.Await(ctx, at.ID+" has it", func() error {
		a, err := l.Get(ctx, at, keptPath)
		if err == nil && a.Status != http.StatusOK {
			err = errors.New(a.String())
		}
		return err
	})
	if err != nil {
		return err
	}
	return snapshot(ctx, l, at)
}

// keeps finds fault with a survivor that lost what it had, or that thinks that it
// may write alone.
func keeps(ctx context.Context, l *lab.Lab, n *lab.Node, identity string) []check.Finding {
	err := within(ctx, 2*named, n.ID+" serves what it has", func() error {
		a, err := l.Get(ctx, n, keptPath)
		if err != nil {
			return err
		}
		if a.Status != http.StatusOK || a.Header.Get(wire.HeaderLeaderKnown) != "false" {
			return fmt.Errorf("leader known %q: %v", a.Header.Get(wire.HeaderLeaderKnown), a)
		}
		return nil
	})
	again, found := oneCluster(ctx, l, n)
	if err != nil || again != identity {
		found = append(found, says(fault.Bootstrap, "%s survived, of cluster %s, now %s: %v", n.ID, identity, again, err))
	}
	a, err := l.Do(ctx, n, http.MethodPut, keptPath, `{"value":"alone"}`)
	if err != nil || a.Status != http.StatusServiceUnavailable && a.Status != http.StatusGatewayTimeout {
		found = append(found, says(fault.Bootstrap, "%s is alone, and a write ends with %v, %v", n.ID, a, err))
	}
	return found
}
