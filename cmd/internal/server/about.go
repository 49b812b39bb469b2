package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"confman/replication"
)

// about is what the node tells of this process.
func about(env Env, certs *certificates) replication.About {
	a := replication.About{Version: env.Version}
	if certs != nil {
		a.Certificate = certs.validity
	}
	return a
}

// validity is that of the certificate in use which ends first: the one of the
// listener, or the one that members are shown.
func (c *certificates) validity() (first replication.Validity) {
	now := c.current.Load()
	for _, pair := range append(now.server.Certificates[:1:1], now.dialler.Certificates...) {
		if leaf := pair.Leaf; leaf != nil && (first.Until.IsZero() || leaf.NotAfter.Before(first.Until)) {
			first = replication.Validity{From: leaf.NotBefore, Until: leaf.NotAfter}
		}
	}
	return first
}

// clockCollector tells how far the members' clocks are off, as last seen.
type clockCollector struct{ node *replication.Node }

func clockSkew() *prometheus.Desc {
	return prometheus.NewDesc("confman_clock_skew_seconds",
		"How far the clock of a member was ahead of this node's when it last answered; looked at every half a minute.", []string{"member"}, nil)
}

// Describe implements prometheus.Collector.
func (clockCollector) Describe(ch chan<- *prometheus.Desc) { ch <- clockSkew() }

// Collect implements prometheus.Collector.
func (c clockCollector) Collect(ch chan<- prometheus.Metric) {
	for id, skew := range c.node.Skews() {
		ch <- prometheus.MustNewConstMetric(clockSkew(), prometheus.GaugeValue, skew.Seconds(), id)
	}
}
