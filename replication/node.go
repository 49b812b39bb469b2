package replication

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"confman/events"
	"confman/events/proof"
	"confman/replication/disk"
)

// Node is one replica. It can be asked from the start; until it is part of a
// cluster it answers that it is unavailable and why ([Node.Standing]).
type Node struct {
	config   Config
	lock     *os.File
	handler  http.Handler
	ask      *asker
	present  *present
	identity atomic.Pointer[identity]
	views    atomic.Pointer[disk.Store] // what State was loaded from and is folded into; nil before
	engine   atomic.Pointer[engine]     // nil until the node is part of a cluster
	waiting  atomic.Pointer[string]     // what for, until then
	standing atomic.Pointer[agedStanding]
	upkeep   *upkeep
	verified verifications
	invited  chan inviteRequest
	around   around
	notices  *notices
	room     *room

	join    string // URL of a member to join at, or empty; begin's
	learner bool   // join without asking for a vote; begin's

	stop  context.CancelFunc
	begun sync.WaitGroup // begin has returned
	done  sync.WaitGroup // so has what it started
}

// Open takes the data directory and begins to become part of a cluster. The
// caller serves Handler at the advertised address from now on: others ask for
// it. Config.Fatal is called when the node cannot or can no longer take part.
func Open(config Config) (*Node, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	config.Fatal = remedied(config.Fatal, config.ID)
	n := &Node{
		config: config, present: newPresent(), upkeep: newUpkeep(&config), invited: make(chan inviteRequest, 1),
		join: config.Join, learner: config.Learner,
	}
	n.ask, n.around.started, n.notices = newAsker(n), time.Now(), newNotices(&config)
	n.handler = n.routes()
	lock, err := lockDirectory(config.Dir)
	if err != nil {
		return nil, err
	}
	n.lock = lock
	id, err := loadIdentity(config.Dir, config.ID)
	if err == nil {
		n.room, err = newRoom(n)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	n.identity.Store(&id)
	ctx, cancel := context.WithCancel(context.Background())
	n.stop = cancel
	n.begun.Go(func() {
		if err := n.begin(ctx); err != nil && ctx.Err() == nil {
			config.Fatal(err)
		}
	})
	return n, nil
}

// lockDirectory keeps other processes out of a data directory.
func lockDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w %s is in use by another process", ErrDirectory, dir), f.Close())
	}
	return f, nil
}

// begin makes the node part of a cluster: one it belongs to already, one that
// it forms with the other founders, or one that it joins.
func (n *Node) begin(ctx context.Context) error {
	if err := n.awaitRoom(); err != nil {
		return err
	}
	belonged := n.cluster() != ""
	if id := *n.identity.Load(); belonged && id.TLS != (n.ask.scheme == "https") {
		if err := n.take(id); err != nil {
			return err
		}
	}
	if !belonged {
		if err := n.enrol(ctx); err != nil {
			return err
		}
	}
	e, err := n.openEngine(ctx)
	if err != nil {
		return err
	}
	n.engine.Store(e)
	n.done.Go(func() { n.observe(ctx, e) })
	n.done.Go(func() { n.inform(ctx, e) })
	n.done.Go(func() { n.notice(ctx, e) })
	n.done.Go(func() { n.watchRoom(ctx, e) })
	if n.identity.Load().Forming {
		if err := n.found(ctx, e); err != nil {
			return err
		}
	}
	n.waiting.Store(nil)
	n.upkeep.archive.header = proof.Header{Cluster: n.cluster(), Node: n.config.ID}
	if n.config.Retention.Events > 0 || n.config.Retention.Age > 0 {
		n.done.Go(func() { n.retain(ctx, e) })
	}
	n.done.Go(func() { n.publishDue(ctx) })
	n.done.Go(func() { n.compareClocks(ctx) })
	n.orFatal(ctx, func() error { return n.findPlace(ctx) })
	if belonged && n.config.Join != "" {
		n.orFatal(ctx, func() error { return n.checkJoin(ctx) })
	}
	if len(n.config.Proof.Key) > 0 {
		n.done.Go(func() { n.checkpoints(ctx) })
	}
	if n.config.Proof.VerifyInterval > 0 {
		n.done.Go(func() { n.verifyDaily(ctx) })
	}
	n.done.Go(func() { n.tend(ctx, e) })
	if n.join != "" || len(n.config.Peers) == 0 {
		n.done.Go(func() { n.seekMembership(ctx, e) })
	}
	return nil
}

// cluster is the identity of the cluster that the node belongs to, or empty.
func (n *Node) cluster() string { return n.identity.Load().Cluster }

// take makes an identity this node's, durably.
func (n *Node) take(id identity) error {
	id.TLS = n.ask.scheme == "https"
	if err := id.save(n.config.Dir); err != nil {
		return err
	}
	n.identity.Store(&id)
	return nil
}

// running returns the engine, or an error that says what the node waits for.
func (n *Node) running() (*engine, error) {
	if e := n.engine.Load(); e != nil {
		return e, nil
	}
	return nil, fmt.Errorf("%s: %w", n.waitsFor(), events.ErrUnavailable)
}

// waitsFor says what keeps the node from being part of a cluster; empty when
// nothing does.
func (n *Node) waitsFor() string {
	if w := n.waiting.Load(); w != nil {
		return *w
	}
	if n.engine.Load() == nil {
		return "starting"
	}
	return ""
}

// wait notes what the node waits for, and logs it when that changes.
func (n *Node) wait(format string, args ...any) {
	now := fmt.Sprintf(format, args...)
	if before := n.waiting.Swap(&now); before == nil || *before != now {
		n.config.Log.Info().Msg(now)
	}
}

// Close hands leadership over if this node has it, stops, and makes a marker so
// that the next start has little to fold. It ends all that Open began.
func (n *Node) Close() error {
	n.stop()
	n.room.space.Close() // what waits for room ends
	n.begun.Wait()
	var err error
	if e := n.engine.Load(); e != nil {
		err = e.close()
	}
	n.done.Wait()
	return errors.Join(err, n.lock.Close())
}
