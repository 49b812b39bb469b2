package events

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// HistoryCheckpointed is a signed statement of what the chain is at an index
// before it. Whoever has the public key, or such a statement kept elsewhere, can
// tell a history that was written anew.
type HistoryCheckpointed struct {
	Checkpoint
}

// Checkpoint says what the chain is at an index.
type Checkpoint struct {
	Cluster   string    `json:"cluster"` // the cluster's ID
	Index     uint64    `json:"index"`
	Chain     Chain     `json:"chain"`
	Time      time.Time `json:"time"`      // when it was signed, for people
	KeyID     string    `json:"keyId"`     // see [CheckpointKeyID]
	Signature []byte    `json:"signature"` // Ed25519 (RFC 8032) over [Checkpoint.Signed]
}

// Kind is "history.checkpointed".
func (HistoryCheckpointed) Kind() Kind { return "history.checkpointed" }

// Signed is what a checkpoint's signature covers.
func (c Checkpoint) Signed() []byte {
	return fmt.Appendf(nil, "confman checkpoint v1\n%s\n%d\n%s\n%s\n", c.Cluster, c.Index, c.Chain, c.Time.UTC().Format(time.RFC3339Nano))
}

// Verify reports whether the signature is that of the key.
func (c Checkpoint) Verify(key ed25519.PublicKey) bool {
	return len(key) == ed25519.PublicKeySize && c.KeyID == CheckpointKeyID(key) && ed25519.Verify(key, c.Signed(), c.Signature)
}

// CheckpointKeyID names a public key: the first 16 hex digits of its SHA-256.
func CheckpointKeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// CheckpointKeyChanged says by which key checkpoints are signed from here on.
type CheckpointKeyChanged struct {
	PublicKey []byte `json:"publicKey"` // Ed25519, 32 bytes
	KeyID     string `json:"keyId"`
	Previous  string `json:"previous,omitzero"` // ID of the key before, if there was one
	// Signature is that of the new key itself over [CheckpointKeyChanged.Signed].
	Signature []byte `json:"signature"`
	// Endorsement is the same by the key before. Without it whoever relied on
	// that key has to look at this change by other means.
	Endorsement []byte `json:"endorsement,omitzero"`
}

// Kind is "checkpoint.key-changed".
func (CheckpointKeyChanged) Kind() Kind { return "checkpoint.key-changed" }

// Signed is what both signatures of a change of keys cover.
func (c CheckpointKeyChanged) Signed() []byte {
	return fmt.Appendf(nil, "confman checkpoint key v1\n%x\n%s\n", c.PublicKey, c.Previous)
}

// CheckpointHistory records a checkpoint that the caller has signed.
type CheckpointHistory struct {
	Checkpoint Checkpoint
}

func (c CheckpointHistory) decide(d *decision) error {
	if newest := d.view.Index(); c.Checkpoint.Index > newest {
		return Invalid("/index", "is %d, and the newest event is %d", c.Checkpoint.Index, newest)
	}
	cluster := d.view.Cluster()
	if c.Checkpoint.Cluster != cluster.ID {
		return refuse(ErrConflict, "the checkpoint is of cluster %s, the history of %s", c.Checkpoint.Cluster, cluster.ID)
	}
	if !c.Checkpoint.Verify(cluster.CheckpointKey) {
		return refuse(ErrConflict, "the checkpoint is signed by key %s, the history names %s", c.Checkpoint.KeyID, CheckpointKeyID(cluster.CheckpointKey))
	}
	d.holds(Subject{Noun: TheCluster}, cluster.Revision)
	d.record("", "", HistoryCheckpointed{c.Checkpoint})
	return nil
}

// ChangeCheckpointKey names another key for checkpoints; the one that is named
// already stays.
type ChangeCheckpointKey struct {
	Change CheckpointKeyChanged
}

func (c ChangeCheckpointKey) decide(d *decision) error {
	key := ed25519.PublicKey(c.Change.PublicKey)
	if len(key) != ed25519.PublicKeySize || c.Change.KeyID != CheckpointKeyID(key) || !ed25519.Verify(key, c.Change.Signed(), c.Change.Signature) {
		return Invalid("/signature", "is not that of the key itself")
	}
	cluster := d.view.Cluster()
	d.holds(Subject{Noun: TheCluster}, cluster.Revision)
	if key.Equal(ed25519.PublicKey(cluster.CheckpointKey)) {
		return nil
	}
	previous := ""
	if len(cluster.CheckpointKey) > 0 {
		previous = CheckpointKeyID(cluster.CheckpointKey)
	}
	if c.Change.Previous != previous {
		return refuse(ErrConflict, "the key before is %q, the change says %q", previous, c.Change.Previous)
	}
	d.record("", "", c.Change)
	return nil
}
