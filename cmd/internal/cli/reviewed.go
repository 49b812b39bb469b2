package cli

import (
	"errors"
	"fmt"
	"strings"

	"confman/api/client"
	"confman/api/wire"
)

// reviewed is the refusal of a direct write where changes are reviewed.
type reviewed struct {
	instead string // the commands that do the same
	err     error
}

func (r *reviewed) Error() string { return r.err.Error() }

// Unwrap returns the refusal.
func (r *reviewed) Unwrap() error { return r.err }

func (r *reviewed) hint() string { return "changes here are reviewed: " + r.instead }

// orReviewed adds to a refusal for want of approval the commands that do the same
// as the write; draft is what comes after "confman draft".
func orReviewed(err error, namespace, key, draft string) error {
	if !errors.Is(err, client.ErrApprovalRequired) {
		return err
	}
	return &reviewed{fmt.Sprintf("confman draft %s && confman request submit %s %s", draft, namespace, key), err}
}

// draftSetLine is "set NS KEY VALUE". A value that was on the command line is left
// out: it may be a secret, and errors end up in logs.
func draftSetLine(namespace, key, argument, valueType string) string {
	if argument != "-" && !strings.HasPrefix(argument, "@") || strings.ContainsAny(argument, " '\"\\$`&;|<>()*?[]#~!\n") {
		argument = "VALUE"
	}
	line := strings.Join([]string{"set", namespace, key, argument}, " ")
	if valueType != wire.TypeString {
		line += " --type " + valueType
	}
	return line
}
