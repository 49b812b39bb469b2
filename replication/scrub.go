package replication

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

// Scrubbing. An erasure takes values out of the rows at once; their bytes are
// still in files: in tables that Badger has not compacted, in segments of Raft's
// log, in a snapshot on its way, in records that were trimmed, which no erasure
// names any more. Each node destroys those by itself: it seals the segment of the
// log that is written to, makes a marker behind it and deletes the log up to there;
// copies its rows into a new store, without what was trimmed; and waits until nobody
// reads the old one or a snapshot. Until all that is done the erasure is pending,
// and is taken up again after a restart.
//
// What was copied away before (backups, archives, exports) is out of reach, and so
// are the blocks of deleted files, for as long as the device keeps them.

// scrubs remembers how far erasures have come on this node's disk.
type scrubs struct {
	path string
	wake chan struct{} // something is pending

	begun uint64 // the erasure whose scrubbing was last said to begin; scrub's

	mu   sync.Mutex // guards the fields below
	read bool
	now  scrubbing
}

// scrubbing is the content of the file scrub.json.
type scrubbing struct {
	Erasure   uint64 `json:"erasure"`   // the newest history.erased event
	RaftIndex uint64 `json:"raftIndex"` // of the entry that brought it
	Scrubbed  uint64 `json:"scrubbed"`  // the newest one that is done with
}

func (s scrubbing) pending() bool { return s.Erasure > s.Scrubbed }

func scrubPath(dir string) string { return filepath.Join(dir, "scrub.json") }

// load reads the file once. The caller holds mu.
func (s *scrubs) load() error {
	if s.read {
		return nil
	}
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(data, &s.now)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	s.read = true
	return nil
}

// change changes what is known, durably.
func (s *scrubs) change(change func(*scrubbing)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return err
	}
	next := s.now
	change(&next)
	if next == s.now {
		return nil
	}
	if err := writeFile(s.path, next); err != nil {
		return fmt.Errorf("note an erasure: %w", err)
	}
	s.now = next
	return nil
}

// noted is what is known.
func (s *scrubs) noted() (scrubbing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.load()
	return s.now, err
}

// note makes an erasure pending. It must be durable before a marker passes the
// event: no replay would bring it up again.
func (s *scrubs) note(r events.Record) error {
	return s.pend(r, func(now *scrubbing) {})
}

// again makes an erasure pending even if it is done with: a history that came as
// a snapshot may be followed by entries of the log that were deleted here.
func (s *scrubs) again(r events.Record) error {
	return s.pend(r, func(now *scrubbing) { now.Scrubbed = 0 })
}

func (s *scrubs) pend(r events.Record, change func(*scrubbing)) error {
	err := s.change(func(now *scrubbing) {
		change(now)
		if r.Index > now.Erasure {
			now.Erasure, now.RaftIndex = r.Index, r.RaftIndex
		}
	})
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return err
}

// newestErasure is the last history.erased event of a history, if there is one.
func newestErasure(h *projections.History) (r events.Record, found bool, err error) {
	for r, err := range h.Select(projections.Query{Kinds: []events.Kind{events.HistoryErased{}.Kind()}}) {
		return r, err == nil, err
	}
	return r, false, nil
}

// recall makes pending what the history says and the file does not, as it may
// after a crash. After a snapshot was installed everything is pending.
func recall(s *scrubs, store *disk.Store, state *projections.State, installed bool) error {
	at := store.At(state.Index())
	defer at.Close()
	r, found, err := newestErasure(state.History(at, state.Index()))
	if err != nil || !found {
		return err
	}
	if installed {
		return s.again(r)
	}
	return s.note(r)
}

// scrub destroys what is pending, if anything is.
func (n *Node) scrub(ctx context.Context, e *engine) error {
	s := &n.upkeep.scrubs
	what, err := s.noted()
	if err != nil || !what.pending() {
		return err
	}
	if s.begun != what.Erasure {
		s.begun = what.Erasure
		n.config.Log.Info().Uint64("erasure", what.Erasure).Msg("destroying what was erased")
	}
	if err := n.purgeLog(ctx, e, what.RaftIndex); err != nil {
		return fmt.Errorf("destroy what event %d erased: %w", what.Erasure, err)
	}
	if err := n.upkeep.archive.retract(n.State().Oldest()); err != nil {
		return fmt.Errorf("destroy what event %d erased: %w", what.Erasure, err)
	}
	if err := n.renewTrimmed(ctx, e, "the store is made anew without what was erased"); err != nil {
		return fmt.Errorf("destroy what event %d erased: %w", what.Erasure, err)
	}
	if err := awaitIdle(ctx, n.config.Log, e.heldBy); err != nil {
		return fmt.Errorf("destroy what event %d erased: %w", what.Erasure, err)
	}
	if err := s.change(func(now *scrubbing) { now.Scrubbed = what.Erasure }); err != nil {
		return err
	}
	n.config.Log.Info().Uint64("erasure", what.Erasure).Msg("what was erased is in no file of this node any more")
	return nil
}

// purgeLog deletes the files of Raft's log that hold entries up to an index.
func (n *Node) purgeLog(ctx context.Context, e *engine, through uint64) error {
	held, err := e.log.HeldFrom()
	if err != nil || held > through {
		return err
	}
	if err := n.present.awaitRaft(ctx, through); err != nil { // else they would come after
		return err
	}
	last, err := e.log.LastIndex()
	if err != nil {
		return err
	}
	if last == 0 && e.store.Marker().Snapshot.Index >= through {
		return nil // the next entry comes after the snapshot, and begins a new file
	}
	if last < through { // a snapshot brought the state; the entries may still come
		return fmt.Errorf("raft's log ends at entry %d, waiting for %d", last, through)
	}
	if err := disk.Preflight(raftDir(n.config.Dir), e.log.SealBytes()+n.config.reserve()); err != nil {
		return err
	}
	sealed, err := e.log.Seal()
	if err != nil {
		return err
	}
	if err := n.markBeyond(ctx, e, func(m disk.Marker) bool { return m.Snapshot.Index >= sealed }); err != nil {
		return err
	}
	first, err := e.log.FirstIndex()
	if err == nil && first > 0 && first <= sealed {
		err = e.logs.DeleteRange(first, sealed) // through the cache, which holds them too
	}
	if err != nil {
		return err
	}
	if held, err = e.log.HeldFrom(); err == nil && held <= through {
		err = fmt.Errorf("a segment of Raft's log from entry %d on is still there", held)
	}
	return err
}

// idleNote is after how long it is logged what an erasure still waits for.
const idleNote = 10 * time.Second

// heldBy says by whom rows that were erased may still be read; empty: by nobody.
func (e *engine) heldBy() string {
	switch n := e.store.Retired(); {
	case n > 0:
		return fmt.Sprintf("readers of %d old stores", n)
	case !e.snapshots.Idle():
		return "a snapshot that is read or sent to another node"
	}
	return ""
}

// awaitIdle returns when nobody holds an old store or a snapshot any more.
func awaitIdle(ctx context.Context, log zerolog.Logger, heldBy func() string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began, said := time.Now(), false
	for who := heldBy(); who != ""; who = heldBy() {
		if waited := time.Since(began); !said && waited >= idleNote {
			said = true
			log.Info().Str("for", who).Dur("waited", waited).Msg("what was erased is in files until they are let go")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("old rows are still read, by %s: %w", who, ctx.Err())
		}
	}
	if said {
		log.Info().Dur("waited", time.Since(began)).Msg("the files with what was erased are let go")
	}
	return nil
}

// standing is which erasures this node's files have caught up with, and one that
// they have not, or 0.
func (s *scrubs) standing() (scrubbed, pending uint64) {
	now, err := s.noted()
	if err != nil || now.pending() {
		return now.Scrubbed, cmp.Or(now.Erasure, 1) // what cannot be read must not look like done
	}
	return now.Scrubbed, 0
}
