package api

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"confman/api/wire"
	"confman/events"
)

// health answers GET /health: the process answers, nothing more.
func (x *exchange) health() error {
	x.set("Cache-Control", "no-store")
	return x.sendJSON(http.StatusOK, wire.Health{Status: wire.StatusHealthy, Timestamp: x.Now().UTC()})
}

// ready answers GET /health/ready: whether to send this node requests.
func (x *exchange) ready() error {
	now := x.Cluster.Standing()
	answer := wire.Ready{
		Status: wire.StatusReady, Timestamp: x.Now().UTC(),
		Cluster:    wire.ClusterState{Role: now.Role, LeaderKnown: now.Leader != "", Leader: x.leaderURL(now), Term: now.Term},
		Reasons:    append([]string{}, now.Reasons...),
		NodeID:     x.NodeID,
		EventIndex: x.Reader.State().Index(), Lag: now.Lag, Quorum: now.Quorum,
	}
	status := http.StatusOK
	if len(now.Reasons) > 0 {
		answer.Status, status = wire.StatusNotReady, http.StatusServiceUnavailable
	}
	x.set("Cache-Control", "no-store")
	return x.sendJSON(status, answer)
}

// metrics answers GET /metrics.
func (x *exchange) metrics() error {
	return x.delegate(promhttp.HandlerFor(x.Registry, promhttp.HandlerOpts{}))
}

// profile answers GET /debug/pprof/ and what is below it.
func (x *exchange) profile() error {
	switch x.names.id {
	case "profile":
		return x.delegate(http.HandlerFunc(pprof.Profile))
	case "trace":
		return x.delegate(http.HandlerFunc(pprof.Trace))
	case "symbol":
		return x.delegate(http.HandlerFunc(pprof.Symbol))
	case "cmdline": // may hold secrets
		return &events.Refusal{Kind: events.ErrNotFound, Detail: "the command line is not shown"}
	}
	return x.delegate(http.HandlerFunc(pprof.Index))
}

// delegate lets another handler answer.
func (x *exchange) delegate(h http.Handler) error {
	x.code = http.StatusOK
	h.ServeHTTP(&recorder{x.w, x}, x.r)
	return nil
}

// recorder notes the status that another handler answers with.
type recorder struct {
	http.ResponseWriter
	x *exchange
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(code int) {
	r.x.code = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
