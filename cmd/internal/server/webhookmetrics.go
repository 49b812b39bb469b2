package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"confman/streaming/webhooks"
)

// webhookCollector shows how the deliveries stand when it is scraped.
type webhookCollector struct{ deliverer *webhooks.Deliverer }

var webhookGauges = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(webhooks.Stats) float64
}{
	{gauge("webhooks_delivering", "Webhooks that this leader serves and whose endpoints take what they are sent."), prometheus.GaugeValue, func(s webhooks.Stats) float64 { return float64(s.Delivering) }},
	{gauge("webhooks_retrying", "Webhooks that this leader serves and whose endpoints did not take their next event."), prometheus.GaugeValue, func(s webhooks.Stats) float64 { return float64(s.Retrying) }},
	{gauge("webhooks_disabled", "Webhooks that are disabled; 0 on nodes that do not lead."), prometheus.GaugeValue, func(s webhooks.Stats) float64 { return float64(s.Disabled) }},
	{gauge("webhooks_lag_events", "Events that the webhook furthest behind has before it; 0 on nodes that do not lead."), prometheus.GaugeValue, func(s webhooks.Stats) float64 { return float64(s.Lag) }},
	{gauge("webhook_attempts_total", "Attempts to deliver an event."), prometheus.CounterValue, func(s webhooks.Stats) float64 { return float64(s.Attempts) }},
	{gauge("webhook_failures_total", "Attempts that failed."), prometheus.CounterValue, func(s webhooks.Stats) float64 { return float64(s.Failures) }},
	{gauge("webhook_dead_letters_total", "Events that were given up."), prometheus.CounterValue, func(s webhooks.Stats) float64 { return float64(s.Dead) }},
}

// Describe implements prometheus.Collector.
func (webhookCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range webhookGauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c webhookCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.deliverer.Stats()
	for _, g := range webhookGauges {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(s))
	}
}
