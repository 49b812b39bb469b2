package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
)

const rebuildHelp = `Make the views of a node anew from its records: what is looked up and listed, not what
happened. The hash chain is verified on the way.

With --online a running node does it, the one that --addr names, and serves on
meanwhile. With --data it is a stopped node: its newest marker is what is rebuilt, and
what came after it is folded from the Raft log at the next start. Either way the old
views are replaced only when the new ones are complete and durable.`

// Rebuild is the command that rebuilds a node's views. Offline rebuilds those of a
// stopped node in a data directory, and returns the position that they are of.
func Rebuild(env Env, offline func(data string, progress func(index, last uint64)) (position string, err error)) *cobra.Command {
	s := &connection{env: env}
	var data string
	online := false
	cmd := &cobra.Command{
		Use: "rebuild --data DIR | --online", Short: "Rebuild a node's views from its records", Long: rebuildHelp, Args: arguments(0, 0),
		Example:               "  confman rebuild --data /var/lib/confman\n  confman rebuild --online --addr http://10.0.0.2:6100",
		DisableFlagsInUseLine: true,
	}
	s.reach(cmd)
	s.untimed(cmd)
	cmd.Flags().StringVar(&data, "data", "", "data directory of a stopped node")
	cmd.Flags().BoolVar(&online, "online", false, "of the running node at --addr")
	over := func(rebuild func(progress func(at, to uint64)) (string, error)) error {
		began, events := time.Now(), uint64(0)
		bar := newProgress(env.Stderr, s.quiet, "events folded", 0)
		position, err := rebuild(func(at, to uint64) {
			events, bar.total = at, int(to)
			bar.reached(int(at))
		})
		bar.end()
		if err != nil {
			return err
		}
		s.note("%d events, chain verified, %v", events, time.Since(began).Round(time.Millisecond))
		_, err = fmt.Fprintln(env.Stdout, position)
		return err
	}
	asked := s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		if len(s.addr) != 1 {
			return usage(cmd, "say which node: --addr with one URL, not %d", len(s.addr))
		}
		return over(func(progress func(at, to uint64)) (string, error) {
			done, err := c.Rebuild(ctx, progress)
			if err == nil && !done.OK {
				err = fmt.Errorf("node %s: %s", done.Node, done.Problem)
			}
			return done.Position, err
		})
	}).RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case online == (data != ""):
			return usage(cmd, "say which node: --data DIR, the data directory of a stopped one, or --online")
		case online:
			return asked(cmd, args)
		}
		return over(func(progress func(at, to uint64)) (string, error) { return offline(data, progress) })
	}
	return cmd
}
