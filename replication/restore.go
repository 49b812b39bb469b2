package replication

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/events/proof"
	"confman/projections"
	"confman/replication/disk"
	"confman/replication/wal"
)

// RestoreConfig says what to restore, where and as whom. Open, Dir and Member are
// required.
type RestoreConfig struct {
	// Open opens the backup, which is read several times.
	Open  func() (io.ReadCloser, error)
	Bytes uint64 // the length of the backup, for judging whether there is room
	Dir   string // absent or empty; the directory above it must be there
	Member
	Comment string // for the audit trail

	Log      zerolog.Logger
	Progress func(step RestoreStep, done, of uint64) // of is 0 where nobody knows; may be nil

	crash func(step string) error // in tests: an error is a crash before the step
}

// RestoreStep says what a restore is doing.
type RestoreStep string

// Steps of a restore, in their order.
const (
	RestoreVerifies RestoreStep = "events verified"
	RestoreUnpacks  RestoreStep = "MiB unpacked"
	RestoreRebuilds RestoreStep = "events folded"
)

// restoreRoom is how many times the length of a backup must be free: for its rows,
// and for the new views. Measured: 2.3 at the most.
const restoreRoom = 3

// Restored says what a restore made.
type Restored struct {
	Cluster  string    // the new identity
	Previous string    // that of the cluster that was backed up
	Position string    // that the backup is of
	TakenAt  time.Time // time of the last event in it
	Events   uint64    // that are kept
}

// ErrBackup says that a backup is not as it was written, or none. The error says
// where.
var ErrBackup = errors.New("this backup cannot be restored")

// Restore makes the data directory of a node from a backup: a cluster of its own,
// with a new identity and this one member, to which others join. The history goes
// on where the backup ends.
//
// The backup is verified first, as VerifyBackup does, and nothing is touched if
// anything is wrong with it. Then its rows are unpacked into a store that is thrown
// away at the end, and the views of the new node are made from the records, in
// another: no row of the backup gets into them but
//
//   - what the chain covers: the records that are kept;
//   - of a trimmed history, the state as of its horizon, on which the records that
//     are kept are folded, and its versions before: whoever made the backup is
//     believed about those. The horizon itself is under the chain;
//   - receipts, by which requests that are retried are known again.
//
// The Raft log is empty, and a marker says so, as after an installed snapshot: what
// the views hold is that of the last record's Raft entry, and the term goes on from
// there. That the old cluster's voters may have been in later terms does not
// matter, for the new identity keeps them out.
//
// All this is built beside the directory, DIR.restoring, made durable, and takes
// its name at last: a crash leaves nothing in the directory, or all. Where the
// directory is a mount point it is built within, and its two halves are moved by two
// renames; a crash between them leaves what no node starts on, and what the next
// Restore removes.
func Restore(ctx context.Context, c RestoreConfig) (r Restored, err error) {
	if err := c.Member.validate(); err != nil {
		return r, err
	}
	if c.Progress == nil {
		c.Progress = func(RestoreStep, uint64, uint64) {}
	}
	if c.crash == nil {
		c.crash = func(string) error { return nil }
	}
	if err := events.CheckText("/comment", c.Comment, events.MaxTextBytes); err != nil {
		return r, err
	}
	site, err := openSite(c.Dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, site.close()) }()
	if err := disk.Preflight(site.dir, restoreRoom*c.Bytes+disk.DefaultReserveBytes); err != nil {
		return r, fmt.Errorf("restore into %s: %w", c.Dir, err)
	}
	b := &restore{RestoreConfig: c, site: site}
	if err := b.verify(ctx); err != nil {
		return r, err
	}
	if err := b.build(ctx); err != nil {
		return r, fmt.Errorf("restore into %s: %w", c.Dir, err)
	}
	return b.restored, nil
}

// restore is one that runs.
type restore struct {
	RestoreConfig
	site     *site
	report   proof.Report // of the backup
	restored Restored
}

// verify refuses a backup that is not right.
func (b *restore) verify(ctx context.Context) error {
	newest := uint64(0)
	open := func() (io.ReadCloser, error) { return b.open(ctx, func(uint64) {}) }
	report, err := VerifyBackup(open, proof.Options{}, func(at uint64) { // from the newest down
		newest = max(newest, at)
		b.Progress(RestoreVerifies, newest-at+1, newest)
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("restore: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBackup, err)
	case len(report.Findings) > 0:
		return fmt.Errorf("%w: %s", ErrBackup, told(report))
	case report.Pending > 0:
		return fmt.Errorf("%w: %d records are marked as erased by events that are not in it, and may hold anything", ErrBackup, report.Pending)
	case report.To == 0:
		return fmt.Errorf("%w: there is no event in it", ErrBackup)
	}
	b.report = report
	return nil
}

// told is the beginning of what was found.
func told(r proof.Report) string {
	const most = 3
	var found []string
	for _, f := range r.Findings[:min(most, len(r.Findings))] {
		found = append(found, f.String())
	}
	if more := uint64(len(r.Findings)-len(found)) + r.More; more > 0 {
		found = append(found, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(found, "; ")
}

// build makes the data directory.
func (b *restore) build(ctx context.Context) (err error) {
	backup, err := b.unpack(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	identity := identity{Node: b.ID, Cluster: newULID().String()}
	state, last, err := b.rebuild(ctx, backup, identity)
	if err != nil {
		return err
	}
	if err := b.emptyLog(last); err != nil {
		return err
	}
	b.restored = Restored{
		Cluster: identity.Cluster, Previous: state.Cluster().ID, Position: state.Position().String(),
		TakenAt: last.Time, Events: state.Index() - state.Oldest() + 1,
	}
	identity.Origin = &Origin{Restored: &events.ClusterRestored{
		Cluster: b.restored.Cluster, Previous: b.restored.Previous, Node: b.ID, Position: b.restored.Position,
		TakenAt: b.restored.TakenAt, Comment: b.Comment,
	}}
	if err := b.crash("identity"); err != nil {
		return err
	}
	if err := identity.save(b.site.data); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.site.finish(b.crash)
}

// unpack makes a store of the backup's rows.
func (b *restore) unpack(ctx context.Context) (*disk.Store, error) {
	file, err := b.open(ctx, func(bytes uint64) { b.Progress(RestoreUnpacks, bytes>>20, max(bytes, b.Bytes)>>20) })
	if err != nil {
		return nil, err
	}
	defer file.Close()
	store, err := disk.Open(disk.Config{Dir: b.site.scratch, Views: projections.ViewsVersion, Log: b.Log, Lean: true})
	if err != nil {
		return nil, err
	}
	m, err := store.Install(file, disk.Boundary{}, func(h disk.Header, _ *disk.Reader) error {
		if h.Index != b.report.To || h.Chain != b.report.Chain.String() {
			return fmt.Errorf("the backup is as of event %d now, and was as of event %d when it was verified", h.Index, b.report.To)
		}
		if h.Views > projections.ViewsVersion {
			return fmt.Errorf("its views are of version %d, this release reads up to %d: %w", h.Views, projections.ViewsVersion, disk.ErrNewer)
		}
		return nil
	})
	if err == nil {
		b.Log.Debug().Uint64("event", m.Index).Msg("backup unpacked")
		err = b.crash("unpacked")
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// rebuild makes the views from the records, and returns the state and the record
// that they end with.
func (b *restore) rebuild(ctx context.Context, backup *disk.Store, id identity) (state *projections.State, last events.Record, err error) {
	rows := backup.At(b.report.To)
	defer rows.Close()
	history, err := projections.OpenHistory(rows, b.report.To)
	if err != nil {
		return nil, last, err
	}
	if last, err = history.Record(b.report.To); err != nil {
		return nil, last, err
	}
	edge := backup.At(history.Oldest() - 1)
	defer edge.Close()
	config := viewsConfig(b.site.data, id, b.Log)
	config.Lean = true
	views, err := disk.Open(config)
	if err != nil {
		return nil, last, err
	}
	defer func() { err = errors.Join(err, views.Close()) }()
	write := func(rows []projections.Row) error {
		if err := errors.Join(ctx.Err(), disk.Preflight(b.site.dir, disk.DefaultReserveBytes/2)); err != nil {
			return err
		}
		return views.Write(rows)
	}
	state, err = projections.Rebuild(history, edge, write, func(index uint64) { b.Progress(RestoreRebuilds, index, b.report.To) })
	if err != nil {
		return nil, last, err
	}
	if state.Chain() != b.report.Chain {
		return nil, last, fmt.Errorf("the chain at event %d is %s, the backup says %s: %w", state.Index(), state.Chain(), b.report.Chain, disk.ErrCorrupt)
	}
	return state, last, views.Mark(b.marker(last))
}

// marker says that the views are those of the last record, and that Raft's log
// begins after its entry, with this node as the only member.
func (b *restore) marker(last events.Record) disk.Marker {
	alone := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(b.ID), Address: raft.ServerAddress(b.Address)}}}
	return disk.Marker{
		Position: disk.Position{Index: last.Index, Chain: last.Chain.String(), RaftIndex: last.RaftIndex, RaftTerm: last.RaftTerm},
		Snapshot: disk.Boundary{
			Version: int(raft.SnapshotVersionMax), Index: last.RaftIndex, Term: last.RaftTerm,
			Configuration: raft.EncodeConfiguration(alone), ConfigurationIndex: last.RaftIndex,
		},
		Installed: true,
	}
}

// emptyLog makes a Raft log without entries, in the term of the last record.
func (b *restore) emptyLog(last events.Record) (err error) {
	if err := b.crash("log"); err != nil {
		return err
	}
	var failed error
	log, err := wal.Open(wal.Config{Dir: raftDir(b.site.data), Fatal: func(err error) { failed = err }, Log: b.Log})
	if err != nil {
		return err
	}
	err = log.SetUint64([]byte("CurrentTerm"), last.RaftTerm) // the key is Raft's
	return errors.Join(err, failed, log.Close())
}

// backupFile is a backup that is read until a context ends.
type backupFile struct {
	io.Closer
	read func(p []byte) (int, error)
}

// Read reads on.
func (f backupFile) Read(p []byte) (int, error) { return f.read(p) }

// open opens the backup. read is told how many bytes have been read.
func (b *restore) open(ctx context.Context, read func(bytes uint64)) (io.ReadCloser, error) {
	f, err := b.Open()
	if err != nil {
		return nil, err
	}
	bytes := uint64(0)
	return backupFile{f, func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := f.Read(p)
		bytes += uint64(n)
		read(bytes)
		return n, err
	}}, nil
}
