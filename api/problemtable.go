package api

import (
	"errors"
	"slices"

	"confman/api/admission"
	"confman/api/identity"
	"confman/api/wire"
	"confman/events"
	"confman/streaming"
)

// What only HTTP can get wrong.
var (
	errUnauthenticated = errors.New("unauthenticated")
	errMethod          = errors.New("method not allowed")
	errMedia           = errors.New("media type not supported")
	errBusy            = errors.New("too many requests")
)

// problemKind is one row of the table of errors.
type problemKind struct {
	err    error // what the row is for; nil: anything else
	status int
	uri    string
	title  string
	help   string // for the page at uri
}

// problemKinds is the one table from errors to statuses. The first row that an
// error is of counts: an outcome that is unknown is nothing else besides.
func problemKinds() []problemKind {
	return slices.Concat(notDone(), refused(), conflicts(), unfit(), []problemKind{{
		nil, 500, wire.ProblemInternal, "Internal error",
		"The node failed at something it should not fail at. Its log has the reason under the correlation ID.",
	}})
}

// refused are the rows of requests that are refused again when they are repeated
// as they are.
func refused() []problemKind {
	return []problemKind{
		{
			errUnauthenticated, 401, wire.ProblemUnauthenticated, "API key needed",
			"Send a usable API key as X-Api-Key or as Authorization: Bearer. Keys expire and can be revoked; GET /api/v1/whoami shows who a key is.",
		},
		{
			identity.ErrUnauthenticated, 401, wire.ProblemUnauthenticated, "API key needed",
			"The token, the session or the certificate is not good, or not good any more. Log in again, or send an API key.",
		},
		{
			events.ErrForbidden, 403, wire.ProblemForbidden, "Not allowed",
			"The API key is good but its grants do not reach this. The detail names the role that is missing and where; an admin of that namespace can make a key that has it.",
		},
		{
			events.ErrNotFound, 404, wire.ProblemNotFound, "Not found",
			"The path, the namespace or the key does not exist, or did not at the time that was asked for.",
		},
		{
			errMethod, 405, wire.ProblemMethodNotAllowed, "Method not allowed",
			"The path exists but not with this method. The Allow header lists those it has.",
		},
	}
}

// conflicts are the rows of requests that the present state does not allow.
func conflicts() []problemKind {
	return []problemKind{
		{
			events.ErrForeign, 409, wire.ProblemOtherHistory, "Position of another history",
			"The position's hash does not match this cluster's history: the cluster was restored from a backup, or the position is of another cluster. Begin again from the present.",
		},
		{
			events.ErrApproval, 409, wire.ProblemApprovalRequired, "Approval required",
			"Changes in this namespace are made by publish requests: save a draft (confman draft set NS KEY VALUE), submit it (confman request submit NS KEY), and have others approve it.",
		},
		{
			events.ErrLocked, 409, wire.ProblemDraftLocked, "Draft under review",
			"The draft is part of an open publish request, so it stays as its reviewers see it. Withdraw the request, or wait for its end.",
		},
		{
			events.ErrFrozen, 409, wire.ProblemFrozen, "Frozen",
			"No changes are made in this namespace now. The detail says why and until when. A publish request that is approved meanwhile is published when it ends; where the settings allow it, an admin can bypass it with a reason. Rolling back is possible.",
		},
		{
			events.ErrQuota, 409, wire.ProblemOverQuota, "Over quota",
			"The namespace, or one above it, holds as many keys or bytes as its quota allows. Delete something, or have an admin raise the quota. Deleting, approving and publishing are always possible.",
		},
		{
			events.ErrConflict, 409, wire.ProblemConflict, "Conflict",
			"The present state does not allow the change. Read it, decide anew, and ask again; errors lists the conditions that failed.",
		},
		{
			events.ErrStale, 409, wire.ProblemConflict, "Conflict",
			"Others kept changing the same thing at the same time. Ask again.",
		},
	}
}

// unfit are the rows of requests that break a rule of form or a condition.
func unfit() []problemKind {
	return []problemKind{
		{
			events.ErrCompacted, 410, wire.ProblemCompacted, "No longer kept",
			"History this old was trimmed by retention. Begin again from the present.",
		},
		{
			events.ErrCondition, 412, wire.ProblemConditionFailed, "Condition failed",
			"If-Match or If-None-Match does not hold. Read the entry, look at its version, and decide anew.",
		},
		{
			events.ErrTooLarge, 413, wire.ProblemTooLarge, "Too large",
			"A limit on sizes is exceeded; limit says which.",
		},
		{
			errMedia, 415, wire.ProblemUnsupportedMedia, "Media type not supported",
			"Bodies are application/json in UTF-8.",
		},
		{
			events.ErrSchema, 422, wire.ProblemInvalid, "Schema violated",
			"A value breaks a schema of the namespace or of one above it; errors lists each place as a JSON pointer into the namespace seen as an object of its keys. GET …/schema?resolve=true shows the schemas. Nothing was written.",
		},
		{
			events.ErrReused, 422, wire.ProblemIdempotencyMismatch, "Idempotency key used for another request",
			"The same Idempotency-Key came with another method, path, condition or body before. Use a new key for a new request.",
		},
		{
			events.ErrInvalid, 400, wire.ProblemMalformed, "Malformed request",
			"The request breaks a rule of form; errors names each member or parameter and the rule. Nothing was written.",
		},
	}
}

// notDone are the rows of requests that may be done a moment later or by another
// node.
func notDone() []problemKind {
	return []problemKind{
		{
			events.ErrUnknown, 504, wire.ProblemOutcomeUnknown, "Outcome unknown",
			"The write may or may not have happened. Repeat it with the same Idempotency-Key and the same body: the answer is then the outcome of the first attempt, and nothing is written twice. Without a key, read before you repeat.",
		},
		{
			events.ErrBehind, 504, wire.ProblemNotCaughtUp, "Not caught up",
			"This node has not applied the index that was asked for within wait. Wait longer or ask another node; index says where it stands.",
		},
		{
			events.ErrUnavailable, 503, wire.ProblemUnavailable, "Unavailable",
			"No leader or no quorum is known, or the node is going away. Nothing was written. Wait as long as Retry-After says, or ask another node; GET /health/ready says why.",
		},
		{
			events.ErrNoSpace, 507, wire.ProblemDiskFull, "Disk nearly full",
			"The leader's disk, or the disks of so many members that no majority has room, are nearly full; detail names them. Nothing was written. Reads go on, deletions too until less than half of --min-free-bytes is left. Free space: writes resume by themselves.",
		},
		{
			streaming.ErrDraining, 503, wire.ProblemUnavailable, "Unavailable",
			"The node is going away. Ask another node.",
		},
		{
			errBusy, 429, wire.ProblemTooManyRequests, "Too many requests",
			"You asked more often than the node answers one principal. Wait as long as Retry-After says.",
		},
		{
			admission.ErrShare, 429, wire.ProblemTooManyRequests, "Too many requests",
			"You have more than your share of this node at this moment, and others wait. Nothing was done. Wait as long as Retry-After says, ask for less at once, or ask another node; detail names the limit and the flag that sets it.",
		},
		{
			admission.ErrFull, 503, wire.ProblemOverloaded, "Overloaded",
			"The node is full, and would only be slower for taking on more. Nothing was done. Wait as long as Retry-After says, or ask another node; detail names the limit and the flag that sets it.",
		},
		{
			streaming.ErrTooMany, 429, wire.ProblemTooManyRequests, "Too many requests",
			"You have as many watches on this node as one principal may. End one, or ask another node; detail names the flag that sets the limit.",
		},
		{
			streaming.ErrFull, 503, wire.ProblemOverloaded, "Overloaded",
			"The node serves as many watches as it takes. Wait as long as Retry-After says, or ask another node; detail names the flag that sets the limit.",
		},
	}
}
