package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

func clusterStatus(env Env) *cobra.Command {
	s := &connection{env: env}
	cmd := &cobra.Command{
		Use: "status", Short: "Show members, leader, lag and disks", Args: arguments(0, 0),
		Long: `Show the members as the answering node sees them. Where the cluster does not say,
because nobody answers or the key may not ask, each address in CONFMAN_ADDR is
asked by itself whether it is ready; the exit code is still that of the error.`,
	}
	s.flags(cmd)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		cluster, err := c.Cluster(ctx)
		if errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrUnauthenticated) || errors.Is(err, client.ErrForbidden) {
			return errors.Join(err, s.readiness(ctx, c))
		}
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, cluster, func() error { return s.clusterTable(cluster) })
	})
}

func (s *connection) clusterTable(cluster wire.Cluster) error {
	leader := cluster.LeaderID
	if leader == "" {
		leader = "none"
	}
	fmt.Fprintf(s.env.Stdout, "cluster %s, asked %s: leader %s, term %d, event %s, quorum %s\n\n",
		cluster.ID, cluster.NodeID, leader, cluster.Term, cluster.Position, yesNo(cluster.Quorum))
	var rows [][]string
	for _, m := range cluster.Members {
		role, contact := cell(m.Role), "-"
		if m.LastContactMs != nil {
			contact = fmt.Sprintf("%d ms", *m.LastContactMs)
		}
		rows = append(rows, []string{
			m.ID, m.Address, role, yesNo(m.Voter), strconv.FormatUint(m.AppliedIndex, 10),
			strconv.FormatUint(m.Lag, 10), contact, free(m.Disk), cell(m.Version),
		})
	}
	if err := table(s.env.Stdout, []string{"ID", "ADDRESS", "ROLE", "VOTER", "EVENT", "LAG", "CONTACT", "DISK FREE", "VERSION"}, rows); err != nil {
		return err
	}
	for _, m := range cluster.Members {
		if m.Trouble == "" {
			continue
		}
		if _, err := fmt.Fprintf(s.env.Stdout, "%s must be replaced: %s\n", m.ID, spelled(m.Trouble, 400)); err != nil {
			return err
		}
	}
	return nil
}

// free says what is known of the free space; a total of 0 is not known.
func free(disk *wire.Disk) string {
	switch {
	case disk == nil:
		return "-"
	case disk.Total == 0:
		return fmt.Sprintf("%d MiB", disk.Free>>20)
	}
	return fmt.Sprintf("%d of %d MiB", disk.Free>>20, disk.Total>>20)
}

func yesNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }

// readiness asks each address by itself.
func (s *connection) readiness(ctx context.Context, c *client.Client) error {
	type report struct {
		Addr  string      `json:"addr"`
		Error string      `json:"error,omitempty"`
		Ready *wire.Ready `json:"ready,omitempty"`
	}
	var reports []report
	var rows [][]string
	for _, addr := range s.addr {
		ready, err := c.Ready(ctx, addr)
		if err != nil {
			reports = append(reports, report{Addr: addr, Error: err.Error()})
			rows = append(rows, []string{addr, "no answer", "-", "-", "-", "-", "-"})
			continue
		}
		reports = append(reports, report{Addr: addr, Ready: &ready})
		leader := "none"
		if ready.Cluster.Leader != nil {
			leader = *ready.Cluster.Leader
		}
		rows = append(rows, []string{
			addr, ready.Status, ready.Cluster.Role, leader, strconv.FormatUint(ready.Cluster.Term, 10),
			strconv.FormatUint(ready.EventIndex, 10), cell(strings.Join(ready.Reasons, "; ")),
		})
	}
	return s.output.print(s.env.Stdout, reports, func() error {
		return table(s.env.Stdout, []string{"ADDRESS", "STATUS", "ROLE", "LEADER", "TERM", "EVENT", "REASONS"}, rows)
	})
}

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
