package events

import (
	"errors"
	"fmt"
	"strings"
)

// A write ends in one of four ways, and its error says which.
//
// Refused: nothing happened, and asking again in the same way is refused again.
var (
	// ErrInvalid: the request breaks a rule of form. See [Refusal.Fields].
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: what the command is about does not exist.
	ErrNotFound = errors.New("not found")
	// ErrConflict: the present state does not allow it.
	ErrConflict = errors.New("conflict")
	// ErrCondition: a condition that the caller set does not hold.
	ErrCondition = errors.New("condition failed")
	// ErrForbidden: the principal may not do this.
	ErrForbidden = errors.New("forbidden")
	// ErrTooLarge: a size limit is exceeded.
	ErrTooLarge = errors.New("too large")
	// ErrReused: the idempotency key was used for another request.
	ErrReused = errors.New("idempotency key reused")
	// ErrSchema: a value breaks a schema. See [Refusal.Fields]: the pointers lead
	// into the namespace seen as an object of its keys.
	ErrSchema = errors.New("schema violated")
	// ErrApproval: changes in the namespace are made by publish requests. Like
	// the next three, it is an ErrConflict.
	ErrApproval = fmt.Errorf("approval required: %w", ErrConflict)
	// ErrLocked: the draft is under review.
	ErrLocked = fmt.Errorf("draft locked: %w", ErrConflict)
	// ErrFrozen: no changes are made in the namespace now.
	ErrFrozen = fmt.Errorf("frozen: %w", ErrConflict)
	// ErrQuota: the namespace, or one above it, holds as much as it may.
	ErrQuota = fmt.Errorf("over quota: %w", ErrConflict)
	// ErrStale: a guard no longer holds. The proposer decides again.
	ErrStale = errors.New("stale")
)

// Never tried: nothing happened, and another node or a later moment may do it.
var (
	// ErrNotLeader: another node leads; see [NotLeaderError].
	ErrNotLeader = errors.New("not the leader")
	// ErrUnavailable: no leader or no quorum, or this node cannot serve now.
	ErrUnavailable = errors.New("unavailable")
	// ErrNoSpace: the disk is nearly full and writes are refused.
	ErrNoSpace = errors.New("disk nearly full")
	// ErrBehind: this node has not applied the index that the caller asked for.
	ErrBehind = errors.New("not caught up")
	// ErrCompacted: the history asked for is no longer kept.
	ErrCompacted = errors.New("compacted")
	// ErrForeign: the position asked for is not of this history.
	ErrForeign = errors.New("not of this history")
)

// ErrUnknown says that the write may or may not have happened. Asking again with
// the same idempotency key settles it.
var ErrUnknown = errors.New("outcome unknown")

// NotLeaderError says who leads instead, as far as this node knows.
type NotLeaderError struct {
	Leader string // HOST:PORT of the leader; empty when nobody is known to lead
}

func (e *NotLeaderError) Error() string {
	if e.Leader == "" {
		return "not the leader, and no leader is known"
	}
	return "not the leader; the leader is " + e.Leader
}

// Unwrap makes a NotLeaderError an [ErrNotLeader], or an [ErrUnavailable] when
// nobody is known to lead.
func (e *NotLeaderError) Unwrap() error {
	if e.Leader == "" {
		return ErrUnavailable
	}
	return ErrNotLeader
}

// Field is one violated rule and where in the request it was violated.
type Field struct {
	Pointer string // JSON pointer (RFC 6901) into the request, such as /value
	Detail  string
}

// Refusal is a domain error: a sentinel of this package, the reason in words,
// and the fields to blame.
type Refusal struct {
	Kind   error
	Detail string
	Fields []Field
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Detail)
	for i, f := range r.Fields {
		if i == 0 && r.Detail != "" {
			b.WriteString(": ")
		} else if i > 0 {
			b.WriteString("; ")
		}
		if name := strings.TrimPrefix(f.Pointer, "/"); name != "" {
			b.WriteString(name + " ")
		}
		b.WriteString(f.Detail)
	}
	return b.String()
}

// Unwrap returns the sentinel.
func (r *Refusal) Unwrap() error { return r.Kind }

// refuse makes a Refusal without fields.
func refuse(kind error, format string, args ...any) error {
	return &Refusal{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Invalid refuses one field of a request.
func Invalid(pointer, format string, args ...any) error {
	return &Refusal{Kind: ErrInvalid, Fields: []Field{{pointer, fmt.Sprintf(format, args...)}}}
}

// at puts the pointer of the enclosing value before the fields of a refusal.
func at(prefix string, err error) error {
	var r *Refusal
	if !errors.As(err, &r) || len(r.Fields) == 0 {
		return err
	}
	moved := &Refusal{Kind: r.Kind, Detail: r.Detail}
	for _, f := range r.Fields {
		moved.Fields = append(moved.Fields, Field{prefix + f.Pointer, f.Detail})
	}
	return moved
}
