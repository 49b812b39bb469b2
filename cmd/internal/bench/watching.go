package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"confman/api/wire"
	"confman/cmd/internal/bench/crowd"
)

// watching is one measurement of watches.
type watching struct {
	name        string
	floor       bool // by a floor, not a cluster
	encoding    string
	connections int
	watches     int // of each connection
	writers     int
	batch       int     // events of one write
	rate        float64 // events a second; 0: as fast as the readers go along
	ahead       int     // writes that writers may be ahead of the readers with rate 0; 0: they do not wait for them
	log         int     // events written before, from before which the watches begin; nothing is written then
	idle        bool    // nothing happens: what is a connection's memory?
	stall       int     // connections that stop reading for a while
	stallFor    time.Duration
}

// target is what serves watches: a cluster or a floor.
type target interface {
	// publish makes events; writes that fail are the recorder's.
	publish(ctx context.Context, p publishing, valueBytes int) error
	// rest waits until all is done and returns the index of the last event.
	rest(ctx context.Context) (index uint64, err error)
	// served is the node that serves the watches, others are those beside it.
	served() (node, key string)
	others() []string
	close()
}

// session is one measurement under way.
type session struct {
	watching
	target
	options watchOptions
	found   *recorder
	gate    *gate
	crowd   *crowd.Crowd // nil without connections
}

// timedConnections is about how many connections' lags are looked at.
const timedConnections = 128

// open opens the watches after a position.
func (s *session) open(ctx context.Context, after string) (err error) {
	s.found = &recorder{}
	if s.connections == 0 {
		return nil
	}
	if s.ahead > 0 {
		s.gate = newGate(s.ahead, uint64((s.connections-s.stall)*max(s.watches, 1)*s.batch))
	}
	node, key := s.served()
	s.crowd, err = crowd.Open(ctx, crowd.Config{
		Node: node, Key: key, Query: url.Values{wire.ParamNamespace: {namespace}, wire.ParamAfter: {after}}.Encode(),
		Encoding: s.encoding, Connections: s.connections, Watches: s.watches, Pausing: s.stall,
		TimedEvery: max(1, s.connections/timedConnections),
		Round: func(events uint64, lags []time.Duration) {
			s.found.lag(lags)
			if s.gate != nil {
				s.gate.read(events)
			}
		},
	})
	return err
}

func (s *session) closeCrowd() {
	if s.crowd != nil {
		s.crowd.Close()
	}
}

// run measures. Watches that deviate are in the rows, not in the error.
func (s *session) run(ctx context.Context) ([]watchRow, error) {
	switch {
	case s.idle:
		return s.rests(ctx)
	case s.log > 0:
		return s.catchesUp(ctx)
	}
	return s.follows(ctx)
}

// follows measures watches that are told what is being written.
func (s *session) follows(ctx context.Context) (rows []watchRow, err error) {
	from, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, wire.AfterNow); err != nil {
		return nil, err
	}
	defer s.closeCrowd()
	parts := []part{{name: s.name, length: s.options.duration}}
	if s.stall > 0 {
		parts[0].name += ", before"
		parts = append(parts, part{s.name + ", stalled", s.stallFor, (*crowd.Crowd).Pause}, part{s.name + ", after", s.options.duration, (*crowd.Crowd).Resume})
	}
	start := time.Now().Add(s.options.warmUp())
	end := start
	for _, p := range parts {
		end = end.Add(p.length)
	}
	published := make(chan error, 1)
	go func() {
		published <- s.publish(ctx, publishing{writers: s.writers, batch: s.batch, rate: s.rate, until: end, gate: s.gate, found: s.found}, s.options.valueBytes)
	}()
	rows, err = s.measure(ctx, start, parts)
	if err = errors.Join(err, <-published); err != nil {
		return nil, err
	}
	to, err := s.rest(ctx)
	if err != nil {
		return nil, err
	}
	return rows, s.prove(ctx, to-from, &rows[len(rows)-1])
}

// prepare writes for a while, so that the namespace and every key are there, and
// returns the index of the last event.
func (s *session) prepare(ctx context.Context) (index uint64, err error) {
	p := publishing{writers: s.writers, batch: s.batch, until: time.Now().Add(s.options.warmUp()), found: &recorder{}}
	if err := s.publish(ctx, p, s.options.valueBytes); err != nil {
		return 0, err
	}
	return s.rest(ctx)
}

// part is a stretch of time that gets a row.
type part struct {
	name   string
	length time.Duration
	begin  func(*crowd.Crowd) error // what happens first; nil: nothing
}

// measure makes a row for each part, from a time on.
func (s *session) measure(ctx context.Context, start time.Time, parts []part) (rows []watchRow, err error) {
	if err := wait(ctx, start); err != nil {
		return nil, err
	}
	s.found.take() // what was the warm-up's
	for _, p := range parts {
		if p.begin != nil {
			if err := p.begin(s.crowd); err != nil {
				return nil, err
			}
		}
		before, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		start = start.Add(p.length)
		if err := wait(ctx, start); err != nil {
			return nil, err
		}
		after, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		rows = append(rows, s.row(p.name, before, after))
	}
	return rows, nil
}

// prove waits until every watch has had all events and notes which did not have
// just these, in order, and what became of those that stalled.
func (s *session) prove(ctx context.Context, events uint64, row *watchRow) error {
	if s.crowd == nil {
		return nil
	}
	if err := s.crowd.Await(ctx, events, patience); ctx.Err() != nil {
		return err // else Check says who lacks what
	}
	if err := s.crowd.Check(events); err != nil {
		row.Deviation = err.Error()
	}
	for _, ended := range s.crowd.Paused() {
		if ended == "" {
			ended = "caught up"
		}
		row.Stalled = append(row.Stalled, ended)
	}
	return nil
}

// catchesUp measures watches that begin before events which are there already:
// from the first connection until all have had them all.
func (s *session) catchesUp(ctx context.Context) ([]watchRow, error) {
	c, ours := s.target.(*watchedCluster)
	if !ours {
		return nil, errors.New("a floor has no log to catch up with")
	}
	from, err := s.prepare(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.writeLog(ctx, s.log, s.options.valueBytes); err != nil {
		return nil, fmt.Errorf("write a log: %w", err)
	}
	to, err := s.rest(ctx)
	if err != nil {
		return nil, err
	}
	before, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, strconv.FormatUint(from, 10)); err != nil {
		return nil, err
	}
	defer s.closeCrowd()
	if err := s.crowd.Await(ctx, to-from, patience); ctx.Err() != nil {
		return nil, err // else prove says who lacks what
	}
	after, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	rows := []watchRow{s.row(s.name, before, after)}
	rows[0].Lag = latency{} // they are as old as the log is
	return rows, s.prove(ctx, to-from, &rows[0])
}

// rests measures what connections cost on which nothing happens.
func (s *session) rests(ctx context.Context) ([]watchRow, error) {
	if _, err := s.rest(ctx); err != nil {
		return nil, err
	}
	node, key := s.served()
	before, err := atRest(ctx, node, key)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx, wire.AfterNow); err != nil {
		return nil, err
	}
	defer s.closeCrowd()
	after, err := atRest(ctx, node, key)
	if err != nil {
		return nil, err
	}
	n := float64(s.connections)
	rows := []watchRow{newWatchRow(s.name, s.watching)}
	rows[0].Resident = after.resident / (1 << 20)
	rows[0].Each = &memory{
		Resident: (after.resident - before.resident) / n / (1 << 10), Heap: (after.heap - before.heap) / n / (1 << 10),
		Goroutines: (after.goroutines - before.goroutines) / n,
	}
	return rows, s.prove(ctx, 0, &rows[0])
}
