package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"confman/replication"
)

// standingCollector reads the node when it is scraped.
type standingCollector struct{ node *replication.Node }

type standingGauge struct {
	desc  *prometheus.Desc
	value func(replication.Standing, *replication.Node) float64
}

func standingGauges() []standingGauge {
	return []standingGauge{
		{gauge("raft_term", "Current Raft term."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Term) }},
		{gauge("raft_is_leader", "1 at the leader."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Role == "leader") }},
		{gauge("raft_leader_known", "1 when a leader is known."), func(s replication.Standing, _ *replication.Node) float64 { return truth(s.Leader.Address != "") }},
		{gauge("raft_commit_index", "Last Raft entry known to be committed."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Commit) }},
		{gauge("raft_applied_index", "Last Raft entry folded."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.RaftIndex) }},
		{gauge("raft_lag_entries", "Committed Raft entries that are not folded yet."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.Lag()) }},
		{gauge("ready", "1 when the node is ready to serve."), func(s replication.Standing, _ *replication.Node) float64 { return truth(len(s.Reasons) == 0) }},
		{gauge("disk_free_bytes", "Free bytes on the data directory's file system."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.FreeBytes) }},
		{gauge("disk_total_bytes", "Size of the data directory's file system; 0 when it is unknown."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.DiskTotal) }},
		{gauge("disk_level", "How full the disk is by --min-free-bytes: 0 ok, 1 soft, 2 hard, 3 critical."), func(s replication.Standing, _ *replication.Node) float64 { return float64(s.DiskLevel) }},
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
}

// Describe implements prometheus.Collector.
func (standingCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range standingGauges() {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c standingCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.node.Standing()
	for _, g := range standingGauges() {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(s, c.node))
	}
}
