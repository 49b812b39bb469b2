package admission

import "errors"

// What a [Refusal] is.
var (
	ErrShare = errors.New("more than your share")
	ErrFull  = errors.New("this node is full")
)

// Reasons of refusals, as metrics name them.
const (
	ReasonQueue       = "queue"       // no place came free in time, or too many wait
	ReasonBytes       = "bytes"       // of bodies and answers in memory
	ReasonExports     = "exports"     // and other long answers
	ReasonWaiting     = "waiting"     // long polls and other waits
	ReasonMemory      = "memory"      // of the process
	ReasonConnections = "connections" // on the port
)

// Refusal says why a request is not taken on. Nothing was done.
type Refusal struct {
	Reason string // one of the constants
	Detail string // names the limit and its flag
	Kind   error  // ErrShare or ErrFull
}

// Error implements error.
func (r *Refusal) Error() string { return r.Kind.Error() + ": " + r.Detail }

// Unwrap returns the kind.
func (r *Refusal) Unwrap() error { return r.Kind }
