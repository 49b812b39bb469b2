package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

// decision is a command that decides about a publish request.
type decision struct {
	change
	verb    string // as in "approve publish request 01J…"
	comment string
	asks    bool // it cannot be taken back: the request is shown and confirmed
	reason  bool // a comment is required
	// decide decides about a request of which, unless it is shown before, only the
	// ID is known.
	decide func(c *client.Client, ctx context.Context, seen wire.PublishRequest, comment string, w client.Write) (wire.PublishRequest, error)
}

// byID is for decisions that do not depend on what was seen.
func byID(decide func(*client.Client, context.Context, string, string, client.Write) (wire.PublishRequest, error)) func(*client.Client, context.Context, wire.PublishRequest, string, client.Write) (wire.PublishRequest, error) {
	return func(c *client.Client, ctx context.Context, seen wire.PublishRequest, comment string, w client.Write) (wire.PublishRequest, error) {
		return decide(c, ctx, seen.ID, comment, w)
	}
}

func requestApprove(env Env) *cobra.Command {
	d := &decision{change: change{connection: connection{env: env}}, verb: "approve", asks: true, decide: (*client.Client).ApproveSeen}
	return d.command(&cobra.Command{
		Use: "approve ID", Short: "Approve a publish request",
		Long: "Show a publish request and approve it. The last approval that it needs publishes it.\nYour own requests, and drafts that you edited last, are for others to approve.",
	})
}

func requestReject(env Env) *cobra.Command {
	d := &decision{change: change{connection: connection{env: env}}, verb: "reject", reason: true, decide: byID((*client.Client).RejectRequest)}
	return d.command(&cobra.Command{
		Use: "reject ID --comment C", Short: "Reject a publish request, for a reason",
		Long: "Reject a publish request. Its drafts stay and can be edited again.",
	})
}

func requestWithdraw(env Env) *cobra.Command {
	d := &decision{change: change{connection: connection{env: env}}, verb: "withdraw", decide: byID((*client.Client).WithdrawRequest)}
	return d.command(&cobra.Command{
		Use: "withdraw ID", Short: "Take a publish request back",
		Long: "Take a publish request back: for who submitted it, and for admins of its keys. Its\ndrafts stay and can be edited again.",
	})
}

func requestBypass(env Env) *cobra.Command {
	d := &decision{change: change{connection: connection{env: env}}, verb: "bypass", asks: true, reason: true, decide: byID((*client.Client).BypassRequest)}
	return d.command(&cobra.Command{
		Use: "bypass ID --comment C", Short: "Publish a request at once, without its approvals",
		Long: "Publish a request at once, without its approvals: for emergencies, by admins, where\nthe setting allowBypass is true. The reason is recorded; the schema still holds.",
	})
}

func (d *decision) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = arguments(1, 1)
	d.flags(cmd)
	use := "why; recorded with the decision"
	if d.reason {
		use += ", and required"
	}
	cmd.Flags().StringVar(&d.comment, "comment", "", use)
	if d.asks {
		d.destructive(cmd)
	}
	cmd.ValidArgsFunction = d.completeRequests
	return d.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if d.reason && d.comment == "" {
			return usage(cmd, "to %s a publish request takes a reason: --comment", d.verb)
		}
		seen := wire.PublishRequest{ID: args[0]}
		if d.dryRun || d.asks {
			var ok bool
			var err error
			if seen, ok, err = d.review(ctx, c, cmd, args[0]); !ok {
				return err
			}
			var cancel context.CancelFunc
			ctx, cancel = d.afresh(cmd)
			defer cancel()
		}
		p, err := d.decide(c, ctx, seen, d.comment, d.write(nil))
		if err != nil {
			return err
		}
		return d.output.print(d.env.Stdout, p, func() error {
			d.note("publish request %s: %s", p.ID, standing(p))
			return nil
		})
	})
}

// review shows the request and asks whether to go ahead.
func (d *decision) review(ctx context.Context, c *client.Client, cmd *cobra.Command, id string) (p wire.PublishRequest, ok bool, err error) {
	if p, err = c.Request(ctx, id, client.Read{Linearizable: true}); err != nil {
		return p, false, err
	}
	if p.Resolution != nil {
		return p, false, fmt.Errorf("%w: publish request %s is closed: %s", client.ErrConflict, id, resolutionText(*p.Resolution))
	}
	if !d.quiet {
		if err := d.showRequest(d.env.Stderr, p); err != nil {
			return p, false, err
		}
	}
	ok, err = d.confirm(cmd, "%s publish request %s", d.verb, id)
	return p, ok, err
}

// afresh is a context that has all of the timeout again, for what follows a
// question: a person may have taken longer to answer it.
func (s *connection) afresh(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	if s.timeout <= 0 {
		return cmd.Context(), func() {}
	}
	return context.WithTimeout(cmd.Context(), s.timeout)
}

// standing says what has become of a request.
func standing(p wire.PublishRequest) string {
	switch {
	case p.Resolution != nil:
		return resolutionText(*p.Resolution)
	case p.State == wire.RequestScheduled && p.DueAt != nil:
		return "approved; it is published at " + when(*p.DueAt) + ", or sooner if what it waits for ends sooner"
	case p.State == wire.RequestScheduled:
		return "approved; it is published when changes are allowed again"
	}
	return p.State + needs(p, ", needs ")
}

const waitEvery = 500 * time.Millisecond

const waitHelp = `Wait until a publish request is in a state: published, or what --state says. When it
can come to that no more, because it was rejected or withdrawn, the exit code is 4;
after --timeout it is 6.`

func requestWait(env Env) *cobra.Command {
	s := &connection{env: env}
	var state string
	cmd := &cobra.Command{
		Use: "wait ID", Short: "Wait until a publish request is published", Args: arguments(1, 1), Long: waitHelp,
		Example: "  confman request wait 01KB3F9A7ZQ2 --timeout 1h && deploy",
	}
	s.flags(cmd)
	s.untimed(cmd)
	cmd.Flags().StringVar(&state, "state", wire.RequestPublished, "scheduled, published, rejected or withdrawn")
	states := []string{wire.RequestScheduled, wire.RequestPublished, wire.RequestRejected, wire.RequestWithdrawn}
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = s.completeRequests
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if !slices.Contains(states, state) {
			return usage(cmd, "--state %q: want one of %s", state, strings.Join(states, ", "))
		}
		p, err := s.await(ctx, c, args[0], state)
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, p, func() error {
			s.note("publish request %s: %s", p.ID, standing(p))
			return nil
		})
	})
}

// await asks again and again. Once the request was there, a cluster that does not
// answer is asked on: it may be electing a leader.
func (s *connection) await(ctx context.Context, c *client.Client, id, state string) (p wire.PublishRequest, err error) {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	seen := false
	for {
		now, err := c.Request(ctx, id, client.Read{})
		switch {
		case err == nil:
			p, seen = now, true
		case ctx.Err() != nil && seen:
			return p, fmt.Errorf("publish request %s is %s, not %s: %w", id, p.State, state, ctx.Err())
		case !seen || !errors.Is(err, client.ErrUnavailable):
			return p, err
		}
		if p.State == state {
			return p, nil
		}
		if p.Resolution != nil {
			return p, fmt.Errorf("%w: publish request %s is closed: %s", client.ErrConflict, id, resolutionText(*p.Resolution))
		}
		select {
		case <-ctx.Done():
			return p, fmt.Errorf("publish request %s is %s%s, not %s: %w", id, p.State, needs(p, ", needs "), state, ctx.Err())
		case <-tick.C:
		}
	}
}
