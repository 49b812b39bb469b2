package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"confman/replication"
)

const clusterRecoverHelp = `Quorum lost for good: begin a new cluster with the data of one stopped member. For when
a majority of the members, or their disks, will never come back. If they may, start
them instead: that loses nothing.

Without --accept-data-loss nothing is changed: what each directory holds is shown,
which one is the most advanced, whether another member answers, and what may be lost.
Run it like that on every machine that is left, and recover where the Raft term, then
the Raft index, is highest; directories of several members on one machine are given
with several --data. It is refused while a process has a directory, while any other
member answers and knows a leader, and where another directory or a member that answers
is more advanced.

With it the node goes on alone. All that its Raft log holds counts, acknowledged or
not; what only other members had is lost. The cluster gets a new identity, so that a
lost member that comes back can neither vote nor spread its data. The history goes on,
and an event cluster.recovered says so. The other nodes are emptied and join under new
IDs. A crash leaves a directory that starts as before, or that the same command
finishes.

Its settings come from flags only, never from the environment.`

// clusterRecovery is confman cluster recover.
type clusterRecovery struct {
	env     Env
	data    []string
	id      string
	accept  bool
	comment string
	output  format
}

func clusterRecover(env Env) *cobra.Command {
	r := &clusterRecovery{env: env}
	cmd := &cobra.Command{
		Use: "recover --data DIR… [--accept-data-loss]", Short: "Quorum lost for good: go on with the data of one member", Long: clusterRecoverHelp, Args: arguments(0, 0),
		Example: "  confman cluster recover --data /var/lib/confman\n" +
			"  confman cluster recover --data /var/lib/confman --accept-data-loss --comment 'n1 and n2 burnt down'",
		DisableFlagsInUseLine: true,
	}
	f := cmd.Flags()
	f.StringArrayVar(&r.data, "data", nil, "data directory of a stopped member (required); may be repeated, the most advanced is recovered")
	f.StringVar(&r.id, "id", "", "go on only if the member to recover is this one")
	f.BoolVar(&r.accept, "accept-data-loss", false, "recover: what only the other members had is lost")
	f.StringVar(&r.comment, "comment", "", "why, for the audit trail")
	r.output.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(r.data) == 0 {
			return usage(cmd, "--data is missing: the data directory of a stopped member")
		}
		return r.run(cmd.Context())
	}
	return cmd
}

// recoveryFindings is what the command found out and did.
type recoveryFindings struct {
	Directories []remainsView     `json:"directories"` // the most advanced first
	Others      []otherMember     `json:"others"`      // members that are not in any of the directories
	Refused     string            `json:"refused,omitempty"`
	Recovered   *recoveredCluster `json:"recovered,omitempty"`
	Next        []string          `json:"next"` // commands
}

func (r *clusterRecovery) run(ctx context.Context) error {
	remains, err := r.inspect()
	if err != nil {
		return err
	}
	best := remains[0]
	found := recoveryFindings{Others: askOthers(ctx, strangersTo(remains))}
	for _, one := range remains {
		found.Directories = append(found.Directories, viewOf(one))
	}
	no := r.refusal(remains, found.Others)
	if no != nil {
		found.Refused = no.Error()
	}
	if no == nil && r.accept {
		done, err := replication.Recover(replication.RecoverConfig{
			Dir: best.Dir, Comment: r.comment, AtLeast: newestEvent(found.Others), Log: zerolog.Nop(),
		})
		if err != nil {
			return unrecovered(err)
		}
		found.Recovered = recoveredView(done)
		found.Next = nextSteps(done, best.Dir)
	} else if no == nil {
		found.Next = []string{r.again()}
	}
	if err := r.output.print(r.env.Stdout, found, func() error { return found.write(r.env.Stdout, r.accept) }); err != nil {
		return err
	}
	return no
}

// inspect looks at all directories, the most advanced first: the one of which a
// recovery was begun, if there is one.
func (r *clusterRecovery) inspect() (all []replication.Remains, err error) {
	for _, dir := range r.data {
		one, err := replication.Inspect(dir, zerolog.Nop())
		if err != nil {
			return nil, unrecovered(err)
		}
		all = append(all, one)
	}
	slices.SortStableFunc(all, func(a, b replication.Remains) int {
		switch {
		case (a.Unfinished != "") != (b.Unfinished != ""):
			if a.Unfinished != "" {
				return -1
			}
			return 1
		case a.MoreAdvanced(b):
			return -1
		case b.MoreAdvanced(a):
			return 1
		}
		return 0
	})
	return all, nil
}

// refusal is why nothing is to be recovered; nil when it may be.
func (r *clusterRecovery) refusal(all []replication.Remains, others []otherMember) error {
	best := all[0]
	if err := best.Recoverable(); err != nil {
		return unrecovered(err)
	}
	for _, one := range all[1:] {
		switch {
		case one.Node == best.Node:
			return refusedBecause("%s and %s are both of %s; give one of them", best.Dir, one.Dir, best.Node)
		case one.Cluster != best.Cluster && best.Unfinished == "":
			return refusedBecause("%s is of cluster %s and %s of cluster %s", best.Dir, best.Cluster, one.Dir, one.Cluster)
		}
	}
	if r.id != "" && r.id != best.Node {
		return refusedBecause("the most advanced of these is %s in %s, not %s", best.Node, best.Dir, r.id)
	}
	for _, other := range others {
		switch {
		case other.LeaderKnown:
			return refusedBecause("%s at %s answers and knows a leader: the cluster lives. Start %s, or empty it and have it join", other.ID, other.Address, best.Node)
		case other.Answers && other.EventIndex > best.Position.Index+uint64(best.After):
			return refusedBecause("%s at %s answers, and its history goes up to event %d, further than here: stop it and recover there", other.ID, other.Address, other.EventIndex)
		}
	}
	return nil
}

// again is the command that recovers.
func (r *clusterRecovery) again() string {
	var b strings.Builder
	b.WriteString("confman cluster recover")
	for _, dir := range r.data {
		b.WriteString(" --data " + dir)
	}
	if r.id != "" {
		b.WriteString(" --id " + r.id)
	}
	return b.String() + " --accept-data-loss --comment 'WHY'"
}

// unrecovered gives a refusal its exit code.
func unrecovered(err error) error {
	if errors.Is(err, replication.ErrRefused) {
		return &ExitError{Code: ExitConditionFailed, Err: err}
	}
	return err
}

func refusedBecause(format string, args ...any) error {
	return unrecovered(fmt.Errorf("%w: "+format, append([]any{replication.ErrRefused}, args...)...))
}

// nextSteps are the commands that make a whole cluster of a recovered node.
func nextSteps(done replication.Recovered, dir string) []string {
	scheme := "http"
	if done.TLS {
		scheme = "https"
	}
	return []string{
		fmt.Sprintf("confman serve --id %s --listen %s --data %s --cluster-token-file FILE", done.ID, done.Address, dir),
		fmt.Sprintf("confman serve --id NEW-ID --listen HOST:PORT --data EMPTY-DIR --cluster-token-file FILE --join %s://%s", scheme, done.Address),
		"confman audit query --action cluster.recovered",
	}
}
