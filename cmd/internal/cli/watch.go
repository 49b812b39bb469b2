package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const watchHelp = `Print changes as they happen, each exactly once and in order, until interrupted.
NS covers the namespaces below it; without NS it is all that the key may see.

It begins now, or where --after says: at a position or event index, at the start
of what is retained, or with a snapshot, the entries as they are. Broken
connections and failed nodes are gone over; stderr says so.

With --state FILE it goes on where the last watch with this file ended: FILE has
the position up to which everything was printed, or handled by --exec, and wins
over --after. A transaction counts as a whole. After a crash the last change or
transaction may come again, but none is left out.

With --exec CMD nothing is printed; "sh -c CMD" runs for each change and each
entry of a snapshot, one after the other, with the event's JSON on stdin and in
its environment

  CONFMAN_EVENT  CONFMAN_NAMESPACE  CONFMAN_KEY  CONFMAN_VALUE  CONFMAN_VALUE_TYPE
  CONFMAN_OLD_VALUE  CONFMAN_VERSION  CONFMAN_INDEX  CONFMAN_POSITION
  CONFMAN_ACTOR  CONFMAN_TIME  CONFMAN_TRANSACTION  CONFMAN_REQUEST

as far as the event has them. A binary is base64. A value that no variable can
hold (128 KiB, NUL) is left out, and CONFMAN_VALUE_TRUNCATED=1 says so. When CMD
fails, so does the watch, with its exit code, and the change comes again; with
--keep-going it is noted and the watch goes on.

SIGTERM ends it in good order, with exit code 0. A running CMD is asked to end.`

// watching is the watch command.
type watching struct {
	connection
	request   client.WatchRequest
	stateFile string
	hook      hook
	count     uint64
	progress  bool

	filter  filter
	state   *stateFile // nil: none
	print   *eventTable
	open    bool   // the transaction of the last event goes on
	handled uint64 // events
	begun   bool
}

func watchChanges(env Env) *cobra.Command {
	w := &watching{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "watch [NS...]", Short: "Print changes as they happen", Args: cobra.ArbitraryArgs, Long: watchHelp,
		Example: "  confman watch teams/payments\n" +
			"  confman watch teams/payments --key db.url --after now --count 1 --timeout 5m\n" +
			"  confman watch --events all --after start -o json --state seen.json >> events.ndjson\n" +
			"  confman watch teams/payments --prefix proxy/ --state proxy.state --exec 'systemctl reload proxy'",
	}
	w.flags(cmd, formatTable, formatJSON)
	w.namespaceFlag(cmd)
	w.untimed(cmd)
	f := cmd.Flags()
	f.StringVar(&w.request.Key, "key", "", "only this key")
	f.StringVar(&w.request.Prefix, "prefix", "", "only keys that begin with this")
	f.StringVar(&w.request.Events, "events", wire.EventsConfig, "config, all, or a list of event types such as config.updated,namespace")
	f.StringVar(&w.request.After, "after", wire.AfterNow, "where to begin: now, start, snapshot, a position or an event index")
	f.BoolVar(&w.request.NoValues, "no-values", false, "without values")
	f.StringVar(&w.stateFile, "state", "", "go on where this file says, and keep it up to date")
	f.StringVar(&w.hook.command, "exec", "", "run this for each change, with sh -c")
	f.BoolVar(&w.hook.keepGoing, "keep-going", false, "do not end when the command of --exec fails")
	f.DurationVar(&w.hook.grace, "grace", defaultGrace, "what the command of --exec has to end before it is killed, when the watch ends")
	f.Uint64Var(&w.count, "count", 0, "end after so many events; 0: never")
	f.BoolVar(&w.progress, "progress", false, "with -o json: all frames of the watch, not only events and entries")
	_ = cmd.RegisterFlagCompletionFunc("after", cobra.FixedCompletions([]string{wire.AfterNow, wire.AfterStart, wire.AfterSnapshot}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("events", cobra.FixedCompletions([]string{wire.EventsConfig, wire.EventsAll}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = w.completeNamespaces
	w.retrying = w.lost
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if err := w.prepare(cmd, args); err != nil {
			return err
		}
		stopped := watchStopping()
		return stopped.end(ctx, w.run(ctx, c))
	})
}

// prepare checks what the command line and the state file say.
func (w *watching) prepare(cmd *cobra.Command, args []string) error {
	w.hook.env, w.hook.warn = w.env, w.warn
	switch {
	case w.explicit && len(args) > 0:
		return usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], w.namespace)
	case w.request.Key != "" && w.request.Prefix != "":
		return usage(cmd, "--key and --prefix exclude each other")
	case w.progress && w.output.name != formatJSON:
		return usage(cmd, "--progress is for -o json")
	case w.hook.keepGoing && w.hook.command == "":
		return usage(cmd, "--keep-going is for --exec")
	case len(args) == 0 && w.namespace != "":
		args = []string{w.namespace}
	}
	w.filter = newFilter(args, w.request.Key, w.request.Prefix, w.request.Events)
	w.request.Namespaces = w.filter.Namespaces
	w.print = &eventTable{w: w.env.Stdout, bare: w.request.NoValues}
	if w.stateFile == "" {
		return nil
	}
	var err error
	if w.state, err = openState(w.stateFile, w.filter); err != nil {
		return err
	}
	if position := w.state.position(); position != "" {
		w.request.After = position
	}
	return nil
}

func (w *watching) run(ctx context.Context, c *client.Client) error {
	for frame, err := range c.Watch(ctx, w.request) {
		if err != nil {
			return w.over(err)
		}
		if err := w.take(ctx, frame); err != nil {
			return err
		}
		if w.count > 0 && w.handled == w.count {
			return nil
		}
	}
	return nil
}

// take handles one frame and remembers that it did.
func (w *watching) take(ctx context.Context, f wire.Frame) error {
	if w.progress {
		if err := line(w.env.Stdout, f); err != nil {
			return err
		}
	}
	switch f.Frame {
	case wire.FrameResumed:
		if w.begun {
			w.note("connected again; going on after %s", f.After)
			return nil
		}
		w.begun = true
		w.note("watching %s after %s; the node stands at %s", w.filter, f.After, f.Head)
		return w.reached(f.After)
	case wire.FrameSnapshot:
		w.note("the entries of %s at %s:", w.filter, f.Position)
	case wire.FrameSnapshotEnd:
		w.begun = true
		w.note("%s at %s; changes follow", entriesCounted(f.Entries), f.Position)
		return w.reached(f.Position)
	case wire.FrameProgress:
		return w.reached(f.Position)
	case wire.FrameEntry:
		return w.entry(ctx, f)
	case wire.FrameEvent:
		return w.event(ctx, f)
	}
	return nil
}

func entriesCounted(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func (w *watching) entry(ctx context.Context, f wire.Frame) error {
	switch {
	case w.hook.command != "":
		return w.call(ctx, "entry "+f.Entry.Namespace+"/"+f.Entry.Key, entryVariables(f.Entry), f.Entry)
	case w.output.name == formatTable:
		return w.print.entry(f.Entry)
	case !w.progress:
		return line(w.env.Stdout, f)
	}
	return nil
}

func (w *watching) event(ctx context.Context, f wire.Frame) error {
	var err error
	switch e := f.Event; {
	case w.hook.command != "":
		err = w.call(ctx, fmt.Sprintf("event %d, %s %s/%s", e.Index, e.Type, e.Namespace, e.Key), eventVariables(e), e)
	case w.output.name == formatTable:
		err = w.print.event(e)
	case !w.progress:
		err = line(w.env.Stdout, f)
	}
	if err != nil {
		return err
	}
	w.handled++
	// The last one that is asked for ends its transaction, as far as this watch goes.
	w.open = f.More && w.handled != w.count
	return w.reached(f.Event.Position)
}

// call runs the command for one change.
func (w *watching) call(ctx context.Context, what string, variables []string, body any) error {
	var stdin bytes.Buffer
	if err := line(&stdin, body); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return w.hook.run(ctx, what, variables, stdin.Bytes())
}

// reached notes that everything up to a position is handled, unless that is in
// the middle of a transaction.
func (w *watching) reached(position string) error {
	if w.state == nil || w.open {
		return nil
	}
	return w.state.save(position)
}

// lost is told of connections that failed.
func (w *watching) lost(err error, wait time.Duration) {
	w.note("%v; trying again in %v", err, wait.Round(10*time.Millisecond))
}

// over explains the error that the watch ended with.
func (w *watching) over(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &ExitError{Code: ExitUnavailable, Err: fmt.Errorf("--timeout %v is over; %s came", w.timeout, counted(int(w.handled), "event"))}
	}
	var reset *client.ResetError
	if !errors.As(err, &reset) || !errors.Is(err, client.ErrCompacted) && !errors.Is(err, client.ErrConflict) {
		return err
	}
	remedy := "begin again with --after " + wire.AfterSnapshot
	if w.state != nil {
		remedy = fmt.Sprintf("remove %s and %s", w.stateFile, remedy)
	}
	return &ExitError{Code: ExitFailure, Err: fmt.Errorf("%w; what came in between cannot be had any more: %s", err, remedy)}
}
