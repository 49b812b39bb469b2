package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"confman/streaming"
)

// watchCollector reads the figures of a node's watches when it is scraped.
type watchCollector struct{ streams *streaming.Streams }

// The families, by their place in watchFamilies.
const (
	familyConnections = iota
	familyWatches
	familyEvents
	familyBytes
	familyEnded
	familyLag
)

func watchFamilies() []*prometheus.Desc {
	family := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("confman_watch"+name, help, labels, nil)
	}
	return []*prometheus.Desc{
		familyConnections: family("_connections", "Connections that watch now, by encoding.", "encoding"),
		familyWatches:     family("es", "Watches served now, by encoding; a WebSocket may have many.", "encoding"),
		familyEvents:      family("_events_total", "Events sent to watches."),
		familyBytes:       family("_bytes_total", "Bytes written to watches, all frames included."),
		familyEnded:       family("_ended_total", "Watches ended, by the reason told; left: the client went.", "reason"),
		familyLag:         family("_lag_max_events", "Events that the watch furthest behind has not looked at yet."),
	}
}

// Describe implements prometheus.Collector.
func (watchCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range watchFamilies() {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c watchCollector) Collect(ch chan<- prometheus.Metric) {
	families, now := watchFamilies(), c.streams.Stats()
	send := func(family int, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(families[family], kind, value, labels...)
	}
	for encoding, n := range now.Connections {
		send(familyConnections, prometheus.GaugeValue, float64(n), encoding)
	}
	for encoding, n := range now.Watches {
		send(familyWatches, prometheus.GaugeValue, float64(n), encoding)
	}
	send(familyEvents, prometheus.CounterValue, float64(now.Events))
	send(familyBytes, prometheus.CounterValue, float64(now.Bytes))
	for reason, n := range now.Ended {
		send(familyEnded, prometheus.CounterValue, float64(n), reason)
	}
	send(familyLag, prometheus.GaugeValue, float64(now.MaxLag))
}
