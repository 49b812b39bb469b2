package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"confman/cmd/internal/settings"
	"confman/replication"
)

const restoreHelp = `Begin a new cluster with the data of a backup: DIR becomes the data directory of its
first member. DIR must be absent or empty, the directory above it must be there, and
three times the backup's size free.

The backup is verified first, and refused with the place when anything is wrong; then
all that is looked up is made anew from its records. Values of rows that no kept record
tells of (a trimmed history's state at its beginning) and the receipts of requests are
taken as the backup has them. That it is the history that was written, and not another
one chained anew, shows confman backup verify --position or --trust.

The new cluster has a new identity: members of the old one cannot join or vote. Its
history goes on where the backup ends, and an event cluster.restored says so. Watches
of positions up to there go on, later ones are told that theirs is another history. API
keys, roles and webhooks are those of the backup: the endpoints of webhooks are called
from where the backup has them.

A crash leaves either nothing in DIR or all of it; the command again removes what is
left in DIR.restoring. Nothing asks the old cluster: stop it first.`

// restoreGCPercent trades time for memory: what a restore has in hand are buffers
// without pointers, which cost the collector nothing.
const restoreGCPercent = 50

// restoreCommand is confman restore.
type restoreCommand struct {
	env                         Env
	data, id, advertise, listen string
	comment                     string
	quiet                       bool
	sealed                      opener
	output                      format
}

func restore(env Env) *cobra.Command {
	r := &restoreCommand{env: env}
	cmd := &cobra.Command{
		Use: "restore FILE --data DIR --id ID --advertise HOST:PORT", Short: "Begin a new cluster with a backup", Args: arguments(1, 1), Long: restoreHelp,
		Example: "  confman restore confman.backup --data /var/lib/confman --id r1 --advertise 10.0.0.1:6100\n" +
			"  confman restore confman.backup.age --identity key.txt --data /var/lib/confman --id r1 --advertise 10.0.0.1:6100",
		DisableFlagsInUseLine: true,
	}
	f := cmd.Flags()
	f.StringVar(&r.data, "data", "", "data directory to make (required)")
	f.StringVar(&r.id, "id", "", "ID of the node in the new cluster (required)")
	f.StringVar(&r.advertise, "advertise", "", "HOST:PORT at which others will reach the node (default: --listen)")
	f.StringVar(&r.listen, "listen", "", "address that the node will listen on")
	f.StringVar(&r.comment, "comment", "", "why, for the audit trail")
	f.BoolVarP(&r.quiet, "quiet", "q", false, "no progress and notes on stderr, only errors")
	r.sealed.flags(cmd)
	r.output.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := settings.Load(f, env.Environ, "", Settings(cmd.Root())...); err != nil {
			return &usageError{command: cmd.CommandPath(), err: err}
		}
		return r.run(cmd, args[0])
	}
	return cmd
}

func (r *restoreCommand) run(cmd *cobra.Command, path string) error {
	address := cmp.Or(r.advertise, r.listen)
	switch {
	case r.data == "":
		return usage(cmd, "--data is missing: the data directory to make")
	case r.id == "":
		return usage(cmd, "--id is missing: the ID of the node, such as r1")
	case address == "":
		return usage(cmd, "--advertise is missing: HOST:PORT at which others will reach the node")
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: a backup is read several times: give it as a file", path)
	}
	if os.Getenv("GOGC") == "" { // what it says stands
		defer debug.SetGCPercent(debug.SetGCPercent(restoreGCPercent))
	}
	steps := &stages{env: r.env, quiet: r.quiet}
	began := time.Now()
	restored, err := replication.Restore(cmd.Context(), replication.RestoreConfig{
		Open: func() (io.ReadCloser, error) { return r.sealed.open(path) }, Bytes: uint64(info.Size()),
		Dir: r.data, Member: replication.Member{ID: r.id, Address: address}, Comment: r.comment,
		Log: zerolog.Nop(), Progress: steps.reached,
	})
	steps.end()
	if err != nil {
		return err
	}
	if !r.quiet {
		fmt.Fprintf(r.env.Stderr, "restored %d events up to %s, of %s, in %v. Now:\n"+
			"  1. confman serve --id %s --listen %s --data %s --cluster-token-file FILE   (and the settings of the old members; not --peers)\n"+
			"  2. on each other machine, with an empty data directory and a new ID: confman serve --id NEW-ID --join %s …\n",
			restored.Events, restored.Position, restored.TakenAt.Format(time.RFC3339), time.Since(began).Round(time.Millisecond),
			r.id, cmp.Or(r.listen, address), r.data, "URL-OF-"+r.id)
	}
	return r.print(restored)
}

// print writes what was restored.
func (r *restoreCommand) print(restored replication.Restored) error {
	shown := struct {
		Cluster  string    `json:"cluster"`
		Previous string    `json:"previous"`
		Position string    `json:"position"`
		TakenAt  time.Time `json:"takenAt"`
		Events   uint64    `json:"events"`
	}(restored)
	return r.output.print(r.env.Stdout, shown, func() error {
		_, err := fmt.Fprintln(r.env.Stdout, restored.Position)
		return err
	})
}

// stages says how far each of the stages of something long is.
type stages struct {
	env   Env
	quiet bool
	now   replication.RestoreStep
	bar   *progress
}

func (s *stages) reached(step replication.RestoreStep, done, of uint64) {
	if step != s.now {
		s.end()
		s.now, s.bar = step, newProgress(s.env.Stderr, s.quiet, string(step), 0)
	}
	s.bar.total = int(of)
	s.bar.reached(int(done))
}

func (s *stages) end() {
	if s.bar != nil {
		s.bar.end()
	}
}
