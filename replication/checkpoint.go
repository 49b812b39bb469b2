package replication

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"confman/events"
	"confman/projections"
)

// ProofConfig says how a node proves its history. Give all members the same
// keys: whoever leads signs.
type ProofConfig struct {
	// Key signs checkpoints; empty: none are made. When it is another one than the
	// history names, the change is recorded first.
	Key ed25519.PrivateKey
	// Earlier keys endorse the change, if the one before is among them.
	Earlier []ed25519.PrivateKey
	// Interval is how often the leader signs when something happened; 0:
	// DefaultCheckpointInterval.
	Interval time.Duration
	// VerifyInterval is how often each node checks its own records; 0: never by
	// itself.
	VerifyInterval time.Duration
}

// Defaults of ProofConfig, as the command line has them.
const (
	DefaultCheckpointInterval = time.Hour
	DefaultVerifyInterval     = 24 * time.Hour
)

const (
	// checkpointEvents is after how many events the leader signs in any case.
	checkpointEvents = 10_000
	// checkpointLook is how often the leader looks whether it should.
	checkpointLook = time.Second
)

func (c *ProofConfig) validate() error {
	for _, key := range append([]ed25519.PrivateKey{c.Key}, c.Earlier...) {
		if len(key) != 0 && len(key) != ed25519.PrivateKeySize {
			return errors.New("the checkpoint key is not an Ed25519 key")
		}
	}
	if c.Interval < 0 || c.VerifyInterval < 0 {
		return fmt.Errorf("checkpoint interval %v, verification interval %v: want none below 0", c.Interval, c.VerifyInterval)
	}
	c.Interval = cmp.Or(c.Interval, DefaultCheckpointInterval)
	return nil
}

// checkpoints signs while this node leads, until the context ends.
func (n *Node) checkpoints(ctx context.Context) {
	tick := time.NewTicker(min(checkpointLook, n.config.Proof.Interval))
	defer tick.Stop()
	said := "" // so that one trouble is logged once
	var last lastSigned
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, ok := n.Leading(); !ok || n.State().Index() == last.event {
			continue
		}
		err := n.signDue(ctx, &last)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			n.config.Log.Warn().Err(err).Msg("no checkpoint is signed")
		}
	}
}

// lastSigned is the newest checkpoint that is known.
type lastSigned struct {
	event uint64    // that records it; 0: none
	at    time.Time // of that event
}

// signDue signs a checkpoint if one is due.
func (n *Node) signDue(ctx context.Context, last *lastSigned) error {
	h, release := n.History(n.State().Index())
	defer release()
	var err error
	if *last, err = newestCheckpoint(h, *last); err != nil {
		return err
	}
	if time.Since(last.at) < n.config.Proof.Interval && h.Index()-last.event < checkpointEvents {
		return nil
	}
	if news, err := newsSince(h, last.event); err != nil || !news {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	_, err = n.SignCheckpoint(ctx, events.Stamp{Time: time.Now(), ID: newULID(), Actor: events.System})
	return err
}

// newestCheckpoint is the newest one in a history; what is known already spares
// looking far.
func newestCheckpoint(h *projections.History, known lastSigned) (lastSigned, error) {
	q := projections.Query{Kinds: []events.Kind{events.HistoryCheckpointed{}.Kind()}, After: known.event}
	for r, err := range h.Select(q) {
		return lastSigned{r.Index, r.Time}, err
	}
	return known, nil
}

// newsSince reports whether something happened after an event that is worth a
// checkpoint: in an idle cluster checkpoints and trims must not follow each other
// for ever.
func newsSince(h *projections.History, event uint64) (bool, error) {
	for r, err := range h.RecordsBefore(0) {
		if err != nil || r.Index <= event {
			return false, err
		}
		e, err := r.Event()
		if err != nil {
			return false, err
		}
		switch e.Data.(type) {
		case events.HistoryCheckpointed, events.HistoryTrimmed, events.CheckpointKeyChanged, events.ClusterUpgraded:
		default:
			return true, nil
		}
	}
	return false, nil
}

// SignCheckpoint signs what the chain is now, and records it. Stamp says in whose
// name; the change to another key, when there is one, is recorded before, in the
// cluster's own. The error is [events.ErrConflict] when this node has no key, or
// that of [Node.Submit].
func (n *Node) SignCheckpoint(ctx context.Context, s events.Stamp) (events.Outcome, error) {
	key := n.config.Proof.Key
	if len(key) == 0 {
		return events.Outcome{}, &events.Refusal{Kind: events.ErrConflict, Detail: n.config.ID + " leads and has no checkpoint key: start it with --checkpoint-key-file"}
	}
	if err := n.settleKey(ctx, key); err != nil {
		return events.Outcome{}, fmt.Errorf("change the checkpoint key: %w", err)
	}
	state := n.State()
	c := events.Checkpoint{
		Cluster: state.Cluster().ID, Index: state.Index(), Chain: state.Chain(),
		Time: s.Time.UTC(), KeyID: events.CheckpointKeyID(publicKey(key)),
	}
	c.Signature = ed25519.Sign(key, c.Signed())
	return n.Submit(ctx, events.CheckpointHistory{Checkpoint: c}, s)
}

// settleKey has the history name the key.
func (n *Node) settleKey(ctx context.Context, key ed25519.PrivateKey) error {
	now := ed25519.PublicKey(n.State().Cluster().CheckpointKey)
	if publicKey(key).Equal(now) {
		return nil
	}
	change := events.CheckpointKeyChanged{PublicKey: publicKey(key), KeyID: events.CheckpointKeyID(publicKey(key))}
	if len(now) > 0 {
		change.Previous = events.CheckpointKeyID(now)
	}
	change.Signature = ed25519.Sign(key, change.Signed())
	for _, earlier := range n.config.Proof.Earlier {
		if publicKey(earlier).Equal(now) {
			change.Endorsement = ed25519.Sign(earlier, change.Signed())
		}
	}
	_, err := n.Submit(ctx, events.ChangeCheckpointKey{Change: change}, events.Stamp{Time: time.Now(), ID: newULID(), Actor: events.System})
	if err != nil {
		return err
	}
	log := n.config.Log.Info()
	if change.Previous != "" && change.Endorsement == nil {
		log = n.config.Log.Warn()
	}
	log.Str("key", change.KeyID).Str("before", change.Previous).Bool("endorsed", change.Endorsement != nil).Msg("another key signs checkpoints from here on")
	return nil
}

func publicKey(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:]) // RFC 8032: the public key follows the seed
}
