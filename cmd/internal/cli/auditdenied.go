package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const deniedHelp = `Show attempts that were refused for lack of identity or right, newest first; where
the nodes run with --audit-reads, also who read drafts and references to secrets.

Each node keeps what it refused itself, in files that are bounded: --all-nodes asks
every member and shows the rows in one order, by time. A row of reason lost says
how many attempts are missing there, one of reason rotated since when there are any.
COUNT is of equal attempts within a second.

` + whenHelp

const deniedRows = 50 // that people are shown

// deniedList is audit denied.
type deniedList struct {
	connection
	query        client.DeniedQuery
	since, until point
	limit        int
	all          bool
}

func auditDenied(env Env) *cobra.Command {
	d := &deniedList{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "denied", Short: "Show what was refused, to whom", Args: arguments(0, 0), Long: deniedHelp,
		Example: "  confman audit denied --all-nodes --since yesterday\n  confman audit denied --principal ci --reason forbidden -o json",
	}
	d.flags(cmd)
	f := cmd.Flags()
	d.since.flag(cmd, "since", "from this time on; an event is none here")
	d.until.flag(cmd, "until", "up to this time; an event is none here")
	f.StringVar(&d.query.Principal, "principal", "", "attempts of this principal")
	f.StringVar(&d.query.Reason, "reason", "", strings.Join(wire.DeniedReasons(), ", "))
	f.IntVar(&d.limit, "limit", deniedRows, "so many at most; 0: all")
	f.BoolVar(&d.all, "all-nodes", false, "ask every member of the cluster")
	_ = cmd.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(wire.DeniedReasons(), cobra.ShellCompDirectiveNoFileComp))
	return d.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		if d.since.position != "" || d.until.position != "" {
			return usage(cmd, "--since and --until are times here: what is refused has no place in the history")
		}
		d.query.Since, d.query.Until = d.since.time, d.until.time
		if d.limit > 0 {
			d.query.Page = min(d.limit, 1000)
		}
		return d.run(ctx, c)
	})
}

// run prints what the nodes have, also where some of them do not answer.
func (d *deniedList) run(ctx context.Context, c *client.Client) error {
	nodes := []iter.Seq2[wire.Denied, error]{c.Denied(ctx, d.query)}
	if d.all {
		cluster, err := c.Cluster(ctx)
		if err != nil {
			return err
		}
		nodes = nil
		for _, m := range cluster.Members {
			q := d.query
			q.Endpoint = m.URL
			nodes = append(nodes, c.Denied(ctx, q))
		}
	}
	rows := []wire.Denied{}
	var failed error
	for row, err := range newestFirst(nodes) {
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if rows = append(rows, row); len(rows) == d.limit {
			break
		}
	}
	if failed != nil && len(rows) == 0 {
		return failed
	}
	return errors.Join(d.output.print(d.env.Stdout, rows, func() error { return deniedTable(d.env, rows) }), failed)
}

// newestFirst merges rows that come newest first. Where some end with an error,
// that is yielded and the others go on.
func newestFirst(nodes []iter.Seq2[wire.Denied, error]) iter.Seq2[wire.Denied, error] {
	return func(yield func(wire.Denied, error) bool) {
		type head struct {
			row  wire.Denied
			next func() (wire.Denied, error, bool)
		}
		var heads []head
		for _, rows := range nodes {
			next, stop := iter.Pull2(rows)
			defer stop()
			heads = append(heads, head{wire.Denied{}, next})
		}
		// advance takes the next row of a node; one that has no more leaves.
		advance := func(i int) (goOn bool) {
			row, err, more := heads[i].next()
			if heads[i].row = row; err != nil || !more {
				heads = slices.Delete(heads, i, i+1)
			}
			return err == nil || yield(wire.Denied{}, err)
		}
		for i := len(heads) - 1; i >= 0; i-- {
			if !advance(i) {
				return
			}
		}
		for len(heads) > 0 {
			newest := 0
			for i, h := range heads {
				if h.row.Time.After(heads[newest].row.Time) {
					newest = i
				}
			}
			if !yield(heads[newest].row, nil) || !advance(newest) {
				return
			}
		}
	}
}

func deniedTable(env Env, denied []wire.Denied) error {
	var rows [][]string
	for _, d := range denied {
		what := strings.TrimSpace(d.Method + " " + d.Path)
		rows = append(rows, []string{
			d.Time.UTC().Format(time.RFC3339), cell(d.Node), cell(d.Reason), statusCell(d.Status), cell(d.Principal), cell(d.Remote),
			strconv.FormatUint(max(1, d.Count), 10), cell(what), cell(d.Detail),
		})
	}
	return table(env.Stdout, []string{"TIME", "NODE", "REASON", "STATUS", "PRINCIPAL", "FROM", "COUNT", "WHAT", "DETAIL"}, rows)
}

// statusCell is that of an answer; there may have been none.
func statusCell(status int) string {
	if status == 0 {
		return "-"
	}
	return fmt.Sprint(status)
}
