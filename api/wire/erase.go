package wire

// Erase asks for a value to be taken out of the history: out of every record of
// the key that holds it, drafts included. Version or Index names the value by a
// version of the key, or by an event that set it or saved its draft; exactly one
// is given.
type Erase struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Version   uint64 `json:"version,omitempty"`
	Index     uint64 `json:"index,omitempty"`
	// Everywhere takes an equal value out of all other keys' records too.
	Everywhere bool   `json:"everywhere,omitempty"`
	Reason     string `json:"reason"` // recorded for good
}

// Erased is what an erasure did, or in a dry run would do.
type Erased struct {
	Index    uint64         `json:"index,omitempty"`    // of the event that records it
	Position string         `json:"position,omitempty"` // the same as a position
	Records  []ErasedRecord `json:"records"`            // by index
	// Elsewhere is how many records of other keys hold an equal value, and keep it;
	// among them those that have it now and whose record was trimmed. Others are the
	// first 100 of those keys.
	Elsewhere int         `json:"elsewhere"`
	Others    []OtherHeld `json:"others,omitempty"`
}

// OtherHeld is a key that holds an equal value, or did.
type OtherHeld struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Records   int    `json:"records"`
}

// ErasedRecord is one record that values are taken out of.
type ErasedRecord struct {
	Index     uint64   `json:"index"`
	Action    string   `json:"action"` // the event's type
	Namespace string   `json:"namespace"`
	Key       string   `json:"key"`
	Values    []string `json:"values"` // "value", "previous"
}
