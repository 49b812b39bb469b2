package server

import (
	"strings"
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// raftSink gives Raft's metrics Prometheus names and units: durations, which
// come in milliseconds, become one histogram in seconds by operation; counts
// become counters. Gauges are left out, the node's standing has them.
type raftSink struct {
	durations map[string]prometheus.Observer // by Raft's name
	counters  map[string]prometheus.Counter  // by Raft's name
	busy      *prometheus.GaugeVec
	commits   *prometheus.Registry // of the durations of commits alone
}

func newRaftSink(r *prometheus.Registry) *raftSink {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "confman_raft_op_duration_seconds", Help: "Durations of Raft's operations.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 17),
	}, []string{"op"})
	s := &raftSink{
		durations: map[string]prometheus.Observer{}, counters: map[string]prometheus.Counter{},
		busy: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "confman_raft_thread_busy_ratio", Help: "Share of time that Raft's goroutines are busy.",
		}, []string{"thread"}),
		commits: prometheus.NewRegistry(),
	}
	r.MustRegister(durations, s.busy)
	s.commits.MustRegister(durations.WithLabelValues("commit").(prometheus.Histogram))
	for key, op := range timed() { // what has not happened is measured as 0
		s.durations[key] = durations.WithLabelValues(op)
	}
	for key, name := range counted() {
		s.counters[key] = prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: "Counted by Raft: " + key + "."})
		r.MustRegister(s.counters[key])
	}
	return s
}

// timed are the operations whose durations are worth a series; the others of
// Raft's samples are sizes or named after a peer.
func timed() map[string]string {
	return map[string]string{
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
}

// AddSample implements go-metrics' MetricSink.
func (s *raftSink) AddSample(key []string, value float32) {
	name := strings.Join(key, ".")
	if duration := s.durations[name]; duration != nil {
		duration.Observe(float64(value) / float64(time.Second/time.Millisecond))
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
func counted() map[string]string {
	return map[string]string{
		"raft.apply":                        "confman_raft_entries_total",
		"raft.state.leader":                 "confman_raft_elections_won_total",
		"raft.state.candidate":              "confman_raft_candidacies_total",
		"raft.transition.heartbeat_timeout": "confman_raft_heartbeat_timeouts_total",
	}
}

// IncrCounter implements MetricSink.
func (s *raftSink) IncrCounter(key []string, value float32) {
	if c := s.counters[strings.Join(key, ".")]; c != nil {
		c.Add(float64(value))
	}
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
