package server

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
	"confman/replication"
)

const rebuildHelp = `Make the views of a stopped node anew from its records.

The hash chain is verified on the way. The node's newest marker is what is
rebuilt; what came after it is folded from the Raft log at the next start. The old
views are replaced only when the new ones are complete and durable.`

// rebuildNotes is how often progress is said.
const rebuildNotes = time.Second

// Rebuild is the command that rebuilds the views of a stopped node.
func Rebuild(env cli.Env) *cobra.Command {
	var o Options
	cmd := &cobra.Command{Use: "rebuild", Short: "Rebuild a stopped node's views from its records", Long: rebuildHelp, Args: cobra.NoArgs}
	data := cmd.Flags().String("data", "", "data directory of the node (required)")
	quiet := cmd.Flags().BoolP("quiet", "q", false, "say nothing but the result")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *data == "" {
			return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--data is missing: the data directory of the node")}
		}
		o.LogLevel, o.LogForm = "error", "auto"
		log, err := newLog(o, env.Stderr)
		if err != nil {
			return err
		}
		began, said := time.Now(), time.Now()
		events := uint64(0)
		position, err := replication.Rebuild(*data, log, func(index, last uint64) {
			events = index
			if now := time.Now(); !*quiet && now.Sub(said) > rebuildNotes {
				said = now
				fmt.Fprintf(env.Stderr, "rebuilt %d of %d events\n", index, last)
			}
		})
		if err != nil {
			return err
		}
		if !*quiet {
			fmt.Fprintf(env.Stderr, "%d events, chain verified, %v\n", events, time.Since(began).Round(time.Millisecond))
		}
		_, err = fmt.Fprintln(env.Stdout, position)
		return err
	}
	return cmd
}
