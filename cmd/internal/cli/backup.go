package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"confman/api/client"
)

const backupHelp = `Copy all that the cluster holds, its history included, into FILE, or with - to stdout,
as of one event, while the cluster goes on. The file comes to be whole or not at all,
readable by you only: it holds every value. The position that it is of is printed.
This takes an admin of everything.

confman backup verify FILE checks it, as confman audit verify FILE does. A backup
into a file of that name is one into ./verify.`

func backup(env Env) *cobra.Command {
	s := &connection{env: env}
	force := false
	cmd := &cobra.Command{
		Use: "backup FILE|-", Short: "Copy the cluster's data into a file", Args: arguments(1, 1), Long: backupHelp,
		Example: "  confman backup confman-$(date +%F).backup\n  confman backup - | ssh vault 'cat > confman.backup'",
	}
	s.reach(cmd)
	s.untimed(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	cmd.AddCommand(backupVerify(env))
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		var position string
		take := func(w io.Writer) (err error) {
			bar := newProgress(env.Stderr, s.quiet, "MiB written", 0)
			defer bar.end()
			position, err = c.Backup(ctx, &tally{w: w, wrote: func(bytes int64) { bar.reached(int(bytes >> 20)) }})
			return err
		}
		if args[0] == "-" {
			if err := take(env.Stdout); err != nil {
				return err
			}
			s.note("backup as of event %s", position)
			return nil
		}
		file, err := createFile(args[0], force)
		if err != nil {
			return err
		}
		if err := file.end(take(file)); err != nil {
			return err
		}
		s.note("backup as of event %s written to %s", position, args[0])
		_, err = fmt.Fprintln(env.Stdout, position)
		return err
	})
}

// backupVerify is audit verify for files alone.
func backupVerify(env Env) *cobra.Command {
	cmd := auditVerify(env)
	cmd.Use, cmd.Short, cmd.Args = "verify FILE...", "Check that a backup was not changed", arguments(1, 1000)
	cmd.Example = "  confman backup verify --trust checkpoint.key.pub confman.backup"
	return cmd
}

// tally counts the bytes that pass.
type tally struct {
	w     io.Writer
	bytes int64
	wrote func(bytes int64) // so many in all
}

// Write writes on.
func (t *tally) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.bytes += int64(n)
	t.wrote(t.bytes)
	return n, err
}
