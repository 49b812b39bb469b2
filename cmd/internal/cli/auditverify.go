package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
	"confman/events/proof"
)

const auditVerifyHelp = `Check that the history is what was written.

Without FILE every member is asked to recompute the hash chain over the records on
its own disk and to check its files, and their chains are compared: a member that
deviates is named, with the first event at which it does. With --position,
--checkpoint or --trust the records of one member are also fetched and checked here.

With FILE nobody is asked. A FILE is what confman audit export or confman backup
wrote, or an archive; exports and archives that continue each other are one history,
in the order given. What is wrong is said with the event at which it is: altered,
dropped, inserted, duplicated, swapped, cut short, re-chained (written anew with a
chain that fits, which only a checkpoint or a position kept elsewhere tells).

Checkpoints count as much as the key that signed them is trusted. Give the public
key, kept elsewhere, with --trust: without it the keys that the history itself names
are taken. One that the key before does not endorse is a WARNING. The exit code is 1
when something is wrong.`

// auditCheck is audit verify.
type auditCheck struct {
	connection
	against  against
	from, to point
	proofs   []string // files with a part of a history
	sealed   opener   // of encrypted backups
}

func auditVerify(env Env) *cobra.Command {
	v := &auditCheck{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "verify [FILE...]", Short: "Check that the history was not changed", Long: auditVerifyHelp,
		Example: "  confman audit verify\n  confman audit verify --trust checkpoint.key.pub --position 1042-9f3c2a1b history.ndjson.gz\n  confman audit verify confman.backup",
	}
	v.flags(cmd)
	v.untimed(cmd)
	v.against.flags(cmd)
	v.from.flag(cmd, "from", "check from this event on (default: the oldest that is kept); not of files")
	v.to.flag(cmd, "to", "check up to this event (default: the newest); not of files")
	cmd.Flags().StringArrayVar(&v.proofs, "proof", nil, "file that confman audit proof wrote: FILE with --partial; may be repeated")
	v.sealed.flags(cmd)
	online := v.runs(cmd, func(ctx context.Context, c *client.Client, _ []string) error { return v.online(ctx, c, cmd) }).RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(v.proofs) > 0 {
			args, v.against.partial = append(args, v.proofs...), true
		}
		if len(args) == 0 {
			return online(cmd, args)
		}
		if v.from.given != "" || v.to.given != "" {
			return usage(cmd, "--from and --to are for members; of a file all is checked")
		}
		return v.offline(cmd, args)
	}
	return cmd
}

// errFindings ends a command whose output says what is wrong.
func errFindings() error { return &ExitError{Code: ExitFailure} }

// memberCheck is what became of one member.
type memberCheck struct {
	*wire.NodeVerification
	URL   string `json:"url"`
	Error string `json:"error,omitempty"` // it did not answer
	// Differs is the first event at which its chain is not that of the others.
	Differs uint64 `json:"differs,omitempty"`
}

// onlineReport is what audit verify finds of a cluster.
type onlineReport struct {
	OK       bool          `json:"ok"`
	Position string        `json:"position,omitempty"` // where the members that were heard agree
	Members  []memberCheck `json:"members"`
	Records  *proof.Report `json:"records,omitempty"` // as they were checked here
}

// warnings are those of all members, each once, but for what the records checked
// here say as well.
func (r onlineReport) warnings() (all []string) {
	for _, m := range r.Members {
		for _, text := range m.Warnings {
			if r.Records == nil && !slices.Contains(all, text) {
				all = append(all, text)
			}
		}
	}
	return all
}

func (v *auditCheck) online(ctx context.Context, c *client.Client, cmd *cobra.Command) error {
	options, err := v.against.options(cmd)
	if err != nil {
		return err
	}
	cluster, err := c.Cluster(ctx)
	if err != nil {
		return err
	}
	report := onlineReport{OK: true}
	var failed error
	for _, m := range cluster.Members {
		check := memberCheck{URL: m.URL}
		bar := newProgress(v.env.Stderr, v.quiet, "events verified by "+m.ID, 0)
		found, err := c.VerifyMember(ctx, m.URL, v.from.wire(), v.to.wire(), func(p wire.Progress) {
			bar.total = int(p.To)
			bar.reached(int(p.At))
		})
		bar.end()
		if err != nil {
			failed = errors.Join(failed, err)
			check.Error, check.NodeVerification = err.Error(), &wire.NodeVerification{Node: m.ID}
		} else {
			check.NodeVerification = &found
			report.OK = report.OK && found.OK
		}
		report.Members = append(report.Members, check)
	}
	if err := v.compare(ctx, c, &report); err != nil {
		return err
	}
	if v.against.given() {
		checked, err := v.fetched(ctx, c, options)
		if err != nil {
			return err
		}
		report.Records, report.OK = &checked, report.OK && proved(checked)
	}
	if err := v.output.print(v.env.Stdout, report, func() error { return v.memberTable(report) }); err != nil {
		return err
	}
	if !report.OK {
		return errFindings()
	}
	return failed
}

// fetched are the records of a member, checked here.
func (v *auditCheck) fetched(ctx context.Context, c *client.Client, o proof.Options) (proof.Report, error) {
	o.Partial = o.Partial || v.to.given != ""
	lines, end := piped(func(w io.Writer) error { return c.Proof(ctx, v.from.wire(), v.to.wire(), w) })
	checker := proof.NewVerifier(o)
	checker.Read(lines)
	if err := end(); err != nil {
		return proof.Report{}, err
	}
	return checker.End(), nil
}

// compare holds the members' chains against each other, at the newest event that
// all of them checked.
func (v *auditCheck) compare(ctx context.Context, c *client.Client, report *onlineReport) error {
	var heard []*memberCheck
	for i := range report.Members {
		if m := &report.Members[i]; m.Error == "" && m.To >= m.From {
			heard = append(heard, m)
		}
	}
	if len(heard) == 0 {
		return nil
	}
	common := heard[0].To
	for _, m := range heard {
		common = min(common, m.To)
	}
	chains := map[string][]*memberCheck{}
	usual := ""
	for _, m := range heard {
		at, err := chainAt(ctx, c, m, common)
		if err != nil {
			return err
		}
		chains[at.Chain] = append(chains[at.Chain], m)
		if usual == "" || len(chains[at.Chain]) > len(chains[usual]) {
			usual = at.Chain
		}
		if at.Chain == usual {
			report.Position = at.Position
		}
	}
	for chain, members := range chains {
		for _, m := range members {
			if chain == usual {
				continue
			}
			var err error
			if m.Differs, err = firstDifference(ctx, c, m, chains[usual][0], common); err != nil {
				return err
			}
			report.OK = false
		}
	}
	return nil
}

// chainAt is a member's chain at an event.
func chainAt(ctx context.Context, c *client.Client, m *memberCheck, index uint64) (wire.NodeVerification, error) {
	if m.To == index {
		return *m.NodeVerification, nil
	}
	at := strconv.FormatUint(index, 10)
	return c.VerifyMember(ctx, m.URL, at, at, nil)
}

// firstDifference is the first event at which two members have different chains;
// at last they do.
func firstDifference(ctx context.Context, c *client.Client, a, b *memberCheck, last uint64) (uint64, error) {
	low, high := max(a.From, b.From), last
	for low < high {
		middle := low + (high-low)/2
		atA, err := chainAt(ctx, c, a, middle)
		if err != nil {
			return 0, err
		}
		atB, err := chainAt(ctx, c, b, middle)
		if err != nil {
			return 0, err
		}
		if atA.Chain == atB.Chain {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

func (v *auditCheck) memberTable(report onlineReport) error {
	var rows [][]string
	for _, m := range report.Members {
		result, position := "ok", m.Position
		switch {
		case m.Error != "":
			result, position = "not checked: "+m.Error, ""
		case m.Differs > 0 && !m.OK:
			result = fmt.Sprintf("WRONG: %s; differs from the others from event %d on", m.Problem, m.Differs)
		case m.Differs > 0:
			result = fmt.Sprintf("WRONG: differs from the others from event %d on", m.Differs)
		case !m.OK:
			result = "WRONG: " + m.Problem
		}
		rows = append(rows, []string{m.Node, strconv.FormatUint(m.From, 10), cell(position), spelled(result, 400)})
	}
	if err := table(v.env.Stdout, []string{"MEMBER", "FROM", "UP TO", "RESULT"}, rows); err != nil {
		return err
	}
	for _, text := range report.warnings() {
		if _, err := fmt.Fprintln(v.env.Stdout, warning(text)); err != nil {
			return err
		}
	}
	if report.Records != nil {
		return v.against.print(v.env.Stdout, "the records, checked here", *report.Records)
	}
	switch {
	case report.Position == "" && report.OK:
		v.note("no member was checked")
	case report.OK:
		v.note("the members that were checked agree at %s", report.Position)
	default:
		v.note("a member that is wrong is replaced: confman cluster remove ID, then start it under a new --id with an empty --data and --join")
	}
	return nil
}
