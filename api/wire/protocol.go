package wire

// Request and response headers.
const (
	// HeaderAPIKey carries the API key; "Authorization: Bearer KEY" says the same.
	HeaderAPIKey = "X-Api-Key"
	// HeaderCorrelationID is taken from the request or made by the server, is
	// on every answer, and is recorded on the events of a write.
	HeaderCorrelationID = "X-Correlation-Id"
	// HeaderIdempotencyKey names a write: repeating it with the same body
	// returns the first outcome and writes nothing.
	HeaderIdempotencyKey = "Idempotency-Key"
	// HeaderIdempotentReplayed is "true" on an answer that repeats the outcome
	// of an earlier request with the same Idempotency-Key.
	HeaderIdempotentReplayed = "Idempotent-Replayed"
	// HeaderIndex is the event index that the answer reflects, in decimal.
	HeaderIndex = "X-Confman-Index"
	// HeaderPosition is the position that the answer reflects.
	HeaderPosition = "X-Confman-Position"
	// HeaderMinIndex asks the node to answer only once it has applied this
	// event index.
	HeaderMinIndex = "X-Confman-Min-Index"
	// HeaderStaleMs says, on a local read, how many milliseconds ago this node
	// last heard from a leader.
	HeaderStaleMs = "X-Confman-Stale-Ms"
	// HeaderLeaderKnown says, on a local read, whether this node knows a leader:
	// "true" or "false".
	HeaderLeaderKnown = "X-Confman-Leader-Known"
	// HeaderSilent names the members, separated by ", ", that were asked for part of
	// the answer and did not reply in time. Absent: all did.
	HeaderSilent = "X-Confman-Silent"
	// HeaderPrefixSHA256 goes with a Range for the rest of a backup: the SHA-256,
	// in hex, of the bytes before it.
	HeaderPrefixSHA256 = "X-Confman-Prefix-Sha256"
)

// Media types.
const (
	MediaJSON    = "application/json"
	MediaProblem = "application/problem+json" // RFC 9457
	MediaNDJSON  = "application/x-ndjson"
	MediaYAML    = "application/yaml"
	MediaBinary  = "application/octet-stream"
	MediaText    = "text/plain"
	MediaSSE     = "text/event-stream"
)

// Query parameters that more than one route knows.
const (
	ParamAt          = "at"          // an index, a position or an RFC 3339 time: answer as of then
	ParamConsistency = "consistency" // ConsistencyLocal or ConsistencyLinearizable
	ParamCursor      = "cursor"      // opaque; from the Link header of the page before
	ParamLimit       = "limit"       // rows per page
	ParamMinIndex    = "min_index"   // as HeaderMinIndex
	ParamPrefix      = "prefix"      // only names that begin with this
	ParamResolve     = "resolve"     // "true": fall back to parent namespaces
	ParamWait        = "wait"        // a Go duration: how long to wait for an index or a change
)

// Values of ParamConsistency.
const (
	ConsistencyLocal        = "local"        // this node's state; works without a quorum
	ConsistencyLinearizable = "linearizable" // confirmed by the leader; 503 when it cannot be
)

// Value types of an entry.
const (
	TypeString    = "string"
	TypeNumber    = "number"
	TypeBoolean   = "boolean"
	TypeJSON      = "json"
	TypeBinary    = "binary"     // a JSON string holding base64 (RFC 4648 section 4)
	TypeSecretRef = "secret-ref" // a JSON string, vault:// keyvault:// env:// or file://
)

// Roles on a namespace; each includes those before it.
const (
	RoleViewer    = "viewer"
	RoleEditor    = "editor"
	RolePublisher = "publisher"
	RoleAdmin     = "admin"
)
