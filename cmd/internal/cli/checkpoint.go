package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

const checkpointHelp = `Show the checkpoints of the history, newest first: signed statements of what its hash
chain is at an event. Keep one elsewhere, and the public key with it: then nobody can
write the history up to there anew without being found out.

  confman audit checkpoint --limit 1 -o json > checkpoint.json
  confman audit verify --checkpoint checkpoint.json --trust checkpoint.key.pub

The leader signs when it is started with --checkpoint-key-file (see keygen), every
--checkpoint-interval when something happened. To change the key put the new one
before the old one in that file, on all members: the old one then endorses the new.`

const checkpointRows = 20 // that people are shown

func auditCheckpoint(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	sign, limit := false, checkpointRows
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Show the signed checkpoints, or sign one", Args: arguments(0, 0), Long: checkpointHelp,
		Example: "  confman audit checkpoint --sign -o json > checkpoint.json",
	}
	w.flags(cmd)
	cmd.Flags().BoolVar(&sign, "sign", false, "have the leader sign one now; takes an admin of everything")
	cmd.Flags().IntVar(&limit, "limit", limit, "so many at most; 0: all")
	w.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error {
		if !sign {
			return w.list(ctx, c, limit)
		}
		if w.dryRun {
			w.note("would sign a checkpoint")
			return nil
		}
		made, err := c.SignCheckpoint(ctx, w.write(nil))
		if err != nil {
			return err
		}
		return w.output.print(env.Stdout, made, func() error { return checkpointTable(env, []wire.Checkpoint{made}) })
	})
	cmd.AddCommand(checkpointKeygen(env))
	return cmd
}

func (c *change) list(ctx context.Context, api *client.Client, limit int) error {
	shown := []wire.Checkpoint{}
	for kept, err := range api.Checkpoints(ctx, limit, client.Read{}) {
		if err != nil {
			return err
		}
		if shown = append(shown, kept); len(shown) == limit {
			break
		}
	}
	return c.output.print(c.env.Stdout, shown, func() error { return checkpointTable(c.env, shown) })
}

func checkpointTable(env Env, shown []wire.Checkpoint) error {
	var rows [][]string
	for _, c := range shown {
		rows = append(rows, []string{strconv.FormatUint(c.Index, 10), c.Chain, when(c.Time), c.KeyID, strconv.FormatUint(c.Event, 10)})
	}
	return table(env.Stdout, []string{"UP TO", "CHAIN", "SIGNED", "KEY", "EVENT"}, rows)
}

const keygenHelp = `Make an Ed25519 key that signs checkpoints, and write it into FILE, readable by you
only, and its public half into FILE.pub. Give FILE to all members
(--checkpoint-key-file), and keep FILE.pub where whoever can change the history cannot
change it: it is what confman audit verify --trust takes.`

func checkpointKeygen(env Env) *cobra.Command {
	quiet := false
	cmd := &cobra.Command{
		Use: "keygen FILE", Short: "Make a key for checkpoints", Args: arguments(1, 1), Long: keygenHelp,
		Example: "  confman audit checkpoint keygen checkpoint.key",
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		id, private, public, err := newCheckpointKey()
		if err != nil {
			return err
		}
		if err := writeNew(args[0], private, 0o600); err != nil {
			return err
		}
		if err := writeNew(args[0]+".pub", public, 0o644); err != nil {
			return err
		}
		if !quiet {
			fmt.Fprintf(env.Stderr, "%s is the private key: give it to every member with --checkpoint-key-file, and to nobody else\n", args[0])
			fmt.Fprintf(env.Stderr, "%s.pub is the public key: keep it away from the members; confman audit verify --trust %s.pub takes it\n", args[0], args[0])
		}
		_, err = fmt.Fprintln(env.Stdout, id)
		return err
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "no notes on stderr, only errors")
	return cmd
}

// writeNew writes a file that must not exist: a key is not replaced by mistake.
func writeNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w, and a key is not replaced: name another file", path, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
