package wire

import (
	"encoding/json"
	"time"
)

// Rollback is the body of POST …/rollback and …/rollback/{key}: back to how
// things were. Exactly one of the To members is given; ToVersion is for a single
// key. With ?dry_run=true nothing is written.
type Rollback struct {
	ToVersion uint64     `json:"toVersion,omitempty"`
	ToIndex   uint64     `json:"toIndex,omitempty"` // as of this event
	ToTime    *time.Time `json:"toTime,omitempty"`
	Comment   string     `json:"comment,omitempty"`
}

// Revert is the body of POST /api/v1/revert: undo one past change. Exactly one of
// Index, any event of the change's transaction, and Request is given. It is
// refused (409) where a later change touched the same key.
type Revert struct {
	Index   uint64 `json:"index,omitempty"`
	Request string `json:"request,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// Promote is the body of POST /api/v1/promote: a publish request that makes
// namespace To like From. Keys restricts it to these keys, or to those with a
// prefix followed by "*". What To has and From has not stays, unless Delete.
type Promote struct {
	From      string     `json:"from"`
	To        string     `json:"to"`
	Keys      []string   `json:"keys,omitempty"`
	Delete    bool       `json:"delete,omitempty"`
	Comment   string     `json:"comment,omitempty"`
	PublishAt *time.Time `json:"publishAt,omitempty"`
}

// Changed is the answer of a rollback, a revert and a promotion, 200 when it is
// done, 201 when it became a publish request, and 200 with DryRun for a preview.
type Changed struct {
	DryRun   bool          `json:"dryRun,omitempty"`
	Changes  []ValueChange `json:"changes"`           // none: everything is so already
	Request  string        `json:"request,omitempty"` // the publish request that it became
	Index    uint64        `json:"index,omitempty"`
	Position string        `json:"position,omitempty"`
}

// ValueChange is one key of a change or of a comparison, before and after.
type ValueChange struct {
	Namespace  string          `json:"namespace"`
	Key        string          `json:"key"`
	Action     string          `json:"action"` // ActionCreate, ActionUpdate, ActionDelete
	Old        json.RawMessage `json:"old,omitempty"`
	OldType    string          `json:"oldType,omitempty"`
	OldVersion uint64          `json:"oldVersion,omitempty"`
	New        json.RawMessage `json:"new,omitempty"`
	NewType    string          `json:"newType,omitempty"`
	NewVersion uint64          `json:"newVersion,omitempty"` // in a comparison: of the entry in To
	Diff       []Difference    `json:"diff,omitempty"`
}

// Diff is the answer of GET /api/v1/diff?from=NS[@WHEN]&to=NS[@WHEN]: what must
// be done to From to make it To. WHEN is an index, a position or a time;
// Namespace in the changes is that of To.
type Diff struct {
	From    DiffSide      `json:"from"`
	To      DiffSide      `json:"to"`
	Changes []ValueChange `json:"changes"`
	Equal   int           `json:"equal"` // keys that are the same on both sides
}

// DiffSide is a namespace at a moment.
type DiffSide struct {
	Namespace string `json:"namespace"`
	Index     uint64 `json:"index"`
	Position  string `json:"position"`
}
