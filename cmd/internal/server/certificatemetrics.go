package server

import "github.com/prometheus/client_golang/prometheus"

// certificateCollector shows when certificates expire. Nil certificates have no
// series.
type certificateCollector struct{ certs *certificates }

func certificateExpiry() *prometheus.Desc {
	return prometheus.NewDesc("confman_certificate_expiry_timestamp_seconds",
		"When the first certificate of a file expires, in Unix time; use is server, peer, client-ca or peer-ca.", []string{"use"}, nil)
}

// Describe implements prometheus.Collector.
func (certificateCollector) Describe(ch chan<- *prometheus.Desc) { ch <- certificateExpiry() }

// Collect implements prometheus.Collector.
func (c certificateCollector) Collect(ch chan<- prometheus.Metric) {
	if c.certs == nil {
		return
	}
	for use, end := range c.certs.current.Load().expiry {
		ch <- prometheus.MustNewConstMetric(certificateExpiry(), prometheus.GaugeValue, float64(end.Unix()), use)
	}
}
