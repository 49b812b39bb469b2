package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
	"confman/replication/disk"
)

const (
	roomInterval  = time.Second      // between the leader's looks at the members' disks
	roomAge       = 10 * time.Second // after which an answer about a disk no longer counts
	giveWayPause  = 3 * time.Second  // after a transfer of leadership that failed
	giveWayRepair = 5 * time.Second  // for Raft to take writes again after it
)

// room is what a node knows of free space: its own, and at the leader that of the
// others.
type room struct {
	space *disk.Space
	wake  chan struct{} // the level of the own disk has changed
	seen  atomic.Pointer[members]
}

// members is what the leader has seen of all members' disks, this node's among
// them, by ID. It is never changed.
type members map[string]diskOf

// diskOf is what a member said of its disk.
type diskOf struct {
	level  disk.Level
	free   uint64
	voter  bool
	silent bool // it has not answered for roomAge; level is Critical then
	fit    bool // to lead: it answers, follows closely, and finds nothing wrong with its records
	at     time.Time
}

// newRoom watches the file system of the data directory, which exists.
func newRoom(n *Node) (*room, error) {
	r := &room{wake: make(chan struct{}, 1)}
	owed := func() uint64 {
		if store := n.views.Load(); store != nil {
			return store.Owed()
		}
		return disk.OwedIn(viewsDir(n.config.Dir))
	}
	space, err := disk.WatchSpace(disk.SpaceConfig{
		Dir: n.config.Dir, HardBytes: n.config.MinFreeBytes, Owed: owed, Log: n.config.Log, Free: n.config.tuning.free, Interval: n.config.tuning.looks,
		Changed: func() {
			select {
			case r.wake <- struct{}{}:
			default:
			}
		},
	})
	r.space = space
	return r, err
}

// awaitRoom returns when there is room to open the stores: they would die of a
// full disk.
func (n *Node) awaitRoom() error {
	if n.room.space.Look() < disk.Critical {
		return nil
	}
	n.wait("waiting for free space: %s needs %d MiB to start", n.config.Dir, (n.room.space.Mark(disk.Critical)+n.room.space.Owed())>>20)
	err := n.room.space.Await()
	n.waiting.Store(nil)
	return err
}

// openEngine tries until there is room for what it needs beside the marks: a
// received snapshot may wait to be installed.
func (n *Node) openEngine(ctx context.Context) (*engine, error) {
	for {
		e, err := openEngine(n)
		if !errors.Is(err, disk.ErrNoSpace) {
			return e, err
		}
		n.wait("waiting for free space: %v", err)
		select {
		case <-time.After(roomAge):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// free says how much is free, and how much of that is not.
func (r *room) free() string {
	if owed := r.space.Owed(); owed > 0 {
		return fmt.Sprintf("%d MiB are free, of which the stores need %d MiB to merge tables,", r.space.Free()>>20, owed>>20)
	}
	return fmt.Sprintf("%d MiB are free", r.space.Free()>>20)
}

// effectOf says what a level of the disk means for a node.
func effectOf(l disk.Level) string {
	switch l {
	case disk.Critical:
		return "takes nothing until there is room"
	case disk.Hard:
		return "refuses writes but deletions if it leads"
	}
	return "does not lead if another can"
}

// takes refuses what other nodes send while there is no room for it: entries below
// the critical mark, and a snapshot that would not leave the hard mark: its file,
// and twice as much while it is installed. bytes is 0 for entries.
func (r *room) takes(bytes int64) error {
	if r.space.Look() == disk.Critical {
		return fmt.Errorf("less than %d MiB are free: %w", r.space.Mark(disk.Critical)>>20, events.ErrNoSpace)
	}
	if need := r.needs(bytes); bytes > 0 && r.space.Free() < need {
		return fmt.Errorf("%d MiB are free, a snapshot of %d MiB needs %d MiB: %w", r.space.Free()>>20, bytes>>20, need>>20, events.ErrNoSpace)
	}
	return nil
}

// takesAt is takes for another member, as far as this leader has seen.
func (r *room) takesAt(id raft.ServerID, bytes int64) bool {
	seen := r.seen.Load()
	if seen == nil {
		return true
	}
	m, known := (*seen)[string(id)]
	return !known || m.silent || m.level < disk.Critical && m.free >= r.needs(bytes)
}

// needs is the free space in which a snapshot of so many bytes can be installed.
func (r *room) needs(bytes int64) uint64 { return 3*uint64(max(bytes, 0)) + r.space.Mark(disk.Hard) }

// admits refuses a command, with events.ErrNoSpace, when this node or a majority
// of the voters has too little room: below the hard mark for what takes space,
// below the critical mark for anything.
func (n *Node) admits(c events.Command) error {
	limit := disk.Hard
	if givesBack(c) {
		limit = disk.Critical
	}
	r, space := n.room, n.room.space
	if level := space.Level(); level >= limit {
		return fmt.Errorf("%s on %s, below %d MiB only deletions pass, below %d MiB nothing: %w",
			r.free(), n.config.ID, space.Mark(disk.Hard)>>20, space.Mark(disk.Critical)>>20, events.ErrNoSpace)
	}
	seen := r.seen.Load()
	if seen == nil {
		return nil
	}
	if full := seen.full(limit); len(full) > 0 {
		return fmt.Errorf("no majority of the voters has room: %s: %w", strings.Join(full, ", "), events.ErrNoSpace)
	}
	return nil
}

// givesBack reports whether a command only takes things out: its events cost less
// than what trimming and compaction give back for them, or are needed for that.
func givesBack(c events.Command) bool {
	switch c := c.(type) {
	case events.DeleteEntry, events.DeleteNamespace, events.DiscardDraft, events.WithdrawRequest, events.RejectRequest,
		events.EraseValues, events.TrimHistory, events.DeleteWebhook, events.RevokeKey:
		return true
	case events.Transact:
		return len(c.Set) == 0
	}
	return false
}

// full names the voters at or past a level, and those that are silent, if the
// others are no majority and it is not for silence alone: that is no question of
// space.
func (m members) full(limit disk.Level) (named []string) {
	voters, full := 0, false
	for id, d := range m {
		switch {
		case !d.voter:
			continue
		case d.silent:
			named = append(named, id+" does not answer")
		case d.level >= limit:
			full = true
			named = append(named, fmt.Sprintf("%s has %d MiB (%s)", id, d.free>>20, d.level))
		}
		voters++
	}
	if !full || 2*(voters-len(named)) > voters {
		return nil
	}
	slices.Sort(named)
	return named
}

// successor is the fit voter with the most room, if it has more than a level:
// empty when there is none. Levels have hysteresis, so leadership does not go back
// and forth.
func (m members) successor(own disk.Level) string {
	best := ""
	for id, d := range m {
		if !d.voter || !d.fit || d.level >= own {
			continue
		}
		b := m[best]
		if best == "" || cmp.Or(cmp.Compare(d.level, b.level), cmp.Compare(b.free, d.free), cmp.Compare(id, best)) < 0 {
			best = id
		}
	}
	return best
}

// watchRoom looks at the members' disks while this node leads, and has a member
// with more room lead instead, until the context ends.
func (n *Node) watchRoom(ctx context.Context, e *engine) {
	tick := time.NewTicker(cmp.Or(n.config.tuning.looks, roomInterval))
	defer tick.Stop()
	var pause time.Time
	for {
		if e.leads() == nil { // though nothing of its term may be committed yet: for lack of space
			seen := n.lookAround(ctx, e)
			n.room.seen.Store(&seen)
			term, settled := n.Leading()
			if own := n.room.space.Level(); settled && own > disk.OK && time.Now().After(pause) && !n.giveWay(ctx, e, term, seen, own) {
				pause = time.Now().Add(giveWayPause)
			}
		} else {
			n.room.seen.Store(nil)
		}
		select {
		case <-tick.C:
		case <-n.room.wake:
		case <-ctx.Done():
			return
		}
	}
}

// lookAround asks all members at once how their disks are.
func (n *Node) lookAround(ctx context.Context, e *engine) members {
	servers, now := e.servers(), time.Now()
	var before members
	if seen := n.room.seen.Load(); seen != nil {
		before = *seen
	}
	asked := make([]diskOf, len(servers))
	done := make(chan struct{}, len(servers))
	for i, s := range servers {
		go func() {
			asked[i] = n.diskOf(ctx, e, s, before[string(s.ID)], now)
			done <- struct{}{}
		}()
	}
	for range servers {
		<-done // each call has a deadline
	}
	seen := members{}
	for i, s := range servers {
		seen[string(s.ID)] = asked[i]
	}
	return seen
}

func (n *Node) diskOf(ctx context.Context, e *engine, s raft.Server, before diskOf, now time.Time) diskOf {
	d := diskOf{voter: s.Suffrage == raft.Voter, at: now}
	if string(s.ID) == n.config.ID {
		d.level, d.free = n.room.space.Level(), n.room.space.Free()
		return d
	}
	var a peerAnswer
	if err := n.ask.call(ctx, string(s.Address), pathIdentity, nil, &a); err != nil {
		d.level, d.free, d.at = before.level, before.free, before.at
		if before.at.IsZero() {
			d.at = now
		}
		if d.silent = now.Sub(d.at) > roomAge; d.silent {
			d.level = disk.Critical
		}
		return d
	}
	d.level, d.free = disk.ParseLevel(a.DiskLevel), a.FreeBytes
	d.fit = a.Role == "follower" && a.Unsound == "" && a.Waiting == "" && a.RaftIndex+caughtUp >= e.raft.CommitIndex()
	return d
}

// giveWay has a member with more room lead, if there is one, and reports whether
// it did or had no reason to. A transfer that fails may leave Raft refusing all
// writes for as long as this node leads (hashicorp/raft #696); then only a new
// process helps.
func (n *Node) giveWay(ctx context.Context, e *engine, term uint64, seen members, own disk.Level) bool {
	to := seen.successor(own)
	if to == "" {
		return true
	}
	log := n.config.Log.With().Str("member", to).Stringer("level", own).Uint64("freeMiB", n.room.space.Free()>>20).Logger()
	log.Warn().Msg("little space is free: handing leadership over to a member with more")
	err := n.transferTo(e, to)
	if err == nil {
		return true
	}
	log.Warn().Err(err).Msg("leadership was not handed over")
	for began := time.Now(); time.Since(began) < giveWayRepair; {
		err := e.raft.Barrier(0).Error()
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) || e.raft.CurrentTerm() != term {
			return false
		}
		select {
		case <-time.After(roomInterval / 10):
		case <-ctx.Done():
			return false
		}
	}
	n.config.Fatal(errStuckTransfer)
	return false
}

func (n *Node) transferTo(e *engine, id string) error {
	for _, s := range e.servers() {
		if string(s.ID) == id {
			return e.raft.LeadershipTransferToServer(s.ID, s.Address).Error()
		}
	}
	return fmt.Errorf("%s is no member any more", id)
}
