package wire

import (
	"encoding/json"
	"time"
)

// MediaCSV is RFC 4180, UTF-8, with a header line.
const MediaCSV = "text/csv"

// HeaderOldest is, on answers of the audit, the position of the oldest event that
// is kept.
const HeaderOldest = "X-Confman-Oldest"

// AuditEvent is one event as the audit shows it. The members up to NewValue are
// the compatible ones. Of an entry or a draft OldValue and NewValue are the bare
// text of its value: a string without its quotes, anything else as its JSON, and
// "erased" where Erased says that it was taken out. Of roles, schemas, settings
// and properties they are what was set before and after, as JSON; of any other
// event its data.
type AuditEvent struct {
	Timestamp time.Time `json:"timestamp"`
	Action    string    `json:"action"` // the event type, "config.created"
	Actor     string    `json:"actor"`
	Namespace string    `json:"namespace"`
	Key       *string   `json:"key"`      // null when the event is not about a key
	OldValue  *string   `json:"oldValue"` // null when there was none
	NewValue  *string   `json:"newValue"` // null when there is none any more

	Provenance

	Version uint64 `json:"version,omitempty"` // of the entry, since the event
	Erased  bool   `json:"erased,omitempty"`  // values were taken out of the event
}

// Provenance says where in the history an event stands and what it came from.
type Provenance struct {
	ID            string `json:"id"` // of the event, a ULID
	Index         uint64 `json:"index"`
	Position      string `json:"position"`
	RaftTerm      uint64 `json:"raftTerm"`
	RaftIndex     uint64 `json:"raftIndex"`
	CorrelationID string `json:"correlationId,omitempty"`
	Request       string `json:"request,omitempty"`     // the publish request, when one caused it
	Transaction   string `json:"transaction,omitempty"` // shared by the events of one transaction
	Comment       string `json:"comment,omitempty"`
}

// Event is one event as a watcher sees it, the member "event" of a frame. Data
// depends on Type; for config.* it is a ConfigChange.
type Event struct {
	Index         uint64          `json:"index"`
	Position      string          `json:"position"`
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Time          time.Time       `json:"time"`
	Actor         string          `json:"actor"`
	Namespace     string          `json:"namespace,omitempty"`
	Key           string          `json:"key,omitempty"`
	Data          json.RawMessage `json:"data,omitempty"`
	Request       string          `json:"request,omitempty"`
	Transaction   string          `json:"transaction,omitempty"`
	CorrelationID string          `json:"correlationId,omitempty"`
}

// ConfigChange is the data of a config event. Value and Type are absent when
// the event deleted the key. Description and Tags are all that the entry has
// from then on, not what changed of them.
type ConfigChange struct {
	Value       json.RawMessage  `json:"value,omitempty"`
	Type        string           `json:"type,omitempty"`
	Version     uint64           `json:"version"`
	Description string           `json:"description,omitempty"`
	Tags        []string         `json:"tags,omitempty"`
	Comment     string           `json:"comment,omitempty"`
	Previous    *PreviousVersion `json:"previous,omitempty"` // absent when the key is new
	Source      *EntrySource     `json:"source,omitempty"`   // of a rollback, also of one to a time when the key was absent
}

// EntrySource is the earlier state of a key that a rollback brought back.
type EntrySource struct {
	Version uint64 `json:"version,omitempty"` // 0: the key did not exist
	Index   uint64 `json:"index"`             // as of this event
}

// PreviousVersion is what a change replaced.
type PreviousVersion struct {
	Value   json.RawMessage `json:"value,omitempty"`
	Type    string          `json:"type,omitempty"`
	Version uint64          `json:"version"`
}
