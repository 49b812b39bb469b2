package wire

import "time"

// Namespace is a namespace as it is read. The members up to CreatedAt are the
// compatible ones.
type Namespace struct {
	Path        string    `json:"path"`
	Description *string   `json:"description"` // null when there is none
	Owner       string    `json:"owner"`
	CreatedAt   time.Time `json:"createdAt"`

	CreatedBy string    `json:"createdBy,omitempty"`
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
	Index     uint64    `json:"index,omitempty"` // the event that last changed the namespace itself
	Position  string    `json:"position,omitempty"`
	Settings  *Settings `json:"settings,omitempty"`
}

// PutNamespace creates or changes a namespace. A member that is nil stays as
// it is; Owner defaults to the caller when the namespace is new.
type PutNamespace struct {
	Description *string   `json:"description,omitempty"`
	Owner       *string   `json:"owner,omitempty"`
	Settings    *Settings `json:"settings,omitempty"`
}
