package events

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Subject is something whose revision a guard can hold: the index of the last
// event about it, 0 if there never was one.
type Subject struct {
	Noun      Noun
	Namespace string // of a namespace, its contents, an entry, or a draft
	// Name is the key of an entry or a draft, the ID of anything else. Of drafts
	// without one it is the newest of those that the namespace has.
	Name string
}

// Noun is the sort of a subject. The numbers are part of the Raft entry's
// format and are never reused.
type Noun byte

// The nouns.
const (
	TheNamespace Noun = 1 // the namespace itself: its existence, description, owner
	TheContents  Noun = 2 // any entry of the namespace
	TheEntry     Noun = 3
	TheAPIKey    Noun = 4
	TheCluster   Noun = 5
	// ThePolicies are the roles, schemas and settings of all namespaces
	// together: what changes seldom and governs every write.
	ThePolicies Noun = 6
	TheDraft    Noun = 7
	TheRequest  Noun = 8 // an open publish request
	TheWebhook  Noun = 9

	// TheNamespaces is which namespaces there are.
	TheNamespaces Noun = 10

	newestNoun = TheNamespaces
)

// Guard says under which revision of a subject a proposal is true.
type Guard struct {
	Subject  Subject
	Revision uint64
}

// ReceiptID names a request: a digest of who asked and which idempotency key
// they gave.
type ReceiptID [16]byte

// NewReceiptID is the name of a principal's request.
func NewReceiptID(principal, idempotencyKey string) ReceiptID {
	sum := sha256.Sum256([]byte(principal + "\x00" + idempotencyKey))
	return ReceiptID(sum[:16])
}

func (id ReceiptID) String() string { return hex.EncodeToString(id[:]) }

// Fingerprint is a digest of what a request asked for.
type Fingerprint [16]byte

// Receipt remembers that a request was done, so that asking again writes
// nothing.
type Receipt struct {
	ID          ReceiptID
	Fingerprint Fingerprint
	Index       uint64 // the event index at which it was done
	Count       int    // how many events it wrote, ending at Index; may be 0
	Time        time.Time
}

// ReceiptAge is how long receipts are remembered, by the history's time.
const ReceiptAge = 25 * time.Hour

// Claim asks for a receipt together with a proposal's events.
type Claim struct {
	ID          ReceiptID
	Fingerprint Fingerprint
}

// Outcome is how a proposal ended that was committed, now or when the request
// was made before.
type Outcome struct {
	Index    uint64 // the event index at which the request is done
	Chain    Chain  // at Index; zero when the request had been done before
	Count    int    // how many events it wrote, ending at Index; 0 when the present was already as wanted
	Replayed bool   // the request had been done before; this time nothing was written
}

// Proposal is facts and the guards under which they are true. It is committed
// whole or not at all.
type Proposal struct {
	Time   time.Time
	Claim  *Claim // nil when the request is not to be remembered
	Guards []Guard
	Bodies [][]byte // encoded events, in order
}
