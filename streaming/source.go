package streaming

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"confman/events"
)

// Source is the history as this node knows it.
type Source interface {
	// Position is that of the newest visible event. It never goes back.
	Position() events.Position
	// Edge is the oldest position that a watch may begin at: that of the last
	// event before those that are kept. Its index is 0 while all are.
	Edge() events.Position
	// PositionAt is the position of an index between Edge and Position;
	// [events.ErrCompacted] below.
	PositionAt(index uint64) (events.Position, error)
	// Records yields the records after an index, up to the newest that was
	// visible at the call; [events.ErrCompacted] when index is below Edge.
	Records(after uint64) iter.Seq2[events.Record, error]
	// Snapshot is the present as one immutable value.
	Snapshot() Snapshot
	// Await returns when Position has reached an index; [events.ErrBehind] when
	// the context ends before.
	Await(ctx context.Context, index uint64) error
	// Contact is how long ago the node last heard from a leader, negative when
	// it never did, and whether it knows one now.
	Contact() (since time.Duration, leaderKnown bool)
}

// Snapshot is the state of all entries at one position.
type Snapshot interface {
	Position() events.Position
	// Entries yields the live entries in a namespace's subtree, [events.Root]
	// for all, by namespace, then key.
	Entries(subtree string) iter.Seq[events.Entry]
}

// Rights is what a caller may do at this moment.
type Rights interface {
	// Renew looks the caller up anew. Its error, an [*End], ends the caller's
	// streams.
	Renew() error
	// Sees reports whether the caller may see an event.
	Sees(*events.Event) bool
	// SeesEntry is Sees for an entry of a snapshot.
	SeesEntry(namespace, key string) bool
	// SeesWithin reports whether the caller may see anything in a subtree.
	SeesWithin(subtree string) bool
	// Expires is when Renew will refuse; zero: never.
	Expires() time.Time
}

// Caller is who opens a connection.
type Caller struct {
	Principal string
	KeyID     string
	Session   string // ID of the session that it came with; empty: with none
	Remote    string // address, for lists
	Rights    Rights
}

// Reasons of an [End], as clients see them.
const (
	ReasonCompacted    = "compacted"
	ReasonOtherHistory = "other-history"
	ReasonRevoked      = "revoked"
	ReasonExpired      = "expired"
	ReasonInvalid      = "invalid"
	ReasonForbidden    = "forbidden"
	ReasonLimit        = "limit"
	ReasonBehind       = "behind"
	ReasonUnwatched    = "unwatched"
	ReasonStuck        = "stuck"
	ReasonShutdown     = "shutdown"
	ReasonUnavailable  = "unavailable"
	ReasonInternal     = "internal"
	reasonLeft         = "left" // the client closed the connection; told to nobody
)

// End says why a watch or a connection ends.
type End struct {
	Reason string // one of the Reason constants
	Detail string
	Oldest events.Position // with ReasonCompacted
	Newest events.Position
}

func (e *End) Error() string {
	if e.Detail == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.Detail
}

// Compacted says that a position is older than what is kept. It is an
// [events.ErrCompacted].
type Compacted struct {
	Asked, Oldest, Newest events.Position
}

func (c *Compacted) Error() string {
	return fmt.Sprintf("position %s is no longer kept: a watch can begin at %s or later", c.Asked, c.Oldest)
}

// Unwrap makes it an [events.ErrCompacted].
func (c *Compacted) Unwrap() error { return events.ErrCompacted }

// What keeps a connection or a watch from being opened.
var (
	// ErrTooMany: one principal or connection has as many watches as it may. The
	// error says which limit that is.
	ErrTooMany = errors.New("too many watches")
	// ErrFull: the node serves as many watches as it takes.
	ErrFull = errors.New("no more watches")
	// ErrDraining: the node stops.
	ErrDraining = errors.New("the node stops")
)

// endOf is how an error ends a watch.
func endOf(err error) *End {
	var end *End
	var compacted *Compacted
	switch {
	case errors.As(err, &end):
		return end
	case errors.As(err, &compacted):
		return &End{Reason: ReasonCompacted, Detail: err.Error(), Oldest: compacted.Oldest, Newest: compacted.Newest}
	case errors.Is(err, events.ErrForeign):
		return &End{Reason: ReasonOtherHistory, Detail: err.Error()}
	case errors.Is(err, events.ErrBehind):
		return &End{Reason: ReasonBehind, Detail: err.Error()}
	case errors.Is(err, events.ErrInvalid), errors.Is(err, events.ErrTooLarge):
		return &End{Reason: ReasonInvalid, Detail: err.Error()}
	case errors.Is(err, events.ErrForbidden):
		return &End{Reason: ReasonForbidden, Detail: err.Error()}
	case errors.Is(err, ErrTooMany), errors.Is(err, ErrFull):
		return &End{Reason: ReasonLimit, Detail: err.Error()}
	case errors.Is(err, ErrDraining):
		return &End{Reason: ReasonShutdown}
	case errors.Is(err, events.ErrUnavailable):
		return &End{Reason: ReasonUnavailable, Detail: err.Error()}
	}
	return &End{Reason: ReasonInternal}
}
