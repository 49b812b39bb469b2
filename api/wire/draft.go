package wire

import (
	"encoding/json"
	"time"
)

// PutDraft is the body of PUT …/drafts/{key}: what the key should become. It may
// break the schema; the answer says so. Delete asks for the key's deletion and
// excludes a value. If-Match: "r41" saves only over revision 41,
// If-None-Match: * only where there is no draft.
type PutDraft struct {
	Value       json.RawMessage `json:"value,omitempty"`
	Type        string          `json:"type,omitempty"`
	Description *string         `json:"description,omitempty"` // nil: that of the live entry
	Tags        *[]string       `json:"tags,omitempty"`
	Delete      bool            `json:"delete,omitempty"`
	Comment     string          `json:"comment,omitempty"`
}

// Draft is a change that is saved and not published. There is one for each key.
type Draft struct {
	Namespace   string          `json:"namespace"`
	Key         string          `json:"key"`
	Value       json.RawMessage `json:"value,omitempty"` // absent when it deletes
	Type        string          `json:"type,omitempty"`
	Description string          `json:"description,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Delete      bool            `json:"delete,omitempty"`
	Comment     string          `json:"comment,omitempty"`
	Revision    uint64          `json:"revision"` // the event that saved it; also its ETag, "r41"
	UpdatedAt   time.Time       `json:"updatedAt"`
	UpdatedBy   string          `json:"updatedBy"`
	// Request is the publish request under whose review the draft is locked.
	Request string `json:"request,omitempty"`
	// Live is what is published now; absent when the key does not exist.
	Live *PreviousVersion `json:"live,omitempty"`
	// Errors is what the schemas would say.
	Errors []FieldError `json:"errors,omitempty"`
}
