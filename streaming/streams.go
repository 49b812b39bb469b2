package streaming

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
)

// Config is what [Streams] need. Hub, Source, AppendEntry, Now and Random are
// required.
type Config struct {
	Hub    *Hub
	Source Source
	// AppendEntry appends an entry of a snapshot as JSON, bare without its value.
	AppendEntry func(dst []byte, e *events.Entry, bare bool) []byte
	Limits      Limits
	Log         zerolog.Logger
	Now         func() time.Time
	Random      func(n int64) int64 // from 0 to n-1; spreads out what would come together
}

// Limits bound what clients may have. Zero values mean the defaults.
type Limits struct {
	Watches       int           // on this node; DefaultWatches
	PerPrincipal  int           // of them, one principal's; DefaultPerPrincipal
	PerConnection int           // on one WebSocket; DefaultPerConnection
	Stuck         time.Duration // without taking anything; DefaultStuck
	Heartbeat     time.Duration // at most twice this is silence; DefaultHeartbeat
}

// Defaults of Limits.
const (
	DefaultWatches       = 20_000
	DefaultPerPrincipal  = 10_000
	DefaultPerConnection = 10_000
	DefaultStuck         = 30 * time.Second
	DefaultHeartbeat     = 7 * time.Second
)

// Streams are the connections of one node.
type Streams struct {
	Config
	buffers sync.Pool
	events  atomic.Uint64
	bytes   atomic.Uint64

	mu          sync.Mutex // guards the fields below
	connections map[*Connection]struct{}
	opened      uint64 // connections, ever
	taken       int    // slots for watches
	principals  map[string]int
	reasons     map[string]uint64
	draining    bool
	empty       chan struct{} // closed when draining has ended the last
}

// New checks the configuration. It starts nothing.
func New(c Config) (*Streams, error) {
	if c.Hub == nil || c.Source == nil || c.AppendEntry == nil || c.Now == nil || c.Random == nil {
		return nil, errors.New("streaming: Hub, Source, AppendEntry, Now and Random are required")
	}
	l := &c.Limits
	if l.Watches < 0 || l.PerPrincipal < 0 || l.PerConnection < 0 || l.Stuck < 0 || l.Heartbeat < 0 {
		return nil, errors.New("streaming: limits are not negative")
	}
	l.Watches = cmp.Or(l.Watches, DefaultWatches)
	l.PerPrincipal = cmp.Or(l.PerPrincipal, DefaultPerPrincipal)
	l.PerConnection = cmp.Or(l.PerConnection, DefaultPerConnection)
	l.Stuck = cmp.Or(l.Stuck, DefaultStuck)
	l.Heartbeat = cmp.Or(l.Heartbeat, DefaultHeartbeat)
	return &Streams{
		Config:      c,
		connections: map[*Connection]struct{}{},
		principals:  map[string]int{},
		reasons:     map[string]uint64{},
		empty:       make(chan struct{}),
	}, nil
}

// Connect takes on a client. The error is [ErrTooMany], [ErrFull] or [ErrDraining],
// or the caller's [*End]. Serve or close the connection.
func (s *Streams) Connect(caller Caller, encoding string) (*Connection, error) {
	c := &Connection{
		streams: s, caller: caller, encoding: encoding, since: s.Now(),
		wake: make(chan struct{}, 1), rights: s.Hub.rights.Load(),
		watches: map[string]*watch{}, slots: 1,
	}
	// Whoever was looked up before the count was taken is looked up again.
	if err := caller.Rights.Renew(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.reserve(caller.Principal); err != nil {
		return nil, err
	}
	s.opened++
	c.number = s.opened
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s.connections[c] = struct{}{}
	return c, nil
}

// reserve takes a slot for a watch; s.mu is held.
func (s *Streams) reserve(principal string) error {
	switch {
	case s.draining:
		return ErrDraining
	case s.taken >= s.Limits.Watches:
		return fmt.Errorf("%w: this node serves at most %d (--max-watches)", ErrFull, s.Limits.Watches)
	case s.principals[principal] >= s.Limits.PerPrincipal:
		return fmt.Errorf("%w: %s has %d on this node, and may not have more (--max-watches-per-principal)", ErrTooMany, principal, s.Limits.PerPrincipal)
	}
	s.taken++
	s.principals[principal]++
	return nil
}

// reserveMore is reserve for whoever does not hold s.mu.
func (s *Streams) reserveMore(principal string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reserve(principal)
}

func (s *Streams) release(principal string, slots int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= slots
	if s.principals[principal] -= slots; s.principals[principal] == 0 {
		delete(s.principals, principal)
	}
}

// forget ends a connection's being here.
func (s *Streams) forget(c *Connection) {
	s.release(c.caller.Principal, c.slots)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connections, c)
	if s.draining && len(s.connections) == 0 {
		close(s.empty)
	}
}

// Drain says goodbye to all clients, spread over half a second so that they do
// not all go to the next node at once, and takes on no more. When the context
// ends, those who are left are cut off. It returns when nobody is left. It may be
// called once.
func (s *Streams) Drain(ctx context.Context) {
	s.mu.Lock()
	s.draining = true
	all := slices.Collect(maps.Keys(s.connections))
	if len(all) == 0 {
		close(s.empty)
	}
	s.mu.Unlock()
	const steps, step = 25, 20 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	for n := range steps {
		for _, c := range all[n*len(all)/steps : (n+1)*len(all)/steps] {
			c.end(&End{Reason: ReasonShutdown, Detail: "this node stops; go on at another one from your position"})
		}
		select {
		case <-tick.C:
		case <-s.empty:
			return
		}
	}
	select {
	case <-s.empty:
		return
	case <-ctx.Done():
	}
	for _, c := range all {
		c.cut()
	}
	<-s.empty
}

// End ends the connections of a session.
func (s *Streams) End(session string, why *End) {
	for _, c := range s.all() {
		if c.caller.Session == session {
			c.end(why)
		}
	}
}

// positionAt is the position of an index that this node has reached.
func (s *Streams) positionAt(index uint64) (events.Position, error) {
	if i := s.Hub.tail.at(index); i != nil {
		return i.record.Position(), nil
	}
	return s.Source.PositionAt(index)
}

// keptBytes is the largest buffer that is kept for the next who writes, who may
// need less and hold it for as long as the client takes nothing.
const keptBytes = 2 * writeBytes

// output is an empty buffer. Connections have one only while they write.
func (s *Streams) output(encoding string) *output {
	o, ok := s.buffers.Get().(*output)
	if !ok {
		o = &output{}
	}
	o.encoding, o.buf = encoding, o.buf[:0]
	return o
}

func (s *Streams) recycle(o *output) {
	if cap(o.buf) <= keptBytes {
		s.buffers.Put(o)
	}
}

// count counts what was written.
func (s *Streams) count(sent uint64, bytes int) {
	s.events.Add(sent)
	s.bytes.Add(uint64(bytes))
}

// ended counts why watches end.
func (s *Streams) ended(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons[reason]++
}

// Watching is a watch that this node serves.
type Watching struct {
	ID        string // unique on this node
	Caller    Caller
	Encoding  string
	Filter    Filter
	Since     time.Time
	Index     uint64 // every record up to here was looked at
	Lag       uint64 // records between that and the newest
	Delivered uint64 // events
}

// List lists the watches, oldest connection first.
func (s *Streams) List() (all []Watching) {
	newest, mark := s.Source.Position().Index, s.Hub.rung.Load()
	for _, c := range s.all() {
		watches := c.list()
		slices.SortFunc(watches, func(a, b *watch) int { return cmp.Compare(a.id, b.id) })
		for _, w := range watches {
			id := strconv.FormatUint(c.number, 10)
			if w.id != "" {
				id += "/" + w.id
			}
			at := w.at(mark)
			all = append(all, Watching{
				ID: id, Caller: c.caller, Encoding: c.encoding, Filter: w.filter, Since: c.since,
				Index: at, Lag: newest - min(at, newest), Delivered: w.delivered.Load(),
			})
		}
	}
	return all
}

// at is how far the watch is, given the hub's mark from before.
func (w *watch) at(mark uint64) uint64 {
	seen := w.seen.Load()
	if w.waiter.ready.Load() {
		return seen
	}
	return max(seen, mark)
}

func (s *Streams) all() []*Connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.connections), func(a, b *Connection) int { return cmp.Compare(a.number, b.number) })
}

// Stats are figures of a node's watches.
type Stats struct {
	Connections map[string]int    // by encoding
	Watches     map[string]int    // by encoding
	Events      uint64            // sent, ever
	Bytes       uint64            // written, ever
	Ended       map[string]uint64 // watches ended, ever, by reason; "left": by the client
	MaxLag      uint64            // records that the watch furthest behind has not looked at
}

// Stats counts.
func (s *Streams) Stats() Stats {
	newest, mark := s.Source.Position().Index, s.Hub.rung.Load()
	out := Stats{
		Connections: map[string]int{SSE: 0, NDJSON: 0, WebSocket: 0},
		Watches:     map[string]int{SSE: 0, NDJSON: 0, WebSocket: 0},
		Events:      s.events.Load(), Bytes: s.bytes.Load(),
	}
	for _, c := range s.all() {
		out.Connections[c.encoding]++
		for _, w := range c.list() {
			out.Watches[c.encoding]++
			out.MaxLag = max(out.MaxLag, newest-min(w.at(mark), newest))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Ended = maps.Clone(s.reasons)
	return out
}
