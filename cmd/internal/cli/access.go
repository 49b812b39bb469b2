package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const explainHelp = `Say what a principal may do in a namespace or, with --key, to one key, and which
roles and API keys say so. Groups are those that its identity provider would say it
is in. Takes admin on the namespace, or asking about oneself.`

func accessExplain(env Env) *cobra.Command {
	s := &connection{env: env}
	var key string
	var groups []string
	cmd := &cobra.Command{
		Use: "explain PRINCIPAL NS", Short: "Say what a principal may do, and why", Args: arguments(2, 2), Long: explainHelp,
		Example: "  confman access explain ana teams/payments --group payments-oncall --key db/url",
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", "about this key only")
	cmd.Flags().StringArrayVar(&groups, "group", nil, "as a member of this group; may be repeated")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return s.completeNamespaces(cmd, nil, typed)
	}
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		e, err := c.ExplainAccess(ctx, args[0], groups, args[1], key, client.Read{})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, e, func() error { return s.showAccess(e) })
	})
}

func (s *connection) showAccess(e wire.AccessExplanation) error {
	place := e.Namespace
	if e.Key != "" {
		place += "/" + e.Key
	}
	if _, err := fmt.Fprintf(s.env.Stdout, "%s is %s in %s\n", visible(e.Principal), visible(e.Role), visible(place)); err != nil || len(e.Reasons) == 0 {
		return err
	}
	var rows [][]string
	for _, r := range e.Reasons {
		by := holder(r.Principal, r.Group)
		if r.KeyID != "" {
			by = "API key " + r.KeyID
		}
		counts := "yes"
		if !r.Counts {
			counts = "no: " + spelled(r.Why, diffWide)
		}
		rows = append(rows, []string{cell(r.Role), cell(r.Namespace), cell(by), cell(r.Keys), counts})
	}
	return table(s.env.Stdout, []string{"ROLE", "NAMESPACE", "BY", "KEYS", "COUNTS"}, rows)
}
