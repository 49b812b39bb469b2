package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

// namespaced splits the arguments of a command that takes NS and then count
// others; NS may be left out where a default namespace is set.
func (s *connection) namespaced(cmd *cobra.Command, args []string, count int) (namespace string, rest []string, err error) {
	if len(args) == count+1 {
		if s.explicit {
			return "", nil, usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], s.namespace)
		}
		return args[0], args[1:], nil
	}
	if s.namespace == "" {
		return "", nil, usage(cmd, "no namespace: %s, or set CONFMAN_NAMESPACE", cmd.UseLine())
	}
	return s.namespace, args, nil
}

// reading is what commands that read entries have.
type reading struct {
	connection
	at                    point
	resolve, linearizable bool
}

func (r *reading) flags(cmd *cobra.Command, formats ...string) {
	r.connection.flags(cmd, formats...)
	r.namespaceFlag(cmd)
	r.readFlags(cmd)
}

func (r *reading) readFlags(cmd *cobra.Command) {
	r.at.flag(cmd, "at", atUse)
	cmd.Flags().BoolVar(&r.resolve, "resolve", false, "fall back to parent namespaces")
	cmd.Flags().BoolVar(&r.linearizable, "linearizable", false, "confirmed by the leader: never older than what was acknowledged before; needs a quorum")
}

func (r *reading) read() client.Read {
	return client.Read{At: r.at.wire(), Resolve: r.resolve, Linearizable: r.linearizable}
}

func get(env Env) *cobra.Command {
	r := &reading{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "get NS KEY", Short: "Print the value of a key", Args: arguments(1, 2),
		Long: `Print the bare value of a key and a newline: the text of a string, the bytes of
a binary, the JSON of anything else. With -o raw exactly the value and nothing
else; with -o json or yaml the entry with version, type, author and the rest.

NS may be left out where CONFMAN_NAMESPACE, -n or the context gives it.

` + whenHelp,
		Example: "  confman get teams/payments db.url\n  confman get teams/payments db.url --at yesterday -o json",
	}
	r.flags(cmd, formatTable, formatJSON, formatYAML, formatRaw)
	cmd.ValidArgsFunction = r.completeEntry(0)
	return r.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := r.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		entry, err := c.Get(ctx, namespace, args[0], r.read())
		if err != nil {
			return err
		}
		return r.output.print(env.Stdout, entry, func() error {
			value, err := r.bytes(entry)
			if err != nil {
				return err
			}
			if r.output.name == formatTable {
				value = append(value, '\n')
			}
			_, err = env.Stdout.Write(value)
			return err
		})
	})
}

// bytes is a bare value. One that was erased is said to be.
func (r *reading) bytes(e wire.ConfigEntry) ([]byte, error) {
	if e.Type == typeErased {
		r.warn("the value of %s/%s at version %d was erased: confman audit query %s --key %s --action history.erased", e.Namespace, e.Key, e.Version, e.Namespace, e.Key)
		return []byte(erasedText), nil
	}
	return client.Bytes(e.Type, e.Value)
}

func list(env Env) *cobra.Command {
	r := &reading{connection: connection{env: env}}
	var prefix string
	cmd := &cobra.Command{
		Use: "list [NS]", Short: "List entries", Args: arguments(0, 1),
		Long: `List the entries of a namespace, or all that the key may read where no namespace
is given or it is "/". The table shows long values cut at 60 characters and on
one line; -o json and yaml have all of it.`,
		Example: "  confman list teams/payments --prefix db.\n  confman list teams/payments --at '2h ago'\n  confman list / -o json",
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "only keys that begin with this")
	cmd.ValidArgsFunction = r.completeNamespaces
	return r.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace := r.namespace
		if len(args) == 1 {
			if r.explicit {
				return usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], namespace)
			}
			namespace = args[0]
		}
		if namespace == "" || namespace == wire.Root {
			if prefix != "" || r.resolve {
				return usage(cmd, "--prefix and --resolve need a namespace")
			}
			return listAll(ctx, c, r)
		}
		entries := []wire.ConfigEntry{}
		var rows [][]string
		for e, err := range c.List(ctx, namespace, prefix, r.read()) {
			if err != nil {
				return err
			}
			entries = append(entries, e)
			rows = append(rows, []string{e.Key, e.Type, strconv.FormatUint(e.Version, 10), when(e.UpdatedAt), cell(e.UpdatedBy), valueCell(e.Type, e.Value)})
		}
		return r.output.print(env.Stdout, entries, func() error {
			return table(env.Stdout, []string{"KEY", "TYPE", "VERSION", "UPDATED", "BY", "VALUE"}, rows)
		})
	})
}

func listAll(ctx context.Context, c *client.Client, r *reading) error {
	entries := []wire.BulkEntry{}
	var rows [][]string
	for e, err := range c.Configs(ctx, r.read()) {
		if err != nil {
			return err
		}
		entries = append(entries, e)
		rows = append(rows, []string{e.NS, e.Key, e.Type, strconv.FormatUint(e.Version, 10), when(e.UpdatedAt), cell(e.UpdatedBy), valueCell(e.Type, e.Value)})
	}
	return r.output.print(r.env.Stdout, entries, func() error {
		return table(r.env.Stdout, []string{"NAMESPACE", "KEY", "TYPE", "VERSION", "UPDATED", "BY", "VALUE"}, rows)
	})
}

func history(env Env) *cobra.Command {
	s := &connection{env: env}
	var since point
	cmd := &cobra.Command{
		Use: "history NS KEY", Short: "List every version of a key", Args: arguments(1, 2),
		Long:    "List every version of a key that is still retained: who made it, when, and the\nevent that says so. A deletion is a version too.\n\n" + whenHelp,
		Example: "  confman history teams/payments db.url --since yesterday",
	}
	s.flags(cmd)
	s.namespaceFlag(cmd)
	since.flag(cmd, "since", "only versions that were made after this")
	cmd.ValidArgsFunction = s.completeEntry(0)
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := s.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		versions := []wire.HistoryVersion{}
		var rows [][]string
		for v, err := range c.History(ctx, namespace, args[0], client.Read{}) {
			if err != nil {
				return err
			}
			if since.given != "" && !since.isBefore(v.Index, v.Time) {
				continue
			}
			versions = append(versions, v)
			value := "-"
			if v.Type != "" {
				value = valueCell(v.Type, v.Value)
			}
			rows = append(rows, []string{
				strconv.FormatUint(v.Version, 10), v.Action, when(v.Time), cell(maker(v)),
				strconv.FormatUint(v.Index, 10), cell(v.Comment), value,
			})
		}
		return s.output.print(env.Stdout, versions, func() error {
			return table(env.Stdout, []string{"VERSION", "ACTION", "TIME", "BY", "EVENT", "COMMENT", "VALUE"}, rows)
		})
	})
}

// maker is who wrote a version and, of one that was published, who approved it.
func maker(v wire.HistoryVersion) string {
	switch {
	case v.Author == "":
		return v.Actor
	case len(v.ApprovedBy) == 0:
		return v.Author
	}
	return v.Author + ", approved by " + strings.Join(v.ApprovedBy, ", ")
}

// typeErased is the type of a value that was taken out of the history, and
// erasedText what stands in its place.
const (
	typeErased = "erased"
	erasedText = "erased"
)

// valueCell is a value as a table shows it.
func valueCell(valueType string, value []byte) string {
	if valueType == typeErased {
		return erasedText
	}
	text, err := client.Bytes(valueType, value)
	if err != nil || valueType == wire.TypeBinary {
		return cell(string(value)) // base64 rather than its bytes
	}
	return cell(string(text))
}

func deleteEntry(env Env) *cobra.Command {
	d := &change{connection: connection{env: env}}
	var ifVersion uint64
	cmd := &cobra.Command{
		Use: "delete NS KEY", Short: "Delete a key", Args: arguments(1, 2),
		Long: "Delete a key. Its history stays, and the deletion is part of it.",
	}
	d.flags(cmd)
	d.namespaceFlag(cmd)
	d.destructive(cmd)
	cmd.Flags().Uint64Var(&ifVersion, "if-version", 0, "only if the key is at this version")
	cmd.ValidArgsFunction = d.completeEntry(0)
	return d.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := d.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		key, conditional := args[0], cmd.Flags().Changed("if-version")
		if conditional && ifVersion == 0 {
			return usage(cmd, "--if-version 0 means that the key must not exist; there would be nothing to delete")
		}
		if d.dryRun {
			entry, err := c.Get(ctx, namespace, key, client.Read{})
			if err != nil {
				return err
			}
			if conditional && entry.Version != ifVersion {
				return fmt.Errorf("%w: %s/%s is at version %d, not %d", client.ErrConditionFailed, namespace, key, entry.Version, ifVersion)
			}
		}
		if ok, err := d.confirm(cmd, "delete %s/%s", namespace, key); !ok {
			return err
		}
		write := d.write(nil)
		if conditional {
			write.IfVersion = &ifVersion
		}
		if err := c.Delete(ctx, namespace, key, write); err != nil {
			return orReviewed(err, namespace, key, "delete "+namespace+" "+key)
		}
		d.note("%s/%s deleted", namespace, key)
		return nil
	})
}
