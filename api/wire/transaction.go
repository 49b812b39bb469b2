package wire

import "encoding/json"

// Transaction changes several keys, in one namespace or many, all or nothing. It
// may hold 128 conditions and operations in all, one operation for each key.
type Transaction struct {
	If      []Condition       `json:"if,omitempty"`
	Set     []SetOperation    `json:"set,omitempty"`
	Delete  []DeleteOperation `json:"delete,omitempty"`
	Comment string            `json:"comment,omitempty"`
}

// Condition holds while the key is at this version; 0 means that there is no
// such entry. Without a key it is about the namespace itself: Index is then the
// event that last changed anything in it, entries included, 0 for none.
type Condition struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key,omitempty"`
	Version   uint64 `json:"version,omitempty"`
	Index     uint64 `json:"index,omitempty"`
}

// SetOperation writes one key; its members mean what they mean in PutConfig.
type SetOperation struct {
	Namespace   string          `json:"namespace"`
	Key         string          `json:"key"`
	Value       json.RawMessage `json:"value"`
	Type        string          `json:"type,omitempty"`
	Description *string         `json:"description,omitempty"`
	Tags        *[]string       `json:"tags,omitempty"`
}

// DeleteOperation deletes one key, which must exist.
type DeleteOperation struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
}

// TransactionResult is the answer to a transaction that took place.
type TransactionResult struct {
	Transaction string `json:"transaction,omitempty"` // borne by each of its events; absent when nothing changed
	Index       uint64 `json:"index"`                 // the last of its events
	Position    string `json:"position,omitempty"`

	Results []OperationResult `json:"results"` // the sets, then the deletes, in the order they were given
}

// OperationResult is what became of one operation.
type OperationResult struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Outcome   string `json:"outcome"` // OutcomeCreated, OutcomeUpdated, OutcomeUnchanged or OutcomeDeleted
	Version   uint64 `json:"version"`
	Index     uint64 `json:"index"` // the event that made Version
}

// Values of OperationResult.Outcome.
const (
	OutcomeCreated   = "created"
	OutcomeUpdated   = "updated"
	OutcomeUnchanged = "unchanged" // the value was already there: no event
	OutcomeDeleted   = "deleted"
)
