package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/internal/formats"
)

const importHelp = `Write a file or a directory into a namespace: only what differs from what is
live, so that the same import again writes nothing.

A directory becomes one entry for each file. The key is the path within the
directory, the value the file's bytes. A file has no type, so a key keeps the
type it has as long as the content still is one. With --flatten a JSON, YAML,
TOML, .properties or .env file becomes one entry for each leaf, with the leaf's
type: size under pool is pool/size, and db/pool/size when it is in the db.yml of
a directory. Names that begin with a dot are left out, and said.

With --format, which implies --flatten, PATH is read in that format whatever its
name is, and - is stdin.

Changes go out in transactions of 64. Each holds only while its keys are at the
versions that they were compared at. Where somebody else was faster the import
ends with exit code 4 and says what is written; the same import again goes on.

Keys that PATH does not have stay, unless --prune deletes them.

--dry-run writes nothing and prints the differences: + created, ~ updated,
- deleted; with -o json all of both values. Its exit code is 0 where there are
none and 1 where there are some.`

// importing is the import command.
type importing struct {
	change
	flatten, prune  bool
	format, comment string
}

// source is what an import brings.
type source struct {
	entries []formats.Entry
	skipped []string // paths
	untyped bool     // the types of the entries say nothing: it was text
}

func importFiles(env Env) *cobra.Command {
	i := &importing{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "import PATH -n NS", Short: "Write a file or a directory into a namespace", Args: arguments(1, 1), Long: importHelp,
		Example: "  confman import config/ -n teams/payments --dry-run\n" +
			"  confman import app.yaml -n teams/payments --flatten --prune --comment 'release 7'\n" +
			"  confman export teams/payments --format json | confman import - -n teams/copy --format json",
	}
	i.connection.flags(cmd)
	i.namespaceFlag(cmd)
	i.destructive(cmd)
	i.untimed(cmd)
	f := cmd.Flags()
	f.BoolVar(&i.dryRun, "dry-run", false, "print what would be written; exit code 1 where there is something")
	f.BoolVar(&i.flatten, "flatten", false, "one entry for each leaf of a file, not for each file")
	f.BoolVar(&i.prune, "prune", false, "delete the keys of the namespace that PATH does not have; asks first")
	f.StringVar(&i.comment, "comment", "", "why; recorded with each change")
	formatFlag(cmd, &i.format, "", "read PATH, a file or -, as this: ")
	return i.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if i.namespace == "" {
			return usage(cmd, "no namespace: %s, or set CONFMAN_NAMESPACE", cmd.UseLine())
		}
		from, err := i.read(cmd, args[0])
		if err != nil {
			return err
		}
		if len(from.skipped) > 0 {
			i.note("skipped: %s", some(from.skipped))
		}
		live, err := i.live(ctx, c)
		if err != nil {
			return err
		}
		p, err := compare(from, live, i.prune)
		if err != nil {
			return err
		}
		return i.carryOut(ctx, c, cmd, p)
	})
}

// read reads all of PATH before anything is written.
func (i *importing) read(cmd *cobra.Command, path string) (source, error) {
	if i.format != "" {
		return i.readAs(cmd, path)
	}
	if path == "-" {
		return source{}, usage(cmd, "stdin has no name that tells its format: add --format")
	}
	found, err := formats.Read(path, formats.ReadOptions{Flatten: i.flatten, MaxFileBytes: maxValueBytes})
	if err != nil {
		return source{}, unusable(err)
	}
	format, _ := formats.FormatOf(path)
	return source{entries: found.Entries, skipped: found.Skipped, untyped: !i.flatten || textOnly(format)}, nil
}

// readAs reads one file or stdin in the format that --format names.
func (i *importing) readAs(cmd *cobra.Command, path string) (s source, err error) {
	format, err := formats.ParseFormat(i.format)
	if err != nil {
		return s, usage(cmd, "--format: %w", err)
	}
	var data []byte
	if path == "-" {
		path = "stdin"
		data, err = readAtMost(i.env.Stdin, maxValueBytes)
	} else {
		data, err = readFile(path)
	}
	if err != nil {
		return s, fmt.Errorf("import %s: %w", path, err)
	}
	if s.entries, err = formats.Flatten(path, format, data); err != nil {
		return s, unusable(fmt.Errorf("import: %w", err))
	}
	s.untyped = textOnly(format)
	return s, nil
}

// textOnly reports whether all values of a format are text.
func textOnly(format formats.Format) bool {
	return format == formats.Properties || format == formats.Env
}

// unusable is an error about a content, unless it is one about a file.
func unusable(err error) error {
	var file *fs.PathError
	var link *os.LinkError
	if errors.As(err, &file) || errors.As(err, &link) {
		return err
	}
	return &ExitError{Code: ExitInvalid, Err: err}
}

// live reads what is there, as the leader has it: an import just after another
// one must see all of it.
func (i *importing) live(ctx context.Context, c *client.Client) (live []wire.ConfigEntry, err error) {
	for e, err := range c.List(ctx, i.namespace, "", client.Read{Linearizable: true}) {
		if errors.Is(err, client.ErrNotFound) {
			return nil, nil // it comes into being with its first key
		}
		if err != nil {
			return nil, err
		}
		live = append(live, e)
	}
	return live, nil
}

// carryOut shows a plan or makes it so.
func (i *importing) carryOut(ctx context.Context, c *client.Client, cmd *cobra.Command, p plan) error {
	if i.dryRun {
		return i.show(p)
	}
	if doomed := p.keys(wire.OutcomeDeleted); len(doomed) > 0 {
		what := "delete " + counted(len(doomed), "key") + " of " + i.namespace + " (" + some(doomed) + ")"
		if ok, err := i.confirm(cmd, "%s", what); !ok {
			return err
		}
	}
	position, err := i.write(ctx, c, p)
	if err != nil {
		return err
	}
	return i.output.print(i.env.Stdout, p.result(i.namespace, position, false), func() error {
		if position != "" {
			position = "; event " + position
		}
		i.note("%s: %s%s", i.namespace, p.summary(), position)
		return nil
	})
}

// show is the dry run. Differences are an error without words.
func (i *importing) show(p plan) error {
	err := i.output.print(i.env.Stdout, p.result(i.namespace, "", true), func() error { return printDiff(i.env.Stdout, p.differences) })
	if err != nil {
		return err
	}
	i.note("would be in %s: %s", i.namespace, p.summary())
	if len(p.differences) > 0 {
		return &ExitError{Code: ExitFailure}
	}
	return nil
}

// write sends the differences, one transaction after another, and returns the
// position of the last.
func (i *importing) write(ctx context.Context, c *client.Client, p plan) (position string, err error) {
	bar := newProgress(i.env.Stderr, i.quiet, "written", len(p.differences))
	defer bar.end()
	done := 0
	for _, batch := range batches(p.differences) {
		result, err := c.Transact(ctx, transaction(i.namespace, i.comment, batch), client.Write{})
		if err != nil {
			return "", &unfinished{namespace: i.namespace, done: done, all: len(p.differences), batch: batch, err: err}
		}
		position = result.Position
		done += len(batch)
		bar.reached(done)
	}
	return position, nil
}

// unfinished is an import that did not come to its end.
type unfinished struct {
	namespace string
	done, all int          // changes that are written, and that there were
	batch     []difference // of the transaction that failed
	err       error        // of that transaction
}

func (u *unfinished) Error() string {
	fate := "not written"
	if errors.Is(u.err, client.ErrOutcomeUnknown) {
		fate = "perhaps written"
	}
	which := u.batch[0].Key
	if n := len(u.batch); n > 1 {
		which = fmt.Sprintf("the next %d, %s to %s", n, which, u.batch[n-1].Key)
	}
	if rest := u.all - u.done - len(u.batch); rest > 0 {
		which += fmt.Sprintf("; not written: the last %d", rest)
	}
	return fmt.Sprintf("import into %s: %d of %s written; %s: %s: %s",
		u.namespace, u.done, counted(u.all, "change"), fate, which, u.reason())
}

func (u *unfinished) Unwrap() error { return u.err }

// reason is what the server complains about first, by key: 64 keys that somebody
// else changed would make 64 complaints.
func (u *unfinished) reason() string {
	var problem *client.Problem
	if !errors.As(u.err, &problem) || len(problem.Errors) == 0 {
		return u.err.Error()
	}
	first := problem.Errors[0]
	text := fmt.Sprintf("%d %s: ", problem.Status, problem.Title)
	var n int
	if _, err := fmt.Sscanf(first.Pointer, "/set/%d", &n); err == nil && n >= 0 && n < len(u.batch) {
		text += u.batch[n].Key + " " // sets come first in a batch
	}
	text += first.Detail
	if more := len(problem.Errors) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// hint says what to do, where there is something to do.
func (u *unfinished) hint() string {
	var problem *client.Problem
	switch {
	case errors.As(u.err, &problem) && problem.Type == wire.ProblemApprovalRequired, errors.Is(u.err, client.ErrInvalid):
		return ""
	case errors.Is(u.err, client.ErrConflict), errors.Is(u.err, client.ErrOutcomeUnknown),
		errors.Is(u.err, client.ErrUnavailable), errors.Is(u.err, context.Canceled), errors.Is(u.err, context.DeadlineExceeded):
		return "the same import again compares anew and writes what still differs"
	}
	return ""
}
