package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const replayHelp = `Print past events again, in order, from one moment to another, both included. NS covers
the namespaces below it; without NS it is all that the key may see. Nothing of it
happens again: every line says that it is a replay.

--speed 1 is the pace at which it happened, 60 a minute in a second, max, the default,
as fast as it can be read; --max-pause bounds the waiting between two events. Broken
connections and failed nodes are gone over; stderr says so.

With --exec CMD nothing is printed; "sh -c CMD" runs for each event, one after the
other, with the event's JSON on stdin and the variables that confman watch --exec sets,
and CONFMAN_REPLAY=1. When CMD fails, so does the replay, with its exit code; with
--keep-going it is noted and the replay goes on.

` + whenHelp

// replaying is audit replay.
type replaying struct {
	connection
	options  client.ReplayOptions
	from, to point
	speed    pace
	hook     hook
	print    *eventTable
	events   uint64
}

func auditReplay(env Env) *cobra.Command {
	r := &replaying{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "replay [NS...]", Short: "Print past events again, at their own pace or faster", Args: cobra.ArbitraryArgs, Long: replayHelp,
		Example: "  confman audit replay --from yesterday --to today teams/payments\n" +
			"  confman audit replay --from '2026-11-22 02:00' --to '2026-11-22 04:00' --speed 60 --max-pause 10s\n" +
			"  confman audit replay --from 1 --to 1042 -o json > events.ndjson\n" +
			"  confman audit replay --from '2h ago' teams/payments --speed 60 --exec ./apply.sh",
	}
	r.flags(cmd, formatTable, formatJSON)
	r.namespaceFlag(cmd)
	r.untimed(cmd)
	r.from.flag(cmd, "from", "the first event (default the oldest that is kept)")
	r.to.flag(cmd, "to", "the last event (default the newest now)")
	f := cmd.Flags()
	f.Var(&r.speed, "speed", "how many times the pace at which it happened, or max (default max)")
	f.DurationVar(&r.options.MaxPause, "max-pause", 0, "wait no longer than this between two events; 0: as long as --speed says")
	f.StringVar(&r.options.Key, "key", "", "only this key")
	f.StringVar(&r.options.Prefix, "prefix", "", "only keys that begin with this")
	f.StringVar(&r.options.Events, "events", wire.EventsConfig, "config, all, or a list of event types such as config.updated,namespace")
	f.BoolVar(&r.options.NoValues, "no-values", false, "without values")
	f.StringVar(&r.hook.command, "exec", "", "run this for each event, with sh -c")
	f.BoolVar(&r.hook.keepGoing, "keep-going", false, "do not end when the command of --exec fails")
	f.DurationVar(&r.hook.grace, "grace", defaultGrace, "what the command of --exec has to end before it is killed, when the replay ends")
	_ = cmd.RegisterFlagCompletionFunc("events", cobra.FixedCompletions([]string{wire.EventsConfig, wire.EventsAll}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("speed", cobra.FixedCompletions([]string{wire.SpeedMax, "1", "60"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = r.completeNamespaces
	r.retrying = func(err error, wait time.Duration) {
		r.note("%v; trying again in %v", err, wait.Round(10*time.Millisecond))
	}
	return r.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if err := r.prepare(cmd, args); err != nil {
			return err
		}
		return r.run(ctx, c)
	})
}

// prepare checks what the command line says.
func (r *replaying) prepare(cmd *cobra.Command, args []string) error {
	r.hook.env, r.hook.warn = r.env, r.warn
	switch {
	case r.explicit && len(args) > 0:
		return usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], r.namespace)
	case r.options.Key != "" && r.options.Prefix != "":
		return usage(cmd, "--key and --prefix exclude each other")
	case r.hook.keepGoing && r.hook.command == "":
		return usage(cmd, "--keep-going is for --exec")
	case r.options.MaxPause < 0:
		return usage(cmd, "--max-pause %v is less than nothing", r.options.MaxPause)
	case len(args) == 0 && r.namespace != "":
		args = []string{r.namespace}
	}
	within := newFilter(args, r.options.Key, r.options.Prefix, r.options.Events)
	r.options.Namespaces, r.options.Speed = within.Namespaces, float64(r.speed)
	r.options.From, r.options.To = r.from.wire(), r.to.wire()
	r.print = &eventTable{w: r.env.Stdout, lead: "replay  ", bare: r.options.NoValues}
	return nil
}

// pace is how many times faster than it happened; 0: as fast as can be.
type pace float64

// Set, String and Type make a pace a flag.
func (p *pace) Set(text string) error {
	*p = 0
	if text == wire.SpeedMax {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= fastest) {
		return fmt.Errorf("want %s, or a number above 0 and up to %g", wire.SpeedMax, fastest)
	}
	*p = pace(n)
	return nil
}

// fastest is the highest pace that has a number.
const fastest = 1e9

// String returns the pace, empty for the default.
func (p *pace) String() string {
	if *p == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*p), 'g', -1, 64)
}

// Type is what help calls the value.
func (p *pace) Type() string { return "N" }

func (r *replaying) run(ctx context.Context, c *client.Client) error {
	for f, err := range c.Replay(ctx, r.options) {
		if err == nil {
			err = r.take(ctx, f)
		} else if errors.Is(err, client.ErrCompacted) {
			err = fmt.Errorf("after %s: %w; what is older is no longer kept", counted(int(r.events), "event"), err)
		}
		if err != nil {
			return err
		}
	}
	r.note("the replay is over: %s", counted(int(r.events), "event"))
	return nil
}

// take handles one frame.
func (r *replaying) take(ctx context.Context, f wire.Frame) error {
	switch {
	case f.Frame == wire.FrameReplayStart && r.events > 0:
		r.note("connected again; going on after %s", f.Replay.From)
	case f.Frame == wire.FrameReplayStart:
		r.note("this is a replay: what happened after %s, up to %s", f.Replay.From, f.Replay.To)
	case f.Frame == wire.FrameReplay && f.Event != nil:
		r.events++
		return r.event(ctx, f)
	}
	return nil
}

func (r *replaying) event(ctx context.Context, f wire.Frame) error {
	e := f.Event
	switch {
	case r.hook.command == "" && r.output.name == formatTable:
		return r.print.event(e)
	case r.hook.command == "":
		return line(r.env.Stdout, f)
	}
	var stdin bytes.Buffer
	what := fmt.Sprintf("replay of event %d, %s %s/%s", e.Index, e.Type, e.Namespace, e.Key)
	if err := line(&stdin, e); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return r.hook.run(ctx, what, append(eventVariables(e), varReplay+"=1"), stdin.Bytes())
}
