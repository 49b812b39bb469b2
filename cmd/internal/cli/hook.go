package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// hook is the command of --exec.
type hook struct {
	env       Env
	command   string // for sh -c; empty: there is none
	keepGoing bool   // a failure is noted and nothing more
	grace     time.Duration
	warn      func(format string, args ...any)
}

// run runs the command once, to its end, with variables added to its environment.
// The error of a command that failed has its exit code. When ctx ends, so does
// the command, and unless it succeeded all the same the error is that of ctx.
func (h *hook) run(ctx context.Context, what string, variables []string, stdin []byte) error {
	cmd := exec.Command("/bin/sh", "-c", h.command)
	cmd.Env = append(withoutHookVariables(h.env.Environ), variables...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), h.env.Stdout, h.env.Stderr
	c, err := startChild(cmd, true)
	if err != nil {
		return err
	}
	c.finish(ctx, h.grace)
	switch code := c.code(); {
	case code == 0:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: the command was ended: %w", what, ctx.Err())
	case h.keepGoing:
		h.warn("%s: the command ended with exit code %d; going on", what, code)
		return nil
	default:
		return &ExitError{Code: code, Err: fmt.Errorf("%s: the command ended with exit code %d", what, code)}
	}
}

// maxVariable is what Linux allows for one NAME=value and its end (execve(2),
// MAX_ARG_STRLEN).
const maxVariable = 128 << 10

// The variables of a hook. There is none of a name that is also a setting a
// command should not take over: CONFMAN_COMMENT, CONFMAN_TYPE.
const (
	varEvent       = "CONFMAN_EVENT" // config.updated …; entry for one of a snapshot; sync for a batch
	varNamespace   = "CONFMAN_NAMESPACE"
	varKey         = "CONFMAN_KEY"
	varValue       = "CONFMAN_VALUE"
	varValueType   = "CONFMAN_VALUE_TYPE"
	varOldValue    = "CONFMAN_OLD_VALUE"
	varVersion     = "CONFMAN_VERSION"
	varIndex       = "CONFMAN_INDEX"
	varPosition    = "CONFMAN_POSITION"
	varActor       = "CONFMAN_ACTOR"
	varTime        = "CONFMAN_TIME"
	varTransaction = "CONFMAN_TRANSACTION"
	varRequest     = "CONFMAN_REQUEST"
	varDirectory   = "CONFMAN_DIRECTORY" // sync
	varChanged     = "CONFMAN_CHANGED"   // sync: how many files
	varReplay      = "CONFMAN_REPLAY"    // audit replay: 1
	varFiles       = "CONFMAN_DIR"       // bisect

	truncated = "_TRUNCATED" // ends the name of the variable that says 1 when a value did not fit
)

func hookVariables() []string {
	return []string{
		varEvent, varNamespace, varKey, varValue, varValue + truncated, varValueType, varOldValue, varOldValue + truncated,
		varVersion, varIndex, varPosition, varActor, varTime, varTransaction, varRequest, varDirectory, varChanged,
		varReplay, varFiles,
	}
}

// hookSettings are the names that settings would have to have these variables.
func hookSettings() []string {
	var names []string
	for _, variable := range hookVariables() {
		names = append(names, strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "CONFMAN_")), "_", "-"))
	}
	return names
}

// withoutHookVariables is an environment without what another hook left in it.
// The namespace is a setting too, and stays until it is set anew.
func withoutHookVariables(environ []string) []string {
	drop := make(map[string]bool)
	for _, variable := range hookVariables() {
		drop[variable] = variable != varNamespace
	}
	var kept []string
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !drop[name] {
			kept = append(kept, entry)
		}
	}
	return kept
}

// variables collects NAME=value pairs; empty values are left out.
type variables []string

func (v *variables) set(name, value string) {
	if value != "" {
		v.setValue(name, value)
	}
}

// setValue sets a variable to a value of the user's, which may be empty, or says
// that it cannot be one.
func (v *variables) setValue(name, value string) {
	if len(name)+len("=")+len(value)+1 > maxVariable || strings.IndexByte(value, 0) >= 0 {
		name, value = name+truncated, "1"
	}
	*v = append(*v, name+"="+value)
}

// line writes v as JSON on one line.
func line(w io.Writer, v any) error { return writeJSON(w, v, "") }
