package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"confman/api/client"
	"confman/api/wire"
)

// Formats of -o that stream.
const (
	formatNDJSON = "ndjson"
	formatCSV    = "csv"
)

const queryHelp = `Ask the audit trail: who did what to which key, when, and as part of what. NS covers
the namespaces below it unless --exact; with --key it is that namespace. Only what
your roles let you see is shown.

The newest 50 come as a table, its values cut to fit; --limit says how many (0: all),
--reverse that the oldest come first. With -o ndjson or csv all that is selected is
streamed, however much that is, to stdout or into --out FILE, which comes to be whole
or not at all; without -o the name of FILE says the format, as trail.csv does.

--since and --until include the moment they name, --after and --before do not.

` + whenHelp

const queryRows = 50 // that people are shown

// querying is audit query.
type querying struct {
	connection
	query         client.AuditQuery
	since, until  point
	after, before point
	limit         int
	out           string
}

func auditQuery(env Env) *cobra.Command {
	q := &querying{connection: connection{env: env}}
	cmd := &cobra.Command{
		Use: "query [NS]", Short: "Ask who did what, when", Args: arguments(0, 1), Long: queryHelp,
		Example: "  confman audit query teams/payments --since yesterday\n" +
			"  confman audit query teams/payments --key db.url --action 'config.*' --reverse\n" +
			"  confman audit query --actor ana --since 2026-11-01 --until 2026-12-01 -o csv --out ana.csv",
	}
	q.flags(cmd, formatTable, formatJSON, formatYAML, formatNDJSON, formatCSV)
	q.namespaceFlag(cmd)
	q.untimed(cmd)
	f := cmd.Flags()
	f.BoolVar(&q.query.Exact, "exact", false, "not the namespaces below NS")
	f.StringVar(&q.query.Key, "key", "", "events about this key of NS")
	f.StringVar(&q.query.Actor, "actor", "", "events of this principal")
	f.StringVar(&q.query.Action, "action", "", "kinds of events, divided by commas; config.* is a family")
	f.StringVar(&q.query.Request, "request", "", "events of this publish request")
	f.StringVar(&q.query.Correlation, "correlation", "", "events of the call with this correlation ID")
	f.StringVar(&q.query.Transaction, "transaction", "", "events of this transaction")
	q.since.flag(cmd, "since", "from this moment on")
	q.until.flag(cmd, "until", "up to this moment")
	q.after.flag(cmd, "after", "after this event")
	q.before.flag(cmd, "before", "before this event")
	f.BoolVar(&q.query.Ascending, "reverse", false, "the oldest first")
	f.IntVar(&q.limit, "limit", 0, "so many at most; 0: all (default "+strconv.Itoa(queryRows)+", with -o ndjson and csv all)")
	f.StringVar(&q.out, "out", "", "into this file, which is replaced")
	cmd.ValidArgsFunction = q.completeNamespaces
	return q.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		if err := q.prepare(cmd, args); err != nil {
			return err
		}
		return q.run(ctx, c)
	})
}

// prepare checks what the command line says and makes a query of it.
func (q *querying) prepare(cmd *cobra.Command, args []string) error {
	q.query.Namespace = q.namespace
	if !cmd.Flags().Changed("output") {
		q.formatOf(q.out)
	}
	streamed := q.output.name == formatNDJSON || q.output.name == formatCSV
	switch {
	case len(args) == 1 && q.explicit:
		return usage(cmd, "the namespace is given twice, as %q and with -n %q", args[0], q.namespace)
	case len(args) == 1:
		q.query.Namespace = args[0]
	case q.limit < 0:
		return usage(cmd, "--limit %d is less than nothing", q.limit)
	}
	if q.query.Namespace == wire.Root {
		q.query.Namespace = ""
	}
	if q.query.Key != "" && q.query.Namespace == "" {
		return usage(cmd, "--key %s: of which namespace?", q.query.Key)
	}
	if !cmd.Flags().Changed("limit") && !streamed {
		q.limit = queryRows
	}
	q.query.After, q.query.Before = q.after.wire(), q.before.wire()
	if q.since.position != "" {
		if q.query.After != "" {
			return usage(cmd, "--since names an event and --after another")
		}
		q.query.After = strconv.FormatUint(max(q.since.index(), 1)-1, 10)
	} else {
		q.query.Since = q.since.time
	}
	if q.until.position != "" {
		if q.query.Before != "" {
			return usage(cmd, "--until names an event and --before another")
		}
		q.query.Before = strconv.FormatUint(q.until.index()+1, 10)
	}
	q.query.Until = q.until.time
	return nil
}

// formatOf makes the format that of a file by its name, where that says it.
func (q *querying) formatOf(name string) {
	for _, format := range []string{formatNDJSON, formatCSV, formatJSON, formatYAML} {
		if filepath.Ext(name) == "."+format {
			q.output.name = format
		}
	}
}

// run writes what the query selects to stdout or the file.
func (q *querying) run(ctx context.Context, c *client.Client) error {
	if q.out == "" {
		return q.write(ctx, c, q.env.Stdout)
	}
	file, err := createFile(q.out, true)
	if err != nil {
		return err
	}
	return file.end(q.write(ctx, c, file))
}

func (q *querying) write(ctx context.Context, c *client.Client, w io.Writer) error {
	switch q.output.name {
	case formatNDJSON:
		return q.stream(ctx, c, wire.MediaNDJSON, w)
	case formatCSV:
		return q.stream(ctx, c, wire.MediaCSV, w)
	}
	events := []wire.AuditEvent{}
	for e, err := range c.Audit(ctx, q.query, client.Read{}) {
		if err != nil {
			return err
		}
		if events = append(events, e); len(events) == q.limit {
			break
		}
	}
	return q.output.print(w, events, func() error { return auditTable(w, events) })
}

// stream writes all that is selected as it comes.
func (q *querying) stream(ctx context.Context, c *client.Client, media string, w io.Writer) error {
	bar := newProgress(q.env.Stderr, q.quiet, "events (total unknown)", 0)
	defer bar.end()
	out := bufio.NewWriterSize(w, 64<<10)
	rows := &rowWriter{w: out, limit: q.limit, csv: media == wire.MediaCSV, wrote: bar.reached}
	if rows.csv {
		rows.rows = -1 // the header
	}
	err := c.AuditExport(ctx, q.query, media, rows)
	if errors.Is(err, errEnough) {
		err = nil
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err == nil {
		bar.end()
		q.note("%s", counted(max(rows.rows, 0), "event"))
	}
	return err
}

// errEnough ends an export of which no more is wanted.
var errEnough = errors.New("enough")

// rowWriter counts rows, which are lines, in CSV those outside of quotes, and takes
// no more than the limit; 0: all.
type rowWriter struct {
	w      io.Writer
	limit  int
	csv    bool
	wrote  func(rows int)
	rows   int
	quoted bool // within a CSV field (RFC 4180) that goes on
}

// Write writes on until there are enough rows.
func (r *rowWriter) Write(p []byte) (int, error) {
	for i, c := range p {
		switch {
		case c == '"' && r.csv:
			r.quoted = !r.quoted
		case c == '\n' && !r.quoted:
			if r.rows++; r.limit > 0 && r.rows == r.limit {
				n, err := r.w.Write(p[:i+1])
				return n, errors.Join(err, errEnough)
			}
		}
	}
	r.wrote(r.rows)
	return r.w.Write(p)
}

// auditTable writes events for people; values take what is left of the terminal.
func auditTable(w io.Writer, events []wire.AuditEvent) error {
	header := []string{"TIME", "EVENT", "ACTION", "BY", "NAMESPACE", "KEY", "CHANGE"}
	var rows [][]string
	for _, e := range events {
		key := ""
		if e.Key != nil {
			key = *e.Key
		}
		rows = append(rows, []string{
			when(e.Timestamp), strconv.FormatUint(e.Index, 10), e.Action, cell(e.Actor), cell(e.Namespace), cell(key), "",
		})
	}
	room := changeRoom(w, append([][]string{header}, rows...))
	for i, e := range events {
		rows[i][len(header)-1] = auditedChange(e, room)
	}
	return table(w, header, rows)
}

const leastRoom = 20 // characters for the change, however narrow the terminal is

// changeRoom is how many characters of a row are left for its last cell.
func changeRoom(w io.Writer, rows [][]string) int {
	file, ok := w.(*os.File)
	if !ok {
		return 2 * cellWidth
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 2 * cellWidth
	}
	for column := range rows[0][:len(rows[0])-1] {
		widest := 0
		for _, row := range rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		width -= widest + 3 // as table divides columns
	}
	return max(width-1, leastRoom) // the mark of what was cut takes one
}

// auditedChange is what an event did: "new", "old → new", "old → deleted"; with the
// comment where it changed no value.
func auditedChange(e wire.AuditEvent, room int) string {
	const arrow = " → "
	switch {
	case e.OldValue == nil && e.NewValue == nil:
		return spelled(orDash(e.Comment), room)
	case e.OldValue == nil:
		return spelled(*e.NewValue, room)
	}
	now := "deleted"
	if e.NewValue != nil {
		now = *e.NewValue
	}
	room -= utf8.RuneCountInString(arrow)
	old := spelled(*e.OldValue, max(room/2, room-utf8.RuneCountInString(now))-1) // and the mark of what was cut
	return old + arrow + spelled(now, room-utf8.RuneCountInString(old))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
