package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// report is everything that a run found.
type report struct {
	Machine machine `json:"machine"`
	Setup   setup   `json:"setup"`
	Results []row   `json:"results"`
}

// setup is what was measured.
type setup struct {
	Nodes      int     `json:"nodes"`
	Started    bool    `json:"started"` // for this run; else it ran already
	ValueBytes int     `json:"valueBytes"`
	Keys       int     `json:"keys"`
	WarmUp     float64 `json:"warmUpSeconds"`
	Duration   float64 `json:"durationSeconds"`
}

// row is one measurement.
type row struct {
	Workload    string  `json:"workload"`
	Consistency string  `json:"consistency,omitempty"`
	Floor       bool    `json:"floor"`
	Clients     int     `json:"clients"`
	Operations  uint64  `json:"operations"`
	Rate        float64 `json:"rate"` // operations a second
	Latency     latency `json:"latencyMs"`
	CPU         float64 `json:"cpuMicrosPerOperation,omitempty"` // of all nodes together
	Errors      uint64  `json:"errors"`
	Error       string  `json:"error,omitempty"` // one of them
	// The rate as a share of the floor's at the same number of clients.
	OfHTTP float64 `json:"ofHttpFloor,omitempty"`
	OfRaft float64 `json:"ofRaftFloor,omitempty"`
	Busy   float64 `json:"busyBefore"` // share of all cores, before the load was put on
}

// latency is a distribution of latencies, in milliseconds.
type latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func newLatency(l *latencies) latency {
	ms := func(q float64) float64 { return float64(l.quantile(q)) / float64(time.Millisecond) }
	return latency{ms(0.5), ms(0.9), ms(0.99), ms(0.999), ms(1)}
}

func newRow(w workload, clients int, o *outcome) row {
	r := row{
		Workload: w.name, Consistency: w.consistency, Floor: w.floor, Clients: clients,
		Operations: o.latencies.count, Rate: o.rate(), Errors: o.errors,
		Latency: newLatency(&o.latencies),
	}
	if o.cpu > 0 {
		r.CPU = float64(o.cpu.Microseconds()) / float64(o.latencies.count)
	}
	if o.example != nil {
		r.Error = o.example.Error()
	}
	return r
}

// disturbed is the share of the cores from which on others spoil a figure.
const disturbed = 0.2

// table prints rows as they come.
type table struct{ w io.Writer }

func (t table) begin(m machine, s setup) {
	which := "a cluster that runs already"
	if s.Started {
		which = "started for this run"
	}
	m.print(t.w)
	fmt.Fprintf(t.w, "%d nodes, %s; %d keys, values of %d bytes; %gs each after %gs of warm-up\n\n",
		s.Nodes, which, s.Keys, s.ValueBytes, s.Duration, s.WarmUp)
	fmt.Fprintf(t.w, "%-18s %7s %9s %8s %8s %8s %8s %8s %7s %6s %8s %8s\n",
		"", "clients", "per s", "p50 ms", "p90", "p99", "p99.9", "max", "CPU us", "errors", "of HTTP", "of Raft")
}

func (t table) row(r row) {
	name := r.Workload
	if r.Consistency != "" {
		name += " " + r.Consistency
	}
	share := func(of float64) string {
		if of == 0 {
			return "-"
		}
		return fmt.Sprintf("%.0f %%", 100*of)
	}
	cpu := "-"
	if r.CPU > 0 {
		cpu = fmt.Sprintf("%.1f", r.CPU)
	}
	l := r.Latency
	fmt.Fprintf(t.w, "%-18s %7d %9.0f %8.2f %8.2f %8.2f %8.2f %8.2f %7s %6d %8s %8s",
		name, r.Clients, r.Rate, l.P50, l.P90, l.P99, l.P999, l.Max, cpu, r.Errors, share(r.OfHTTP), share(r.OfRaft))
	if r.Busy > disturbed {
		fmt.Fprintf(t.w, "  others used %.0f %% of the machine before", 100*r.Busy)
	}
	if r.Error != "" {
		fmt.Fprintf(t.w, "  %s", r.Error)
	}
	fmt.Fprintln(t.w)
}

func printJSON(w io.Writer, report any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(report)
}
