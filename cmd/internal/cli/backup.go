package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/cmd/internal/sealing"
)

const backupHelp = `Copy all that the cluster holds, its history included, into FILE, or with - to stdout,
as of one event, while the cluster goes on. FILE comes to be whole or not at all,
readable by you only: it holds every value, and digests of all API keys. The position
that it is of is printed. This takes an admin of everything.

A connection that breaks is taken up where it broke, for as long as bytes come within
two minutes. What there is when the command itself ends early stays in FILE.part: the
same command within a day goes on from there, with the backup that it had begun, or
begins anew when that cannot be made any more (something was erased or trimmed since);
--resume=false always begins anew. With - and when it is encrypted nothing stays.

--recipient and --recipients-file encrypt it with age to X25519 public keys, before it
touches the disk; confman restore and confman backup verify take the secret key with
--identity.

confman backup verify FILE checks a backup, as confman audit verify FILE does. A backup
into a file of that name is one into ./verify. confman restore FILE begins a new cluster
with it. confman serve --backup-dir makes backups by itself.`

// backupCommand is confman backup.
type backupCommand struct {
	connection
	force, resume bool
	recipients    []string
	keyFile       string
}

func backup(env Env) *cobra.Command {
	b := &backupCommand{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "backup FILE|-", Short: "Copy the cluster's data into a file", Args: arguments(1, 1), Long: backupHelp,
		Example: "  confman backup confman-$(date +%F).backup\n" +
			"  confman backup --recipient age1… confman-$(date +%F).backup.age\n" +
			"  confman backup - | ssh vault 'cat > confman.backup'",
	}
	b.reach(cmd)
	b.untimed(cmd)
	f := cmd.Flags()
	f.BoolVar(&b.force, "force", false, "replace FILE if it exists")
	f.BoolVar(&b.resume, "resume", true, "go on with FILE.part, and leave it when this command ends early")
	f.StringSliceVar(&b.recipients, "recipient", nil, "encrypt to this public key of age, age1…; may be repeated")
	f.StringVar(&b.keyFile, "recipients-file", "", "encrypt to the public keys in this file, one a line")
	cmd.AddCommand(backupVerify(env))
	return b.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		to, err := b.sealTo()
		if err != nil {
			return usage(cmd, "%w", err)
		}
		var position string
		switch {
		case args[0] == "-":
			position, err = b.take(ctx, c, b.env.Stdout, to)
		case len(to) > 0:
			position, err = b.sealed(ctx, c, args[0], to)
		default:
			position, err = b.plain(ctx, c, args[0])
		}
		if err != nil {
			return err
		}
		if args[0] == "-" {
			b.note("backup as of event %s", position)
			return nil
		}
		b.note("backup as of event %s written to %s", position, args[0])
		_, err = fmt.Fprintln(env.Stdout, position)
		return err
	})
}

// sealTo reads the public keys; none: it is not encrypted.
func (b *backupCommand) sealTo() ([]age.Recipient, error) {
	to, err := sealing.Recipients(b.recipients)
	if err != nil || b.keyFile == "" {
		return to, err
	}
	more, err := sealing.ReadRecipients(b.keyFile)
	return append(to, more...), err
}

// take writes a backup, encrypted if there are recipients.
func (b *backupCommand) take(ctx context.Context, c *client.Client, w io.Writer, to []age.Recipient) (position string, err error) {
	if len(to) == 0 {
		return b.fetch(ctx, c, w, 0, "", nil)
	}
	sealed, err := sealing.Seal(w, to)
	if err != nil {
		return "", err
	}
	if position, err = b.fetch(ctx, c, sealed, 0, "", nil); err != nil {
		return "", err
	}
	return position, sealed.Close()
}

// fetch writes a backup, or what follows the beginning that there is, and says how
// far it has come.
func (b *backupCommand) fetch(ctx context.Context, c *client.Client, w io.Writer, has int64, position string, have io.Reader) (string, error) {
	bar := newProgress(b.env.Stderr, b.quiet, "MiB written", 0)
	defer bar.end()
	counted := &tally{w: w, wrote: func(bytes int64) { bar.reached(int((has + bytes) >> 20)) }}
	return c.ContinueBackup(ctx, counted, position, have)
}

// sealed writes an encrypted file. Nothing of it stays unless it is whole: what
// was encrypted can be continued only by who began it.
func (b *backupCommand) sealed(ctx context.Context, c *client.Client, path string, to []age.Recipient) (position string, err error) {
	for again := false; ; again = true {
		file, err := createFile(path, b.force)
		if err != nil {
			return "", err
		}
		position, err = b.take(ctx, c, file, to)
		err = file.end(err)
		if again || !remade(err) {
			return position, err
		}
		b.note("the backup that was begun cannot be made any more (%v); beginning anew", err)
	}
}

// plain writes a file by way of FILE.part.
func (b *backupCommand) plain(ctx context.Context, c *client.Client, path string) (position string, err error) {
	part, err := openPart(path, b.force, b.resume)
	if err != nil {
		return "", err
	}
	if part.has > 0 {
		b.note("going on with %s: %d MiB as of event %s", part.Name(), part.has>>20, part.position)
	}
	position, err = b.fetch(ctx, c, part, part.has, part.position, part.beginning())
	if remade(err) {
		b.note("the backup that was begun cannot be made any more (%v); beginning anew", err)
		if err = part.reset(); err == nil {
			position, err = b.fetch(ctx, c, part, 0, "", nil)
		}
	}
	kept, err := part.end(err, b.resume)
	if kept {
		b.note("what came is in %s; the same command goes on from there", part.Name())
	}
	return position, err
}

// remade reports whether a backup that was begun cannot be continued, by a node of
// an older release for one, which sends its beginning.
func remade(err error) bool {
	for _, why := range []error{client.ErrConditionFailed, client.ErrCompacted, client.ErrConflict, client.ErrBadAnswer} {
		if errors.Is(err, why) {
			return true
		}
	}
	return false
}

// backupVerify is audit verify for files alone.
func backupVerify(env Env) *cobra.Command {
	cmd := auditVerify(env)
	cmd.Use, cmd.Short, cmd.Args = "verify FILE...", "Check that a backup was not changed", arguments(1, 1000)
	cmd.Example = "  confman backup verify --trust checkpoint.key.pub confman.backup\n  confman backup verify --identity key.txt confman.backup.age"
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
