package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const revertHelp = `Undo one past change: that of an event, with everything that was changed in the
same step, or that of a publish request. What was done since stays; where it
touched the same keys nothing is done, and the later changes are listed.

To go back beyond those, see confman rollback. Otherwise revert goes the same
way: it is shown and asked for at a terminal, comes as new versions, and becomes
a publish request where the namespace asks for approval of rollbacks.`

func revert(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var body wire.Revert
	cmd := &cobra.Command{
		Use: "revert INDEX", Short: "Undo one past change", Args: arguments(0, 1), Long: revertHelp,
		Example: "  confman revert 1042 --dry-run\n  confman revert --request 01JZ… --comment 'INC-7' --yes",
	}
	w.flags(cmd)
	w.destructive(cmd)
	cmd.Flags().StringVar(&body.Request, "request", "", "undo what this publish request changed")
	cmd.Flags().StringVar(&body.Comment, "comment", "", "why; recorded with the change")
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) (err error) {
		if (len(args) == 1) == (body.Request != "") {
			return usage(cmd, "say what to undo: the INDEX of an event, or --request ID")
		}
		what := "publish request " + body.Request
		if len(args) == 1 {
			number, _, _ := strings.Cut(args[0], "-") // a position is fine, too
			if body.Index, err = strconv.ParseUint(number, 10, 64); err != nil || body.Index == 0 {
				return usage(cmd, "%q is no event index: want a number such as 1042 (confman history and confman events show them)", args[0])
			}
			what = fmt.Sprintf("event %d", body.Index)
		}
		err = w.carryOut(cmd, "revert "+what, func(dryRun bool, write client.Write) (wire.Changed, error) {
			return c.Revert(ctx, body, dryRun, write)
		})
		return w.laterChanges(what, err)
	})
}

// laterChanges lists the changes that stand in the way of a revert, when it was
// refused for that.
func (s *connection) laterChanges(what string, err error) error {
	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusConflict || len(problem.Errors) == 0 {
		return err
	}
	s.warn("later changes touched the same keys as %s:", what)
	for _, later := range problem.Errors {
		fmt.Fprintln(s.env.Stderr, "  "+spelled(cmp.Or(later.Detail, later.Pointer), diffWide))
	}
	return &ExitError{Code: ExitConditionFailed, Err: fmt.Errorf(
		"%s was not reverted, nothing changed; revert the later changes first, or take the keys back beyond them with confman rollback", what)}
}
