package bench

import (
	"context"
	"os"
	"strings"
	"time"

	"confman/cmd/internal/bench/crowd"
)

// look is how everything stands at one time.
type look struct {
	at     time.Time
	counts crowd.Counts
	found  recorded // since the look before
	served vitals
	asked  time.Time // when the processes were asked for their vitals
	others float64   // CPU seconds of the other nodes
	here   float64   // CPU seconds of this process
}

// look looks at everything.
func (s *session) look(ctx context.Context) (l look, err error) {
	l.at = time.Now()
	if s.crowd != nil {
		l.counts = s.crowd.Counts()
	}
	if s.found != nil {
		l.found = s.found.take()
	}
	node, _ := s.served()
	if l.served, err = vitalsOf(ctx, node); err != nil {
		return l, err
	}
	for _, other := range s.others() {
		v, err := vitalsOf(ctx, other)
		if err != nil {
			return l, err
		}
		l.others += v.cpu
	}
	l.here, err = ownCPU()
	l.asked = time.Now()
	return l, err
}

// row says what happened between two looks.
func (s *session) row(name string, before, after look) watchRow {
	r := newWatchRow(name, s.watching)
	r.Seconds = after.at.Sub(before.at).Seconds()
	d := &r.Deliveries
	d.Count = after.counts.Events - before.counts.Events
	d.Rate = float64(d.Count) / r.Seconds
	d.Decoded = after.counts.Decoded - before.counts.Decoded
	if reads := after.counts.Reads - before.counts.Reads; reads > 0 && d.Count > 0 {
		d.PerRead = float64(d.Count) / float64(reads)
		d.Bytes = float64(after.counts.Bytes-before.counts.Bytes) / float64(d.Count)
	}
	if found := after.found; found.lags != nil {
		r.Lag = newLatency(found.lags)
		r.Writes = writes{Rate: float64(found.puts.count) / r.Seconds, Latency: newLatency(found.puts), Errors: found.errors}
		if found.example != nil {
			r.Writes.Error = found.example.Error()
		}
	}
	asked := after.asked.Sub(before.asked).Seconds()
	r.Cores = cores{
		Served: (after.served.cpu - before.served.cpu) / asked, Others: (after.others - before.others) / asked, Here: (after.here - before.here) / asked,
	}
	r.Resident = after.served.resident / (1 << 20)
	return r
}

// served is the leader or, when a follower is to be watched, one of them.
func (w *watchedCluster) served() (node, key string) { return w.node, w.key }

// others are the nodes that serve no watches.
func (w *watchedCluster) others() (all []string) {
	for _, n := range w.nodes {
		if n != w.node {
			all = append(all, n)
		}
	}
	return all
}

// watchedCluster is a cluster, one node of which serves watches.
type watchedCluster struct {
	*cluster
	node string
	dir  string // of its data, gone afterwards
}

// newWatchedCluster chooses the node: the leader, or the first that does not lead.
func newWatchedCluster(c *cluster, follower bool, dir string) *watchedCluster {
	w := &watchedCluster{cluster: c, node: strings.TrimSuffix(c.leader, "/"), dir: dir}
	for _, n := range c.nodes {
		if follower && n != w.node {
			w.node = n
			break
		}
	}
	return w
}

func (w *watchedCluster) close() {
	w.cluster.close()
	_ = os.RemoveAll(w.dir) // the directory above goes, too, and says so
}

func (w *watchedCluster) rest(ctx context.Context) (uint64, error) {
	err := w.settle(ctx)
	return w.index, err
}

func (f *watchFloor) served() (node, key string) {
	return f.url, "a-key-as-long-as-others-are-in-the-headers"
}
func (f *watchFloor) others() []string                     { return nil }
func (f *watchFloor) rest(context.Context) (uint64, error) { return f.index, nil }
