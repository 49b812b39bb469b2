package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const eraseHelp = `Take a value out of the history for good: a secret that leaked, personal data. The
value is the one of --version of the key, or the one that the event at --index set or
saved as a draft. It goes out of every record of the key; with --everywhere out of
those of all other keys, too. The records stay and say "erased", the hash chain still
verifies, and an event records who did this and why.

A value that is still live or in a draft is refused (exit code 4): change it first.
This takes an admin of everything, and cannot be undone. What would be touched is
shown, and you are asked to type the key; scripts say --yes.

Readers see "erased" at once. The bytes leave the files of a node with its next scrub,
which every node begins by itself: its metric confman_erasure_pending is 0 when it is
done. Backups and exports made before still hold the value.`

// erasing is audit erase.
type erasing struct {
	change
	erase wire.Erase
}

func auditErase(env Env) *cobra.Command {
	e := &erasing{change: change{connection: connection{env: env}}}
	cmd := &cobra.Command{
		Use: "erase NS KEY", Short: "Take a value out of the history for good", Args: arguments(1, 2), Long: eraseHelp,
		Example: "  confman audit erase teams/payments db.password --version 3 --reason 'INC-7: leaked' --dry-run\n" +
			"  confman audit erase teams/payments db.password --index 1042 --everywhere --reason 'INC-7: leaked'",
	}
	e.flags(cmd)
	e.namespaceFlag(cmd)
	e.destructive(cmd)
	f := cmd.Flags()
	f.Uint64Var(&e.erase.Version, "version", 0, "the value that the key had at this version")
	f.Uint64Var(&e.erase.Index, "index", 0, "the value that this event set, or saved as a draft")
	f.BoolVar(&e.erase.Everywhere, "everywhere", false, "out of the records of all other keys, too")
	f.StringVar(&e.erase.Reason, "reason", "", "why; recorded for good (required)")
	cmd.ValidArgsFunction = e.completeEntry(0)
	return e.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := e.namespaced(cmd, args, 1)
		if err != nil {
			return err
		}
		e.erase.Namespace, e.erase.Key = namespace, args[0]
		switch {
		case (e.erase.Version > 0) == (e.erase.Index > 0):
			return usage(cmd, "say which value: --version N or --index N (confman history %s %s lists them)", namespace, args[0])
		case e.erase.Reason == "":
			return usage(cmd, "say why: --reason is recorded for good")
		}
		return e.run(ctx, cmd, c)
	})
}

func (e *erasing) run(ctx context.Context, cmd *cobra.Command, c *client.Client) error {
	if e.dryRun || !e.yes {
		found, err := c.Erase(ctx, e.erase, true, client.Write{})
		if err != nil {
			return err
		}
		if e.dryRun {
			e.note("would erase a value from %s", counted(len(found.Records), "record"))
			e.elsewhere(found)
			return e.output.print(e.env.Stdout, found, func() error { return erasedTable(e.env.Stdout, found) })
		}
		if err := e.asked(cmd, found); err != nil {
			return err
		}
		var cancel context.CancelFunc
		ctx, cancel = e.afresh(cmd)
		defer cancel()
	}
	done, err := c.Erase(ctx, e.erase, false, e.write(nil))
	if err != nil {
		return err
	}
	e.note("a value of %s/%s was erased from %s, recorded by event %s", e.erase.Namespace, e.erase.Key, counted(len(done.Records), "record"), done.Position)
	e.elsewhere(done)
	e.note("its bytes are in the nodes' files until each has scrubbed itself: confman_erasure_pending in its /metrics is 0 then; older backups keep them")
	return e.output.print(e.env.Stdout, done, func() error { return nil })
}

// asked shows what would go, and has the person at the terminal type the key.
func (e *erasing) asked(cmd *cobra.Command, found wire.Erased) error {
	name := e.erase.Namespace + "/" + e.erase.Key
	if !e.env.Interactive {
		return usage(cmd, "to erase a value of %s without a terminal to ask on, add --yes", name)
	}
	if err := erasedTable(e.env.Stderr, found); err != nil {
		return err
	}
	e.elsewhere(found)
	fmt.Fprintf(e.env.Stderr, "This cannot be undone. To erase a value of %s from %s type the key: ", name, counted(len(found.Records), "record"))
	reply, err := bufio.NewReader(e.env.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the reply: %w", err)
	}
	if strings.TrimSpace(reply) != e.erase.Key {
		return errors.New("not confirmed; nothing was erased")
	}
	return nil
}

// elsewhere warns of equal values that stay.
func (e *erasing) elsewhere(found wire.Erased) {
	if found.Elsewhere > 0 {
		var keys []string
		for _, o := range found.Others {
			keys = append(keys, o.Namespace+"/"+o.Key)
		}
		e.warn("an equal value is in %s of other keys and stays there: %s", counted(found.Elsewhere, "record"), strings.Join(keys, ", "))
	}
}

func erasedTable(w io.Writer, found wire.Erased) error {
	var rows [][]string
	for _, r := range found.Records {
		rows = append(rows, []string{strconv.FormatUint(r.Index, 10), r.Action, cell(r.Namespace), cell(r.Key), strings.Join(r.Values, ", ")})
	}
	return table(w, []string{"EVENT", "ACTION", "NAMESPACE", "KEY", "VALUES"}, rows)
}
