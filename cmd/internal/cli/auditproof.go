package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
	"confman/events"
	"confman/events/proof"
)

const auditExportHelp = `Write the records of the history into FILE, or with - to stdout, byte for byte, so
that they can be checked elsewhere and later: confman audit verify FILE. A name that
ends with .gz is packed. The file comes to be whole or not at all, readable by you
only: it holds every value. This takes an admin of everything.

For spreadsheets and scripts there is confman audit query -o csv or ndjson.

` + whenHelp

func auditExport(env Env) *cobra.Command {
	s := &connection{env: env}
	var from, to point
	force := false
	cmd := &cobra.Command{
		Use: "export FILE|-", Short: "Write the history into a file that proves itself", Args: arguments(1, 1), Long: auditExportHelp,
		Example: "  confman audit export history.ndjson.gz\n  confman audit export --from 1000 --to 2000 - | confman audit verify -",
	}
	s.reach(cmd)
	s.untimed(cmd)
	from.flag(cmd, "from", "from this event on (default: the oldest that is kept)")
	to.flag(cmd, "to", "up to this event (default: the newest)")
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		bar := newProgress(env.Stderr, s.quiet, "MiB received", 0)
		take := func(w io.Writer) error {
			defer bar.end()
			return packed(w, strings.HasSuffix(args[0], ".gz"), func(w io.Writer) error {
				return c.Proof(ctx, from.wire(), to.wire(), &tally{w: w, wrote: func(n int64) { bar.reached(int(n >> 20)) }})
			})
		}
		if args[0] == "-" {
			return take(env.Stdout)
		}
		file, err := createFile(args[0], force)
		if err != nil {
			return err
		}
		if err := file.end(take(file)); err != nil {
			return err
		}
		s.note("written to %s; confman audit verify %s checks it", args[0], args[0])
		return nil
	})
}

// packed writes through gzip, if wanted.
func packed(w io.Writer, wanted bool, write func(io.Writer) error) error {
	if !wanted {
		return write(w)
	}
	z := gzip.NewWriter(w)
	return errors.Join(write(z), z.Close())
}

const auditProofHelp = `Show what proves one event: its record and those after it, up to the first checkpoint
that covers them all. Who has these records and trusts the key of the checkpoint can
compute that the event is in the history as it is shown, without asking anybody:

  confman audit verify --proof FILE --trust checkpoint.key.pub

This takes an admin of everything.`

// eventProof is what audit proof shows.
type eventProof struct {
	Index      uint64           `json:"index"`
	Position   string           `json:"position"`
	Type       string           `json:"type"`
	Time       time.Time        `json:"time"`
	Actor      string           `json:"actor"`
	Namespace  string           `json:"namespace,omitempty"`
	Key        string           `json:"key,omitempty"`
	Checkpoint *wire.Checkpoint `json:"checkpoint,omitempty"` // that covers it; absent: none does yet
	Check      proof.Report     `json:"check"`                // of the records
	Records    string           `json:"records"`              // record lines
}

func auditProof(env Env) *cobra.Command {
	s := &connection{env: env}
	out := ""
	force := false
	cmd := &cobra.Command{
		Use: "proof INDEX", Short: "Show what proves that one event is in the history", Args: arguments(1, 1), Long: auditProofHelp,
		Example: "  confman audit proof 1042 --out event-1042.ndjson",
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write the records into this file")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return s.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		p, err := events.ParsePosition(args[0])
		if err != nil || p.Index == 0 {
			return usage(cmd, "%q: want the index or position of an event", args[0])
		}
		found, err := prove(ctx, c, p)
		if err != nil {
			return err
		}
		if out != "" {
			file, err := createFile(out, force)
			if err != nil {
				return err
			}
			_, err = io.WriteString(file, found.Records)
			if err := file.end(err); err != nil {
				return err
			}
		}
		if err := s.output.print(env.Stdout, found, func() error { return found.explain(env.Stdout, out) }); err != nil {
			return err
		}
		if !proved(found.Check) {
			return errFindings()
		}
		return nil
	})
}

// prove fetches the records from an event to the checkpoint that covers it, and
// checks them. What is left of an erased record only the erasure tells, so then
// the records go on up to that.
func prove(ctx context.Context, c *client.Client, p events.Position) (found eventProof, err error) {
	if found.Checkpoint, err = covering(ctx, c, p.Index); err != nil {
		return found, err
	}
	var to uint64
	if found.Checkpoint != nil {
		to = found.Checkpoint.Event
	}
	if err := found.fetch(ctx, c, p, to); err != nil || found.Check.Pending == 0 {
		return found, err
	}
	for erasure, err := range c.Audit(ctx, client.AuditQuery{Action: string(events.HistoryErased{}.Kind()), Page: 1}, client.Read{}) {
		if err != nil {
			return found, err
		}
		to = max(to, erasure.Index)
		break // the newest
	}
	return found, found.fetch(ctx, c, p, to)
}

// covering is the oldest checkpoint that covers an event, nil when none does.
func covering(ctx context.Context, c *client.Client, index uint64) (oldest *wire.Checkpoint, err error) {
	for kept, err := range c.Checkpoints(ctx, 0, client.Read{}) {
		if err != nil {
			return nil, err
		}
		if kept.Index < index {
			break
		}
		oldest = &kept
	}
	return oldest, nil
}

// fetch reads the records from an event to another, 0: the newest, and checks them.
func (p *eventProof) fetch(ctx context.Context, c *client.Client, from events.Position, to uint64) error {
	end := ""
	if to > 0 {
		end = strconv.FormatUint(to, 10)
	}
	var records bytes.Buffer
	if err := c.Proof(ctx, from.String(), end, &records); err != nil {
		return err
	}
	p.Records = records.String()
	o := proof.Options{Partial: true}
	if from.Proof != "" {
		o.Positions = []events.Position{from}
	}
	if p.Checkpoint != nil && len(p.Checkpoint.PublicKey) > 0 {
		o.Key = p.Checkpoint.PublicKey
	}
	checker := proof.NewVerifier(o)
	checker.Read(strings.NewReader(p.Records))
	p.Check = checker.End()
	return p.first(strings.NewReader(p.Records))
}

// first notes what the first record is.
func (p *eventProof) first(lines io.Reader) error {
	reader, err := proof.NewReader(lines)
	if err != nil {
		return err
	}
	r, err := reader.Next()
	if err != nil {
		return err
	}
	e, err := r.Event()
	if err != nil {
		return err
	}
	p.Index, p.Position, p.Type, p.Time = r.Index, r.Position().String(), string(e.Data.Kind()), r.Time
	p.Actor, p.Namespace, p.Key = e.Actor, e.Namespace, e.Key
	return nil
}

// explain says for people what the proof is.
func (p eventProof) explain(w io.Writer, file string) error {
	place := textAfter(" of ", visible(strings.TrimSuffix(p.Namespace+"/"+p.Key, "/")))
	fmt.Fprintf(w, "event %s is %s%s by %s at %s\n", p.Position, p.Type, place, visible(p.Actor), when(p.Time))
	if p.Checkpoint == nil {
		fmt.Fprintf(w, "no checkpoint covers it yet; confman audit checkpoint --sign makes one\n")
	} else {
		fmt.Fprintf(w, "%s lead from it to event %d, whose chain is signed:\n  chain      %s\n  key        %s\n  signed at  %s, recorded by event %d\n",
			counted(int(p.Checkpoint.Index-p.Index+1), "record"), p.Checkpoint.Index, p.Checkpoint.Chain, p.Checkpoint.KeyID, when(p.Checkpoint.Time), p.Checkpoint.Event)
	}
	if err := (&against{}).print(w, "checked here", p.Check); err != nil || file == "" {
		return err
	}
	how := "confman audit verify --proof " + file
	if p.Checkpoint != nil {
		how += " --trust FILE, the public key of the checkpoints"
	}
	_, err := fmt.Fprintf(w, "to check it elsewhere: %s\n", how)
	return err
}
