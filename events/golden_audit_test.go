package events_test

import (
	"crypto/ed25519"
	"time"

	"confman/events"
)

// goldenAudit is what the golden bodies of erasures and checkpoints mean. The
// signatures are real ones (Ed25519 is deterministic).
var goldenAudit = map[string]events.Event{
	"history.erased.1": {
		ID: goldenID(60), Actor: "ann", Namespace: "teams/pay", Key: "db/url", CorrelationID: "c-60",
		Data: events.HistoryErased{Reason: "leaked", Records: []events.ErasedRecord{
			{Index: 17, Before: events.Chain{7, 31: 8}, Digest: events.Digest{1, 31: 2}, Remains: events.Digest{3, 31: 4}, Values: []events.Place{events.ThisValue}},
			{Index: 40, Digest: events.Digest{5}, Remains: events.Digest{6}, Values: []events.Place{events.PreviousValue, events.ThisValue}},
		}},
	},
	"history.checkpointed.1": {
		ID: goldenID(61), Actor: events.System,
		Data: events.HistoryCheckpointed{Checkpoint: goldenCheckpoint()},
	},
	"checkpoint.key-changed.1": {
		ID: goldenID(62), Actor: events.System,
		Data: goldenKeyChange(),
	},
}

// checkpointKey is a key that nobody else may rely on.
func checkpointKey(n byte) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	return ed25519.NewKeyFromSeed(seed)
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

func goldenCheckpoint() events.Checkpoint {
	c := events.Checkpoint{
		Cluster: goldenID(9).String(), Index: 1041, Chain: events.Chain{0x9f, 0x3c, 0x2a, 0x1b, 31: 7},
		Time: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), KeyID: events.CheckpointKeyID(publicOf(checkpointKey(1))),
	}
	c.Signature = ed25519.Sign(checkpointKey(1), c.Signed())
	return c
}

func goldenKeyChange() events.CheckpointKeyChanged {
	public := publicOf(checkpointKey(2))
	c := events.CheckpointKeyChanged{PublicKey: public, KeyID: events.CheckpointKeyID(public), Previous: events.CheckpointKeyID(publicOf(checkpointKey(1)))}
	c.Signature, c.Endorsement = ed25519.Sign(checkpointKey(2), c.Signed()), ed25519.Sign(checkpointKey(1), c.Signed())
	return c
}
