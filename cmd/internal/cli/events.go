package cli

import (
	"bufio"
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"confman/api/client"
)

func eventLog(env Env) *cobra.Command {
	s := &connection{env: env}
	var from, to uint64
	cmd := &cobra.Command{
		Use: "events", Short: "Print the history, one event a line", Args: arguments(0, 0),
		Long: `Print the events that the key may see, oldest first, and end with the newest:
one JSON object a line (NDJSON), or with -o table for people.`,
		Example: "  confman events --from 1000 | jq -r .action | sort | uniq -c",
	}
	s.flags(cmd, formatJSON, formatTable)
	cmd.Flags().Uint64Var(&from, "from", 1, "the first event index")
	cmd.Flags().Uint64Var(&to, "to", 0, "the last event index; 0: the newest")
	s.untimed(cmd)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) (err error) {
		out := bufio.NewWriter(env.Stdout)
		defer func() {
			if flushed := out.Flush(); err == nil {
				err = flushed
			}
		}()
		query := client.AuditQuery{Ascending: true}
		if from > 1 {
			query.After = strconv.FormatUint(from-1, 10)
		}
		const columns = "%-9s %-20s %-22s %-16s %-28s %s\n"
		if s.output.name == formatTable {
			fmt.Fprintf(out, columns, "EVENT", "TIME", "ACTION", "BY", "NAMESPACE", "KEY")
		}
		for e, err := range c.Audit(ctx, query, client.Read{}) {
			if err != nil {
				return err
			}
			if to > 0 && e.Index > to {
				return nil
			}
			if s.output.name == formatJSON {
				if err := writeJSON(out, e, ""); err != nil {
					return err
				}
				continue
			}
			key := ""
			if e.Key != nil {
				key = *e.Key
			}
			fmt.Fprintf(out, columns, strconv.FormatUint(e.Index, 10), when(e.Timestamp), e.Action, cell(e.Actor), cell(e.Namespace), cell(key))
		}
		return nil
	})
}
