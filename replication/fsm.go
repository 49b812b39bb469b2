package replication

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

// fsm folds what Raft has committed. It has one caller at a time. A failure of
// the store or an entry it cannot read ends the process: a node that skipped
// something would no longer be a replica.
type fsm struct {
	present   *present
	store     *disk.Store
	snapshots *disk.Snapshots
	scrubs    *scrubs
	announce  Announcer
	space     *disk.Space
	fatal     func(error)
	log       zerolog.Logger

	halted error // nothing is folded any more: the disk was full when the node was closed
}

var _ raft.BatchingFSM = (*fsm)(nil)

// entryDone is the response to a command.
type entryDone struct {
	results []projections.Result // of its proposals
	at      *foldTimes
}

// Apply folds one entry.
func (f *fsm) Apply(entry *raft.Log) any { return f.ApplyBatch([]*raft.Log{entry})[0] }

// ApplyBatch folds a batch of entries; the response to a command is an entryDone.
func (f *fsm) ApplyBatch(entries []*raft.Log) []any {
	responses := make([]any, len(entries))
	if f.halted != nil {
		return responses
	}
	before, at := f.present.load(), &foldTimes{began: time.Now()}
	folding := projections.Begin(before)
	for i, entry := range entries {
		if entry.Index <= before.RaftIndex() {
			continue // the installed snapshot was newer than its label
		}
		from := projections.Origin{Index: entry.Index, Term: entry.Term}
		if entry.Type != raft.LogCommand {
			folding.Skip(from)
			continue
		}
		batch, err := events.DecodeEntry(entry.Data)
		if err != nil {
			f.stop(fmt.Errorf("raft entry %d: %w", entry.Index, err))
		}
		results, err := folding.Entry(from, batch)
		if err != nil {
			f.stop(err)
		}
		responses[i] = entryDone{results, at}
	}
	if len(folding.Rows) > 0 {
		if f.halted = f.space.Await(); f.halted != nil { // the store would die of a full disk
			clear(responses) // nobody is told of what is not there
			return responses
		}
		if err := f.store.Write(folding.Rows); err != nil {
			f.stop(fmt.Errorf("write views: %w", err))
		}
	}
	erased, err := f.erase(folding.Records)
	if err != nil {
		f.stop(err)
	}
	f.present.store(folding.State())
	at.visible = time.Now()
	if len(folding.Records) > 0 {
		f.announce.Publish(folding.Records)
	}
	at.announced = time.Now()
	if erased {
		f.announce.Reset() // what it remembers may hold what was erased
	}
	return responses
}

// erase rewrites the rows that hold what is erased, if any of the records says
// so. It does so before the state that has them is visible.
func (f *fsm) erase(records []events.Record) (erased bool, err error) {
	for _, r := range records {
		e, err := r.Event()
		if err != nil {
			return erased, err
		}
		d, ok := e.Data.(events.HistoryErased)
		if !ok {
			continue
		}
		erased = true
		at := f.store.At(r.Index)
		rows, err := projections.Erase(at, d)
		if err = errors.Join(err, at.Close()); err != nil {
			return erased, err
		}
		if err := f.store.Write(rows); err != nil {
			return erased, fmt.Errorf("write views: %w", err)
		}
		if err := f.scrubs.note(r); err != nil {
			return erased, err
		}
	}
	return erased, nil
}

// stop ends the process. Should Fatal return all the same, nothing may go on.
func (f *fsm) stop(err error) {
	f.fatal(err)
	panic(err)
}

// Snapshot captures a position; Persist makes it a marker beside further writes.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.halted != nil { // Raft counts entries that are not in the views
		return nil, f.halted
	}
	return &snapshot{positionOf(f.present.load()), f.fatal}, nil
}

// Restore replaces the views by a snapshot that the leader sent.
func (f *fsm) Restore(stream io.ReadCloser) error {
	defer stream.Close()
	began := time.Now()
	if err := install(f.snapshots, stream, f.present.load().RaftIndex()); err != nil {
		f.stop(err)
	}
	if err := refreshViews(f.store, f.log, func(format string, args ...any) { f.log.Info().Msgf(format, args...) }); err != nil {
		f.stop(err)
	}
	s, err := loadState(f.store)
	if err == nil {
		err = recall(f.scrubs, f.store, s, true)
	}
	if err != nil {
		f.stop(err)
	}
	f.present.store(s)
	f.announce.Reset()
	f.log.Info().Uint64("event", s.Index()).Uint64("raft", s.RaftIndex()).Stringer("took", time.Since(began).Round(time.Millisecond)).Msg("snapshot installed")
	return nil
}

// snapshot is a position of the history. The rows are in the store already.
type snapshot struct {
	at    disk.Position
	fatal func(error)
}

// Persist makes the marker. Without one the log grows, which is an alarm; but what
// the kernel failed to write once it may have forgotten, and a later marker would
// be believed.
func (s *snapshot) Persist(sink raft.SnapshotSink) error {
	k, ok := sink.(*disk.Sink)
	if !ok {
		return fmt.Errorf("snapshot to a %T: want a *disk.Sink", sink)
	}
	err := k.Mark(s.at)
	if errors.Is(err, disk.ErrSync) {
		s.fatal(err)
	}
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return k.Close()
}

// Release implements raft.FSMSnapshot.
func (*snapshot) Release() {}

func positionOf(s *projections.State) disk.Position {
	return disk.Position{Index: s.Index(), Chain: s.Chain().String(), RaftIndex: s.RaftIndex(), RaftTerm: s.RaftTerm()}
}

// loadState is the state at the newest marker.
func loadState(store *disk.Store) (*projections.State, error) {
	m := store.Marker()
	at := store.At(m.Index)
	defer at.Close()
	s, err := projections.Load(at, m.Index, projections.Origin{Index: m.RaftIndex, Term: m.RaftTerm})
	if err != nil {
		return nil, err
	}
	if m.Chain != "" && s.Chain().String() != m.Chain {
		return nil, fmt.Errorf("views at event %d have chain %s, the marker says %s: %w", m.Index, s.Chain(), m.Chain, disk.ErrCorrupt)
	}
	return s, nil
}

// install takes over a received snapshot after its chain was verified, from the
// horizon on.
// applied never goes down.
func install(snapshots *disk.Snapshots, stream io.Reader, applied uint64) error {
	_, err := snapshots.Install(stream, func(h disk.Header, r *disk.Reader) error {
		if h.RaftIndex < applied {
			return fmt.Errorf("the snapshot ends at Raft entry %d, this node has %d", h.RaftIndex, applied)
		}
		if h.Index == 0 {
			return nil
		}
		history, err := projections.OpenHistory(r, h.Index)
		if err != nil {
			return err
		}
		if err := history.Verify(history.Oldest(), history.Horizon().Chain); err != nil {
			return err
		}
		last, err := history.Record(h.Index)
		if err == nil && last.Chain.String() != h.Chain {
			err = fmt.Errorf("chain at event %d is %s, the header says %s", h.Index, last.Chain, h.Chain)
		}
		return err
	})
	return err
}
