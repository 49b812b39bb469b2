package wire

import "time"

// Checkpoint is a signed statement of what the hash chain is at an index. Kept
// elsewhere, it proves later that the history up to there is the same.
type Checkpoint struct {
	Cluster   string    `json:"cluster"`
	Index     uint64    `json:"index"`
	Chain     string    `json:"chain"` // 64 hex digits
	Time      time.Time `json:"time"`
	KeyID     string    `json:"keyId"`
	Signature []byte    `json:"signature"` // Ed25519, base64
	PublicKey []byte    `json:"publicKey,omitempty"`
	Event     uint64    `json:"event,omitempty"` // index of the event that records it
}

// NodeVerification is what a node found when it recomputed the chain from its
// own disk.
type NodeVerification struct {
	Node     string `json:"node"`
	From     uint64 `json:"from"`
	To       uint64 `json:"to"`
	Position string `json:"position"` // at To, as computed
	Chain    string `json:"chain"`    // the same, whole
	OK       bool   `json:"ok"`
	At       uint64 `json:"at,omitempty"`      // the first event that is wrong
	Problem  string `json:"problem,omitempty"` // what is wrong with it
	// Warnings are of what may be right and somebody has to know of: a checkpoint
	// key that the one before does not endorse.
	Warnings []string `json:"warnings,omitempty"`
}

// RecordsHeader is the first line of a verifiable export.
type RecordsHeader struct {
	Format  string `json:"format"` // RecordsFormat
	Cluster string `json:"cluster"`
	Node    string `json:"node,omitempty"`
	From    uint64 `json:"from"`
	To      uint64 `json:"to"`
	Before  string `json:"before"` // the chain at From-1
}

// RecordsFormat names the format of verifiable exports and archives.
const RecordsFormat = "confman.records.v1"

// Progress is a line of an answer that takes long: how far it has come.
type Progress struct {
	At uint64 `json:"at"`
	To uint64 `json:"to"`
}

// Rebuilt is the last line of an online rebuild.
type Rebuilt struct {
	Node     string  `json:"node"`
	Position string  `json:"position"`
	Seconds  float64 `json:"seconds"`
	OK       bool    `json:"ok"`
	Problem  string  `json:"problem,omitempty"`
}
