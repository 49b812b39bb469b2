package wire

import (
	"encoding/json"
	"time"
)

// ConfigEntry is one entry as it is read. The members up to UpdatedBy are the
// compatible ones.
type ConfigEntry struct {
	Namespace string          `json:"namespace"`
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Type      string          `json:"type"`
	Version   uint64          `json:"version"`
	UpdatedAt time.Time       `json:"updatedAt"`
	UpdatedBy string          `json:"updatedBy"`

	Index       uint64    `json:"index,omitempty"`    // the event that made this version
	Position    string    `json:"position,omitempty"` // the same as a position
	Description string    `json:"description,omitempty"`
	Tags        []string  `json:"tags,omitempty"`
	Comment     string    `json:"comment,omitempty"` // said by whoever made this version
	CreatedAt   time.Time `json:"createdAt,omitzero"`
	CreatedBy   string    `json:"createdBy,omitempty"`
	From        string    `json:"from,omitempty"` // with resolve: the namespace that answered
}

// BulkEntry is one row of GET /api/v1/configs. The members up to UpdatedBy are
// the compatible ones.
type BulkEntry struct {
	NS        string          `json:"ns"`
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Type      string          `json:"type"`
	Version   uint64          `json:"version"`
	UpdatedAt time.Time       `json:"updatedAt"`
	UpdatedBy string          `json:"updatedBy"`

	Index uint64 `json:"index,omitempty"`
}

// PutConfig is the body of a direct write. Value is required: nil means that
// the body had none, which is not the same as null. An empty Type is inferred
// from the value; a nil Description stays as it is, and so do nil Tags.
type PutConfig struct {
	Value       json.RawMessage `json:"value"`
	Type        string          `json:"type,omitempty"`
	Description *string         `json:"description,omitempty"`
	Tags        *[]string       `json:"tags,omitempty"`
	Comment     string          `json:"comment,omitempty"`
}

// HistoryVersion is one version of a key, a deletion included.
type HistoryVersion struct {
	Namespace string          `json:"namespace"`
	Key       string          `json:"key"`
	Version   uint64          `json:"version"`
	Value     json.RawMessage `json:"value"` // null when this version deleted the key
	Type      string          `json:"type,omitempty"`
	Action    string          `json:"action"` // the event type, "config.updated"
	Actor     string          `json:"actor"`
	Time      time.Time       `json:"time"`
	Index     uint64          `json:"index"`
	Position  string          `json:"position,omitempty"`

	Comment       string `json:"comment,omitempty"`
	Request       string `json:"request,omitempty"`     // the publish request, when one made it
	Transaction   string `json:"transaction,omitempty"` // shared by the events of one transaction
	CorrelationID string `json:"correlationId,omitempty"`
	Source        uint64 `json:"source,omitempty"` // the version that a rollback restored

	// Of a version that a publish request made: who wrote it, and whose approvals
	// counted. Actor is who published it: the last of these, or "system".
	Author     string   `json:"author,omitempty"`
	ApprovedBy []string `json:"approvedBy,omitempty"`
}
