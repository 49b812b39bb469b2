package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"confman/api/wire"
	"confman/events"
	"confman/events/proof"
	"confman/replication"
)

// against is what a history is held against.
type against struct {
	positions   []string
	checkpoints []string
	trust       []string
	cluster     string
	partial     bool
}

func (a *against) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&a.positions, "position", nil, "a position that was noted earlier must be in it; may be repeated")
	f.StringArrayVar(&a.checkpoints, "checkpoint", nil, "file with checkpoints that were kept (confman audit checkpoint -o json), which must hold; may be repeated")
	f.StringArrayVar(&a.trust, "trust", nil, "file with the public keys (PEM) whose checkpoints count; may be repeated")
	f.StringVar(&a.cluster, "cluster", "", "ID of the cluster whose history it must be")
	f.BoolVar(&a.partial, "partial", false, "the history goes on elsewhere: what may be erased by an event that is not here is not proved, and not wrong either")
}

// given reports whether there is something that only records can be held against.
func (a *against) given() bool { return len(a.positions)+len(a.checkpoints)+len(a.trust) > 0 }

func (a *against) options(cmd *cobra.Command) (o proof.Options, err error) {
	o.Cluster, o.Partial = a.cluster, a.partial
	for _, text := range a.positions {
		p, err := events.ParsePosition(text)
		if err != nil || p.Proof == "" {
			return o, usage(cmd, "--position %q: want INDEX-HHHHHHHH, a bare index proves nothing", text)
		}
		o.Positions = append(o.Positions, p)
	}
	for _, path := range a.checkpoints {
		kept, err := readCheckpoints(path)
		if err != nil {
			return o, fmt.Errorf("--checkpoint %s: %w", path, err)
		}
		o.Checkpoints = append(o.Checkpoints, kept...)
	}
	for _, path := range a.trust {
		data, err := readFile(path)
		if err != nil {
			return o, fmt.Errorf("--trust: %w", err)
		}
		keys, err := trustedKeys(data)
		if err != nil {
			return o, fmt.Errorf("--trust %s: %w", path, err)
		}
		o.Trust = append(o.Trust, keys...)
	}
	return o, nil
}

// readCheckpoints reads a file of them.
func readCheckpoints(path string) ([]events.Checkpoint, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parseCheckpoints(data)
}

// parseCheckpoints reads one checkpoint or a list of them.
func parseCheckpoints(data []byte) (kept []events.Checkpoint, err error) {
	var shown []wire.Checkpoint
	if data = bytes.TrimSpace(data); bytes.HasPrefix(data, []byte("{")) {
		data = append(append([]byte("["), data...), ']')
	}
	if err := json.Unmarshal(data, &shown); err != nil {
		return nil, fmt.Errorf("not what confman audit checkpoint -o json prints: %w", err)
	}
	for _, s := range shown {
		c := events.Checkpoint{Cluster: s.Cluster, Index: s.Index, Time: s.Time, KeyID: s.KeyID, Signature: s.Signature}
		if c.Chain, err = events.ParseChain(s.Chain); err != nil {
			return nil, err
		}
		kept = append(kept, c)
	}
	return kept, nil
}

// fileReport is what was found of files that are one history.
type fileReport struct {
	Files []string `json:"files"`
	OK    bool     `json:"ok"`
	proof.Report
}

// offline checks files. Backups are histories of their own, all others together
// are one.
func (v *auditCheck) offline(cmd *cobra.Command, paths []string) error {
	options, err := v.against.options(cmd)
	if err != nil {
		return err
	}
	var reports []fileReport
	lines := proof.NewVerifier(options)
	var together []string
	for _, path := range paths {
		f, err := v.open(path)
		if err != nil {
			return err
		}
		if f.backup {
			report, err := v.backup(path, options)
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			reports = append(reports, fileReport{[]string{path}, proved(report), report})
			continue
		}
		bar := newProgress(v.env.Stderr, v.quiet, "MiB of "+path+" read", 0)
		lines.Read(io.TeeReader(f, &tally{w: io.Discard, wrote: func(n int64) { bar.reached(int(n >> 20)) }}))
		bar.end()
		if err := f.Close(); err != nil {
			return err
		}
		together = append(together, path)
	}
	if len(together) > 0 {
		report := lines.End()
		if report.Cluster == "" && report.To == 0 { // not a line of it made sense
			return fmt.Errorf("%s: no export, archive or backup of confman", names(together))
		}
		reports = append(reports, fileReport{together, proved(report), report})
	}
	err = v.output.print(v.env.Stdout, reports, func() error {
		for _, r := range reports {
			if err := v.against.print(v.env.Stdout, names(r.Files), r.Report); err != nil {
				return err
			}
		}
		return nil
	})
	for _, r := range reports {
		if err == nil && !r.OK {
			err = errFindings()
		}
	}
	return err
}

func names(files []string) string {
	if len(files) == 1 {
		return files[0]
	}
	return fmt.Sprintf("%s … %s", files[0], files[len(files)-1])
}

func (v *auditCheck) backup(path string, o proof.Options) (proof.Report, error) {
	if path == "-" {
		return proof.Report{}, errors.New("a backup is read twice: give it as a file")
	}
	bar := newProgress(v.env.Stderr, v.quiet, "events verified", 0)
	defer bar.end()
	open := func() (io.ReadCloser, error) { return v.sealed.open(path) }
	newest := uint64(0)
	return replication.VerifyBackup(open, o, func(at uint64) { // from the newest down
		newest = max(newest, at)
		bar.total = int(newest)
		bar.reached(int(newest - at + 1))
	})
}

// historyFile is a file with record lines, unpacked, or a backup.
type historyFile struct {
	io.Reader
	io.Closer
	backup bool
}

// open tells by the first bytes what a file is.
func (v *auditCheck) open(path string) (*historyFile, error) {
	var file io.ReadCloser = io.NopCloser(v.env.Stdin)
	if path != "-" {
		var err error
		if file, err = v.sealed.open(path); err != nil {
			return nil, err
		}
	}
	buffered := bufio.NewReaderSize(file, 64<<10)
	head, _ := buffered.Peek(len(replication.BackupMagic)) // what cannot be read is found out when it is
	f := &historyFile{Reader: buffered, Closer: file, backup: string(head) == replication.BackupMagic}
	if !bytes.HasPrefix(head, []byte{0x1f, 0x8b}) { // RFC 1952, 2.3.1
		return f, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	f.Reader = unpacked
	return f, nil
}

// proved reports whether nothing was found and everything was checked. What is left
// of a record that is marked as erased only the erasure tells: without it anybody
// could write such a record.
func proved(r proof.Report) bool { return r.OK() && r.Pending == 0 }

// print says for people what was found.
func (a *against) print(w io.Writer, of string, r proof.Report) error {
	verdict := "ok"
	switch {
	case !r.OK():
		verdict = "WRONG"
	case !proved(r):
		verdict = fmt.Sprintf("NOT PROVED: %s marked as erased by events that are not here, and may hold anything", counted(int(r.Pending), "event"))
	}
	if len(r.Warnings) > 0 {
		verdict += ", with " + counted(len(r.Warnings), "warning")
	}
	lines := []string{fmt.Sprintf("%s: %s", of, verdict)}
	for _, f := range r.Findings {
		lines = append(lines, spelled(f.String(), 400))
	}
	for _, f := range r.Warnings {
		lines = append(lines, warning(f.String()))
	}
	if r.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", r.More))
	}
	lines = append(lines, fmt.Sprintf("events %d to %d of cluster %s, up to position %s, %d with erased values", r.From, r.To, cell(r.Cluster), r.Position(), r.Erased))
	by := "signed by a key that only the history itself names; to rely on it give the key with --trust"
	if len(a.trust) > 0 {
		by = "signed by a key that is trusted"
	}
	switch {
	case r.Sealed > 0:
		lines = append(lines, fmt.Sprintf("%s, the newest covers all up to event %d, %s", counted(int(r.Checkpoints), "checkpoint"), r.Sealed, by))
	case r.Unproven > 0:
		lines = append(lines, fmt.Sprintf("%s by a key that is not known here; give it with --trust", counted(int(r.Unproven), "checkpoint")))
	default:
		lines = append(lines, "no checkpoint covers it: that it was not written anew as a whole is not shown")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n  "))
	return err
}

// warning is the line about a key that the one before does not endorse.
func warning(text string) string {
	return "WARNING: " + spelled(text, 400) + ". Was the old key lost, and was it you? Whoever can restart the leader can do this"
}

// piped runs write beside its reader. end waits for it and returns its error; it
// is called when nothing more is to be read.
func piped(write func(io.Writer) error) (r io.Reader, end func() error) {
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(out)
		_ = out.CloseWithError(err) // never fails
		done <- err
	}()
	return in, func() error {
		_, _ = io.Copy(io.Discard, in) // what the reader left
		return <-done
	}
}
