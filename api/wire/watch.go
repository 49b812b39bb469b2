package wire

import (
	"encoding/json"
	"time"
)

// WatchSubprotocol is the WebSocket subprotocol of GET /api/v1/watch.
const WatchSubprotocol = "confman.watch.v1"

// Query parameters of GET /api/v1/watch, beside ParamPrefix. ParamNamespace may
// be given several times. The same names are members of a [WatchOp].
const (
	ParamNamespace = "namespace" // a subtree; none: all that the caller may see
	ParamKey       = "key"       // only this key, in each namespace of the subtree
	ParamAfter     = "after"     // a position, or one of the After constants; Last-Event-ID wins over it
	ParamEvents    = "events"    // EventsConfig, EventsAll, or a list of kinds: config.updated,namespace
	ParamValues    = "values"    // ValuesNone leaves values out
	ParamWatch     = "id"        // WebSocket: the ID of the first watch
	ParamTicket    = "ticket"    // from POST /api/v1/watch/tickets, instead of a key in a header
)

// Where a watch begins, other than at a position.
const (
	AfterNow      = "now"      // the default: what comes from here on
	AfterStart    = "start"    // everything that is retained
	AfterSnapshot = "snapshot" // the entries as they are, then what comes
)

// Values of ParamEvents and ParamValues.
const (
	EventsConfig = "config" // the default: config.created, config.updated, config.deleted …
	EventsAll    = "all"
	ValuesNone   = "none"
)

// Kinds of frames.
const (
	FrameResumed     = "resumed"      // opens a watch: After, Head
	FrameSnapshot    = "snapshot"     // opens a watch that begins with the entries: Position
	FrameEntry       = "entry"        // one entry of the snapshot: Entry
	FrameSnapshotEnd = "snapshot-end" // Position, Entries; events follow
	FrameEvent       = "event"        // Prev, Event, More
	FrameProgress    = "progress"     // Position: nothing up to here was missed
	FrameReset       = "reset"        // ends the watch: Reason, Detail, Position, Oldest, Newest
	FrameGoaway      = "goaway"       // ends the connection: resume elsewhere; Reason, Detail
)

// Reasons of a reset or goaway.
const (
	ReasonCompacted    = "compacted"     // the watch fell behind what is retained; Oldest, Newest
	ReasonOtherHistory = "other-history" // the position is not of this history
	ReasonRevoked      = "revoked"       // the caller's right ended
	ReasonExpired      = "expired"       // the API key or the ticket expired
	ReasonInvalid      = "invalid"       // the client sent what this end does not take; Detail
	ReasonForbidden    = "forbidden"     // the caller may not watch that, or not any more
	ReasonLimit        = "limit"         // WebSocket: too many watches
	ReasonBehind       = "behind"        // this node has not come as far as the position; try another
	ReasonUnwatched    = "unwatched"     // the client asked for it
	ReasonStuck        = "stuck"         // the client took nothing for 30 s
	ReasonShutdown     = "shutdown"      // the node stops
	ReasonUnavailable  = "unavailable"   // the node cannot serve now
	ReasonInternal     = "internal"      // the node failed; its log says at what
)

// Frame is one message of a watch, whatever the encoding: a line of NDJSON, the
// data of a server-sent event, a text message of a WebSocket. Which members it
// has depends on Frame, one of the Frame constants.
type Frame struct {
	Frame string `json:"frame"`
	Watch string `json:"watch,omitempty"` // WebSocket: which watch of the connection

	// Prev is the index of the event before this one on this watch, or of the
	// position where the watch began. A client that remembers the last index can
	// prove that nothing is missing.
	Prev  uint64 `json:"prev,omitempty"`
	Event *Event `json:"event,omitempty"`
	// More: the next event on this watch belongs to the same transaction.
	More bool `json:"more,omitempty"`
	// Replay is of the first and the last frame of a replay.
	Replay *Replay `json:"replay,omitempty"`

	Entry    *ConfigEntry `json:"entry,omitempty"`
	Entries  int          `json:"entries,omitempty"` // of the snapshot
	Position string       `json:"position,omitempty"`
	After    string       `json:"after,omitempty"` // where the watch begins
	Head     string       `json:"head,omitempty"`  // where this node stands at its beginning

	// StaleMs is how long ago the node last heard from a leader, in
	// milliseconds; absent when it never did. LeaderKnown: it knows one now.
	// Both are on frames that open a watch and on progress.
	StaleMs     *int64 `json:"staleMs,omitempty"`
	LeaderKnown *bool  `json:"leaderKnown,omitempty"`

	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	Oldest string `json:"oldest,omitempty"` // the oldest position that a watch can begin at
	Newest string `json:"newest,omitempty"`
}

// WatchOp is a message of the client on a WebSocket.
type WatchOp struct {
	Op string `json:"op"` // OpWatch, OpUnwatch
	ID string `json:"id"` // 1 to 64 of A-Z a-z 0-9 . _ -; bears the frames of the watch

	Namespace Strings `json:"namespace,omitempty"`
	Key       string  `json:"key,omitempty"`
	Prefix    string  `json:"prefix,omitempty"`
	After     string  `json:"after,omitempty"`
	Events    string  `json:"events,omitempty"`
	Values    string  `json:"values,omitempty"`
}

// What a WatchOp asks for.
const (
	OpWatch   = "watch"
	OpUnwatch = "unwatch"
)

// Strings is a list that may be written as a single string.
type Strings []string

// UnmarshalJSON reads a string or an array of strings.
func (s *Strings) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = Strings{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// NewTicket is the body of POST /api/v1/watch/tickets: what the ticket's bearer
// may watch.
type NewTicket struct {
	Namespace Strings `json:"namespace,omitempty"`
	Key       string  `json:"key,omitempty"`
	Prefix    string  `json:"prefix,omitempty"`
	Events    string  `json:"events,omitempty"`
	Values    string  `json:"values,omitempty"`
}

// Ticket opens one watch in place of an API key, on any node, as often as one
// likes until it expires or the key that asked for it does.
type Ticket struct {
	Ticket    string    `json:"ticket"`
	ExpiresAt time.Time `json:"expiresAt"`
	URL       string    `json:"url"` // path and query for an EventSource or WebSocket
}

// Watching is one row of GET /api/v1/watches: a watch that this node serves.
type Watching struct {
	ID         string    `json:"id"` // of the connection and, on a WebSocket, the watch
	Node       string    `json:"node"`
	Principal  string    `json:"principal"`
	KeyID      string    `json:"keyId"`
	Remote     string    `json:"remote"`
	Encoding   string    `json:"encoding"` // EncodingSSE, EncodingNDJSON, EncodingWebSocket
	Namespaces []string  `json:"namespaces"`
	Key        string    `json:"key,omitempty"`
	Prefix     string    `json:"prefix,omitempty"`
	Events     string    `json:"events"`
	Since      time.Time `json:"since"`
	Index      uint64    `json:"index"`     // every event up to here was looked at and, if it matches, sent
	Lag        uint64    `json:"lag"`       // events between that and where the node stands
	Delivered  uint64    `json:"delivered"` // events sent
}

// Encodings of a watch.
const (
	EncodingSSE       = "sse"
	EncodingNDJSON    = "ndjson"
	EncodingWebSocket = "websocket"
)
