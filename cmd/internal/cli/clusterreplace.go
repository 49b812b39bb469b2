package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const clusterReplaceHelp = `Put a new node in the place of a member.

The new node runs already: under an ID that no member ever had, with an empty
directory, and with neither --peers nor --join:

  confman serve --id NEW --listen HOST:PORT --data DIR --cluster-token-file F

While OLD is alive, NEW comes in without a vote, receives everything, gets its
vote, and then OLD goes; its process ends by itself. An OLD that is dead goes
first: beside a new voter it would raise the number that must be alive.

Interrupted, the same command goes on where it stopped. Writes go on meanwhile.`

// caughtUpEntries is how many Raft entries a member may lack when it is given a
// vote; the server refuses more.
const caughtUpEntries = 256

// replacePoll is between looks at a member that catches up.
const replacePoll = 300 * time.Millisecond

// replacement puts one member in the place of another.
type replacement struct {
	old, new, address string
}

// step is one step of a replacement.
type step int

const (
	finished   step = iota
	removeDead      // before NEW comes in
	addLearner
	catchUp // nothing to do but wait
	giveVote
	handOver
	removeOld
)

// says is a step in words, and as the command that does the same.
func (r replacement) says(s step) string {
	switch s {
	case removeDead:
		return fmt.Sprintf("remove %s, which is dead: confman cluster remove %s", r.old, r.old)
	case addLearner:
		return fmt.Sprintf("add %s without a vote: confman cluster add %s %s --learner", r.new, r.new, r.address)
	case catchUp:
		return fmt.Sprintf("wait until %s has caught up: confman cluster status", r.new)
	case giveVote:
		return fmt.Sprintf("give %s its vote: confman cluster promote %s", r.new, r.new)
	case handOver:
		return fmt.Sprintf("have %s lead instead of %s: confman cluster transfer-leader %s", r.new, r.old, r.new)
	case removeOld:
		return fmt.Sprintf("remove %s: confman cluster remove %s", r.old, r.old)
	}
	return "done"
}

func memberOf(c wire.Cluster, id string) *wire.Member {
	for i := range c.Members {
		if c.Members[i].ID == id {
			return &c.Members[i]
		}
	}
	return nil
}

// next is the step that the cluster is ready for. It goes by the cluster alone, so
// that an interrupted replacement goes on.
func (r replacement) next(c wire.Cluster) (step, error) {
	old, now := memberOf(c, r.old), memberOf(c, r.new)
	if err := r.check(c, old, now); err != nil {
		return finished, err
	}
	voters, alive := 0, 0 // without OLD
	for _, m := range c.Members {
		if m.Voter && m.ID != r.old {
			voters++
			if m.Role != "" {
				alive++
			}
		}
	}
	need := voters/2 + 1
	dead := old != nil && old.Role == ""
	switch {
	case dead && alive >= need:
		return removeDead, nil
	case dead && now == nil:
		return finished, fmt.Errorf("%s is dead, and without it %d of %d voters are alive where %d are needed: start those first; if they are gone for good, see confman cluster recover --help",
			r.old, alive, voters, need)
	case now == nil:
		return addLearner, nil
	case !now.Voter && lacks(c, now) > caughtUpEntries:
		return catchUp, nil
	case !now.Voter:
		return giveVote, nil
	case old == nil:
		return finished, nil
	case c.LeaderID == r.old:
		return handOver, nil
	}
	return removeOld, nil
}

// check refuses what is no replacement.
func (r replacement) check(c wire.Cluster, old, now *wire.Member) error {
	for _, m := range c.Members {
		if m.Address == r.address && m.ID != r.new && (m.ID != r.old || m.Role != "") {
			return fmt.Errorf("%s is the address of %s, which is alive: give %s another", r.address, m.ID, r.new)
		}
	}
	voters := 0
	for _, m := range c.Members {
		if m.Voter {
			voters++
		}
	}
	switch {
	case now != nil && now.Address != r.address:
		return fmt.Errorf("%s is a member already, at %s and not at %s", r.new, now.Address, r.address)
	case old != nil && !old.Voter:
		return fmt.Errorf("%s is a learner: confman cluster remove %s, then confman cluster add %s %s --learner", r.old, r.old, r.new, r.address)
	case old == nil && now == nil && voters%2 == 1: // removed by this command it would have left an even number
		return fmt.Errorf("%s is not a member; to add one more: confman cluster add %s %s", r.old, r.new, r.address)
	}
	return nil
}

// lacks is how many entries a member has not folded, as many as there can be when
// it does not say.
func lacks(c wire.Cluster, m *wire.Member) uint64 {
	switch {
	case m.Role == "":
		return ^uint64(0)
	case m.RaftIndex == 0: // an older release was asked
		return m.Lag
	}
	commit := c.RaftIndex
	for _, other := range c.Members {
		commit = max(commit, other.CommitIndex)
	}
	return commit - min(commit, m.RaftIndex)
}

// steps are all that are to come if nothing goes wrong.
func (r replacement) steps(c wire.Cluster) (all []step, err error) {
	c.Members = slices.Clone(c.Members)
	for {
		s, err := r.next(c)
		if err != nil || s == finished {
			return all, err
		}
		all = append(all, s)
		switch now := memberOf(c, r.new); s {
		case removeDead, removeOld:
			c.Members = slices.DeleteFunc(c.Members, func(m wire.Member) bool { return m.ID == r.old })
		case addLearner:
			c.Members = append(c.Members, wire.Member{ID: r.new, Address: r.address, Role: wire.MemberLearner})
		case catchUp:
			now.Role, now.RaftIndex = wire.MemberLearner, ^uint64(0)
		case giveVote:
			now.Voter = true
		case handOver:
			c.LeaderID = r.new
		}
	}
}

func clusterReplace(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "replace OLD NEW HOST:PORT", Short: "Put a new node in the place of a member", Long: clusterReplaceHelp, Args: arguments(3, 3),
		Example: "  confman cluster replace n2 n4 10.0.0.4:6100 --dry-run",
	}
	w.flags(cmd)
	w.destructive(cmd)
	w.untimed(cmd)
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		r := replacement{old: args[0], new: args[1], address: args[2]}
		if r.old == r.new {
			return usage(cmd, "the new node needs an ID of its own: that of a member is never used again")
		}
		cluster, err := c.Cluster(ctx)
		if err != nil {
			return err
		}
		steps, err := r.steps(cluster)
		if err != nil {
			return &ExitError{Code: ExitConditionFailed, Err: err}
		}
		if memberOf(cluster, r.new) == nil {
			if err := r.answers(ctx, cluster); err != nil {
				return &ExitError{Code: ExitUnavailable, Err: err}
			}
		}
		for i, s := range steps {
			w.note("%d. %s", i+1, r.says(s))
		}
		if len(steps) > 0 {
			if ok, err := w.confirm(cmd, "replace %s by %s", r.old, r.new); !ok {
				return err
			}
		}
		if err := w.replace(ctx, c, r); err != nil {
			return err
		}
		w.note("replaced %s by %s", r.old, r.new)
		return nil
	})
}

// answers returns an error when nothing answers at the new node's address: it must
// run before a dead member is removed for it.
func (r replacement) answers(ctx context.Context, c wire.Cluster) error {
	scheme := "http"
	if len(c.Members) > 0 && strings.HasPrefix(c.Members[0].URL, "https:") {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+r.address+"/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer; start it first: confman serve --id %s --listen %s --data DIR --cluster-token-file F: %w", r.new, r.new, r.address, err)
	}
	return response.Body.Close()
}

// replace takes step after step until there is none. A step that fails is taken
// again only if the cluster asks for another one by now.
func (c *change) replace(ctx context.Context, sdk *client.Client, r replacement) error {
	said := ""
	say := func(text string) {
		if text != said {
			c.note("%s", text)
		}
		said = text
	}
	tick := time.NewTicker(replacePoll)
	defer tick.Stop()
	tried := finished
	var failed error
	for {
		cluster, err := sdk.Cluster(ctx)
		if err != nil {
			return r.unfinished(err)
		}
		s, err := r.next(cluster)
		if err != nil {
			return err
		}
		switch {
		case s == finished:
			return nil
		case s == tried && failed != nil:
			return r.unfinished(failed)
		case s == catchUp:
			now := memberOf(cluster, r.new)
			if now.Role == "" {
				say(r.new + " does not answer yet")
			} else {
				say(fmt.Sprintf("%s lacks %d entries", r.new, lacks(cluster, now)))
			}
		default:
			say(r.says(s))
			tried, failed = s, r.take(ctx, sdk, s)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return r.unfinished(ctx.Err())
		}
	}
}

func (r replacement) unfinished(err error) error {
	return fmt.Errorf("%w; the same command goes on where it stopped", err)
}

func (r replacement) take(ctx context.Context, sdk *client.Client, s step) error {
	switch s {
	case removeDead, removeOld:
		return sdk.RemoveMember(ctx, r.old, client.Write{})
	case addLearner:
		return sdk.AddMember(ctx, wire.NewMember{ID: r.new, Address: r.address, Learner: true}, client.Write{})
	case giveVote:
		return sdk.PromoteMember(ctx, r.new, client.Write{})
	case handOver:
		return sdk.TransferLeader(ctx, r.new, client.Write{})
	}
	return errors.New("nothing to do")
}
