package crowd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// Bounds.
const (
	maxWatches  = 1 << 20                  // of one connection
	readSize    = 256 << 10                // of one read
	readyAtOnce = 512                      // connections of one round
	dialAtOnce  = 64                       // connections being opened
	endLook     = 100                      // milliseconds between looks whether to end, when nothing comes
	awaitLook   = 5 * time.Millisecond     // between looks whether all is there
	smallBuffer = 4 << 10                  // bytes, SO_RCVBUF of those that can pause
	dialTimeout = 30 * time.Second         // for a connection and its opening frames
	pauseEvents = uint32(syscall.EPOLLERR) // what is waited for while paused; reported anyway
)

// Config says what a crowd watches.
type Config struct {
	Node  string // URL, plain http
	Key   string // API key
	Query string // of /api/v1/watch, without an id

	Encoding    string // one of wire's Encoding constants
	Connections int
	Watches     int // of each connection; more than one on a WebSocket only; 0 is 1
	Pausing     int // how many of the connections Pause stops; their receive buffers are small

	// Round is called after each round of reads by the goroutine that reads, and
	// must not block: with the events read so far, and the lags of this round's,
	// since the newest Stamp in their values. Lags are those of every
	// TimedEvery-th connection that cannot pause; 0 is 1. Nil: not called.
	Round      func(events uint64, lags []time.Duration)
	TimedEvery int
}

// Counts is what a crowd has read.
type Counts struct {
	Events  uint64
	Reads   uint64 // system calls that brought something
	Bytes   uint64
	Decoded uint64 // events whose members came in an order that made the reader slow
}

// Crowd is a crowd of watchers. Close it.
type Crowd struct {
	config Config
	epoll  int
	ending atomic.Bool
	done   chan struct{} // closed when nobody reads any more

	mu      sync.Mutex // guards all below, and the streams
	streams []*stream  // nil where there is no connection yet
	watches []watch    // of all connections
	counts  Counts
	lags    []time.Duration // since Round was called
}

// Open opens all connections and returns when every watch has said where it
// begins. Events are read from the first moment on.
func Open(ctx context.Context, config Config) (*Crowd, error) {
	config.Watches, config.TimedEvery = max(config.Watches, 1), max(config.TimedEvery, 1)
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	c := &Crowd{
		config: config, epoll: epoll, done: make(chan struct{}),
		streams: make([]*stream, config.Connections), watches: make([]watch, config.Connections*config.Watches),
	}
	go c.read()
	dialling, dialCtx := errgroup.WithContext(ctx)
	dialling.SetLimit(dialAtOnce)
	for i := range config.Connections {
		if dialCtx.Err() != nil {
			break
		}
		dialling.Go(func() error { return c.join(dialCtx, i) })
	}
	err = dialling.Wait()
	if err == nil {
		err = c.await(ctx, dialTimeout, "begin", func(w *watch) bool { return w.open })
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("open %d watching connections to %s: %w", config.Connections, config.Node, err)
	}
	return c, nil
}

// join opens one connection and adds it to those that are read.
func (c *Crowd) join(ctx context.Context, number int) error {
	s := &stream{crowd: c, watches: c.watches[number*c.config.Watches:][:c.config.Watches]}
	s.timed = number >= c.config.Pausing && number%c.config.TimedEvery == 0
	begun, err := c.dial(ctx, s, number < c.config.Pausing)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[number] = s
	s.take(begun)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(number)}
	if err := syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// read reads what comes until the crowd is closed.
func (c *Crowd) read() {
	defer close(c.done)
	ready, buffer := make([]syscall.EpollEvent, readyAtOnce), make([]byte, readSize)
	var lags []time.Duration
	for !c.ending.Load() {
		n, err := syscall.EpollWait(c.epoll, ready, endLook)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			panic(fmt.Sprintf("epoll_wait: %v", err)) // this program is wrong
		}
		if n <= 0 {
			continue
		}
		c.mu.Lock()
		for _, r := range ready[:n] {
			c.streams[r.Fd].read(buffer)
		}
		events := c.counts.Events
		lags, c.lags = c.lags, lags[:0]
		c.mu.Unlock()
		if c.config.Round != nil {
			c.config.Round(events, lags)
		}
	}
}

// read reads once.
func (s *stream) read(buffer []byte) {
	n, err := syscall.Read(s.fd, buffer)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
	case err != nil:
		s.leave(err.Error())
	case n == 0:
		s.leave("the connection ended")
	default:
		s.crowd.counts.Reads++
		s.take(buffer[:n])
	}
}

// take takes apart what was read.
func (s *stream) take(data []byte) {
	s.crowd.counts.Bytes += uint64(len(data))
	if s.timed {
		s.now = time.Now()
	}
	if err := s.split.feed(data); err != nil {
		s.leave(err.Error())
	}
}

// leave ends a connection. Its descriptor stays ours until the crowd is closed.
func (s *stream) leave(why string) {
	s.end(why)
	_ = syscall.EpollCtl(s.crowd.epoll, syscall.EPOLL_CTL_DEL, s.fd, nil) // not there yet, at the very beginning
	_ = syscall.Shutdown(s.fd, syscall.SHUT_RDWR)                         // it may have ended already
}

// Counts is what has been read so far.
func (c *Crowd) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Await returns when every watch has had so many events, has ended or deviates.
// It fails when no event comes for a time of patience before that.
func (c *Crowd) Await(ctx context.Context, events uint64, patience time.Duration) error {
	return c.await(ctx, patience, fmt.Sprintf("have %d events", events), func(w *watch) bool { return w.count >= events })
}

func (c *Crowd) await(ctx context.Context, patience time.Duration, what string, there func(*watch) bool) error {
	tick := time.NewTicker(awaitLook)
	defer tick.Stop()
	n, seen := c.missing(there)
	for deadline := time.Now().Add(patience); n > 0; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		missed, before := n, seen
		if n, seen = c.missing(there); n != missed || seen != before {
			deadline = time.Now().Add(patience)
		}
		if n > 0 && time.Now().After(deadline) {
			return fmt.Errorf("%d of %d watches do not %s, and nothing comes for %v", n, len(c.watches), what, patience)
		}
	}
	return nil
}

// missing counts the watches that are not there and may still come, and the
// events so far. On a connection where something was wrong nothing is awaited.
func (c *Crowd) missing(there func(*watch) bool) (n int, events uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		for i := range s.watches {
			if w := &s.watches[i]; s.wrong == nil && w.ended == "" && !there(w) {
				n++
			}
		}
	}
	return n, c.counts.Events
}

// Pause stops reading the connections that can pause; Resume goes on.
func (c *Crowd) Pause() error { return c.listen(pauseEvents) }

// Resume goes on where Pause stopped.
func (c *Crowd) Resume() error { return c.listen(syscall.EPOLLIN) }

func (c *Crowd) listen(events uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, s := range c.streams[:c.config.Pausing] {
		err := syscall.EpollCtl(c.epoll, syscall.EPOLL_CTL_MOD, s.fd, &syscall.EpollEvent{Events: events, Fd: int32(i)})
		if err != nil && !errors.Is(err, syscall.ENOENT) { // it has left
			return fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	return nil
}

// Paused says of each connection that can pause why its first watch has ended,
// and after how many events; empty where it has not.
func (c *Crowd) Paused() (ended []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.config.Pausing {
		w := &c.watches[i*c.config.Watches]
		if w.ended == "" {
			ended = append(ended, "")
			continue
		}
		ended = append(ended, fmt.Sprintf("%s, after %d events", w.ended, w.count))
	}
	return ended
}

// Check says what is wrong: a watch whose events did not follow one another as
// prev says, that had not exactly so many events, or that ended. Those that can
// pause may have ended.
func (c *Crowd) Check(events uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bad, example := 0, error(nil)
	wrong := func(err error) {
		if bad++; example == nil {
			example = err
		}
	}
	for i, s := range c.streams {
		if s.wrong != nil {
			wrong(fmt.Errorf("connection %d: %w", i, s.wrong))
			continue
		}
		for j := range s.watches {
			w := &s.watches[j]
			switch {
			case w.ended != "" && i < c.config.Pausing:
			case w.ended != "":
				wrong(fmt.Errorf("connection %d, watch w%d ended: %s", i, j, w.ended))
			case w.count != events:
				wrong(fmt.Errorf("connection %d, watch w%d had %d events of %d", i, j, w.count, events))
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d watches deviate, such as: %w", bad, len(c.watches), example)
	}
	return nil
}

// Close closes all connections. Counts, Paused and Check answer as before.
func (c *Crowd) Close() {
	if c.ending.Swap(true) {
		return // it is closed
	}
	<-c.done
	for _, s := range c.streams {
		if s != nil {
			_ = syscall.Close(s.fd) // nothing is waiting to be written
		}
	}
	_ = syscall.Close(c.epoll)
}
