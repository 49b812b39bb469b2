package wire

// Problem types: relative references (RFC 9457, 3.1.1) that identify the kind
// of an error; the comment is the status they come with.
const (
	ProblemMalformed           = "/problems/malformed"              // 400
	ProblemUnauthenticated     = "/problems/unauthenticated"        // 401
	ProblemForbidden           = "/problems/forbidden"              // 403
	ProblemNotFound            = "/problems/not-found"              // 404
	ProblemMethodNotAllowed    = "/problems/method-not-allowed"     // 405
	ProblemConflict            = "/problems/conflict"               // 409; a transaction's conditions too
	ProblemApprovalRequired    = "/problems/approval-required"      // 409: changes here go through drafts
	ProblemDraftLocked         = "/problems/draft-locked"           // 409: the draft is under review
	ProblemFrozen              = "/problems/frozen"                 // 409: a freeze, or outside the change windows
	ProblemOverQuota           = "/problems/over-quota"             // 409: the namespace is full
	ProblemOtherHistory        = "/problems/other-history"          // 409: the position belongs to another history
	ProblemCompacted           = "/problems/compacted"              // 410: the position is no longer retained
	ProblemConditionFailed     = "/problems/condition-failed"       // 412: If-Match, If-None-Match
	ProblemTooLarge            = "/problems/too-large"              // 413
	ProblemUnsupportedMedia    = "/problems/unsupported-media-type" // 415
	ProblemInvalid             = "/problems/invalid"                // 422: the value breaks its schema
	ProblemIdempotencyMismatch = "/problems/idempotency-mismatch"   // 422: the key was used with another body
	ProblemTooManyRequests     = "/problems/too-many-requests"      // 429
	ProblemInternal            = "/problems/internal"               // 500
	ProblemUnavailable         = "/problems/unavailable"            // 503: no leader, no quorum, or going away
	ProblemOverloaded          = "/problems/overloaded"             // 503: this node is full
	ProblemNotCaughtUp         = "/problems/not-caught-up"          // 504: this node has not applied that index yet
	ProblemOutcomeUnknown      = "/problems/outcome-unknown"        // 504: the write may or may not have happened
	ProblemDiskFull            = "/problems/disk-full"              // 507
)

// Problem is the body of every error, media type MediaProblem (RFC 9457). Type
// is one of the Problem constants; Title is the same for every problem of a
// type; Detail says what happened this time.
type Problem struct {
	Type          string `json:"type"`
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Detail        string `json:"detail,omitempty"`
	Instance      string `json:"instance,omitempty"`
	CorrelationID string `json:"correlationId,omitempty"`

	// Errors lists what is wrong with the body, or with a value under a schema,
	// or (409) which conditions of a transaction did not hold.
	Errors []FieldError `json:"errors,omitempty"`
	// Limit is the limit that was exceeded (413): bytes, or the number of
	// conditions and operations of a transaction.
	Limit int64 `json:"limit,omitempty"`
	// Index is the event index at which this node stands (504, not caught up).
	Index uint64 `json:"index,omitempty"`
	// Oldest and Newest are the positions between which history is retained, and
	// Snapshot the URL to begin again from (410).
	Oldest   string `json:"oldest,omitempty"`
	Newest   string `json:"newest,omitempty"`
	Snapshot string `json:"snapshot,omitempty"`
}

// FieldError is one thing wrong with a body or a value.
type FieldError struct {
	Pointer string `json:"pointer"` // JSON Pointer (RFC 6901) to the culprit; "" is the whole
	Detail  string `json:"detail"`
}
