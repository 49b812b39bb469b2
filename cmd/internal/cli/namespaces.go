package cli

import (
	"context"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

func namespaceList(env Env) *cobra.Command {
	s := &connection{env: env}
	var prefix string
	cmd := &cobra.Command{Use: "list", Short: "List namespaces", Args: arguments(0, 0)}
	s.flags(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only paths that begin with this")
	return s.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		namespaces := []wire.Namespace{}
		for n, err := range c.Namespaces(ctx, prefix, client.Read{}) {
			if err != nil {
				return err
			}
			namespaces = append(namespaces, n)
		}
		return s.output.print(env.Stdout, namespaces, func() error { return s.namespaceTable(namespaces...) })
	})
}

func namespaceShow(env Env) *cobra.Command {
	s := &connection{env: env}
	var at point
	cmd := &cobra.Command{Use: "show PATH", Short: "Show a namespace", Args: arguments(1, 1)}
	s.flags(cmd)
	at.flag(cmd, "at", atUse)
	cmd.ValidArgsFunction = s.completeNamespaces
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, err := c.Namespace(ctx, args[0], client.Read{At: at.wire()})
		if err != nil {
			return err
		}
		return s.output.print(env.Stdout, namespace, func() error { return s.namespaceTable(namespace) })
	})
}

func (s *connection) namespaceTable(namespaces ...wire.Namespace) error {
	var rows [][]string
	for _, n := range namespaces {
		description := ""
		if n.Description != nil {
			description = *n.Description
		}
		rows = append(rows, []string{n.Path, cell(n.Owner), when(n.CreatedAt), cell(description)})
	}
	return table(s.env.Stdout, []string{"NAMESPACE", "OWNER", "CREATED", "DESCRIPTION"}, rows)
}

func namespaceCreate(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	var description, owner string
	cmd := &cobra.Command{
		Use: "create PATH", Short: "Create a namespace or change its properties", Args: arguments(1, 1),
		Long: "Create a namespace. One that exists is changed where flags say so, else left as\nit is.",
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	cmd.Flags().StringVar(&owner, "owner", "", "who owns it (default: you)")
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		var put wire.PutNamespace
		if cmd.Flags().Changed("description") {
			put.Description = &description
		}
		if cmd.Flags().Changed("owner") {
			put.Owner = &owner
		}
		if w.dryRun {
			w.note("would create namespace %s or change its properties", args[0])
			return nil
		}
		var meta client.Meta
		namespace, err := c.PutNamespace(ctx, args[0], put, w.write(&meta))
		if err != nil {
			return err
		}
		return w.output.print(env.Stdout, namespace, func() error {
			verb := "exists"
			if meta.Created() {
				verb = "created"
			}
			w.note("namespace %s %s", args[0], verb)
			return nil
		})
	})
}

func namespaceDelete(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "delete PATH", Short: "Delete a namespace and its entries", Args: arguments(1, 1),
		Long: "Delete a namespace with all entries in it. Namespaces below it stay, and so does\nthe history.",
	}
	w.flags(cmd)
	w.destructive(cmd)
	cmd.ValidArgsFunction = w.completeNamespaces
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if ok, err := w.confirm(cmd, "delete namespace %s and all its entries", args[0]); !ok {
			return err
		}
		if err := c.DeleteNamespace(ctx, args[0], w.write(nil)); err != nil {
			return err
		}
		w.note("namespace %s deleted", args[0])
		return nil
	})
}
