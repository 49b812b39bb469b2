package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const diffHelp = `Compare two namespaces, or one namespace at two times: what must be done to the
first to make it the second.

JSON values are compared place by place, texts line by line. The exit code is 0
when there is no difference and 1 when there are some.

` + whenHelp

func diff(env Env) *cobra.Command {
	s := &connection{env: env}
	var keys []string
	cmd := &cobra.Command{
		Use: "diff A[@WHEN] B[@WHEN]", Short: "Compare two namespaces or two times", Args: arguments(2, 2), Long: diffHelp,
		Example: "  confman diff teams/payments/staging teams/payments/prod\n  confman diff teams/payments@yesterday teams/payments\n  confman diff teams/payments@1000 'teams/payments@2h ago' --keys 'db.*'",
	}
	s.flags(cmd)
	keysFlag(cmd, &keys)
	cmd.ValidArgsFunction = s.completeTwoNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		var sides [2]string
		for i, arg := range args {
			side, err := placed(cmd, arg)
			if err != nil {
				return err
			}
			sides[i] = side
		}
		found, err := c.Diff(ctx, sides[0], sides[1], client.Read{})
		if err != nil {
			return err
		}
		found.Changes = slices.DeleteFunc(found.Changes, func(c wire.ValueChange) bool { return !oneOf(keys, c.Key) })
		err = s.output.print(env.Stdout, found, func() error { return s.printChanges(env.Stdout, found.Changes) })
		if err != nil || len(found.Changes) == 0 {
			return err
		}
		s.note("%s from %s at %d to %s at %d", counted(len(found.Changes), "difference"), found.From.Namespace, found.From.Index, found.To.Namespace, found.To.Index)
		return &ExitError{Code: ExitFailure}
	})
}

const promoteHelp = `Make namespace B like namespace A, or some keys of it. This is always a publish
request, whose ID is printed: what it changes is published with its last
approval. What B has and A has not stays, unless --delete.`

func promote(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var body wire.Promote
	var publishAt string
	cmd := &cobra.Command{
		Use: "promote A B", Short: "Ask for a namespace to become like another", Args: arguments(2, 2), Long: promoteHelp,
		Example: "  confman promote teams/payments/staging teams/payments/prod --keys 'db.*' --dry-run\n  confman promote staging prod --comment 'release 12' --publish-at 2026-02-01T06:00:00Z",
	}
	w.flags(cmd)
	keysFlag(cmd, &body.Keys)
	f := cmd.Flags()
	f.BoolVar(&body.Delete, "delete", false, "delete what B has and A has not")
	f.StringVar(&body.Comment, "comment", "", "why; recorded with the request")
	f.StringVar(&publishAt, "publish-at", "", "publish no sooner than this: a time (RFC 3339) or how long from now")
	cmd.ValidArgsFunction = w.completeTwoNamespaces
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) (err error) {
		body.From, body.To = args[0], args[1]
		if publishAt != "" {
			if body.PublishAt, err = moment(cmd, "--publish-at", publishAt); err != nil {
				return err
			}
		}
		do := func(dryRun bool, write client.Write) (wire.Changed, error) {
			return c.Promote(ctx, body, dryRun, write)
		}
		if w.dryRun {
			return w.preview("promote "+body.From+" to "+body.To, do)
		}
		done, err := do(false, w.write(nil))
		if err != nil {
			return aboutMoment(err, "--publish-at", publishAt, body.PublishAt)
		}
		if !w.quiet {
			if err := w.printChanges(env.Stderr, done.Changes); err != nil {
				return err
			}
		}
		return w.printChanged(done)
	})
}

// keysFlag registers --keys, by which a comparison is restricted.
func keysFlag(cmd *cobra.Command, keys *[]string) {
	cmd.Flags().StringSliceVar(keys, "keys", nil, `only these keys; one that ends in "*" is a prefix`)
}

// oneOf reports whether a key is one of those; none is all.
func oneOf(keys []string, key string) bool {
	return len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool {
		prefix, is := strings.CutSuffix(k, "*")
		return key == k || is && strings.HasPrefix(key, prefix)
	})
}

func (s *connection) completeTwoNamespaces(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.completeNamespaces(cmd, nil, typed)
}
