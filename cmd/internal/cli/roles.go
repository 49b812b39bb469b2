package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const groupPrefix = "group:"

// holder is whom a grant is for, as people write it.
func holder(principal, group string) string {
	if group != "" {
		return groupPrefix + group
	}
	return principal
}

func grantee(text string) (principal, group string) {
	if group, ok := strings.CutPrefix(text, groupPrefix); ok {
		return "", group
	}
	return text, ""
}

func roleGrantText(g wire.RoleGrant) string {
	text := holder(g.Principal, g.Group) + " " + g.Role
	if g.Keys != "" {
		text += " of " + g.Keys
	}
	return text
}

func roleList(env Env) *cobra.Command {
	s := &connection{env: env}
	var resolve bool
	var at point
	cmd := &cobra.Command{
		Use: "list NS", Short: "List who may do what in a namespace", Args: arguments(0, 1),
		Long: "List the roles that a namespace gives or, with --resolve, all that hold in it: its\nown and those of namespaces above. API keys may have grants of their own: confman\nkey list.",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	cmd.Flags().BoolVar(&resolve, "resolve", false, "with those that namespaces above give")
	at.flag(cmd, "at", atUse)
	cmd.ValidArgsFunction = s.completeNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, _, err := s.namespaced(cmd, args, 0)
		if err != nil {
			return err
		}
		r, err := c.Roles(ctx, namespace, resolve, client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		var rows [][]string
		for _, g := range r.Grants {
			rows = append(rows, []string{cell(g.Role), cell(holder(g.Principal, g.Group)), cell(g.Keys), cell(g.From)})
		}
		return s.output.print(env.Stdout, r, func() error {
			if r.Inherit != nil && !*r.Inherit {
				s.note("%s does not inherit roles from above", namespace)
			}
			return table(env.Stdout, []string{"ROLE", "TO", "KEYS", "FROM"}, rows)
		})
	})
}

// granting is role grant and role revoke.
type granting struct {
	change
	keys string
}

const grantHelp = `Give a role in a namespace and all below it ("/" is all there are) to a principal, or
to a group as group:NAME. Roles: viewer, editor, publisher, admin; each may do what
those before it may. --keys narrows it to one key, or a prefix and "*".`

func roleGrant(env Env) *cobra.Command {
	g := &granting{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "grant NS ROLE PRINCIPAL|group:NAME", Short: "Give a role in a namespace", Long: grantHelp,
		Example: "  confman role grant teams/payments publisher group:payments-leads\n  confman role grant teams/payments editor ana --keys 'db/*'",
	}
	return g.command(cmd, "given to", func(all []wire.RoleGrant, want wire.RoleGrant) ([]wire.RoleGrant, error) {
		if slices.Contains(all, want) {
			return nil, errUnchanged
		}
		return append(all, want), nil
	})
}

func roleRevoke(env Env) *cobra.Command {
	g := &granting{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "revoke NS ROLE PRINCIPAL|group:NAME", Short: "Take a role in a namespace away",
		Long: "Take away a role that the namespace itself gives: with --keys what was given for\nthose, else all of it. Streams that it allowed end.",
	}
	return g.command(cmd, "taken from", func(all []wire.RoleGrant, want wire.RoleGrant) ([]wire.RoleGrant, error) {
		kept := slices.DeleteFunc(slices.Clone(all), func(g wire.RoleGrant) bool {
			return g.Role == want.Role && g.Principal == want.Principal && g.Group == want.Group && (want.Keys == "" || g.Keys == want.Keys)
		})
		if len(kept) == len(all) {
			return nil, fmt.Errorf("%w: the namespace does not give %s; confman role list NS --resolve shows who does", client.ErrNotFound, roleGrantText(want))
		}
		return kept, nil
	})
}

func (g *granting) command(cmd *cobra.Command, done string, edit func(all []wire.RoleGrant, one wire.RoleGrant) ([]wire.RoleGrant, error)) *cobra.Command {
	cmd.Args = arguments(2, 3)
	g.flags(cmd)
	g.namespaceFlag(cmd)
	cmd.Flags().StringVar(&g.keys, "keys", "", `only for this key, or a prefix and "*"`)
	cmd.ValidArgsFunction = g.completeRole
	return g.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := g.namespaced(cmd, args, 2)
		if err != nil {
			return err
		}
		one := wire.RoleGrant{Role: args[0], Keys: g.keys}
		one.Principal, one.Group = grantee(args[1])
		if !slices.Contains(roleNames(), one.Role) {
			return usage(cmd, "the role %q: want one of %s", one.Role, strings.Join(roleNames(), ", "))
		}
		r, err := modify(ctx, &g.change, roles(c), namespace, func(r *wire.Roles) (err error) {
			r.Grants, err = edit(r.Grants, one)
			return err
		})
		if errors.Is(err, errUnchanged) {
			g.note("%s: %s is so already", namespace, roleGrantText(one))
			return nil
		}
		if err != nil {
			return err
		}
		who := holder(one.Principal, one.Group)
		if g.dryRun {
			g.note("%s in %s would be %s %s", one.Role, namespace, done, who)
			return nil
		}
		return g.output.print(g.env.Stdout, r, func() error {
			g.note("%s in %s %s %s", one.Role, namespace, done, who)
			return nil
		})
	})
}

func roleNames() []string { return []string{"viewer", "editor", "publisher", "admin"} }

// completeRole offers the namespace and the role of "NS ROLE WHO".
func (s *connection) completeRole(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return s.completeNamespaces(cmd, args, typed)
	case 1:
		return roleNames(), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

const roleSetHelp = `Replace all roles that a namespace gives by those of a file: JSON or YAML, as role
list prints it with -o json or yaml. Where it says index, nothing else may have
changed them since (exit code 4).`

func roleSet(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "set NS FILE|-", Short: "Replace the roles that a namespace gives", Args: arguments(1, 2), Long: roleSetHelp,
		Example: "  confman role list teams/payments -o yaml > roles.yaml\n  confman role set teams/payments roles.yaml --dry-run",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	w.destructive(cmd)
	cmd.ValidArgsFunction = w.completeFile
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := w.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		var wanted wire.Roles
		if err := readDocument(env, args[0], &wanted); err != nil {
			return err
		}
		for _, g := range wanted.Grants {
			if g.From != "" && g.From != namespace {
				return &ExitError{Code: ExitInvalid, Err: fmt.Errorf("%s gives %s, not %s: make the file without --resolve", g.From, roleGrantText(g), namespace)}
			}
		}
		return w.replaceRoles(ctx, c, cmd, namespace, wanted)
	})
}

// replaceRoles shows what goes and comes, asks, and writes it over what it showed.
func (c *change) replaceRoles(ctx context.Context, api *client.Client, cmd *cobra.Command, namespace string, wanted wire.Roles) error {
	now, err := api.Roles(ctx, namespace, false, client.Read{Linearizable: true})
	if err != nil {
		return err
	}
	if wanted.Index > 0 && wanted.Index != now.Index {
		return fmt.Errorf("%w: the roles of %s changed since: they are of event %d, the file's of event %d", client.ErrConditionFailed, namespace, now.Index, wanted.Index)
	}
	for i := range wanted.Grants {
		wanted.Grants[i].From = ""
	}
	wanted.Origin = wire.Origin{}
	for _, g := range now.Grants {
		if !slices.Contains(wanted.Grants, g) {
			c.note("- %s", roleGrantText(g))
		}
	}
	for _, g := range wanted.Grants {
		if !slices.Contains(now.Grants, g) {
			c.note("+ %s", roleGrantText(g))
		}
	}
	if ok, err := c.confirm(cmd, "replace the roles of %s", namespace); !ok {
		return err
	}
	ctx, cancel := c.afresh(cmd)
	defer cancel()
	write := c.write(nil)
	write.IfRevision = &now.Index
	written, err := api.PutRoles(ctx, namespace, wanted, write)
	if err != nil {
		return err
	}
	return c.output.print(c.env.Stdout, written, func() error {
		c.note("roles of %s replaced", namespace)
		return nil
	})
}
