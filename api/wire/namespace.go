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

// Settings are the rules of a namespace. A nil member is not set here and is
// inherited from the nearest parent that sets it, unless Inherit is false.
type Settings struct {
	RequireApproval          *bool  `json:"requireApproval,omitempty"`
	MinApprovers             *int   `json:"minApprovers,omitempty"`
	RollbackRequiresApproval *bool  `json:"rollbackRequiresApproval,omitempty"`
	AllowBypass              *bool  `json:"allowBypass,omitempty"`
	Quota                    *Quota `json:"quota,omitempty"`
	Inherit                  *bool  `json:"inherit,omitempty"`
}

// Quota limits what a namespace holds; 0 is no limit.
type Quota struct {
	Keys  int64 `json:"keys,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
}
