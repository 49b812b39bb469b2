package server

import "github.com/prometheus/client_golang/prometheus"

// backupCollector shows how the backups of a node stand that makes them.
type backupCollector struct{ backups *backups } // nil: it makes none

var (
	backupNewest   = gauge("backup_last_success_timestamp_seconds", "When the newest backup of this node was begun; absent before there is one, and without --backup-dir.")
	backupBytes    = gauge("backup_last_bytes", "Size of that backup.")
	backupFailures = gauge("backup_failures_total", "Attempts to make a backup that failed.")
)

// Describe implements prometheus.Collector.
func (backupCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- backupNewest
	ch <- backupBytes
	ch <- backupFailures
}

// Collect implements prometheus.Collector.
func (c backupCollector) Collect(ch chan<- prometheus.Metric) {
	if c.backups == nil {
		return
	}
	s := c.backups.stands()
	ch <- prometheus.MustNewConstMetric(backupFailures, prometheus.CounterValue, float64(s.Failures))
	if !s.Newest.IsZero() {
		ch <- prometheus.MustNewConstMetric(backupNewest, prometheus.GaugeValue, float64(s.Newest.Unix()))
		ch <- prometheus.MustNewConstMetric(backupBytes, prometheus.GaugeValue, float64(s.Bytes))
	}
}
