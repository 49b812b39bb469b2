package replication

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// findPlace looks whether the members have this node where it is, and whether those
// at their addresses are of its cluster. What must not go on is an error; what
// somebody has to mend is kept as a reason not to be ready, and logged when it is
// new.
func (n *Node) findPlace(ctx context.Context) error {
	members, err := n.Members(ctx)
	if err != nil {
		return nil //nolint:nilerr // not part of a cluster: there is no place
	}
	var lost string
	for _, m := range members {
		switch {
		case m.ID == n.config.ID && m.Address != n.config.Address && len(members) > 1:
			var a peerAnswer
			if n.ask.call(ctx, m.Address, pathIdentity, nil, &a) == nil && a.Node == m.ID && a.Cluster == n.cluster() {
				return fmt.Errorf("%w: %s of this cluster runs at %s already, and an ID is for one node. If %s is a copy, empty it and start this node with a new --id",
					ErrRefused, m.ID, m.Address, n.config.Dir)
			}
			lost = fmt.Sprintf("the members know %s at %s, and it is at %s now: start it with --advertise %s, or replace it: confman cluster replace %s NEW-ID %s",
				m.ID, m.Address, n.config.Address, m.Address, m.ID, n.config.Address)
		case m.stranger && lost == "":
			lost = fmt.Sprintf("%s; this node is of cluster %s: one of the directories or addresses is wrong", m.Error, n.cluster())
		}
	}
	if other := n.strangePeer(ctx); other != "" {
		lost = other
	}
	if n.around.lose(lost) && lost != "" {
		n.config.Log.Error().Msg(lost)
	}
	return nil
}

// strangePeer names a founding member that is of another cluster by now: then this
// node has the directory of another one.
func (n *Node) strangePeer(ctx context.Context) string {
	said := make(chan string, len(n.config.Peers))
	for _, p := range n.config.Peers {
		go func() {
			var a peerAnswer
			if n.ask.call(ctx, p.Address, pathIdentity, nil, &a) != nil || a.Cluster == "" || a.Cluster == n.cluster() {
				said <- ""
				return
			}
			said <- fmt.Sprintf("%s at %s, of --peers, belongs to another cluster, %s; %s is a directory of cluster %s", a.Node, p.Address, a.Cluster, n.config.Dir, n.cluster())
		}()
	}
	found := ""
	for range n.config.Peers {
		found = max(found, <-said) // each call has a deadline; always the same one of several
	}
	return found
}

// checkJoin refuses to take a data directory to another cluster: --join does
// nothing for a node that belongs to one, and it would be missed there. It asks
// until somebody answers.
func (n *Node) checkJoin(ctx context.Context) error {
	tick := time.NewTicker(joinInterval)
	defer tick.Stop()
	for {
		var a peerAnswer
		err := n.ask.callURL(ctx, strings.TrimRight(n.config.Join, "/")+pathIdentity, nil, &a)
		if err == nil && a.Cluster == n.cluster() {
			return nil
		}
		if err == nil && a.Cluster != "" {
			if err := n.leftBy(a, n.config.Join); err != nil {
				return err
			}
			return fmt.Errorf("%w: %s belongs to cluster %s, and %s, where it is to --join, is a member of cluster %s. "+
				"To start it where it was, leave --join out; to have it join, give it an empty --data and a new --id",
				ErrRefused, n.config.Dir, n.cluster(), n.config.Join, a.Cluster)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// orFatal does something in the background that ends the node when it fails.
func (n *Node) orFatal(ctx context.Context, do func() error) {
	n.done.Go(func() {
		if err := do(); err != nil && ctx.Err() == nil {
			n.config.Fatal(err)
		}
	})
}
