package server

import (
	"time"

	gometrics "github.com/hashicorp/go-metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"confman/replication"
)

// newRegistry is the node's registry: the runtime, the process, the node's
// standing and figures, and Raft's own metrics under Prometheus names. Others add
// theirs. No label is ever named after a namespace, a key or a principal. The other
// one has the durations of commits alone.
func newRegistry(node *replication.Node, quorum func() bool, version string) (all, commits *prometheus.Registry, err error) {
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "confman_build_info", Help: "Always 1; the version is a label."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	r.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build, standingCollector{node}, figureCollector{node, quorum, time.Now},
	)
	sink := newRaftSink(r)
	c := gometrics.DefaultConfig("")
	c.EnableHostname, c.EnableServiceLabel, c.EnableRuntimeMetrics = false, false, false
	_, err = gometrics.NewGlobal(c, sink) // one for a process, as Raft has it
	return r, sink.commits, err
}

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("confman_"+name, help, nil, nil)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
