package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"confman/api/wire"
)

// ViewConfig says what a View holds and how. Only Namespace is required.
type ViewConfig struct {
	// Namespace is the one to hold, without those below it.
	Namespace string
	// Prefix: only keys that begin with it.
	Prefix string
	// File keeps the last known good entries, in the clear, mode 0600: with it,
	// a program starts while the cluster is down. Empty: none.
	File string
	// Defaults answer for keys that do not exist: JSON values by key. Their
	// entries are of version 0.
	Defaults map[string]json.RawMessage
	// DefaultsAfter lets Client.View return with nothing but Defaults when no
	// snapshot came for so long. 0: never.
	DefaultsAfter time.Duration
	// StaleAfter is how old the knowledge that a view is up to date may be
	// before ViewStatus.Stale. The nodes renew it every 15 seconds. 0: 30 s.
	StaleAfter time.Duration
	// OnChange is told of each key that changed since Client.View returned, on
	// a goroutine of the view. While it is busy, changes of one key become one:
	// it may miss what was in between, never the last. It must not call Close.
	OnChange func(Change)
	// OnMisfit is told, on the reader's goroutine, of a value that String, Int,
	// Float, Bool or Duration could not be read as, so that they fell back.
	OnMisfit func(key string, err error)
}

// Change is what became of one key.
type Change struct {
	Key      string
	Old, New *wire.ConfigEntry // nil: there was, there is none
	Index    uint64            // the event index by which New is what there is
}

// ViewStatus says what a View's answers rest on.
type ViewStatus struct {
	// Source is one of the Source constants.
	Source string
	// Position is that of the answers; empty with SourceDefaults.
	Position string
	// Stale: the answers are not known to be up to date.
	Stale bool
	// Since is when the answers were last known to be up to date, and Age how
	// long ago that is. Zero: never.
	Since time.Time
	Age   time.Duration
	// Resets counts how often the view could not go on from its position and
	// took a new snapshot.
	Resets int
	// Err is why the view is not connected; nil: it is.
	Err error
	// FileErr is what is wrong with ViewConfig.File: it was not used, or the
	// last attempt to write it failed.
	FileErr error
}

// Where a view's answers come from.
const (
	SourceLive     = "live"     // a node, and the view caught up with it at least once
	SourceFile     = "file"     // ViewConfig.File
	SourceDefaults = "defaults" // ViewConfig.Defaults alone
)

const defaultStaleAfter = 30 * time.Second

// View is a live copy of one namespace: it answers from memory and follows the
// namespace by a watch. Its methods may be used by many goroutines at once; Get
// and its kin take no lock. All changes of a transaction become visible at once.
type View struct {
	client   *Client
	config   ViewConfig
	defaults entries
	state    atomic.Pointer[state]
	mailbox  *mailbox
	ready    chan struct{} // closed when there is more than the defaults
	refused  chan error    // what no other attempt would cure, for whoever opens the view
	dirty    chan struct{} // there is something to write to the file

	stop    context.CancelFunc
	tasks   sync.WaitGroup
	closing sync.Once
	saved   string // position of the file; of whoever saves: a task, then Close

	mu     sync.Mutex
	status ViewStatus // but Position, Stale and Age, which are worked out
}

// View opens a view of a namespace. Where ViewConfig.File holds a usable state
// of it, View returns at once, with that, and follows from there. Otherwise it
// waits for the first snapshot until ctx ends; after that, ctx has no meaning.
// The view lives until Close.
func (c *Client) View(ctx context.Context, config ViewConfig) (*View, error) {
	v, err := c.newView(config)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", config.Namespace, err)
	}
	if config.File != "" {
		v.load()
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	v.tasks.Go(func() { v.run(running) })
	if config.File != "" {
		v.tasks.Go(func() { v.keep(running) })
	}
	if config.OnChange != nil {
		v.tasks.Go(func() { v.mailbox.deliver(running, config.OnChange) })
	}
	if err := v.opened(ctx); err != nil {
		_ = v.Close() // what failed is the opening
		return nil, fmt.Errorf("view %s: %w", config.Namespace, err)
	}
	return v, nil
}

func (c *Client) newView(config ViewConfig) (*View, error) {
	if config.Namespace == "" {
		return nil, fmt.Errorf("%w: no namespace", ErrInvalid)
	}
	if config.StaleAfter < 0 || config.DefaultsAfter < 0 {
		return nil, fmt.Errorf("%w: stale after %v and defaults after %v must not be negative", ErrInvalid, config.StaleAfter, config.DefaultsAfter)
	}
	if config.StaleAfter == 0 {
		config.StaleAfter = defaultStaleAfter
	}
	v := &View{
		client: c, config: config, mailbox: newMailbox(),
		ready: make(chan struct{}), refused: make(chan error, 1), dirty: make(chan struct{}, 1),
		status: ViewStatus{Source: SourceDefaults, Err: fmt.Errorf("%w: not connected yet", ErrUnavailable)},
	}
	for key, value := range maps.All(config.Defaults) {
		kind, err := kindOf(value)
		if err != nil {
			return nil, fmt.Errorf("%w: the default of %s: %w", ErrInvalid, key, err)
		}
		if !strings.HasPrefix(key, config.Prefix) {
			return nil, fmt.Errorf("%w: the default of %s: the view holds only keys that begin with %s", ErrInvalid, key, config.Prefix)
		}
		v.defaults = v.defaults.with(wire.ConfigEntry{Namespace: config.Namespace, Key: key, Value: value, Type: kind})
	}
	v.state.Store(&state{entries: v.defaults, changed: make(chan struct{})})
	return v, nil
}

// opened waits until the view has something to answer from.
func (v *View) opened(ctx context.Context) error {
	defer v.mailbox.open()
	var enough <-chan time.Time
	if v.config.DefaultsAfter > 0 {
		timer := time.NewTimer(v.config.DefaultsAfter)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-v.ready:
		return nil
	default:
	}
	select {
	case <-v.ready:
	case <-enough:
	case err := <-v.refused:
		return err
	case <-ctx.Done():
		if last := v.Status().Err; last != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), last)
		}
		return ctx.Err() // in the middle of the snapshot
	}
	return nil
}

// Close ends the view and returns when its goroutines have and the file is
// written. What the view holds stays readable. The error is about the file.
func (v *View) Close() error {
	v.closing.Do(func() {
		v.stop()
		v.tasks.Wait()
		v.save()
		v.noted(func(s *ViewStatus) { s.Err = fmt.Errorf("%w: the view is closed", ErrUnavailable) })
	})
	return v.Status().FileErr
}

// Get returns the entry of a key, or its default, and whether there is one. Do
// not change its Value.
func (v *View) Get(key string) (wire.ConfigEntry, bool) {
	if e := v.state.Load().entries.get(key); e != nil {
		return *e, true
	}
	return wire.ConfigEntry{}, false
}

// All yields what Get would answer, by key, as of one moment.
func (v *View) All() iter.Seq2[string, wire.ConfigEntry] {
	return func(yield func(string, wire.ConfigEntry) bool) {
		for _, e := range v.state.Load().entries {
			if !yield(e.Key, *e) {
				return
			}
		}
	}
}

// Changed returns a channel that is closed at the next change of an entry. Take
// it before looking, so that no change falls in between.
func (v *View) Changed() <-chan struct{} { return v.state.Load().changed }

// Status says what the answers rest on.
func (v *View) Status() ViewStatus {
	v.mu.Lock()
	status := v.status
	v.mu.Unlock()
	status.Position = v.state.Load().position
	if !status.Since.IsZero() {
		status.Age = max(0, time.Since(status.Since))
	}
	status.Stale = status.Source != SourceLive || status.Age > v.config.StaleAfter
	return status
}

// noted changes the status.
func (v *View) noted(change func(*ViewStatus)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.status)
}
