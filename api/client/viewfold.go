package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
)

// refusedRest is how long a view waits, give or take half, before it asks again
// what was refused: rights may come back.
const refusedRest = 20 * time.Second

// run follows the namespace until ctx ends.
func (v *View) run(ctx context.Context) {
	anew := v.state.Load().position == "" // begin with a snapshot
	historyLost := false                  // it may be older than what the view has
	for tries := 1; ; tries++ {
		f := fold{view: v, anew: anew}
		begin := time.Now()
		err := v.follow(ctx, &f, historyLost)
		if ctx.Err() != nil {
			return
		}
		if !f.anew {
			anew, historyLost = false, false
		}
		if time.Since(begin) >= watchSteady {
			tries = 1
		}
		wait := backoff(tries)
		resets := 0
		switch {
		case errors.Is(err, ErrReset) && errors.Is(err, ErrConflict):
			anew, historyLost, resets = true, true, 1
		case errors.Is(err, ErrCompacted), errors.Is(err, ErrBadAnswer):
			anew, resets = true, 1
		default:
			wait = refusedRest/2 + rand.N(refusedRest)
			select {
			case v.refused <- err:
			default:
			}
		}
		v.noted(func(s *ViewStatus) { s.Resets += resets })
		v.retrying(err, wait)
		if pause(ctx, wait) != nil {
			return
		}
	}
}

// follow folds the frames of one watch into the view until it ends.
func (v *View) follow(ctx context.Context, f *fold, historyLost bool) error {
	r := WatchRequest{Namespaces: []string{v.config.Namespace}, Prefix: v.config.Prefix, After: v.state.Load().position}
	least := uint64(0)
	if f.anew {
		if !historyLost {
			least, _ = indexOf(r.After) // empty before the first
		}
		r.After = wire.AfterSnapshot
	}
	for frame, err := range v.client.frames(ctx, r, least, v.retrying) {
		if err == nil {
			err = f.take(frame)
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// retrying notes why the view is not connected.
func (v *View) retrying(err error, wait time.Duration) {
	v.noted(func(s *ViewStatus) { s.Err = err })
	if told := v.client.config.OnRetry; told != nil {
		told(err, wait)
	}
}

// fold turns the frames of one watch into states of a view.
type fold struct {
	view     *View
	anew     bool // a snapshot has to come first
	snapshot []wire.ConfigEntry
	pending  []*wire.Event // of a transaction that is not complete
	applied  uint64        // everything up to here is in the state

	// How well the node knew that it was up to date, when it last said so, and
	// what has to be applied before that is true of the view.
	knows  bool
	lag    time.Duration
	target uint64
}

// take folds in one frame.
func (f *fold) take(frame wire.Frame) (err error) {
	switch frame.Frame {
	case wire.FrameResumed:
		f.hear(frame, frame.After)
		if len(f.pending) == 0 {
			f.reach(frame.After)
		}
	case wire.FrameSnapshot:
		f.snapshot, f.pending = nil, nil
		f.hear(frame, frame.Position)
	case wire.FrameEntry:
		if f.view.holds(frame.Entry.Namespace, frame.Entry.Key) {
			f.snapshot = append(f.snapshot, *frame.Entry)
		}
	case wire.FrameSnapshotEnd:
		if err = f.view.begin(f.snapshot, frame.Position); err != nil {
			return err
		}
		f.snapshot, f.anew = nil, false
		f.reach(frame.Position)
	case wire.FrameEvent:
		if f.pending = append(f.pending, frame.Event); frame.More {
			return nil
		}
		if err = f.view.apply(f.pending); err != nil {
			return err
		}
		f.pending = nil
		f.reach(frame.Event.Position)
	case wire.FrameProgress:
		f.hear(frame, frame.Position)
		if len(f.pending) == 0 {
			f.reach(frame.Position)
		}
	}
	f.freshen()
	return nil
}

// hear notes how well the node knows that it is up to date.
func (f *fold) hear(frame wire.Frame, position string) {
	f.view.noted(func(s *ViewStatus) { s.Err = nil })
	if f.knows = frame.StaleMs != nil; f.knows {
		lag := min(max(0, *frame.StaleMs), int64(math.MaxInt64/time.Millisecond))
		f.lag = time.Duration(lag) * time.Millisecond
	}
	if frame.Head != "" {
		position = frame.Head
	}
	f.target, _ = indexOf(position)
}

// reach notes that the state holds everything up to a position.
func (f *fold) reach(position string) {
	f.applied, _ = indexOf(position)
	f.view.moveTo(position)
}

// freshen notes that the view is as up to date as the node. Frames come in
// order, so any of them tells, once the view has caught up.
func (f *fold) freshen() {
	if !f.knows || f.anew || f.applied < f.target {
		return
	}
	since := time.Now().Add(-f.lag)
	f.view.noted(func(s *ViewStatus) {
		s.Source = SourceLive
		if since.After(s.Since) {
			s.Since = since
		}
	})
}

// holds reports whether an entry belongs to the view.
func (v *View) holds(namespace, key string) bool {
	return namespace == v.config.Namespace && strings.HasPrefix(key, v.config.Prefix)
}

// begin replaces all entries by a snapshot.
func (v *View) begin(snapshot []wire.ConfigEntry, position string) error {
	next, err := sorted(snapshot, v.defaults)
	if err != nil {
		return err
	}
	index, _ := indexOf(position)
	v.replace(next, position, differences(v.state.Load().entries, next, index))
	select {
	case <-v.ready:
	default:
		close(v.ready)
	}
	return nil
}

// apply makes the events of one transaction visible, all at once.
func (v *View) apply(events []*wire.Event) error {
	before := v.state.Load().entries
	next, keys := before, []string(nil)
	for _, e := range events {
		if !v.holds(e.Namespace, e.Key) || !strings.HasPrefix(e.Type, "config.") {
			continue
		}
		var err error
		if next, err = v.changed(next, e); err != nil {
			return err
		}
		keys = append(keys, e.Key)
	}
	last := events[len(events)-1]
	slices.Sort(keys)
	keys = slices.Compact(keys)
	v.replace(next, last.Position, differences(before.only(keys), next.only(keys), last.Index))
	return nil
}

// changed is the list after one event about an entry.
func (v *View) changed(list entries, e *wire.Event) (entries, error) {
	var change wire.ConfigChange
	if err := json.Unmarshal(e.Data, &change); err != nil {
		return nil, fmt.Errorf("%w: event %s: %w", ErrBadAnswer, e.Position, err)
	}
	old := list.get(e.Key)
	if old != nil && change.Version <= old.Version {
		return nil, fmt.Errorf("%w: event %s makes %s version %d, after version %d", ErrBadAnswer, e.Position, e.Key, change.Version, old.Version)
	}
	if e.Type == "config.deleted" {
		if list = list.without(e.Key); v.defaults.get(e.Key) != nil {
			list = list.with(*v.defaults.get(e.Key))
		}
		return list, nil
	}
	if change.Value == nil {
		return nil, fmt.Errorf("%w: event %s, %s, has no value", ErrBadAnswer, e.Position, e.Type)
	}
	entry := wire.ConfigEntry{
		Namespace: e.Namespace, Key: e.Key, Value: change.Value, Type: change.Type, Version: change.Version,
		UpdatedAt: e.Time, UpdatedBy: e.Actor, Index: e.Index,
		Description: change.Description, Tags: change.Tags, Comment: change.Comment, CreatedAt: e.Time, CreatedBy: e.Actor,
	}
	if old != nil && old.Version > 0 {
		entry.CreatedAt, entry.CreatedBy = old.CreatedAt, old.CreatedBy
	}
	return list.with(entry), nil
}

// replace puts other entries in the place of those there are.
func (v *View) replace(next entries, position string, changes []Change) {
	before := v.state.Load()
	after := &state{entries: next, position: position, changed: before.changed}
	if len(changes) > 0 {
		after.changed = make(chan struct{})
	}
	v.state.Store(after)
	if len(changes) > 0 {
		close(before.changed)
		v.mailbox.put(changes)
	}
	if len(changes) > 0 || before.position == "" {
		v.soil()
	}
}

// moveTo notes that nothing changed up to a position.
func (v *View) moveTo(position string) {
	if now := v.state.Load(); now.position != position {
		v.state.Store(&state{entries: now.entries, position: position, changed: now.changed})
	}
}

// soil has the file written.
func (v *View) soil() {
	select {
	case v.dirty <- struct{}{}:
	default:
	}
}

// stored is what there is to keep: the entries but for the defaults.
func (s *state) stored() []*wire.ConfigEntry {
	return slices.DeleteFunc(slices.Clone(s.entries), func(e *wire.ConfigEntry) bool { return e.Version == 0 })
}
