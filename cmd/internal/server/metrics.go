package server

import (
	"strings"
	"sync"
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"confman/replication"
)

// newRegistry is the node's registry: the runtime, the process, the node's
// standing, and Raft's own metrics under Prometheus names.
func newRegistry(node *replication.Node, version string) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "confman_build_info", Help: "Always 1; the version is a label."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	r.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build, standingCollector{node},
	)
	sink := newRaftSink(r)
	c := gometrics.DefaultConfig("")
	c.EnableHostname, c.EnableServiceLabel, c.EnableRuntimeMetrics = false, false, false
	_, err := gometrics.NewGlobal(c, sink) // one for a process, as Raft has it
	return r, err
}

// standingCollector reads the node when it is scraped.
type standingCollector struct{ node *replication.Node }

var standingGauges = []struct {
	desc  *prometheus.Desc
	value func(replication.Standing, *replication.Node) float64
}{
	{gauge("raft_term", "Current Raft term."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Term) }},
	{gauge("raft_is_leader", "1 at the leader."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Role == "leader") }},
	{gauge("raft_leader_known", "1 when a leader is known."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Leader.Address != "") }},
	{gauge("raft_commit_index", "Last Raft entry known to be committed."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Commit) }},
	{gauge("raft_applied_index", "Last Raft entry folded."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.RaftIndex) }},
	{gauge("raft_lag_entries", "Committed Raft entries that are not folded yet."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Lag()) }},
	{gauge("ready", "1 when the node is ready to serve."), func(s replication.Standing, _ *replication.Node) float64 { return truth(len(s.Reasons) == 0) }},
	{gauge("disk_free_bytes", "Free bytes on the data directory's file system."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.FreeBytes) }},
	{gauge("marker_event_index", "Event index up to which the views are durable."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Marker) }},
	{gauge("archive_event_index", "Last event in this node's archive; 0 without one, and before it was first asked for."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Upkeep.Archived) }},
	{gauge("archive_failing", "1 while the archive takes nothing: then nothing is trimmed, and nothing deleted."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Upkeep.ArchiveFailing) }},
	{gauge("erasure_pending", "1 while files of this node may still hold something that was erased."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Upkeep.Pending > 0) }},
	{gauge("oldest_event_index", "First event that is served."), func(_ replication.Standing, n *replication.Node) float64 { return float64(n.State().Oldest()) }},
	{gauge("event_index", "Last event folded."), func(_ replication.Standing, n *replication.Node) float64 { return float64(n.State().Index()) }},
	{gauge("entries", "Live configuration entries."), func(_ replication.Standing, n *replication.Node) float64 { return float64(n.State().Len()) }},
	{gauge("drafts", "Drafts that are saved and not published."), func(_ replication.Standing, n *replication.Node) float64 { return float64(n.State().DraftCount()) }},
	{gauge("publish_requests_open", "Publish requests under review or scheduled."), func(_ replication.Standing, n *replication.Node) float64 { return float64(n.State().RequestCount()) }},
}

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("confman_"+name, help, nil, nil)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (standingCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range standingGauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c standingCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.node.Standing()
	for _, g := range standingGauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(s, c.node))
	}
}

// raftSink gives Raft's metrics Prometheus names and units: durations, which
// come in milliseconds, become one histogram in seconds by operation; counts
// become counters. Gauges are left out, the node's standing has them.
type raftSink struct {
	registry  *prometheus.Registry
	durations *prometheus.HistogramVec
	busy      *prometheus.GaugeVec

	mu       sync.Mutex // guards counters
	counters map[string]prometheus.Counter
}

func newRaftSink(r *prometheus.Registry) *raftSink {
	s := &raftSink{
		registry: r,
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "confman_raft_op_duration_seconds", Help: "Durations of Raft's operations.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"op"}),
		busy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "confman_raft_thread_busy_ratio", Help: "Share of time that Raft's goroutines are busy.",
		}, []string{"thread"}),
		counters: map[string]prometheus.Counter{},
	}
	r.MustRegister(s.durations, s.busy)
	return s
}

// timed are the operations whose durations are worth a series; the others of
// Raft's samples are sizes or named after a peer.
var timed = map[string]string{
	"raft.commitTime":                    "commit",
	"raft.leader.dispatchLog":            "dispatch",
	"raft.leader.lastContact":            "leader_last_contact",
	"raft.fsm.apply":                     "fold",
	"raft.fsm.snapshot":                  "snapshot",
	"raft.fsm.restore":                   "restore",
	"raft.rpc.appendEntries":             "append_entries",
	"raft.rpc.requestVote":               "request_vote",
	"raft.rpc.installSnapshot":           "install_snapshot",
	"raft.candidate.electSelf":           "elect",
	"raft.snapshot.takeSnapshot":         "take_snapshot",
	"raft.snapshot.persist":              "persist_snapshot",
	"raft.replication.heartbeat":         "heartbeat",
	"raft.replication.appendEntries.rpc": "replicate",
}

// AddSample implements go-metrics' MetricSink.
func (s *raftSink) AddSample(key []string, value float32) {
	name := strings.Join(key, ".")
	if op, ok := timed[name]; ok {
		s.durations.WithLabelValues(op).Observe(float64(value) / float64(time.Second/time.Millisecond))
		return
	}
	if thread, ok := strings.CutPrefix(name, "raft.thread."); ok {
		s.busy.WithLabelValues(strings.TrimSuffix(thread, ".saturation")).Set(float64(value))
	}
}

// AddSampleWithLabels implements MetricSink; labels name peers and are dropped.
func (s *raftSink) AddSampleWithLabels(key []string, value float32, _ []gometrics.Label) {
	s.AddSample(key, value)
}

// counted are the events worth counting.
var counted = map[string]string{
	"raft.apply":                        "confman_raft_entries_total",
	"raft.state.leader":                 "confman_raft_elections_won_total",
	"raft.state.candidate":              "confman_raft_candidacies_total",
	"raft.transition.heartbeat_timeout": "confman_raft_heartbeat_timeouts_total",
}

// IncrCounter implements MetricSink.
func (s *raftSink) IncrCounter(key []string, value float32) {
	name, ok := counted[strings.Join(key, ".")]
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters[name]
	if c == nil {
		c = prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: "Counted by Raft: " + strings.Join(key, ".") + "."})
		s.registry.MustRegister(c)
		s.counters[name] = c
	}
	c.Add(float64(value))
}

// IncrCounterWithLabels implements MetricSink.
func (s *raftSink) IncrCounterWithLabels(key []string, value float32, _ []gometrics.Label) {
	s.IncrCounter(key, value)
}

// SetGauge implements MetricSink.
func (*raftSink) SetGauge([]string, float32) {}

// SetGaugeWithLabels implements MetricSink.
func (*raftSink) SetGaugeWithLabels([]string, float32, []gometrics.Label) {}

// SetPrecisionGauge implements PrecisionGaugeMetricSink.
func (*raftSink) SetPrecisionGauge([]string, float64) {}

// SetPrecisionGaugeWithLabels implements PrecisionGaugeMetricSink.
func (*raftSink) SetPrecisionGaugeWithLabels([]string, float64, []gometrics.Label) {}

// EmitKey implements MetricSink.
func (*raftSink) EmitKey([]string, float32) {}
