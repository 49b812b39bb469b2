package cli

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const bisectHelp = `Find the change that broke something, in about as many runs of a check as the number
of changes has binary digits: 14 for 10,000. The changes are those of a namespace, and
of those above as far as it inherits from them, after the state --good and up to the
state --bad. What is a transaction stays whole; with --by request what was published
by one request, and whatever came directly before it, is one change.

The check runs with the state after a change: as files, one for each key, in the
directory CONFMAN_DIR (see confman export), and as environment variables (see confman
exec; --files-only leaves them out). CONFMAN_INDEX is the event, CONFMAN_NAMESPACE the
namespace. What it prints goes to stderr. As with git bisect run, its exit code says:

  0                    good
  1 to 124, 126, 127   bad
  125                  it cannot be told, as of a state that cannot be files or
                       variables; another one is tried
  anything else        stop

Where changes could not be told apart, all of them are named, with exit code 1. The
ends are believed; --verify-ends runs the check for them, too.

` + whenHelp

// What bisect takes for one change.
const (
	byEvent   = "event"
	byRequest = "request"
)

// bisecting is the bisect command.
type bisecting struct {
	connection
	good, bad  point
	by         string
	verifyEnds bool
	check      check

	found bisection
	bar   *progress
}

// bisection is what the command found out, as -o json has it.
type bisection struct {
	Namespace string    `json:"namespace"`
	By        string    `json:"by"`
	Good      uint64    `json:"good"`    // event index of the state that is good
	Bad       uint64    `json:"bad"`     // of the one that is bad
	Changes   int       `json:"changes"` // between them
	Runs      []checked `json:"runs"`
	// Suspects are the changes of which one is the culprit: one, unless states
	// were skipped.
	Suspects []changeStep         `json:"suspects"`
	Events   []wire.AuditEvent    `json:"events"`            // of the first suspect
	Request  *wire.PublishRequest `json:"request,omitempty"` // that they were published by
}

// checked is one run of the check.
type checked struct {
	Index   uint64  `json:"index"`
	Verdict verdict `json:"verdict"`
	Exit    int     `json:"exit"`
	Seconds float64 `json:"seconds"`
	Why     string  `json:"why,omitempty"` // it was skipped without a run
}

func bisectChanges(env Env) *cobra.Command {
	b := &bisecting{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "bisect --good WHEN [--bad WHEN] [NS] -- CHECK [ARG...]", Short: "Find the change that broke something", Args: cobra.ArbitraryArgs, Long: bisectHelp,
		Example: "  confman bisect --good yesterday teams/payments -- ./smoke-test.sh\n" +
			"  confman bisect --good 1042 --bad 5120 --by request -n teams/payments -- sh -c 'grep -q https:// \"$CONFMAN_DIR/db/url\"'",
		DisableFlagsInUseLine: true,
	}
	b.flags(cmd)
	b.namespaceFlag(cmd)
	b.untimed(cmd)
	b.good.flag(cmd, "good", "a state that was good (required)")
	b.bad.flag(cmd, "bad", "a state that was bad (default now)")
	f := cmd.Flags()
	f.StringVar(&b.by, "by", byEvent, "what is one change: event or request")
	f.BoolVar(&b.verifyEnds, "verify-ends", false, "run the check for the good and the bad state, too")
	f.StringVar(&b.check.dir, "dir", "", "put the files here, in place of a temporary directory; it must be empty, and is so after each run")
	f.BoolVar(&b.check.filesOnly, "files-only", false, "no environment variables for the entries")
	f.BoolVar(&b.check.upper, "upper", false, "names of variables in capitals")
	f.DurationVar(&b.check.grace, "grace", defaultGrace, "what the check has to end before it is killed, when you interrupt it")
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions([]string{byEvent, byRequest}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = b.completeNamespaces
	return b.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		dash := cmd.ArgsLenAtDash()
		switch {
		case dash < 0 || dash == len(args):
			return usage(cmd, "say what to run, after --: %s", cmd.UseLine())
		case dash > 1:
			return usage(cmd, "too many arguments before --: %s", cmd.UseLine())
		case b.good.given == "":
			return usage(cmd, "--good is missing: when was it good?")
		case b.by != byEvent && b.by != byRequest:
			return usage(cmd, "--by %q: want %s or %s", b.by, byEvent, byRequest)
		}
		namespace, _, err := b.namespaced(cmd, args[:dash], 0)
		if err != nil {
			return err
		}
		b.found.Namespace, b.found.By = namespace, b.by
		b.check.env, b.check.namespace, b.check.command = b.env, namespace, args[dash:]
		b.bar = newProgress(b.env.Stderr, b.quiet, "events read", 0)
		return b.run(ctx, cmd, c)
	})
}

func (b *bisecting) run(ctx context.Context, cmd *cobra.Command, c *client.Client) (err error) {
	found := &b.found
	if found.Good, err = b.indexOf(ctx, c, b.good); err != nil {
		return err
	}
	if found.Bad, err = b.indexOf(ctx, c, b.bad); err != nil {
		return err
	}
	if found.Good >= found.Bad {
		return usage(cmd, "the good state, event %d, has to be before the bad one, event %d", found.Good, found.Bad)
	}
	steps, err := b.steps(ctx, c)
	if err != nil {
		return err
	}
	found.Changes = len(steps)
	if len(steps) == 0 {
		return &ExitError{Code: ExitNotFound, Err: fmt.Errorf("nothing that you may see changed in %s between event %d and event %d", found.Namespace, found.Good, found.Bad)}
	}
	b.note("%s between event %d, good, and event %d, bad: at most %s", counted(len(steps), "change"), found.Good, found.Bad, counted(bits.Len(uint(len(steps)-1)), "run"))
	if b.verifyEnds {
		if err := b.verify(ctx, c); err != nil {
			return err
		}
	}
	first, last, err := bisect(len(steps), func(change int) (verdict, error) { return b.judge(ctx, c, steps[change].Last) })
	if err != nil {
		return err
	}
	found.Suspects = steps[first : last+1]
	if found.Events, err = b.events(ctx, c, steps[first]); err != nil {
		return err
	}
	if id := steps[first].Request; id != "" {
		if p, err := c.Request(ctx, id, client.Read{}); err == nil { // what it says is an extra
			found.Request = &p
		}
	}
	return b.conclude()
}

// indexOf is the event index of a state.
func (b *bisecting) indexOf(ctx context.Context, c *client.Client, at point) (uint64, error) {
	var meta client.Meta
	for _, err := range c.List(ctx, b.found.Namespace, "", client.Read{At: at.wire(), Meta: &meta}) {
		if err != nil {
			return 0, err
		}
		break
	}
	return meta.Index, nil
}

// verify runs the check for the two ends.
func (b *bisecting) verify(ctx context.Context, c *client.Client) error {
	for _, end := range []struct {
		index uint64
		want  verdict
	}{{b.found.Good, verdictGood}, {b.found.Bad, verdictBad}} {
		v, err := b.judge(ctx, c, end.index)
		if err != nil {
			return err
		}
		if v != end.want {
			return &ExitError{Code: ExitFailure, Err: fmt.Errorf("the state at event %d is said to be %s, and the check says %s", end.index, end.want, v)}
		}
	}
	return nil
}

// judge runs the check for the state as of an event.
func (b *bisecting) judge(ctx context.Context, c *client.Client, index uint64) (verdict, error) {
	read := client.Read{At: strconv.FormatUint(index, 10), Resolve: true}
	entries, _, _, err := collect(ctx, c, b.found.Namespace, read, newProgress(b.env.Stderr, b.quiet, "read", 0))
	if err != nil {
		return "", err
	}
	b.admitErased(entries)
	began := time.Now()
	done, err := b.check.run(ctx, entries, index)
	if err != nil {
		return "", err
	}
	done.Seconds = math.Round(time.Since(began).Seconds()*1000) / 1000
	b.found.Runs = append(b.found.Runs, done)
	why := fmt.Sprintf("exit %d, %.1f s", done.Exit, done.Seconds)
	if done.Why != "" {
		why = done.Why
	}
	b.note("event %d: %s (%s)", index, done.Verdict, why)
	return done.Verdict, nil
}

// conclude says what was found.
func (b *bisecting) conclude() error {
	if err := b.output.print(b.env.Stdout, b.found, b.showFound); err != nil {
		return err
	}
	if n := len(b.found.Suspects); n > 1 {
		return &ExitError{Code: ExitFailure, Err: fmt.Errorf("the check could not tell %s apart", counted(n, "change"))}
	}
	return nil
}

const suspectsShown = 20 // changes, and events of one, that people are shown

func (b *bisecting) showFound() error {
	w, suspects := b.env.Stdout, b.found.Suspects
	if len(suspects) > 1 {
		for _, s := range suspects[:min(len(suspects), suspectsShown)] {
			if _, err := fmt.Fprintf(w, "perhaps %s\n", s); err != nil {
				return err
			}
		}
		if more := len(suspects) - suspectsShown; more > 0 {
			_, err := fmt.Fprintf(w, "and %s more, up to event %d\n", counted(more, "change"), suspects[len(suspects)-1].Last)
			return err
		}
		return nil
	}
	var facts factSheet
	facts.add("broken by", suspects[0].String())
	facts.add("namespace", b.found.Namespace)
	facts.add("found in", counted(len(b.found.Runs), "run")+" of the check, among "+counted(b.found.Changes, "change"))
	if len(b.found.Events) > 0 {
		facts.addEvent("made by", b.found.Events[0])
	}
	if b.found.Request != nil {
		facts.addRequest(*b.found.Request)
	}
	if err := printFacts(w, facts); err != nil {
		return err
	}
	for _, e := range b.found.Events[:min(len(b.found.Events), suspectsShown)] {
		if err := b.printAudited(w, e); err != nil {
			return err
		}
	}
	if more := len(b.found.Events) - suspectsShown; more > 0 {
		_, err := fmt.Fprintf(w, "and %s more; -o json has all of them\n", counted(more, "event"))
		return err
	}
	return nil
}
