package replication

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"time"

	"confman/events"
	"confman/projections"
)

// Retention says how much of the history is served. Either limit lets events go,
// whatever the other says. What goes are whole transactions; the state of today,
// receipts and keys are not touched, nor what stood at the edge. The leader decides
// by its own limits and its own clock, so give all members the same. Where there is
// an archive, what goes is written to it first, or stays.
//
// What is trimmed is no longer served, by any node. Each node gives its bytes back
// when it is worth it (see [Node.reclaim]).
type Retention struct {
	// Events is how many of the newest are kept; 0: all. A tenth more may stand
	// before they are trimmed.
	Events uint64
	// Age is how old events may become; 0: any. At least MinRetentionAge. They may
	// become a tenth older before they are trimmed.
	Age time.Duration
	// Watch is the age up to which events stay whatever their number: whoever is
	// cut off for as long can resume. 0: none; not above Age, where there is one.
	Watch time.Duration
}

// MinRetentionAge is the least Retention.Age: a client that is cut off for as
// long must be able to resume.
const MinRetentionAge = time.Minute

// retentionInterval is how often the leader looks whether something is to go.
const retentionInterval = 5 * time.Second

func (r Retention) validate() error {
	if r.Age != 0 && r.Age < MinRetentionAge {
		return fmt.Errorf("retention age %v: want 0, which keeps events of any age, or at least %v", r.Age, MinRetentionAge)
	}
	if r.Watch < 0 || r.Age != 0 && r.Watch > r.Age {
		return fmt.Errorf("retention for watches %v: want 0 or more, and no more than the age %v after which events go", r.Watch, r.Age)
	}
	return nil
}

// retain moves the horizon while this node leads, until the context ends.
func (n *Node) retain(ctx context.Context, e *engine) {
	tick := time.NewTicker(cmp.Or(n.config.tuning.retention, retentionInterval))
	defer tick.Stop()
	said := "" // so that one trouble is logged once
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if e.leads() != nil || e.readyTerm.Load() != e.raft.CurrentTerm() {
			continue
		}
		err := n.trim(ctx)
		switch {
		case err == nil:
			said = ""
		case ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			n.config.Log.Warn().Err(err).Msg("the history is not trimmed")
		}
	}
}

// trim moves the horizon if enough is to go.
func (n *Node) trim(ctx context.Context) error {
	now := time.Now().Add(n.config.tuning.ahead)
	h, release := n.History(n.State().Index())
	to, err := n.config.Retention.horizon(h, now)
	release()
	if err != nil || to.Oldest == 0 {
		return err
	}
	if err := n.archiveUpTo(ctx, to.Oldest-1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, configTimeout)
	defer cancel()
	if _, err := n.Submit(ctx, events.TrimHistory{To: to}, events.Stamp{Time: time.Now(), ID: newULID(), Actor: events.System}); err != nil {
		return err
	}
	n.config.Log.Info().Uint64("oldest", to.Oldest).Msg("the history is trimmed")
	return nil
}

// horizon is where the history should begin now; the zero value when too little
// would go.
func (r Retention) horizon(h *projections.History, now time.Time) (to events.Horizon, err error) {
	expired := uint64(0)
	if late, err := r.late(h, now); err != nil {
		return to, err
	} else if late {
		if expired, err = h.IndexAt(now.Add(-r.Age)); err != nil {
			return to, err
		}
	}
	first := r.due(h.Oldest(), h.Index(), expired)
	if r.Watch > 0 && first > 0 {
		recent, err := h.IndexAt(now.Add(-r.Watch)) // the last that may go
		if err != nil {
			return to, err
		}
		first = min(first, recent+1)
	}
	oldest, err := entryStart(h, first)
	if err != nil || oldest < h.Oldest()+leastTrim {
		return to, err
	}
	edge, err := h.Record(oldest - 1)
	if err != nil {
		return to, err
	}
	return events.Horizon{Oldest: oldest, Chain: edge.Chain, Time: edge.Time}, nil
}

// late reports whether the oldest event is a tenth older than it may become.
func (r Retention) late(h *projections.History, now time.Time) (bool, error) {
	if r.Age == 0 || h.Oldest() > h.Index() {
		return false, nil
	}
	oldest, err := h.Record(h.Oldest())
	return now.Sub(oldest.Time) > r.Age+r.Age/10, err
}

// leastTrim is how many events must go for a trim to be worth it: it is an event
// itself, and an idle cluster must not trim its own trims for ever.
const leastTrim = 2

// due is the first event that should stay, of those from oldest to newest of
// which the ones up to expired are too old; or 0 for all.
func (r Retention) due(oldest, newest, expired uint64) (first uint64) {
	if held := newest + 1 - oldest; r.Events > 0 && held > r.Events && held-r.Events >= r.Events/10 {
		first = newest + 2 - r.Events // with the trim, as many as may be
	}
	if expired+1 >= oldest+leastTrim {
		first = max(first, expired+1)
	}
	return first
}

// entryStart is the index with which the Raft entry of an event begins. The
// horizon lies between Raft entries: a transaction is in one, and so is a row of
// the indexes.
func entryStart(h *projections.History, index uint64) (uint64, error) {
	if index < h.Oldest() || index > h.Index() {
		return index, nil // outside there is nothing to cut
	}
	in, err := h.Record(index)
	if err != nil {
		return 0, err
	}
	steps := sort.Search(int(index-h.Oldest()), func(i int) bool {
		r, failed := h.Record(h.Oldest() + uint64(i))
		if failed != nil {
			err = failed
		}
		return r.RaftIndex >= in.RaftIndex
	})
	return h.Oldest() + uint64(steps), err
}
