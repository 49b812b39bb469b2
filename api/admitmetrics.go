package api

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"confman/api/admission"
	"confman/streaming"
)

// admitted are the metrics of what is taken on and what is not.
type admitted struct {
	shed   *prometheus.CounterVec
	waited *prometheus.HistogramVec
}

func newAdmitted() admitted {
	return admitted{
		shed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confman_requests_shed_total",
			Help: "Requests answered 429 or 503 to protect the node or other principals, by the limit that was reached.",
		}, []string{"reason"}),
		waited: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "confman_request_queue_seconds",
			Help:    "Time that requests waited for a place, of those that had to and got one.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
		}, []string{"kind"}),
	}
}

// countShed counts an error that is for protection.
func (a admitted) countShed(err error) {
	var refusal *admission.Refusal
	switch {
	case errors.As(err, &refusal):
		a.shed.WithLabelValues(refusal.Reason).Inc()
	case errors.As(err, new(*rateError)):
		a.shed.WithLabelValues("rate").Inc()
	case errors.Is(err, streaming.ErrTooMany), errors.Is(err, streaming.ErrFull):
		a.shed.WithLabelValues("watches").Inc()
	}
}

// openGate makes the gate of a server, and registers what shows it.
func openGate(c Config, m *metrics) (*admission.Gate, error) {
	limits := c.Limits.Admission
	limits.Now = c.Now
	limits.Waited = func(k admission.Kind, d time.Duration) { m.waited.WithLabelValues(k.String()).Observe(d.Seconds()) }
	gate, err := admission.NewGate(limits)
	if err != nil {
		return nil, err
	}
	for _, reason := range []string{
		admission.ReasonQueue, admission.ReasonBytes, admission.ReasonExports, admission.ReasonWaiting,
		admission.ReasonMemory, admission.ReasonConnections, "rate", "watches",
	} {
		m.shed.WithLabelValues(reason)
	}
	return gate, c.Registry.Register(gateCollector{gate})
}

// gateCollector looks at a gate when it is scraped.
type gateCollector struct{ *admission.Gate }

var (
	gateInFlight = prometheus.NewDesc("confman_inflight_requests", "Places taken by requests, by kind; exports and waits for a change or an index count each.", []string{"kind"}, nil)
	gateQueued   = prometheus.NewDesc("confman_queued_requests", "Requests that wait for a place.", []string{"kind"}, nil)
	gateBytes    = prometheus.NewDesc("confman_transit_bytes", "Bytes of bodies and large answers in memory.", nil, nil)
	gateLimit    = prometheus.NewDesc("confman_memory_limit_bytes", "Limit of memory that the Go runtime keeps to; 0 without one.", nil, nil)
	gatePressure = prometheus.NewDesc("confman_memory_pressure", "1 from 80 % of the limit of memory, 2 from 90 %, else 0.", nil, nil)
)

// Describe implements prometheus.Collector.
func (gateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{gateInFlight, gateQueued, gateBytes, gateLimit, gatePressure} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c gateCollector) Collect(ch chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, k := range []admission.Kind{admission.Read, admission.Write, admission.Urgent} {
		held, waiting := c.Queue(k).Held()
		show(gateInFlight, float64(held), k.String())
		show(gateQueued, float64(waiting), k.String())
	}
	show(gateInFlight, float64(c.Exports.Taken()), "export")
	show(gateInFlight, float64(c.Waiting.Taken()+c.Strangers.Taken()), "wait")
	show(gateBytes, float64(c.Bytes.Taken()))
	show(gateLimit, float64(c.Memory.Limit()))
	show(gatePressure, float64(c.Memory.Pressure()))
}
