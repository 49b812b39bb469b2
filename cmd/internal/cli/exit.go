package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"confman/api/client"
)

// Exit codes. Scripts rely on them.
const (
	ExitOK              = 0
	ExitFailure         = 1 // any other error; "there are differences"
	ExitUsage           = 2
	ExitNotFound        = 3
	ExitConditionFailed = 4
	ExitForbidden       = 5 // unauthenticated, too
	ExitUnavailable     = 6 // no leader, timeout
	ExitInvalid         = 7
	ExitOutcomeUnknown  = 8
	ExitInterrupted     = 130
)

// ExitError gives an error its exit code, where none of the rules for the
// client's errors does.
type ExitError struct {
	Code int
	Err  error // nil: all is said already, and nothing more is printed
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// exitCode is the code of an error; ctx is that of the whole run.
func exitCode(ctx context.Context, err error) int {
	var wrong *usageError
	var given *ExitError
	is := func(targets ...error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case ctx.Err() != nil && is(context.Canceled):
		return ExitInterrupted
	case errors.As(err, &given):
		return given.Code
	case errors.As(err, &wrong):
		return ExitUsage
	case is(client.ErrOutcomeUnknown): // before what ended the last attempt
		return ExitOutcomeUnknown
	case is(client.ErrNotFound):
		return ExitNotFound
	case is(client.ErrConditionFailed, client.ErrConflict):
		return ExitConditionFailed
	case is(client.ErrUnauthenticated, client.ErrForbidden):
		return ExitForbidden
	case is(client.ErrUnavailable, client.ErrNotCaughtUp, context.DeadlineExceeded):
		return ExitUnavailable
	case is(client.ErrInvalid, client.ErrTooLarge):
		return ExitInvalid
	}
	return ExitFailure
}

// report says in one line what went wrong, and in a second what to do, where
// there is something to say.
func report(w io.Writer, err error, code int) {
	var given *ExitError
	if errors.As(err, &given) && given.Err == nil {
		return
	}
	text := oneLine(err)
	var problem *client.Problem
	if errors.As(err, &problem) && problem.CorrelationID != "" {
		text += " (correlation " + problem.CorrelationID + ")"
	}
	var stopped *unfinished
	if code == ExitInterrupted && !errors.Is(err, client.ErrOutcomeUnknown) && !errors.As(err, &stopped) {
		fmt.Fprintln(w, "confman: interrupted")
		return
	}
	fmt.Fprintf(w, "confman: %s\n", text)
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// oneLine is the text of an error, of joined ones too, on one line.
func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

func hintFor(err error) string {
	var wrong *usageError
	var unknown *client.UnknownOutcome
	var stopped *unfinished
	var held *reviewed
	switch {
	case errors.As(err, &wrong):
		return wrong.command + " --help"
	case errors.As(err, &held):
		return held.hint()
	case errors.As(err, &stopped) && stopped.hint() != "":
		return stopped.hint()
	case errors.As(err, &unknown):
		return "the same command with --idempotency-key " + unknown.IdempotencyKey + " settles it and changes nothing twice"
	case errors.Is(err, client.ErrUnauthenticated):
		return "give a valid API key: CONFMAN_API_KEY, CONFMAN_API_KEY_FILE, or a context (confman context show); people may use confman login"
	case errors.Is(err, client.ErrForbidden):
		return "confman whoami shows what this key may do"
	case errors.Is(err, client.ErrApprovalRequired):
		return "changes here are reviewed: confman draft set NS KEY VALUE && confman request submit NS KEY"
	case errors.Is(err, client.ErrDraftLocked):
		return "it is under review: confman request list says in which publish request, and withdrawing or rejecting that unlocks it"
	case errors.Is(err, client.ErrFrozen), errors.Is(err, client.ErrOverQuota):
		return "confman settings get NS --resolve shows freezes, windows and quotas, and which namespace sets them"
	case needsAbsent(err):
		return "start or remove that member, then again"
	case errors.Is(err, client.ErrRedirect):
		return "if that is a member of your cluster, add it to CONFMAN_ADDR"
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return "CONFMAN_ADDR says who is asked, confman cluster status who answers"
	}
	return ""
}

// needsAbsent reports whether something new to the history was refused because a
// member does not answer: only its absence, not its release, is in the way. The
// server has no type of problem for it, so its words decide.
func needsAbsent(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && errors.Is(err, client.ErrConflict) &&
		strings.Contains(p.Detail, "feature level") && strings.Contains(p.Detail, "does not answer")
}
