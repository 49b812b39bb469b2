package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"confman/events"
)

// Origin is what a cluster came from that was not formed: exactly one of its
// fields is set. It lies in the identity of the one node that such a cluster
// begins with, as the event that says so, until that event is in the history.
// Until then the node is not ready, writes nothing else and lets nobody join, so
// that the event comes before all else that the new cluster does.
//
// Whoever makes such a directory fills in the event, with the identity's Cluster
// for its own, and writes the identity last: a directory whose identity has no
// Origin is one whose history says whose it is.
type Origin struct {
	Recovered *events.ClusterRecovered `json:"recovered,omitempty"`
	Restored  *events.ClusterRestored  `json:"restored,omitempty"`
}

// command has the history say where the cluster came from.
func (o *Origin) command() events.Command {
	if o.Recovered != nil {
		return events.RecoverCluster{Recovered: *o.Recovered}
	}
	return events.RestoreCluster{Restored: *o.Restored}
}

func (o *Origin) String() string {
	if o.Recovered != nil {
		return "recovered from the data of " + o.Recovered.Node
	}
	return "restored from a backup at " + o.Restored.Position
}

func (o *Origin) validate() error {
	if o != nil && (o.Recovered == nil) == (o.Restored == nil) {
		return errors.New("an origin is a recovery or a restore")
	}
	return nil
}

// unsaid is the origin that the history does not tell of yet, or nil.
func (n *Node) unsaid() *Origin { return n.identity.Load().Origin }

// inOrder refuses what must not come before the event of the origin.
func (n *Node) inOrder(c events.Command) error {
	origin := n.unsaid()
	if origin == nil {
		return nil
	}
	switch c.(type) {
	case events.RecoverCluster, events.RestoreCluster, events.RaiseLevel:
		return nil
	}
	return fmt.Errorf("the cluster is %s, and its history does not say so yet: %w", origin, events.ErrUnavailable)
}

// tellOrigin has the history say where the cluster came from, if it does not, and
// then forgets it. It may be interrupted anywhere: what is in the history is not
// written again. A history that never began will say whose it is by its first
// event.
func (n *Node) tellOrigin(ctx context.Context) error {
	origin := n.unsaid()
	if origin == nil {
		return nil
	}
	if n.present.load().Index() > 0 {
		ctx, cancel := context.WithTimeout(ctx, configTimeout)
		defer cancel()
		if _, err := n.Submit(ctx, origin.command(), events.Stamp{Time: time.Now(), ID: newULID(), Actor: "confman"}); err != nil {
			return fmt.Errorf("the history does not say yet that the cluster is %s: %w", origin, err)
		}
	}
	id := *n.identity.Load()
	id.Origin = nil
	if err := n.take(id); err != nil {
		n.config.Fatal(err)
		return err
	}
	n.config.Log.Info().Str("cluster", id.Cluster).Msgf("this cluster is %s; its history says so, and others may join", origin)
	return nil
}

// former are the clusters that this node's history was of before.
func (n *Node) former() []string {
	former := n.present.load().Cluster().Former
	if origin := n.unsaid(); origin != nil && origin.Recovered != nil {
		former = append(slices.Clip(former), origin.Recovered.Previous)
	} else if origin != nil {
		former = append(slices.Clip(former), origin.Restored.Previous)
	}
	return former
}

// wasLeft asks the other members whether this node's cluster has gone on as
// another one, recovered or restored, without this node. Its error names who says
// so.
func (n *Node) wasLeft(ctx context.Context, e *engine) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	others := e.servers()
	answers := make(chan error, len(others))
	for _, s := range others {
		go func() {
			var a peerAnswer
			if string(s.ID) == n.config.ID || n.ask.call(ctx, string(s.Address), pathIdentity, nil, &a) != nil {
				answers <- nil
				return
			}
			answers <- n.leftBy(a, n.ask.scheme+"://"+string(s.Address))
		}()
	}
	var left error
	for range others {
		if err := <-answers; err != nil {
			left = err
			cancel() // one is enough
		}
	}
	return left
}

// leftBy is an error when who answered is of the cluster that this node's has gone
// on as.
func (n *Node) leftBy(a peerAnswer, url string) error {
	if !slices.Contains(a.Former, n.cluster()) {
		return nil
	}
	return fmt.Errorf("%w: the cluster of %s, %s, has gone on as cluster %s without this node's data, says %s at %s. "+
		"Keep a copy of %s for as long as something only it holds may be missed; then empty it and start the node with a new --id and --join %s",
		ErrRefused, n.config.ID, n.cluster(), a.Cluster, a.Node, url, n.config.Dir, url)
}
