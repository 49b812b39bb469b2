package api

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count requests by method, pattern and status; no name of a namespace,
// a key or a principal is ever a label.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	nowhere  meter // requests that no route matches
	admitted
}

// meter measures one route.
type meter struct {
	requests *prometheus.CounterVec
	duration prometheus.Observer
}

func newMetrics(into *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		admitted: newAdmitted(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confman_http_requests_total",
			Help: "Requests answered, by method, route and status code.",
		}, []string{"method", "route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "confman_http_request_duration_seconds",
			Help:    "Time from the request's headers to the end of the answer, or, of a watch, to its beginning.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60},
		}, []string{"method", "route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "confman_http_requests_in_flight",
			Help: "Requests being answered now.",
		}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.duration, m.inFlight, m.shed, m.waited} {
		if err := into.Register(c); err != nil {
			return nil, err
		}
	}
	m.nowhere = m.of("other", "none")
	return m, nil
}

// of is the meter of a route. HEAD counts as GET.
func (m *metrics) of(method, pattern string) meter {
	labels := prometheus.Labels{"method": method, "route": pattern}
	return meter{m.requests.MustCurryWith(labels), m.duration.With(labels)}
}

func (m meter) observe(code int, seconds float64) {
	m.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	m.duration.Observe(seconds)
}
