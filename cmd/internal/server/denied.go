package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"confman/api"
	"confman/api/denials"
	"confman/api/wire"
	"confman/cmd/internal/settings"
)

// Values of --audit-reads.
const (
	readsNone       = "none"
	readsSecretRefs = "secret-ref"
	readsDrafts     = "drafts"
	readsAll        = "all"
)

// minDeniedLog is the least that the log of denials may hold, in bytes.
const minDeniedLog = 1 << 20

// DenialOptions say what is kept of attempts that are refused, and of readings.
// Zero values mean the defaults of the flags.
type DenialOptions struct {
	Bytes settings.Size
	Reads string
}

func (o *DenialOptions) flags(f *pflag.FlagSet) {
	o.Bytes = denials.DefaultBytes
	f.Var(&o.Bytes, "denied-log-bytes", "what the node's record of refused attempts may hold, at least 1MiB")
	f.StringVar(&o.Reads, "audit-reads", readsNone, "what the record tells of those who read entries, their lists and histories, and drafts: none, secret-ref, drafts or all (both)")
}

func (o *DenialOptions) validate() error {
	if o.Bytes != 0 && o.Bytes < minDeniedLog {
		return errors.New("--denied-log-bytes is at least 1MiB")
	}
	switch o.Reads {
	case "", readsNone, readsSecretRefs, readsDrafts, readsAll:
		return nil
	}
	return fmt.Errorf("--audit-reads %q: want none, secret-ref, drafts or all", o.Reads)
}

// openDenials opens the node's own record, beside its stores.
func openDenials(o Options, env Env) (api.Denials, error) {
	log, err := denials.Open(denials.Config{
		Dir: filepath.Join(o.Node.Data, "denied"), Node: o.Node.ID, Bytes: int64(o.Denials.Bytes), Log: env.Log, Now: env.Now,
	})
	return api.Denials{
		Log:        log,
		SecretRefs: o.Denials.Reads == readsSecretRefs || o.Denials.Reads == readsAll,
		Drafts:     o.Denials.Reads == readsDrafts || o.Denials.Reads == readsAll,
	}, err
}

// refusingMembers records which calls of members a handler refuses for lack of the
// token or the certificate of one.
func refusingMembers(log *denials.Log, members http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &noting{ResponseWriter: w}
		members(noted, r)
		if noted.code != http.StatusUnauthorized {
			return
		}
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			remote = r.RemoteAddr
		}
		log.Record(wire.Denied{
			Reason: wire.DeniedUnauthenticated, Status: noted.code, Remote: remote, Method: r.Method, Path: r.URL.EscapedPath(),
			Route: "/internal/", Detail: "not a member: the cluster token or the certificate is wrong",
		})
	})
}

// noting notes the status of an answer.
type noting struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the status.
func (n *noting) WriteHeader(code int) {
	n.code = code
	n.ResponseWriter.WriteHeader(code)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (n *noting) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// denialCollector shows how the log of denials stands when it is scraped.
type denialCollector struct{ log *denials.Log }

var (
	deniedTotal  = prometheus.NewDesc("confman_denied_total", "Attempts that were refused for lack of identity or right, and readings that are recorded.", []string{"reason"}, nil)
	deniedGauges = []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value func(denials.Stats) float64
	}{
		{gauge("denied_lost_total", "Of them, those that no row of the record tells of."), prometheus.CounterValue, func(s denials.Stats) float64 { return float64(s.Lost) }},
		{gauge("denied_write_errors_total", "Writes to the record of denials that failed; they are tried again."), prometheus.CounterValue, func(s denials.Stats) float64 { return float64(s.Errors) }},
		{gauge("denied_log_bytes", "Size of the record of denials."), prometheus.GaugeValue, func(s denials.Stats) float64 { return float64(s.Bytes) }},
	}
)

// Describe implements prometheus.Collector.
func (denialCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- deniedTotal
	for _, g := range deniedGauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c denialCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.log.Stats()
	for _, reason := range []string{wire.DeniedUnauthenticated, wire.DeniedForbidden, wire.DeniedRead} {
		ch <- prometheus.MustNewConstMetric(deniedTotal, prometheus.CounterValue, float64(s.Attempts[reason]), reason)
	}
	for _, g := range deniedGauges {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(s))
	}
}
