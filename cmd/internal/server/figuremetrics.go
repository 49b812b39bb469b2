package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"confman/replication"
)

// figureCollector measures the node when it is scraped; nobody else is asked.
type figureCollector struct {
	node   *replication.Node
	quorum func() bool
	now    func() time.Time
}

// The families of figures, by their place in figureFamilies.
const (
	figureQuorum = iota
	figureVoters
	figureAlive
	figureChanges
	figureLag
	figureContact
	figureEntries
	figureBytes
	figureSnapshot
	figureSnapshotAge
	figureSnapshotFailures
)

func figureFamilies() []*prometheus.Desc {
	member := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("confman_"+name, help, []string{"member"}, nil)
	}
	return []*prometheus.Desc{
		figureQuorum:           gauge("quorum", "1 while a write could be committed through this node."),
		figureVoters:           gauge("voters", "Voting members, as far as this node knows."),
		figureAlive:            gauge("voters_alive", "Voting members that are in touch, the leader included; at the leader only."),
		figureChanges:          gauge("raft_leader_changes_total", "Leaders that this node has seen begin since its start."),
		figureLag:              member("raft_member_lag_entries", "Committed Raft entries that a member lacks, as far as the leader knows; at the leader only, and absent for one that has never answered it since it started."),
		figureContact:          member("raft_member_last_contact_seconds", "Time since a member last answered; at the leader only."),
		figureEntries:          gauge("raft_log_entries", "Entries in the Raft log."),
		figureBytes:            gauge("raft_log_bytes", "Size of the Raft log's files, which are allocated ahead."),
		figureSnapshot:         gauge("snapshot_last_success_timestamp_seconds", "When this node's newest snapshot was made; absent before the first."),
		figureSnapshotAge:      gauge("snapshot_age_seconds", "Age of this node's newest snapshot. It grows while little is written: compare confman_event_index with confman_marker_event_index."),
		figureSnapshotFailures: gauge("snapshot_failures_total", "Snapshots of this node that were not made or not sent."),
	}
}

// Describe implements prometheus.Collector.
func (figureCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range figureFamilies() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c figureCollector) Collect(ch chan<- prometheus.Metric) {
	families, f, now := figureFamilies(), c.node.Figures(), c.now()
	send := func(family int, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(families[family], kind, value, labels...)
	}
	send(figureQuorum, prometheus.GaugeValue, truth(c.quorum()))
	send(figureVoters, prometheus.GaugeValue, float64(f.Voters))
	if f.Alive >= 0 {
		send(figureAlive, prometheus.GaugeValue, float64(f.Alive))
	}
	send(figureChanges, prometheus.CounterValue, float64(f.LeaderChanges))
	for _, m := range f.Members {
		send(figureContact, prometheus.GaugeValue, max(0, now.Sub(m.Contact).Seconds()), m.ID)
		if m.Known {
			send(figureLag, prometheus.GaugeValue, float64(m.Lag), m.ID)
		}
	}
	send(figureEntries, prometheus.GaugeValue, float64(f.LogEntries))
	send(figureBytes, prometheus.GaugeValue, float64(f.LogBytes))
	if !f.SnapshotAt.IsZero() {
		send(figureSnapshot, prometheus.GaugeValue, float64(f.SnapshotAt.UnixMilli())/1e3)
		send(figureSnapshotAge, prometheus.GaugeValue, max(0, now.Sub(f.SnapshotAt).Seconds()))
	}
	send(figureSnapshotFailures, prometheus.CounterValue, float64(f.SnapshotFailures))
}
