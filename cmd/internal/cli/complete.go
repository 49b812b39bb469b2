package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
)

const (
	completionTime = 2 * time.Second // a shell waits for this
	completions    = 200             // names at most
)

// completeNamespaces offers namespaces for the first argument, or for a flag.
func (s *connection) completeNamespaces(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	s.ask(cmd, func(ctx context.Context, c *client.Client) { names = namespaceNames(ctx, c, typed) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeEntry offers what "NS KEY" or, with a default namespace, "KEY" may
// be; after more arguments stand for themselves, and may be files.
func (s *connection) completeEntry(after int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		var names []string
		s.ask(cmd, func(ctx context.Context, c *client.Client) {
			switch {
			case len(args) == 0 && s.namespace != "":
				names = append(keyNames(ctx, c, s.namespace, typed), namespaceNames(ctx, c, typed)...)
			case len(args) == 0:
				names = namespaceNames(ctx, c, typed)
			case len(args) == 1 && !s.explicit:
				names = keyNames(ctx, c, args[0], typed)
			}
		})
		if after > 0 && len(args) >= after && len(names) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// ask does something with a client, for a short time, and never complains: a
// shell has no use for it.
func (s *connection) ask(cmd *cobra.Command, work func(context.Context, *client.Client)) {
	s.quiet = true
	if s.load(cmd) != nil {
		return
	}
	s.timeout = completionTime
	ctx, c, end, err := s.connect(cmd)
	if err != nil {
		return
	}
	defer end()
	work(ctx, c)
}

func namespaceNames(ctx context.Context, c *client.Client, prefix string) (names []string) {
	for n, err := range c.Namespaces(ctx, prefix, client.Read{}) {
		if err != nil || len(names) == completions {
			break
		}
		names = append(names, n.Path)
	}
	return names
}

func keyNames(ctx context.Context, c *client.Client, namespace, prefix string) (names []string) {
	for e, err := range c.List(ctx, namespace, prefix, client.Read{}) {
		if err != nil || len(names) == completions {
			break
		}
		names = append(names, e.Key)
	}
	return names
}
