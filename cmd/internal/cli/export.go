package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/internal/formats"
)

const exportHelp = `Write the entries of a namespace, all as of one moment, to stdout, a file or a
directory. The same entries give the same bytes.

On stdout and in a file they make one document. The names in keys that slashes
divide become nested mappings, except in .properties and .env files; in the names
of .env files _ stands for all but letters and digits. What a format cannot say is
refused, and nothing is written. The format is that of
--format, else of PATH's extension, else YAML.

In a directory, which PATH is when it exists as one or ends with a slash, each
value becomes a file at its key, byte for byte. Files that belong to no key stay.

confman import reads all of it again.

` + whenHelp

func exportFiles(env Env) *cobra.Command {
	r := &reading{connection: connection{env: env}}
	var name string
	cmd := &cobra.Command{
		Use: "export NS [PATH]", Short: "Write a namespace to stdout, a file or a directory", Args: arguments(0, 2), Long: exportHelp,
		Example: "  confman export teams/payments\n" +
			"  confman export teams/payments payments.json --at '2026-01-31 12:00'\n" +
			"  confman export teams/payments config/",
	}
	r.reach(cmd)
	r.namespaceFlag(cmd)
	r.readFlags(cmd)
	r.untimed(cmd)
	formatFlag(cmd, &name, "o", "of stdout or a file: ")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 && !cmd.Flags().Changed("namespace") {
			return r.completeNamespaces(cmd, args, typed)
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
	return r.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, path, err := r.exported(cmd, args)
		if err != nil {
			return err
		}
		directory := isDirectory(path)
		format, err := exportFormat(cmd, path, directory, name)
		if err != nil {
			return err
		}
		entries, position, err := r.moment(ctx, c, namespace)
		if err != nil {
			return err
		}
		if err := writeExport(env.Stdout, path, format, entries); err != nil {
			return unusable(err)
		}
		switch {
		case len(entries) == 0:
			r.note("%s: no entries as of event %s", namespace, position)
		case path != "-":
			r.note("%s: %s as of event %s written to %s", namespace, counted(len(entries), "value"), position, path)
		}
		return nil
	})
}

// writeExport writes entries to a directory, where there is no format, or as a
// document to a file or stdout.
func writeExport(stdout io.Writer, path string, format formats.Format, entries []formats.Entry) error {
	if format == "" {
		return formats.WriteDir(path, entries)
	}
	data, err := formats.Unflatten(format, entries)
	if err != nil {
		return fmt.Errorf("export as %s: %w", format, err)
	}
	if path != "-" {
		return formats.WriteFile(path, data)
	}
	_, err = stdout.Write(data)
	return err
}

// exported tells NS and PATH apart; PATH is "-" where there is none.
func (r *reading) exported(cmd *cobra.Command, args []string) (namespace, path string, err error) {
	rest := args
	namespace = r.namespace
	if !r.explicit && len(args) > 0 {
		namespace, rest = args[0], args[1:]
	}
	switch {
	case len(rest) > 1:
		return "", "", usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], r.namespace)
	case namespace == "":
		return "", "", usage(cmd, "no namespace: %s, or set CONFMAN_NAMESPACE", cmd.UseLine())
	case len(rest) == 0 || rest[0] == "":
		return namespace, "-", nil
	}
	return namespace, rest[0], nil
}

func isDirectory(path string) bool {
	at, err := os.Stat(path)
	return err == nil && at.IsDir() || strings.HasSuffix(path, "/")
}

// exportFormat is the format of a document, empty for a directory.
func exportFormat(cmd *cobra.Command, path string, directory bool, name string) (formats.Format, error) {
	switch {
	case directory && name != "":
		return "", usage(cmd, "%s is a directory, into which values go as they are; --format is for one document", path)
	case directory:
		return "", nil
	case name != "":
		format, err := formats.ParseFormat(name)
		if err != nil {
			return "", usage(cmd, "--format: %w", err)
		}
		return format, nil
	case path == "-":
		return formats.YAML, nil
	}
	format, ok := formats.FormatOf(path)
	if !ok {
		return "", usage(cmd, "the extension of %s belongs to no format: add --format, or end it with / to make it a directory", path)
	}
	return format, nil
}

// moment reads all entries of a namespace as of one event, and returns its
// position. Pages of a list may be of different events; where they are, it reads
// again at that of the first.
func (r *reading) moment(ctx context.Context, c *client.Client, namespace string) (entries []formats.Entry, position string, err error) {
	bar := newProgress(r.env.Stderr, r.quiet, "read", 0)
	defer bar.end()
	read := r.read()
	entries, first, last, err := collect(ctx, c, namespace, read, bar)
	if err == nil && first.Index != last.Index && r.at.wire() == "" {
		read.At, read.MinIndex = strconv.FormatUint(first.Index, 10), first.Index
		entries, first, _, err = collect(ctx, c, namespace, read, bar)
	}
	if err == nil && len(entries) == 0 { // is it empty, or does it not exist?
		_, err = c.Namespace(ctx, namespace, client.Read{At: r.at.wire()})
	}
	r.admitErased(entries)
	return entries, first.Position, err
}

// admitErased says which values were erased, and puts the word in their place.
func (s *connection) admitErased(entries []formats.Entry) {
	var keys []string
	for i, e := range entries {
		if e.Type == typeErased {
			entries[i].Type, entries[i].Value = wire.TypeString, []byte(`"`+erasedText+`"`)
			keys = append(keys, e.Key)
		}
	}
	if keys != nil {
		s.warn("erased, and %q stands in their place: %s", erasedText, some(keys))
	}
}

// collect reads all pages, and returns what the first and the last said.
func collect(ctx context.Context, c *client.Client, namespace string, read client.Read, bar *progress) (entries []formats.Entry, first, last client.Meta, err error) {
	read.Meta = &last
	for e, err := range c.List(ctx, namespace, "", read) {
		if err != nil {
			return nil, first, last, err
		}
		if len(entries) == 0 {
			first = last
		}
		entries = append(entries, formats.Entry{Key: e.Key, Type: e.Type, Value: e.Value})
		bar.reached(len(entries))
	}
	if len(entries) == 0 {
		first = last
	}
	return entries, first, last, nil
}
