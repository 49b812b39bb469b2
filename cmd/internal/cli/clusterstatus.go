package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const clusterStatusHelp = `Show the members as the answering node sees them, what is wrong, and what to do
about it, worst first. Any member can be asked, also without a leader.

The exit code is 0 when nothing is wrong and 1 when there are problems. Where the
cluster does not say, because nobody answers or the key may not ask, each address
in CONFMAN_ADDR is asked by itself whether it is ready; the exit code is then that
of the error.`

func clusterStatus(env Env) *cobra.Command {
	s := &connection{env: env}
	var every time.Duration
	cmd := &cobra.Command{
		Use: "status", Short: "Show members, lag, disks, what is wrong and what to do", Long: clusterStatusHelp, Args: arguments(0, 0),
		Example: "  confman cluster status\n  confman cluster status --watch 2s\n  confman cluster status -o json | jq .problems",
	}
	s.flags(cmd)
	cmd.Flags().DurationVar(&every, "watch", 0, "show it again and again, every so often, until interrupted")
	return s.runsPatiently(cmd, func(ctx context.Context, c *client.Client, patience time.Duration, _ []string) error {
		once := func() error {
			ctx, cancel := ctx, context.CancelFunc(func() {})
			if patience > 0 {
				ctx, cancel = context.WithTimeout(ctx, patience)
			}
			defer cancel()
			return s.clusterStatus(ctx, c)
		}
		if every <= 0 {
			return once()
		}
		return s.again(ctx, every, once)
	})
}

// clusterStatus shows the cluster once.
func (s *connection) clusterStatus(ctx context.Context, c *client.Client) error {
	cluster, err := c.Cluster(ctx)
	if errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrUnauthenticated) || errors.Is(err, client.ErrForbidden) {
		return errors.Join(err, s.readiness(ctx, c))
	}
	if err == nil {
		err = s.output.print(s.env.Stdout, cluster, func() error { return s.clusterTable(cluster, time.Now()) })
	}
	if err == nil && len(cluster.Problems) > 0 {
		err = &ExitError{Code: ExitFailure}
	}
	return err
}

// again does something every so often until it is interrupted; what goes wrong
// is said and tried again.
func (s *connection) again(ctx context.Context, every time.Duration, do func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if s.env.Interactive && s.output.name == formatTable {
			fmt.Fprint(s.env.Stdout, "\x1b[H\x1b[2J") // the top left corner, of an empty screen
		}
		err := do()
		var done *ExitError
		if err != nil && ctx.Err() == nil && !errors.As(err, &done) {
			s.warn("%v", oneLine(err))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *connection) clusterTable(cluster wire.Cluster, now time.Time) error {
	out, q := s.env.Stdout, cluster.Quorum
	fmt.Fprintf(out, "cluster %s, asked %s\nleader %s, term %d, event %s, feature level %d\nquorum %s: %d of %d voters alive, %d needed\n\n",
		cluster.ID, cluster.NodeID, cell(cluster.LeaderID), cluster.Term, cluster.Position, cluster.FeatureLevel, yesNo(q.Healthy), q.Alive, q.Voters, q.Needed)
	var place, state [][]string
	for _, m := range cluster.Members {
		role, lag := m.Role, strconv.FormatUint(m.Lag, 10)
		switch {
		case role == "":
			role, lag = "unreachable", "-"
		case !m.Voter:
			role = wire.MemberLearner
		}
		place = append(place, []string{
			m.ID, m.Address, role, yesNo(m.Voter), number(m.Term), number(m.AppliedIndex), lag, number(m.RaftIndex), milliseconds(m.LastContactMs),
		})
		state = append(state, []string{
			m.ID, free(m.Disk), milliseconds(m.SnapshotAgeMs), since(m.StartedAt, now), milliseconds(m.ClockSkewMs), since(now, m.CertificateExpires), cell(m.Version),
		})
	}
	err := table(out, []string{"ID", "ADDRESS", "ROLE", "VOTER", "TERM", "EVENT", "LAG", "RAFT", "CONTACT"}, place)
	fmt.Fprintln(out)
	return errors.Join(err, table(out, []string{"ID", "DISK FREE", "SNAPSHOT", "UP", "CLOCK", "CERTIFICATE", "VERSION"}, state), problems(out, cluster.Problems))
}

// problems are told one by one: their commands are there to be copied.
func problems(w io.Writer, all []wire.ClusterProblem) error {
	var err error
	for _, p := range all {
		who := ""
		if p.Member != "" {
			who = p.Member + ": "
		}
		_, failed := fmt.Fprintf(w, "\n%-8s  %s%s\n          %s\n", p.Severity, who, spelled(p.What, 400), spelled(p.Do, 400))
		err = errors.Join(err, failed)
	}
	return err
}

// number is a dash for what is not known.
func number(n uint64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(n, 10)
}

func milliseconds(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return brief(time.Duration(*ms) * time.Millisecond)
}

// since is how long it is from one time to another; a dash when one is not known.
func since(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return "-"
	}
	return brief(to.Sub(from))
}

// brief is a duration in its largest unit.
func brief(d time.Duration) string {
	unit, name := time.Millisecond, "ms"
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if d.Abs() >= 2*u.unit {
			unit, name = u.unit, u.name
			break
		}
	}
	return fmt.Sprintf("%d %s", d/unit, name)
}

// free says what is known of the free space; a total of 0 is not known.
func free(disk *wire.Disk) string {
	if disk == nil {
		return "-"
	}
	text := fmt.Sprintf("%d MiB", disk.Free>>20)
	if disk.Total > 0 {
		text = fmt.Sprintf("%d of %d MiB", disk.Free>>20, disk.Total>>20)
	}
	if disk.Level != "" && disk.Level != wire.DiskOK {
		text += ", " + disk.Level
	}
	return text
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
