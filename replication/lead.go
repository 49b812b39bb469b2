package replication

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/oklog/ulid/v2"

	"confman/events"
)

// ErrRemoved says that the cluster has removed this node.
var ErrRemoved = errors.New("removed from the cluster")

var errStuckTransfer = errors.New("raft refuses writes after a failed leadership transfer; the process must start anew")

// leaderlessInterval is how often a node without a leader asks whether it is
// still a member.
const leaderlessInterval = time.Second

// observe follows Raft's leadership and state until the context ends.
func (n *Node) observe(ctx context.Context, e *engine) {
	tick := time.NewTicker(leaderlessInterval)
	defer tick.Stop()
	n.done.Go(func() {
		if err := n.wasLeft(ctx, e); err != nil { // before it forms a quorum with others that were
			n.config.Fatal(err)
		}
	})
	for {
		select {
		case leads := <-e.leadership:
			e.readyTerm.Store(0)
			if leads {
				n.done.Go(func() { n.settle(ctx, e) })
			}
		case o := <-e.states:
			if o.Data == raft.Shutdown && ctx.Err() == nil {
				n.removed()
				return
			}
		case <-tick.C:
			if e.leader().ID != "" {
				continue
			}
			if n.wasRemoved(ctx, e) {
				n.removed()
				return
			}
			err := n.wasLeft(ctx, e)
			if err == nil {
				err = n.findPlace(ctx)
			}
			if err != nil {
				n.config.Fatal(err)
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (n *Node) removed() {
	n.config.Fatal(fmt.Errorf("%s was %w; to bring it back, start it with an empty --data and a new --id", n.config.ID, ErrRemoved))
}

// wasRemoved asks the others of a node that hears from no leader: one that was
// removed is often not told, the leader stops talking to it at once.
func (n *Node) wasRemoved(ctx context.Context, e *engine) bool {
	for _, s := range e.servers() {
		var a peerAnswer
		if string(s.ID) == n.config.ID || n.ask.call(ctx, string(s.Address), pathIdentity, nil, &a) != nil {
			continue
		}
		if a.Cluster == n.cluster() && a.Role == "leader" && a.Term >= e.raft.CurrentTerm() && !slices.Contains(a.Members, n.config.ID) {
			return true
		}
	}
	return false
}

// settle makes a new leader able to confirm reads: all that earlier terms
// committed is known once something of the own term is.
func (n *Node) settle(ctx context.Context, e *engine) {
	term := e.raft.CurrentTerm()
	err := e.raft.Barrier(0).Error()
	if errors.Is(err, raft.ErrLeadershipTransferInProgress) {
		// A transfer that failed in an earlier term still refuses all
		// writes of this one (hashicorp/raft #696); only a new Raft helps.
		n.config.Fatal(errStuckTransfer)
		return
	}
	if err != nil || e.raft.CurrentTerm() != term {
		return
	}
	e.readyTerm.Store(term)
	n.config.Log.Info().Uint64("term", term).Msg("leading")
	n.insist(ctx, e, func() error { return n.tellOrigin(ctx) })
	n.insist(ctx, e, func() error { return n.beginHistory(ctx, e) })
}

// insist tries something until it succeeds or this node leads no more.
func (n *Node) insist(ctx context.Context, e *engine, try func() error) {
	for tried := false; e.raft.State() == raft.Leader; tried = true {
		err := try()
		if err == nil && tried {
			n.waiting.Store(nil)
		}
		if err == nil {
			return
		}
		n.wait("%v", err)
		select {
		case <-time.After(enrolInterval):
		case <-ctx.Done():
			return
		}
	}
}

// beginHistory writes the first events, if there are none: the cluster's identity
// and an API key. Two leaders cannot both: the events are guarded.
func (n *Node) beginHistory(ctx context.Context, e *engine) (err error) {
	if n.present.load().Index() > 0 {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("the history has not begun: %w", err)
		}
	}()
	if n.config.FirstKey == nil {
		return errors.New("no first API key is configured")
	}
	key, err := n.config.FirstKey()
	if err != nil {
		return err
	}
	form := events.FormCluster{ID: n.cluster(), FirstKey: key}
	for _, s := range e.servers() {
		form.Members = append(form.Members, events.FoundingPeer{ID: string(s.ID), Address: string(s.Address)})
	}
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	_, err = n.Submit(ctx, form, events.Stamp{Time: time.Now(), ID: newULID(), Actor: "confman"})
	if err != nil && !errors.Is(err, events.ErrConflict) && !errors.Is(err, events.ErrUnknown) {
		return err
	}
	if err := n.present.awaitIndex(ctx, 1); err != nil {
		return err
	}
	if n.config.FirstKeyStands != nil && n.present.load().APIKey(key.ID).Revision > 0 {
		n.config.FirstKeyStands()
	}
	return nil
}

func newULID() ulid.ULID { return ulid.MustNew(ulid.Now(), rand.Reader) }

// Leading is the term in which this node leads and has applied all that earlier
// terms committed; ok is false while there is none.
func (n *Node) Leading() (term uint64, ok bool) {
	e, err := n.running()
	if err != nil || e.leads() != nil {
		return 0, false
	}
	term = e.raft.CurrentTerm()
	return term, e.readyTerm.Load() == term
}
