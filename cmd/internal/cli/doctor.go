package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/internal/settings"
)

// Values of Check.Result.
const (
	CheckOK   = "ok"
	CheckWarn = "warn" // it works, and will be trouble
	CheckFail = "FAIL"
)

// Check is one thing that doctor has looked at.
type Check struct {
	Name   string `json:"name"`
	Result string `json:"result"` // one of CheckOK …
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"`
}

const doctorHelp = `Look for what keeps a node from running, or soon will.

With --data, the directory and this machine are examined: the Raft log and the
views against their checksums, if no node runs there; nothing is changed. With the
settings of serve (--config F, CONFMAN_* variables or flags) also those, the
certificates, the other members and the port are. With --online the running
cluster at --addr is examined.

Each check is a line: ok, warn, or FAIL and what to do. The exit code is 0 when
nothing failed, and 1 when something did.`

// Doctor is the command that examines a node and its cluster. Serve declares the
// settings of serve; examine judges them, wrong being what is wrong with their
// names and forms, together with the machine and the data directory.
func Doctor(env Env, serve func(*pflag.FlagSet), examine func(ctx context.Context, given func(setting string) bool, wrong error) []Check) *cobra.Command {
	s := &connection{env: env}
	online := false
	cmd := &cobra.Command{
		Use: "doctor [--data DIR] [--config F] [--online]", Short: "Look for what is wrong with a node or the cluster", Long: doctorHelp, Args: arguments(0, 0),
		Example:               "  confman doctor --data /var/lib/confman\n  confman doctor --config /etc/confman.yaml\n  confman doctor --online",
		DisableFlagsInUseLine: true,
	}
	s.flags(cmd)
	f := cmd.Flags()
	serve(f)
	f.String("config", "", "file with settings of serve, YAML")
	f.BoolVar(&online, "online", false, "examine the running cluster at --addr, too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := f.GetString("config")
		if err != nil {
			return err
		}
		_, wrong := settings.Load(f, env.Environ, file, Settings(cmd.Root())...)
		given := func(name string) bool { return f.Changed(name) }
		var checks []Check
		switch {
		case given("data"), given("id"), given("config"), wrong != nil:
			checks = examine(cmd.Context(), given, wrong)
		case !online:
			return usage(cmd, "say what to examine: --data DIR, the settings of serve, or --online")
		}
		if online {
			checks = append(checks, s.examineOnline(cmd)...)
		}
		return s.report(checks)
	}
	return cmd
}

// report prints checks; its error has the exit code when one failed.
func (s *connection) report(checks []Check) error {
	err := s.output.print(s.env.Stdout, checks, func() error {
		for _, c := range checks {
			if err := c.line(s.env.Stdout); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range checks {
		if err == nil && c.Result == CheckFail {
			return &ExitError{Code: ExitFailure}
		}
	}
	return err
}

func (c Check) line(w io.Writer) error {
	text := spelled(c.Found, 600)
	if c.Do != "" && c.Result != CheckOK {
		text += " - " + spelled(c.Do, 400)
	}
	_, err := fmt.Fprintf(w, "%-4s  %-12s  %s\n", c.Result, c.Name, text)
	return err
}

// examineOnline examines the running cluster.
func (s *connection) examineOnline(cmd *cobra.Command) []Check {
	failed := func(err error) []Check {
		return []Check{{"cluster", CheckFail, oneLine(err), "give the URL of a member that runs (--addr) and an API key (CONFMAN_API_KEY)"}}
	}
	if err := s.load(cmd); err != nil {
		return failed(err)
	}
	ctx, c, end, err := s.connect(cmd)
	if err != nil {
		return failed(err)
	}
	defer end()
	cluster, err := c.Cluster(ctx)
	if err != nil {
		return failed(err)
	}
	checks := judgeCluster(cluster)
	reached := make([]Check, len(cluster.Members))
	done := make(chan struct{}, len(cluster.Members))
	for i, m := range cluster.Members {
		go func() {
			reached[i] = reachMember(ctx, c, m)
			done <- struct{}{}
		}()
	}
	for range cluster.Members {
		<-done // each has a deadline
	}
	return append(checks, reached...)
}

// judgeCluster has the problems of a cluster as checks.
func judgeCluster(cluster wire.Cluster) []Check {
	if len(cluster.Problems) == 0 {
		q := cluster.Quorum
		return []Check{{"cluster", CheckOK, fmt.Sprintf("%s knows of no problems: %d of %d voters are alive, %s leads", cluster.NodeID, q.Alive, q.Voters, cell(cluster.LeaderID)), ""}}
	}
	var checks []Check
	for _, p := range cluster.Problems {
		c := Check{Name: "cluster", Result: CheckWarn, Found: p.What, Do: p.Do}
		if p.Member != "" {
			c.Found = p.Member + ": " + p.What
		}
		if p.Severity == wire.SeverityCritical {
			c.Result = CheckFail
		}
		checks = append(checks, c)
	}
	return checks
}

// reachTimeout is how long a member may take to answer from here.
const reachTimeout = 3 * time.Second

// reachMember asks one member from here how it is, and compares clocks.
func reachMember(ctx context.Context, c *client.Client, m wire.Member) Check {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	const name = "member"
	address := m.Address
	if u, err := url.Parse(m.URL); err == nil && u.Host != "" {
		address = u.Host
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return Check{name, CheckFail, fmt.Sprintf("%s cannot be reached from here: %v", m.ID, err), "start it, or open the way to " + address + ": clients are sent there"}
	}
	_ = conn.Close() // it was only to be reached
	began := time.Now()
	ready, err := c.Ready(ctx, strings.TrimSuffix(m.URL, "/"))
	way := time.Since(began)
	if err != nil {
		return Check{name, CheckFail, fmt.Sprintf("%s at %s does not answer as a node: %v", m.ID, address, err), "look at what listens there, and at its certificate"}
	}
	if ready.NodeID != m.ID {
		return Check{name, CheckFail, fmt.Sprintf("at %s there is %s, not %s", address, cell(ready.NodeID), m.ID), "mend the name service or the routes"}
	}
	if skew := ready.Timestamp.Sub(began.Add(way / 2)); skew.Abs() > time.Second+way {
		return Check{name, CheckWarn, fmt.Sprintf("the clock of %s differs from that of this machine by %s", m.ID, brief(skew)), "synchronize both: chronyc tracking, or timedatectl"}
	}
	if ready.Status != wire.StatusReady {
		return Check{name, CheckWarn, fmt.Sprintf("%s is reached in %s and is not ready: %s", m.ID, brief(way), strings.Join(ready.Reasons, "; ")), "confman cluster status says what to do"}
	}
	return Check{name, CheckOK, fmt.Sprintf("%s is reached in %s and is ready, its clock agrees", m.ID, brief(way)), ""}
}
