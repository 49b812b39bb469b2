package bench

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// watchReport is everything that a run found about watches.
type watchReport struct {
	Machine machine    `json:"machine"`
	Setup   watchSetup `json:"setup"`
	Results []watchRow `json:"results"`
}

// watchSetup is what was measured.
type watchSetup struct {
	Nodes      int     `json:"nodes"`
	Served     string  `json:"watched"` // leader or follower
	ValueBytes int     `json:"valueBytes"`
	WarmUp     float64 `json:"warmUpSeconds"`
	Duration   float64 `json:"durationSeconds"`
}

// watchRow is one measurement of watches.
type watchRow struct {
	Name       string     `json:"name"`
	Floor      bool       `json:"floor"`
	Shape      watchShape `json:"shape"`
	Seconds    float64    `json:"seconds"`
	Deliveries deliveries `json:"deliveries"`
	Lag        latency    `json:"lagMs"` // from when the write was due, before it was sent, to the event being read
	Writes     writes     `json:"writes"`
	Cores      cores      `json:"cores"`
	Resident   float64    `json:"residentMiB"` // of the process that serves the watches, at the end
	Each       *memory    `json:"eachConnection,omitempty"`

	OfFloor   float64  `json:"ofFloor,omitempty"`           // the rate of deliveries as a share of the floor's
	Unwatched float64  `json:"timesUnwatchedP50,omitempty"` // the writes' median against that without watches
	Stalled   []string `json:"stalled,omitempty"`           // what became of those that stopped reading
	Deviation string   `json:"deviation,omitempty"`         // events missing, twice, or out of order
	Busy      float64  `json:"busyBefore"`                  // share of all cores, before
}

// watchShape is how many watched, and what was written.
type watchShape struct {
	Encoding    string  `json:"encoding"`
	Connections int     `json:"connections"`
	Watches     int     `json:"watchesEach"`
	Writers     int     `json:"writers"`
	Batch       int     `json:"eventsPerWrite"`
	Rate        float64 `json:"eventsPerSecond,omitempty"` // 0: flat out
	Ahead       int     `json:"writesAhead,omitempty"`     // of the readers, flat out; 0: the writers do not wait for them
	Log         int     `json:"eventsBefore,omitempty"`
}

// deliveries are the events that were read, by all watches together.
type deliveries struct {
	Count   uint64  `json:"count"`
	Rate    float64 `json:"perSecond"`
	PerRead float64 `json:"perRead"`           // system call of the reader
	Bytes   float64 `json:"bytesEach"`         // on the wire
	Decoded uint64  `json:"decoded,omitempty"` // whose members came in an order that made the reader slow
}

// writes are the requests that made the events.
type writes struct {
	Rate    float64 `json:"perSecond"`
	Latency latency `json:"latencyMs"`
	Errors  uint64  `json:"errors"`
	Error   string  `json:"error,omitempty"` // one of them
}

// cores is the CPU time used, in seconds a second.
type cores struct {
	Served float64 `json:"served"` // the process that serves the watches
	Others float64 `json:"others"` // the other nodes
	Here   float64 `json:"here"`   // the readers and writers
}

// memory is what one idle connection costs the process that serves it.
type memory struct {
	Resident   float64 `json:"residentKiB"`
	Heap       float64 `json:"heapKiB"` // in use after a garbage collection
	Goroutines float64 `json:"goroutines"`
}

func newWatchRow(name string, w watching) watchRow {
	return watchRow{Name: name, Floor: w.floor, Shape: watchShape{
		Encoding: w.encoding, Connections: w.connections, Watches: max(w.watches, 1),
		Writers: w.writers, Batch: w.batch, Rate: w.rate, Ahead: w.ahead, Log: w.log,
	}}
}

// watchTable prints rows as they come.
type watchTable struct{ w io.Writer }

func (t watchTable) begin(m machine, s watchSetup) {
	m.print(t.w)
	fmt.Fprintf(t.w, "%d nodes, the %s serves the watches; values of %d bytes; %gs each after %gs of warm-up.\n", s.Nodes, s.Served, s.ValueBytes, s.Duration, s.WarmUp)
	fmt.Fprint(t.w, "Lag: from just before a write is sent, or with a rate from when it was due, to its event being read.\n"+
		"CPU: us a delivery, or cores where little is delivered, of the process that serves / the other nodes / readers and writers.\n\n")
	fmt.Fprintf(t.w, "%-28s %6s %6s %5s %9s %7s %6s %21s %17s %20s %7s %8s\n",
		"", "conns", "each", "batch", "per s", "writes", "/read", "lag ms p50  p99  max", "write ms p50  p99", "CPU us", "RSS MiB", "of floor")
}

// number prints a figure, or a dash where there is none.
func number(n float64, digits int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f", digits, n)
}

func (t watchTable) row(r watchRow) {
	name := r.Name
	if r.Floor {
		name = "floor: " + name
	}
	d, l, w := r.Deliveries, r.Lag, r.Writes.Latency
	share := "-"
	if r.OfFloor > 0 {
		share = fmt.Sprintf("%.0f %%", 100*r.OfFloor)
	}
	fmt.Fprintf(t.w, "%-28s %6d %6d %5d %9s %7s %6s %7s %6s %6s %10s %6s %20s %7s %8s", name, r.Shape.Connections, r.Shape.Watches, r.Shape.Batch,
		number(d.Rate, 0), number(r.Writes.Rate, 0), number(d.PerRead, 1), number(l.P50, 2), number(l.P99, 1), number(l.Max, 0),
		number(w.P50, 2), number(w.P99, 1), r.cpu(), number(r.Resident, 0), share)
	fmt.Fprintln(t.w, r.remarks())
}

// cpu is what each party used for a delivery.
func (r *watchRow) cpu() string {
	c, unit, each := r.Cores, "", 1e6/max(r.Deliveries.Rate, 1)
	if r.Deliveries.Rate < 1000 {
		unit, each = " cores", 1
	}
	if c == (cores{}) {
		return "-"
	}
	return fmt.Sprintf("%.2f / %.2f / %.2f%s", c.Served*each, c.Others*each, c.Here*each, unit)
}

// remarks is what has no column.
func (r *watchRow) remarks() string {
	var all []string
	say := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	if r.Each != nil {
		say("%.1f KiB resident, %.1f KiB heap, %.1f goroutines a connection", r.Each.Resident, r.Each.Heap, r.Each.Goroutines)
	}
	if r.Unwatched > 0 {
		say("p50 %.1f times that of unwatched writes", r.Unwatched)
	}
	if r.Shape.Log > 0 {
		say("%.1f s until all had %d events", r.Seconds, r.Deliveries.Count/uint64(cmp.Or(r.Shape.Connections*r.Shape.Watches, 1)))
	}
	if len(r.Stalled) > 0 {
		say("the stalled: %s", strings.Join(r.Stalled, ", "))
	}
	if r.Busy > disturbed {
		say("others used %.0f %% of the machine before", 100*r.Busy)
	}
	if r.Deliveries.Decoded > 0 {
		say("%d events had members in an order that makes the reader slow", r.Deliveries.Decoded)
	}
	if r.Writes.Errors > 0 {
		say("%d errors such as %s", r.Writes.Errors, r.Writes.Error)
	}
	if r.Deviation != "" {
		say("DEVIATION: %s", r.Deviation)
	}
	if len(all) == 0 {
		return ""
	}
	return "  " + strings.Join(all, "; ")
}
