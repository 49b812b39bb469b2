package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

// clusterChange is a command that changes the cluster and says so.
func clusterChange(env Env, cmd *cobra.Command, confirm, done string, work func(context.Context, *client.Client, []string, client.Write) error) *cobra.Command {
	w := &change{connection: connection{env: env}}
	w.flags(cmd)
	if confirm != "" {
		w.destructive(cmd)
	}
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		what := strings.Join(args, " ")
		if what == "" { // only leadership goes to nobody in particular
			what = "the member that is furthest ahead"
		}
		if confirm != "" {
			if ok, err := w.confirm(cmd, "%s %s", confirm, what); !ok {
				return err
			}
		} else if w.dryRun {
			w.note("would %s %s", cmd.Name(), what)
			return nil
		}
		if err := work(ctx, c, args, w.write(nil)); err != nil {
			return err
		}
		w.note("%s %s", done, what)
		return nil
	})
}

func clusterAdd(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "add ID HOST:PORT", Short: "Add a node to the cluster", Args: arguments(2, 2)}
	learner := cmd.Flags().Bool("learner", false, "it receives everything and does not vote until it is promoted")
	return clusterChange(env, cmd, "", "added", func(ctx context.Context, c *client.Client, args []string, w client.Write) error {
		return c.AddMember(ctx, wire.NewMember{ID: args[0], Address: args[1], Learner: *learner}, w)
	})
}

func clusterRemove(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "remove ID", Short: "Take a node out of the cluster", Args: arguments(1, 1)}
	return clusterChange(env, cmd, "take out of the cluster the member", "removed", func(ctx context.Context, c *client.Client, args []string, w client.Write) error {
		return c.RemoveMember(ctx, args[0], w)
	})
}

func clusterPromote(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "promote ID", Short: "Make a learner a voter", Args: arguments(1, 1)}
	return clusterChange(env, cmd, "", "promoted", func(ctx context.Context, c *client.Client, args []string, w client.Write) error {
		return c.PromoteMember(ctx, args[0], w)
	})
}

func clusterTransferLeader(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "transfer-leader [ID]", Short: "Hand leadership to a member", Args: arguments(0, 1),
		Long: "Hand leadership to a member, or to whichever is furthest ahead. Writes wait for\nsome milliseconds; nothing is lost.",
	}
	return clusterChange(env, cmd, "", "leadership handed to", func(ctx context.Context, c *client.Client, args []string, w client.Write) error {
		return c.TransferLeader(ctx, strings.Join(args, ""), w)
	})
}

func clusterSnapshot(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{Use: "snapshot", Short: "Have the answering node take a snapshot now", Args: arguments(0, 0)}
	w.flags(cmd)
	return w.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		if w.dryRun {
			w.note("would take a snapshot")
			return nil
		}
		snapshot, err := c.Snapshot(ctx, w.write(nil))
		if err != nil {
			return err
		}
		return w.output.print(env.Stdout, snapshot, func() error {
			w.note("snapshot taken on %s at event %s", snapshot.NodeID, snapshot.Position)
			return nil
		})
	})
}
