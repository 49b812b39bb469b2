package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"confman/projections"
	"confman/replication/disk"
)

// upkeep is what a node does to its files about what has gone from the history.
// It changes nothing that anybody reads.
type upkeep struct {
	archive archive
	scrubs  scrubs
}

func newUpkeep(c *Config) *upkeep {
	return &upkeep{
		archive: archive{dir: c.Archive, reserve: c.reserve()},
		scrubs:  scrubs{path: scrubPath(c.Dir), wake: make(chan struct{}, 1)},
	}
}

// Upkeep is how far a node's files have followed what went from the history.
type Upkeep struct {
	Archived       uint64 // the last event in the archive, 0 without one or before it was first asked for
	ArchiveFailing bool   // the archive takes nothing: nothing is trimmed, and nothing deleted
	Scrubbed       uint64 // the newest erasure of which no file holds anything any more
	Pending        uint64 // an erasure of which files may still hold something, 0: none
}

func (u *upkeep) look() Upkeep {
	now := Upkeep{ArchiveFailing: u.archive.failing.Load()}
	if last := u.archive.verified.Load(); last != nil {
		now.Archived = last.to
	}
	now.Scrubbed, now.Pending = u.scrubs.standing()
	return now
}

// tend gives back the bytes of what was trimmed and destroys those of what was
// erased, until the context ends.
func (n *Node) tend(ctx context.Context, e *engine) {
	tick := time.NewTicker(cmp.Or(n.config.tuning.retention, retentionInterval))
	defer tick.Stop()
	said := "" // so that one trouble is logged once
	for first := true; ; first = false {
		err := errors.Join(n.scrub(ctx, e), n.reclaim(ctx, e, first))
		switch {
		case err == nil:
			said = ""
		case errors.Is(err, disk.ErrSync):
			n.config.Fatal(err)
			return
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			n.config.Log.Warn().Err(err).Msg("what has gone from the history is still on disk")
		}
		select {
		case <-tick.C:
		case <-n.upkeep.scrubs.wake:
		case <-ctx.Done():
			return
		}
	}
}

// worthEvents is how many trimmed events there must be on disk, and worthShare
// which part of all, for the store to be made anew. After a start the part decides
// alone.
const (
	worthEvents = 10_000
	worthShare  = 5
)

// reclaim gives back what was trimmed: compaction may drop superseded rows at
// once; when enough records have gone the whole store is made anew without them.
func (n *Node) reclaim(ctx context.Context, e *engine, first bool) error {
	oldest := n.State().Oldest()
	if oldest <= 1 {
		return nil
	}
	e.store.DiscardBelow(oldest - 1)
	held, err := n.heldFrom(e)
	if err != nil {
		return err
	}
	gone, all := oldest-min(held, oldest), n.State().Index()+1-held
	if gone == 0 || gone*worthShare < all || gone < cmp.Or(n.config.tuning.worth, worthEvents) && !first {
		return nil
	}
	return n.renewTrimmed(ctx, e, "the trimmed history is deleted")
}

// renewTrimmed makes the store anew without what was trimmed, which is in the
// archive then.
func (n *Node) renewTrimmed(ctx context.Context, e *engine, what string) error {
	oldest := n.State().Oldest()
	if oldest <= 1 {
		return n.renew(ctx, e, what, disk.Renewal{})
	}
	if err := n.archiveUpTo(ctx, oldest-1); err != nil {
		return err
	}
	if err := n.markBeyond(ctx, e, func(m disk.Marker) bool { return m.Index >= oldest }); err != nil {
		return err
	}
	return n.renew(ctx, e, what, disk.Renewal{Trim: disk.Trim{Oldest: oldest, OfEvent: projections.OfEvent}})
}

// heldFrom is the oldest event that is on disk.
func (n *Node) heldFrom(e *engine) (uint64, error) {
	h, release := n.onDisk(e)
	defer release()
	return oldestOnDisk(h)
}

// onDisk is the history with all that is still there of what was trimmed.
func (n *Node) onDisk(e *engine) (h *projections.History, release func()) {
	index := n.State().Index()
	r := e.store.At(index)
	return projections.NewHistory(r, index), func() { _ = r.Close() }
}

// archiveUpTo writes what the archive lacks of the records up to an index.
func (n *Node) archiveUpTo(ctx context.Context, index uint64) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	h, release := n.onDisk(e)
	defer release()
	return n.upkeep.archive.keep(ctx, h, index)
}

// renew makes the store anew and says so.
func (n *Node) renew(ctx context.Context, e *engine, what string, r disk.Renewal) error {
	r.Applied, r.ReserveBytes = func() uint64 { return n.State().Index() }, n.config.reserve()
	began := time.Now()
	before, err := e.store.DiskBytes()
	if err != nil {
		return err
	}
	done, err := e.store.Renew(ctx, r)
	if err != nil {
		return err
	}
	after, err := e.store.DiskBytes()
	n.config.Log.Info().Dur("took", time.Since(began)).Dur("writesHeld", done.Held).Uint64("bytesBefore", before).Uint64("bytes", after).Msg(what)
	return err
}

// markBeyond makes markers until one is as is wanted.
func (n *Node) markBeyond(ctx context.Context, e *engine, enough func(disk.Marker) bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !enough(e.store.Marker()) {
		err := e.raft.Snapshot().Error()
		if errors.Is(err, raft.ErrRaftShutdown) {
			return err
		}
		if enough(e.store.Marker()) {
			return nil
		}
		if e.leads() == nil { // an entry that every state machine sees, for a snapshot to end at
			_ = e.raft.Barrier(configTimeout).Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("no new marker: %w", errors.Join(ctx.Err(), err))
		}
	}
	return nil
}
