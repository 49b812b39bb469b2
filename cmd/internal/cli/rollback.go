package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const rollbackHelp = `Take a key, or a whole namespace, back to how it was: at a version of the key
(confman history lists them), at an event, or at a time. --to-time takes words, too:
yesterday, 30m, "2h ago". With --request the keys that a publish request changed go back to
how they were before it.

Nothing is taken out of the history: the old values come as new versions. At a
terminal every key is shown before and after, then you are asked; --dry-run only
shows them. Where the namespace asks for approval of rollbacks it becomes a
publish request, whose ID is printed.`

// rolling is what rollback is told.
type rolling struct {
	change
	to      wire.Rollback
	time    string
	request string
}

func rollback(env Env) *cobra.Command {
	r := &rolling{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "rollback NS [KEY]", Short: "Take a key or a namespace back to how it was", Args: arguments(0, 2), Long: rollbackHelp,
		Example: "  confman rollback teams/payments db.url --to-version 3\n  confman rollback teams/payments --to-time 30m --dry-run\n  confman rollback --request 01JZ… --comment 'INC-7' --yes",
	}
	r.flags(cmd)
	r.destructive(cmd)
	f := cmd.Flags()
	f.Uint64Var(&r.to.ToVersion, "to-version", 0, "back to this version of KEY")
	f.Uint64Var(&r.to.ToIndex, "to-index", 0, "back to how it was as of this event")
	f.StringVar(&r.time, "to-time", "", "back to how it was at this time: RFC 3339, 2026-11-22, yesterday, 30m …")
	f.StringVar(&r.request, "request", "", "back to how it was before this publish request was published")
	f.StringVar(&r.to.Comment, "comment", "", "why; recorded with the change")
	cmd.ValidArgsFunction = r.completeEntry(0)
	return r.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		given := slices.DeleteFunc([]string{"to-version", "to-index", "to-time", "request"}, func(name string) bool { return !f.Changed(name) })
		if len(given) != 1 {
			return usage(cmd, "say where to go back to: one of --to-version, --to-index, --to-time and --request")
		}
		if r.request != "" {
			return r.rollbackRequest(ctx, cmd, c, args)
		}
		what, err := r.target(cmd, args)
		if err != nil {
			return err
		}
		namespace, key := args[0], append(args, "")[1]
		err = r.carryOut(cmd, what, func(dryRun bool, w client.Write) (wire.Changed, error) {
			return c.Rollback(ctx, namespace, key, r.to, dryRun, w)
		})
		return aboutMoment(err, "--to-time", r.time, r.to.ToTime)
	})
}

// target reads where to go back to, and says it.
func (r *rolling) target(cmd *cobra.Command, args []string) (what string, err error) {
	if len(args) == 0 {
		return "", usage(cmd, "say which namespace: %s", cmd.UseLine())
	}
	what = "roll back all of " + args[0]
	if len(args) == 2 {
		what = "roll back " + args[0] + "/" + args[1]
	}
	f := cmd.Flags()
	switch {
	case f.Changed("to-version") && (len(args) < 2 || r.to.ToVersion == 0):
		return "", usage(cmd, "--to-version is for one key, and versions begin at 1; for a namespace there are --to-index and --to-time")
	case f.Changed("to-version"):
		return fmt.Sprintf("%s to version %d", what, r.to.ToVersion), nil
	case f.Changed("to-index"):
		if r.to.ToIndex == 0 {
			return "", usage(cmd, "--to-index 0: events begin at 1")
		}
		return fmt.Sprintf("%s to event %d", what, r.to.ToIndex), nil
	}
	if r.to.ToTime, err = pastTime(cmd, "--to-time", r.time); err != nil {
		return "", err
	}
	return what + " to " + when(*r.to.ToTime), nil
}

func (r *rolling) rollbackRequest(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
	if len(args) > 0 {
		return usage(cmd, "--request names the keys already; leave %q out", args[0])
	}
	return r.carryOut(cmd, "roll back publish request "+r.request, func(dryRun bool, w client.Write) (wire.Changed, error) {
		return c.RollbackRequest(ctx, r.request, r.to.Comment, dryRun, w)
	})
}

// moment reads a time to come, or how long it is until then.
func moment(cmd *cobra.Command, flag, text string) (*time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		duration, err := time.ParseDuration(text)
		if err != nil || duration <= 0 {
			return nil, usage(cmd, "%s %q: want a time such as 2027-01-31T12:00:00Z or a duration such as 720h", flag, text)
		}
		at = time.Now().Add(duration).Truncate(time.Second)
	}
	at = at.UTC()
	return &at, nil
}
