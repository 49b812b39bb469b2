package wire

import (
	"encoding/json"
	"time"
)

// Roles are the body of PUT …/roles and the answer of GET …/roles: who may do
// what on a namespace and below it.
type Roles struct {
	// Inherit false cuts off the roles that namespaces above give; nil and true
	// add to them.
	Inherit *bool       `json:"inherit,omitempty"`
	Grants  []RoleGrant `json:"grants"`

	Origin
}

// RoleGrant gives a role to one principal or to one group; Keys narrows it as it
// narrows a Grant.
type RoleGrant struct {
	Role      string `json:"role"`
	Principal string `json:"principal,omitempty"`
	Group     string `json:"group,omitempty"`
	Keys      string `json:"keys,omitempty"`
	From      string `json:"from,omitempty"` // with resolve: the namespace that gives it
}

// Origin says where a document of a namespace stands. The zero value is that of
// one that was never set.
type Origin struct {
	Namespace string    `json:"namespace,omitempty"`
	Index     uint64    `json:"index,omitempty"` // the event that set it
	UpdatedAt time.Time `json:"updatedAt,omitzero"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
}

// PutSchema is the body of PUT …/schema. A nil Schema, or null, takes the
// namespace's own away.
type PutSchema struct {
	Inherit *bool           `json:"inherit,omitempty"`
	Schema  json.RawMessage `json:"schema,omitempty"` // JSON Schema 2020-12 over the namespace as an object of its keys
	Comment string          `json:"comment,omitempty"`
	Force   bool            `json:"force,omitempty"` // also when live values break it
}

// Schema is the answer of GET …/schema. With resolve, Effective lists all the
// schemas that hold in the namespace, its own first; a value must please each.
type Schema struct {
	Inherit   *bool             `json:"inherit,omitempty"`
	Schema    json.RawMessage   `json:"schema,omitempty"`
	Effective []InheritedSchema `json:"effective,omitempty"`

	Origin
}

// InheritedSchema is one of the schemas that hold in a namespace.
type InheritedSchema struct {
	From   string          `json:"from"`
	Index  uint64          `json:"index"`
	Schema json.RawMessage `json:"schema"`
}

// SchemaTest is the answer of POST …/schema?dry_run=true: what the schema in the
// body (a PutSchema) would refuse.
type SchemaTest struct {
	Valid   bool            `json:"valid"` // no live value breaks it
	Live    []SchemaBreach  `json:"live"`
	Changes []RefusedChange `json:"changes"` // of the last Looked changes, newest first
	Looked  int             `json:"looked"`
}

// SchemaBreach is a namespace whose values break a schema.
type SchemaBreach struct {
	Namespace string       `json:"namespace"`
	Errors    []FieldError `json:"errors"`
}

// RefusedChange is a past change that a schema would have refused.
type RefusedChange struct {
	Index     uint64       `json:"index"`
	Time      time.Time    `json:"time"`
	Actor     string       `json:"actor"`
	Namespace string       `json:"namespace"`
	Key       string       `json:"key"`
	Errors    []FieldError `json:"errors"`
}

// Settings are the body of PUT …/settings and the answer of GET …/settings: how
// changes in a namespace are made. A nil member is not set here and is inherited
// from the nearest parent that sets it, unless Inherit is false. Quotas and
// freezes of parents hold in any case.
type Settings struct {
	RequireApproval          *bool    `json:"requireApproval,omitempty"`          // default false
	MinApprovers             *int     `json:"minApprovers,omitempty"`             // default 1
	RollbackRequiresApproval *bool    `json:"rollbackRequiresApproval,omitempty"` // default false
	AllowBypass              *bool    `json:"allowBypass,omitempty"`              // default false
	Quota                    *Quota   `json:"quota,omitempty"`
	Windows                  []Window `json:"windows,omitempty"` // changes are made inside one of them only
	Freezes                  []Freeze `json:"freezes,omitempty"` // no changes are made inside any of them
	// Inherit false: neither settings nor values come from namespaces above.
	Inherit *bool `json:"inherit,omitempty"`

	// From says, with resolve, which namespace each member comes from; members
	// that are at their default are absent.
	From map[string]string `json:"from,omitempty"`
	// Usage is what counts against the quota, with everything below.
	Usage *Quota `json:"usage,omitempty"`

	Origin
}

// Quota limits what a namespace and everything below it hold, drafts included; 0
// is no limit.
type Quota struct {
	Keys  int64 `json:"keys,omitempty"`
	Bytes int64 `json:"bytes,omitempty"` // of keys and values
}

// Window is a time of the week in which changes may be made.
type Window struct {
	Days     []string `json:"days,omitempty"`     // mon tue wed thu fri sat sun; none: every day
	From     string   `json:"from"`               // "09:00"
	To       string   `json:"to"`                 // "17:00"; before From: on the next day
	Timezone string   `json:"timezone,omitempty"` // IANA name; default UTC
}

// Freeze is a time in which no changes are made.
type Freeze struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// AccessExplanation is the answer of GET /api/v1/access/explain?principal=
// &group=…&namespace=&key=: what the principal may do there, and why.
type AccessExplanation struct {
	Principal string         `json:"principal"`
	Groups    []string       `json:"groups,omitempty"`
	Namespace string         `json:"namespace"`
	Key       string         `json:"key,omitempty"`
	Role      string         `json:"role"` // the highest: viewer editor publisher admin, or none
	Reasons   []AccessReason `json:"reasons"`
}

// AccessReason is one grant that counts, or one that does not and why.
type AccessReason struct {
	Role      string `json:"role"`
	Source    string `json:"source"` // "role" (of a namespace) or "key" (an API key)
	Namespace string `json:"namespace"`
	Principal string `json:"principal,omitempty"`
	Group     string `json:"group,omitempty"`
	KeyID     string `json:"keyId,omitempty"`
	Keys      string `json:"keys,omitempty"`
	Counts    bool   `json:"counts"`
	Why       string `json:"why,omitempty"` // it does not count
}

// Validate is the body of POST /api/v1/validate: a schema and a value, or a
// namespace and changes of it.
type Validate struct {
	Schema    json.RawMessage  `json:"schema,omitempty"`
	Value     json.RawMessage  `json:"value,omitempty"`
	Namespace string           `json:"namespace,omitempty"`
	Changes   []ValidateChange `json:"changes,omitempty"`
}

// ValidateChange is what a key would become: a value or, with Delete, nothing.
type ValidateChange struct {
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value,omitempty"`
	Type   string          `json:"type,omitempty"` // empty: told by the value
	Delete bool            `json:"delete,omitempty"`
}

// Validation is its answer, 200 whether the value is valid or not. The pointers lead
// into the value or, of changes, into the namespace seen as an object of its keys.
type Validation struct {
	Valid  bool         `json:"valid"`
	Errors []FieldError `json:"errors"`
}
