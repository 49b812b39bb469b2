package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
)

// Rebuild makes the views of a stopped node anew from its records, from the
// horizon on and as of the newest marker, and verifies the chain on the way. It returns the position
// reached. progress is told the event index now and then, and the last one.
func Rebuild(dir string, log zerolog.Logger, progress func(index, last uint64)) (position string, err error) {
	id, err := readIdentity(viewsDir(dir))
	if err != nil {
		return "", err
	}
	if id.Cluster == "" {
		return "", fmt.Errorf("%w %s: no node has lived here", ErrDirectory, dir)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	store, err := openViews(dir, id, log)
	if err != nil {
		return "", err
	}
	state, err := rebuildViews(store, progress)
	if err != nil {
		return "", errors.Join(err, store.Close())
	}
	return state.Position().String(), store.Close()
}

func openViews(dir string, id identity, log zerolog.Logger) (*disk.Store, error) {
	return disk.Open(viewsConfig(dir, id, log))
}

func viewsConfig(dir string, id identity, log zerolog.Logger) disk.Config {
	return disk.Config{Dir: viewsDir(dir), Node: id.Node, Cluster: id.Cluster, Views: projections.ViewsVersion, Log: log}
}

// rebuildViews folds the records from the horizon up to the newest marker into a
// new generation.
func rebuildViews(store *disk.Store, progress func(index, last uint64)) (state *projections.State, err error) {
	m := store.Marker()
	old := store.At(m.Index)
	defer old.Close()
	history, err := projections.OpenHistory(old, m.Index)
	if err != nil {
		return nil, err
	}
	edge := store.At(history.Oldest() - 1)
	defer edge.Close()
	_, err = store.Rebuild(func(write func([]projections.Row) error) error {
		state, err = projections.Rebuild(history, edge, write, func(index uint64) { progress(index, m.Index) })
		if err == nil && m.Chain != "" && state.Chain().String() != m.Chain {
			err = fmt.Errorf("the chain at event %d is %s, the marker says %s: %w", m.Index, state.Chain(), m.Chain, disk.ErrCorrupt)
		}
		return err
	})
	return state, err
}

// Rebuild makes the views anew from the records while the node goes on, and
// verifies the chain on the way; progress is told the event reached and the last
// one. What comes meanwhile is copied at the end. It is refused while another
// rebuild runs, or something else that makes the store anew.
func (n *Node) Rebuild(ctx context.Context, progress func(at, to uint64)) error {
	e, err := n.running()
	if err != nil {
		return err
	}
	err = n.renew(ctx, e, "the views are rebuilt", disk.Renewal{Build: func(at uint64, write func([]projections.Row) error) error {
		h, release := n.History(at)
		defer release()
		edge := e.store.At(h.Oldest() - 1)
		defer edge.Close()
		if now := n.State().Oldest(); now != h.Oldest() { // and the edge may be discarded already
			return fmt.Errorf("the history was trimmed to event %d just now: %w", now, events.ErrUnavailable)
		}
		_, err := projections.Rebuild(h, edge, write, func(index uint64) { progress(index, at) })
		return err
	}})
	switch {
	case errors.Is(err, disk.ErrSync):
		n.config.Fatal(err)
	case errors.Is(err, disk.ErrBusy):
		return &events.Refusal{Kind: events.ErrConflict, Detail: "the store of " + n.config.ID + " is being made anew already; try again later"}
	case errors.Is(err, disk.ErrNoSpace):
		return fmt.Errorf("%w: %w", events.ErrNoSpace, err)
	}
	return err
}

// refreshViews rebuilds views that a release with another layout has written.
// wait is told how far it has come, again and again.
func refreshViews(store *disk.Store, log zerolog.Logger, wait func(format string, args ...any)) error {
	m := store.Marker()
	if m.Index == 0 || m.Views == projections.ViewsVersion {
		return nil
	}
	log.Info().Int("from", m.Views).Int("to", projections.ViewsVersion).Uint64("events", m.Index).Msg("rebuilding the views, their layout has changed")
	var said time.Time
	_, err := rebuildViews(store, func(index, last uint64) {
		if now := time.Now(); now.Sub(said) > time.Second {
			said = now
			wait("rebuilding the views: event %d of %d", index, last)
		}
	})
	if err != nil && m.Views > projections.ViewsVersion { // a newer release may have written what this one cannot read
		return fmt.Errorf("%w, start that again: %w", disk.ErrNewer, err)
	}
	return err
}
