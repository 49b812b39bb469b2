package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"confman/api/wire"
)

// What became of a call; test with errors.Is. Except for ErrOutcomeUnknown they
// say that nothing happened.
var (
	ErrInvalid         = errors.New("invalid")           // 400, 405, 415, 422
	ErrUnauthenticated = errors.New("unauthenticated")   // 401
	ErrForbidden       = errors.New("forbidden")         // 403
	ErrNotFound        = errors.New("not found")         // 404
	ErrConflict        = errors.New("conflict")          // 409, a failed condition of a transaction too
	ErrCompacted       = errors.New("compacted")         // 410
	ErrConditionFailed = errors.New("condition failed")  // 412
	ErrTooLarge        = errors.New("too large")         // 413
	ErrUnavailable     = errors.New("unavailable")       // nobody answered, 429, 502, 503, 504, 507
	ErrNotCaughtUp     = errors.New("not caught up")     // 504: no node came as far as Read.MinIndex, or as the call itself names, in time
	ErrRedirect        = errors.New("redirect refused")  // to an address that is not a known member
	ErrBadAnswer       = errors.New("answer not usable") // not what a Confman answers
	ErrOutcomeUnknown  = errors.New("outcome unknown")   // the write may have happened; see UnknownOutcome
)

// Conflicts of their own kind; each is ErrConflict, too.
var (
	ErrApprovalRequired = fmt.Errorf("%w: approval required", ErrConflict) // changes here go through drafts
	ErrDraftLocked      = fmt.Errorf("%w: draft locked", ErrConflict)      // it is under review
	ErrFrozen           = fmt.Errorf("%w: frozen", ErrConflict)            // a freeze, or outside the change windows
	ErrOverQuota        = fmt.Errorf("%w: over quota", ErrConflict)        // the namespace is full
)

// UnknownOutcome is the error of a write that may or may not have happened,
// because the answer was lost or never came and repeating it did not settle it.
// It is ErrOutcomeUnknown, and whatever Err is: test for ErrOutcomeUnknown first.
type UnknownOutcome struct {
	// IdempotencyKey settles it later: the same write with this key in
	// Write.IdempotencyKey has the one outcome, whichever it is.
	IdempotencyKey string
	// Err is what ended the last attempt.
	Err error
}

func (u *UnknownOutcome) Error() string {
	return fmt.Sprintf("outcome unknown (idempotency key %s): %v", u.IdempotencyKey, u.Err)
}

// Unwrap returns ErrOutcomeUnknown and Err.
func (u *UnknownOutcome) Unwrap() []error { return []error{ErrOutcomeUnknown, u.Err} }

// Problem is an error that a server answered with. It is also one of the
// sentinels, by type and status.
type Problem struct {
	wire.Problem
	Endpoint string // the base URL of the node that answered
}

// Error is the title, the detail and the fields to blame on one line.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", p.Status, p.Title)
	if p.Detail != "" && p.Detail != p.Title {
		b.WriteString(": " + p.Detail)
	}
	before := ": "
	for _, field := range p.Errors {
		if !strings.Contains(p.Detail, field.Detail) { // the detail may tell it already
			b.WriteString(before + strings.TrimSpace(field.Pointer+" "+field.Detail))
			before = "; "
		}
	}
	return b.String()
}

// Is reports whether the problem is of a kind that a sentinel stands for.
func (p *Problem) Is(target error) bool { return errors.Is(p.kind(), target) }

func (p *Problem) kind() error {
	switch p.Type {
	case wire.ProblemOutcomeUnknown:
		return ErrOutcomeUnknown
	case wire.ProblemNotCaughtUp:
		return ErrNotCaughtUp
	case wire.ProblemApprovalRequired:
		return ErrApprovalRequired
	case wire.ProblemDraftLocked:
		return ErrDraftLocked
	case wire.ProblemFrozen:
		return ErrFrozen
	case wire.ProblemOverQuota:
		return ErrOverQuota
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return ErrUnauthenticated
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	case http.StatusGone:
		return ErrCompacted
	case http.StatusPreconditionFailed:
		return ErrConditionFailed
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return ErrInvalid
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		return ErrUnavailable
	}
	return nil
}

// problemOf reads the problem in an answer of 400 and above. What is not a
// problem document, as from a proxy, becomes one with the status alone.
func problemOf(a answer) *Problem {
	p := &Problem{Endpoint: a.origin}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	if media != wire.MediaProblem || json.Unmarshal(a.body, &p.Problem) != nil {
		p.Problem = wire.Problem{}
	}
	p.Status = a.status // the status line is what the retry rules go by
	if p.Title == "" {
		p.Title = http.StatusText(a.status)
	}
	if p.CorrelationID == "" {
		p.CorrelationID = a.header.Get(wire.HeaderCorrelationID)
	}
	return p
}

// never reports whether the attempt certainly changed nothing, because it was
// refused or not even tried.
func (p *Problem) never() bool {
	switch p.Status {
	case http.StatusBadGateway:
		return false
	case http.StatusGatewayTimeout:
		return p.Type == wire.ProblemNotCaughtUp
	}
	return p.Type != wire.ProblemOutcomeUnknown
}

// settled reports whether the answer also says that no earlier attempt with the
// same idempotency key changed anything: the server looks for its outcome first.
func (p *Problem) settled() bool {
	return slices.ContainsFunc([]error{ErrInvalid, ErrNotFound, ErrConflict, ErrConditionFailed, ErrTooLarge}, p.Is)
}

// transient reports whether the same request may succeed a moment later.
func (p *Problem) transient() bool {
	switch p.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return p.Type == wire.ProblemOutcomeUnknown
}
