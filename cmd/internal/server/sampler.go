package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"confman/api/figures"
	"confman/api/wire"
	"confman/replication"
	"confman/streaming"
)

// sampler notes what the node measures of itself every [figures.Interval]. It reads
// what a scrape reads, and nothing on the way of a write knows of it.
type sampler struct {
	figures.Ring
	node    *replication.Node
	watches func() streaming.Stats // set before start
	commits prometheus.Gatherer    // how long commits took
	now     func() time.Time
	last    reading
	stop    func() // nil: not started
}

// reading are the counts at a sample.
type reading struct {
	at        time.Time
	index     uint64
	delivered uint64
	commits   latencies
}

// start notes figures until close.
func (s *sampler) start() {
	s.last = s.read() // what is counted begins here
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run(ctx)
	}()
	s.stop = func() {
		cancel()
		<-ended
	}
}

// close ends what start began, if it did.
func (s *sampler) close() {
	if s.stop != nil {
		s.stop()
	}
}

func (s *sampler) run(ctx context.Context) {
	next := time.NewTimer(s.wait())
	defer next.Stop()
	for {
		select {
		case <-next.C:
			s.sample()
			next.Reset(s.wait())
		case <-ctx.Done():
			return
		}
	}
}

// wait is how long it is until the next multiple of the interval: nodes whose clocks
// agree measure at the same times.
func (s *sampler) wait() time.Duration {
	now := s.now()
	return now.Truncate(figures.Interval).Add(figures.Interval).Sub(now)
}

// sample adds what there is and what came since the last one. When it is called
// early or late, the nearest time counts; twice for one time it adds nothing.
func (s *sampler) sample() {
	now := s.read()
	now.at = now.at.Round(figures.Interval).UTC()
	if now.at.Equal(s.last.at) {
		return
	}
	standing, commits := s.node.Standing(), now.commits.since(s.last.commits)
	sample := wire.Sample{
		Time: now.at, EventIndex: now.index, Events: now.index - min(s.last.index, now.index),
		Commits: commits.all, CommitP50Ms: commits.quantile(0.5), CommitP99Ms: commits.quantile(0.99),
		Delivered: now.delivered - s.last.delivered, Role: role(standing.Role), Term: standing.Term,
		LeaderKnown: standing.Leader.Address != "", Lag: standing.Lag(), DiskFree: standing.FreeBytes,
	}
	for _, n := range s.watches().Watches {
		sample.Watchers += uint64(n)
	}
	s.Add(sample)
	s.last = now
}

func (s *sampler) read() reading {
	return reading{at: s.now(), index: s.node.State().Index(), delivered: s.watches().Events, commits: readLatencies(s.commits)}
}

// LeaderChanges are those that the node saw after a time.
func (s *sampler) LeaderChanges(after time.Time) (changes []wire.LeaderChange) {
	for _, c := range s.node.LeaderChanges() {
		if c.Time.After(after) {
			changes = append(changes, wire.LeaderChange{Time: c.Time.UTC(), Term: c.Term, Leader: c.Leader})
		}
	}
	return changes
}
