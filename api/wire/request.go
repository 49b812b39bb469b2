package wire

import (
	"encoding/json"
	"time"
)

// NewRequest is the body of POST /api/v1/publish-requests. Namespace and Key
// stand for Changes of one.
type NewRequest struct {
	Changes   []RequestedChange `json:"changes,omitempty"`
	Namespace string            `json:"namespace,omitempty"`
	Key       string            `json:"key,omitempty"`
	Comment   string            `json:"comment,omitempty"`
	PublishAt *time.Time        `json:"publishAt,omitempty"` // nil: with the last approval
}

// RequestedChange is one key of a publish request. Without Value and Delete it
// publishes the key's draft; with one of them the draft is saved in the same
// step.
type RequestedChange struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	// Revision is the draft's revision that the submitter has seen: 409 when
	// the draft has another one. 0 takes the one that there is.
	Revision    uint64          `json:"revision,omitempty"`
	Value       json.RawMessage `json:"value,omitempty"`
	Type        string          `json:"type,omitempty"`
	Description *string         `json:"description,omitempty"`
	Tags        *[]string       `json:"tags,omitempty"`
	Delete      bool            `json:"delete,omitempty"`
}

// PublishRequest is a set of changes on its way to being published.
type PublishRequest struct {
	ID        string           `json:"id"`
	State     string           `json:"state"` // one of the Request constants
	Changes   []ProposedChange `json:"changes"`
	Partial   bool             `json:"partial,omitempty"` // it has changes that the caller may not see
	Comment   string           `json:"comment,omitempty"`
	PublishAt *time.Time       `json:"publishAt,omitempty"`
	// DueAt is when the cluster publishes a scheduled request; sooner, when what
	// makes it wait longer than PublishAt ends sooner.
	DueAt       *time.Time    `json:"dueAt,omitempty"`
	Source      *ChangeSource `json:"source,omitempty"`
	SubmittedBy string        `json:"submittedBy"`
	SubmittedAt time.Time     `json:"submittedAt"`
	Reviews     []Review      `json:"reviews"`
	// Basis changes with what is under review beside the drafts, which are locked:
	// the live entries that would be replaced, and the schemas. An approval is for
	// one basis. Of an open request only.
	Basis string `json:"basis,omitempty"`
	// Missing says what still keeps an open request from being published.
	Missing    []MissingApproval `json:"missing,omitempty"`
	Resolution *Resolution       `json:"resolution,omitempty"` // of one that is not open any more
	Index      uint64            `json:"index"`                // the last event about it
}

// States of a publish request. The first two are open.
const (
	RequestPending   = "pending_review"
	RequestScheduled = "scheduled" // approved; the cluster publishes it at its time, or when a freeze ends
	RequestPublished = "published"
	RequestRejected  = "rejected"
	RequestWithdrawn = "withdrawn"
)

// ProposedChange is one key of a publish request: what it is now, or was when the
// request was closed, and what it is to become.
type ProposedChange struct {
	Namespace    string           `json:"namespace"`
	Key          string           `json:"key"`
	Action       string           `json:"action"`   // ActionCreate, ActionUpdate, ActionDelete; empty when what it was is no longer kept
	Revision     uint64           `json:"revision"` // of the draft, pinned
	EditedBy     string           `json:"editedBy"`
	Value        json.RawMessage  `json:"value,omitempty"`
	Type         string           `json:"type,omitempty"`
	Description  string           `json:"description,omitempty"`
	Tags         []string         `json:"tags,omitempty"`
	Comment      string           `json:"comment,omitempty"`
	Previous     *PreviousVersion `json:"previous,omitempty"`
	Diff         []Difference     `json:"diff,omitempty"`         // between previous and value
	MinApprovers int              `json:"minApprovers,omitempty"` // of an open one
	Approvals    int              `json:"approvals,omitempty"`    // that count, of an open one
}

// Actions of a ProposedChange.
const (
	ActionCreate = "create"
	ActionUpdate = "update"
	ActionDelete = "delete"
)

// Difference is one place in which two JSON values differ. Old is absent where
// something was added, New where it was removed.
type Difference struct {
	Pointer string          `json:"pointer"` // "" is the whole value
	Old     json.RawMessage `json:"old,omitempty"`
	New     json.RawMessage `json:"new,omitempty"`
}

// Decide is the body of …/approve, /reject, /withdraw and /bypass.
type Decide struct {
	Comment string `json:"comment,omitempty"` // required to reject and to bypass
	// Basis, with approve, is that of the request as the reviewer saw it: 409 when
	// it has another one by now.
	Basis string `json:"basis,omitempty"`
}

// Review is one principal's word on a publish request.
type Review struct {
	Reviewer string    `json:"reviewer"`
	Decision string    `json:"decision"` // DecisionApproved, DecisionRejected
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
	Index    uint64    `json:"index"`
	Counts   bool      `json:"counts"`
	Why      string    `json:"why,omitempty"` // an approval does not count, or not everywhere
}

// Values of Review.Decision.
const (
	DecisionApproved = "approved"
	DecisionRejected = "rejected"
)

// MissingApproval is a part of a request that lacks approvals.
type MissingApproval struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Have      int    `json:"have"`
	Need      int    `json:"need"`
}

// Resolution is how a publish request ended.
type Resolution struct {
	State    string    `json:"state"`
	By       string    `json:"by"` // "system" when the cluster published it at its time
	At       time.Time `json:"at"`
	Comment  string    `json:"comment,omitempty"`
	Bypassed bool      `json:"bypassed,omitempty"` // published without the approvals, for the reason in Comment
	Index    uint64    `json:"index"`
}

// ChangeSource is where a change comes from.
type ChangeSource struct {
	Kind      string `json:"kind"`                // SourceRollback, SourceRevert, SourcePromotion
	Index     uint64 `json:"index,omitempty"`     // the state or the event that it comes from
	Version   uint64 `json:"version,omitempty"`   // of the key, with rollback
	Namespace string `json:"namespace,omitempty"` // with promotion
	Request   string `json:"request,omitempty"`   // the change set that is rolled back or reverted
}

// Values of ChangeSource.Kind.
const (
	SourceRollback  = "rollback"
	SourceRevert    = "revert"
	SourcePromotion = "promotion"
)

// Impact is the answer of GET …/publish-requests/{id}/impact: what publishing it
// now would do.
type Impact struct {
	Request string `json:"request"`
	// Changes of effective values: in the namespaces of the request and in those
	// below, which inherit them.
	Changes []EffectiveChange `json:"changes"`
	// Errors is the schemas' verdict; empty: valid.
	Errors  []FieldError      `json:"errors"`
	Missing []MissingApproval `json:"missing"`
	Frozen  string            `json:"frozen,omitempty"` // why and until when it would wait
	// Watches that would receive it, of the nodes that answered.
	Watches    int         `json:"watches"`
	Principals []string    `json:"principals"`
	Unwatched  []Unwatched `json:"unwatched"` // keys that nobody watches now
	Nodes      []string    `json:"nodes"`
	Silent     []string    `json:"silent,omitempty"` // nodes that did not answer
}

// EffectiveChange is a change of what a reader of a namespace gets.
type EffectiveChange struct {
	Namespace string           `json:"namespace"`
	Key       string           `json:"key"`
	Inherited bool             `json:"inherited,omitempty"` // the namespace gets it from one above
	Value     json.RawMessage  `json:"value,omitempty"`
	Previous  *PreviousVersion `json:"previous,omitempty"`
	Diff      []Difference     `json:"diff,omitempty"`
	Watches   int              `json:"watches"`
}

// Unwatched is a key that no live watch covers.
type Unwatched struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
}
