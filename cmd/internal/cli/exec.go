package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"confman/api/client"
	"confman/cmd/internal/formats"
)

const execHelp = `Run a command with the entries of a namespace in its environment. Its exit code is
that of the command, or 128 and the signal's number; 126 and 127 say that it could
not be started or found. Signals go on to it.

A key's variable has its name, with _ for what a name cannot have: db/pool.size is
db_pool_size, with --upper DB_POOL_SIZE, as in confman export --format env. Values
are as there: the text of a string, base64 of a binary, the JSON of anything else.
Two keys of one variable, null, or more than 128 KiB are an error that names them.
The entries win over the environment that confman has; with --pristine they are
all there is. Whoever may write the namespace decides the command's environment,
PATH and LD_PRELOAD included.

--on-change says what to do when an entry changes: nothing, send the command a
signal (its environment stays as it is), or restart it: SIGTERM, SIGKILL after
--grace, start with the new values. Changes within --settle make one restart. When
the new values make no environment, that is said and the command keeps running.

The command starts with values that are up to date. When the cluster cannot be
asked for --timeout, it starts with those of --state FILE, and stderr says so;
without such a file the exit code is 6.`

// What to do when an entry changes.
const (
	onChangeNone    = "none"
	onChangeSignal  = "signal"
	onChangeRestart = "restart"
)

const execPatience = 10 * time.Second

// executing is the exec command.
type executing struct {
	connection
	prefix, state   string
	onChange, named string // named: the signal
	signal          syscall.Signal
	pristine, upper bool
	required        []string
	grace, settle   time.Duration
	command         []string
}

func execute(env Env) *cobra.Command {
	x := &executing{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "exec -n NS -- CMD [ARG...]", Short: "Run a command with a namespace as its environment", Args: arguments(1, 1<<20), Long: execHelp,
		Example: "  confman exec -n teams/payments -- ./server --port 8080\n" +
			"  confman exec -n teams/payments --upper --on-change restart --state last.json --required db.url -- ./server",
		DisableFlagsInUseLine: true,
	}
	x.reach(cmd)
	x.patience(cmd, execPatience)
	x.namespaceFlag(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false) // what comes after CMD is its own
	f.StringVar(&x.prefix, "prefix", "", "only keys that begin with this")
	f.StringVar(&x.onChange, "on-change", onChangeNone, "none, signal or restart")
	f.StringVar(&x.named, "signal", "HUP", "what --on-change signal sends")
	f.BoolVar(&x.pristine, "pristine", false, "nothing else in the environment")
	f.BoolVar(&x.upper, "upper", false, "names of variables in capitals")
	f.StringVar(&x.state, "state", "", "keep the last known values in this file, mode 0600, and start with them when the cluster cannot be asked")
	f.StringSliceVar(&x.required, "required", nil, "keys without which the command is not started")
	f.DurationVar(&x.grace, "grace", defaultGrace, "what the command has to end before it is killed")
	f.DurationVar(&x.settle, "settle", 500*time.Millisecond, "how long to wait for more changes")
	_ = cmd.RegisterFlagCompletionFunc("on-change", cobra.FixedCompletions([]string{onChangeNone, onChangeSignal, onChangeRestart}, cobra.ShellCompDirectiveNoFileComp))
	return x.runsPatiently(cmd, func(ctx context.Context, c *client.Client, patience time.Duration, args []string) error {
		if err := x.prepare(cmd); err != nil {
			return err
		}
		x.command = args
		return x.run(ctx, c, patience)
	})
}

// prepare checks the command line.
func (x *executing) prepare(cmd *cobra.Command) error {
	if x.namespace == "" {
		return usage(cmd, "no namespace: %s, or set CONFMAN_NAMESPACE", cmd.UseLine())
	}
	if !slices.Contains([]string{onChangeNone, onChangeSignal, onChangeRestart}, x.onChange) {
		return usage(cmd, "--on-change %q: want %s, %s or %s", x.onChange, onChangeNone, onChangeSignal, onChangeRestart)
	}
	x.signal = unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(x.named), "SIG"))
	if x.signal == 0 {
		return usage(cmd, "--signal %q: there is no such signal", x.named)
	}
	return nil
}

func (x *executing) run(ctx context.Context, c *client.Client, patience time.Duration) error {
	// What a signal ends is the command. This one follows it.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	waiting := context.AfterFunc(ctx, stop)
	l, err := x.openLive(working, c, client.ViewConfig{Namespace: x.namespace, Prefix: x.prefix, File: x.state}, patience)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	}
	defer l.close()
	changed := l.Changed() // before looking
	environ, err := x.environ(l)
	if err != nil {
		return err
	}
	if !waiting() {
		return ctx.Err()
	}
	if x.onChange == onChangeNone {
		changed = nil
		if x.state == "" {
			l.close() // nobody would look at it
		}
	}
	s := supervision{executing: x, live: l, environ: environ, changed: changed}
	return s.run(ctx)
}

// environ is the environment of the command as of now.
func (x *executing) environ(l *live) ([]string, error) {
	entries := l.entries()
	var missing []string
	for _, key := range x.required {
		if !slices.ContainsFunc(entries, func(e formats.Entry) bool { return e.Key == key }) {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return nil, &ExitError{Code: ExitNotFound, Err: fmt.Errorf("%s has no %s", x.namespace, strings.Join(missing, ", no "))}
	}
	inherited := x.env.Environ
	if x.pristine {
		inherited = nil
	}
	environ, err := environment(inherited, entries, x.upper)
	if err != nil {
		return nil, &ExitError{Code: ExitInvalid, Err: fmt.Errorf("environment of %s: %w", x.namespace, err)}
	}
	return environ, nil
}

// environment is what is inherited and a variable for each entry, which wins. It
// is never nil, which would be confman's own.
func environment(inherited []string, entries []formats.Entry, upper bool) ([]string, error) {
	pairs, err := formats.Variables(entries, upper)
	problems := []error{err}
	own := make(map[string]bool, len(pairs))
	for _, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		own[name] = true
		if len(pair)+1 > maxVariable {
			problems = append(problems, fmt.Errorf("variable %s has %d bytes, more than the %d that the system allows", name, len(pair), maxVariable-1))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	environ := []string{}
	for _, variable := range inherited {
		if name, _, _ := strings.Cut(variable, "="); !own[name] {
			environ = append(environ, variable)
		}
	}
	return append(environ, pairs...), nil
}
