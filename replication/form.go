package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"confman/replication/disk"
	"confman/replication/wal"
)

// Formation. A new cluster comes to be when all its founders are there: the one
// with the lowest ID, the convener, mints the identity and keeps it as forming;
// the others see that and take it over; when all have, the convener lets Raft
// begin with all of them as voters. Nobody takes an identity from a cluster
// that has begun: a founder that finds its peers begun and itself empty was
// wiped, and its votes with it.
//
// All founders, not a majority: two wiped nodes of three are a majority too,
// and would begin a second, empty history beside the third node's.

// ErrRefused says that this node cannot be part of the cluster as it is.
var ErrRefused = errors.New("refused")

const enrolInterval = 200 * time.Millisecond

// enrol gives a new node its identity, by forming a cluster or by joining one.
func (n *Node) enrol(ctx context.Context) error {
	tick := time.NewTicker(enrolInterval)
	defer tick.Stop()
	for {
		done, err := n.enrolOnce(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *Node) enrolOnce(ctx context.Context) (done bool, err error) {
	if n.join != "" {
		return n.askToJoin(ctx, n.join)
	}
	if len(n.config.Peers) == 0 {
		select {
		case invite := <-n.invited:
			n.join, n.learner = n.ask.scheme+"://"+invite.Member, invite.Learner
		default:
			n.wait("waiting to be added: run confman cluster add %s %s against the cluster", n.config.ID, n.config.Address)
		}
		return false, nil
	}
	others, missing, err := n.meet(ctx)
	if err != nil || missing {
		return false, err
	}
	convener := n.config.Peers[0]
	if convener.ID == n.config.ID {
		return true, n.take(identity{Node: n.config.ID, Cluster: newULID().String(), Forming: true})
	}
	if a := others[convener.ID]; a.Forming {
		return true, n.take(identity{Node: n.config.ID, Cluster: a.Cluster})
	}
	n.wait("waiting for %s at %s to form the cluster", convener.ID, convener.Address)
	return false, nil
}

// meet asks all other founders who they are. It fails when they disagree with
// this node, or when this node should not be empty.
func (n *Node) meet(ctx context.Context) (answers map[string]peerAnswer, missing bool, err error) {
	answers = map[string]peerAnswer{}
	for _, p := range n.config.Peers {
		if p.ID == n.config.ID {
			continue
		}
		var a peerAnswer
		if err := n.ask.call(ctx, p.Address, pathIdentity, nil, &a); err != nil {
			n.waitFor(p, err, missing)
			missing = true
			continue
		}
		if err := n.compare(p, a); err != nil {
			return nil, false, err
		}
		answers[p.ID] = a
	}
	return answers, missing, nil
}

// waitFor notes the first founder that keeps the others waiting.
func (n *Node) waitFor(p Member, err error, already bool) {
	if !already {
		n.wait("waiting for %s at %s: %v", p.ID, p.Address, err)
	}
}

// compare judges what a founder says against what this empty node knows.
func (n *Node) compare(p Member, a peerAnswer) error {
	switch {
	case a.Node != p.ID:
		return fmt.Errorf("%w: at %s there is %s, the member list of %s says %s", ErrRefused, p.Address, a.Node, n.config.ID, p.ID)
	case a.Begun:
		return fmt.Errorf("%w: cluster %s has begun without this node's data: %s at %s is part of it, and the data directory of %s is empty. %s",
			ErrRefused, a.Cluster, p.ID, p.Address, n.config.ID, replaceCommands(n.config.ID))
	case !slices.Equal(a.Peers, n.config.Peers):
		return fmt.Errorf("%w: the member lists differ: %s has %s, %s has %s",
			ErrRefused, n.config.ID, listing(n.config.Peers), p.ID, listing(a.Peers))
	case a.Cluster != "" && !a.Forming && n.config.Peers[0].ID == n.config.ID:
		return fmt.Errorf("%w: %s at %s belongs to cluster %s, and the data directory of %s is empty. %s",
			ErrRefused, p.ID, p.Address, a.Cluster, n.config.ID, replaceCommands(n.config.ID))
	}
	return nil
}

// replaceCommands is what an operator does about a node whose data is gone.
func replaceCommands(id string) string {
	return fmt.Sprintf("Replace it under a new ID: confman cluster remove %s, then start it with an empty --data, "+
		"--id NEW-ID and --join URL-OF-A-MEMBER instead of --peers", id)
}

// remedied says what to do about damaged data, beside what is wrong.
func remedied(fatal func(error), id string) func(error) {
	return func(err error) {
		if errors.Is(err, disk.ErrCorrupt) || errors.Is(err, wal.ErrCorrupt) {
			err = fmt.Errorf("%w: the data of %s is damaged and not used. %s", err, id, replaceCommands(id))
		}
		fatal(err)
	}
}

// found lets Raft begin once all founders have taken the identity over. It can
// be interrupted anywhere and is then done again.
func (n *Node) found(ctx context.Context, e *engine) error {
	tick := time.NewTicker(enrolInterval)
	defer tick.Stop()
	for {
		ready, err := n.allTookOver(ctx)
		if err != nil {
			return err
		}
		if ready {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var all raft.Configuration
	for _, p := range n.config.Peers {
		all.Servers = append(all.Servers, raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Address)})
	}
	if err := e.raft.BootstrapCluster(all).Error(); err != nil && !errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("begin: %w", err)
	}
	return n.take(identity{Node: n.config.ID, Cluster: n.cluster()})
}

func (n *Node) allTookOver(ctx context.Context) (bool, error) {
	for _, p := range n.config.Peers {
		if p.ID == n.config.ID {
			continue
		}
		var a peerAnswer
		if err := n.ask.call(ctx, p.Address, pathIdentity, nil, &a); err != nil {
			n.waitFor(p, err, false)
			return false, nil
		}
		switch {
		case a.Cluster == "":
			n.wait("waiting for %s at %s to take over the identity of the cluster", p.ID, p.Address)
			return false, nil
		case a.Cluster != n.cluster():
			return false, fmt.Errorf("%w: %s belongs to cluster %s, %s at %s to cluster %s",
				ErrRefused, n.config.ID, n.cluster(), p.ID, p.Address, a.Cluster)
		}
	}
	return true, nil
}
