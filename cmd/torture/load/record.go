package load

import (
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"confman/cmd/torture/check"
	"confman/cmd/torture/streams"
)

// Pulse is one attempt of a write, or of a linearizable read, that began on time.
type Pulse struct {
	Node  string // that was asked first
	Began time.Time
	Took  time.Duration
	Error string // empty: acknowledged
}

// Record is what clients were told so far. It may be used at any time.
type Record struct {
	began time.Time

	mu        sync.Mutex // guards the fields below
	ops       []porcupine.Operation
	acked     []check.Acked
	acks      []time.Time
	reads     []streams.Read
	writes    []Pulse
	gets      []Pulse
	published []check.Published
	found     []check.Finding
	counts    map[string]int
}

func newRecord() *Record { return &Record{began: time.Now(), counts: map[string]int{}} }

// since is the clock of operations.
func (r *Record) since() int64 { return int64(time.Since(r.began)) }

// never is when an operation returns that may happen at any time.
const never = int64(1) << 62

func (r *Record) operation(who int, in check.Asked, out check.Got, call int64) {
	op := porcupine.Operation{ClientId: who, Input: in, Call: call, Output: out, Return: r.since()}
	if out.Doubt || out.Unknown {
		op.Return = never
	}
	r.change(func() {
		r.ops = append(r.ops, op)
		if out.Unknown {
			r.counts[string(in.Kind)+", unknown"]++
		} else {
			r.counts[string(in.Kind)]++
		}
	})
}

func (r *Record) ack(kind string, writes ...check.Acked) {
	r.change(func() {
		r.acked = append(r.acked, writes...)
		r.acks = append(r.acks, time.Now())
		if kind != "" {
			r.counts[kind]++
		}
	})
}

func (r *Record) read(kind string, read streams.Read) {
	r.change(func() {
		r.reads = append(r.reads, read)
		r.counts[kind]++
	})
}

func (r *Record) count(kind string) { r.change(func() { r.counts[kind]++ }) }

func (r *Record) violation(name, says string) {
	r.change(func() { r.found = append(r.found, check.Finding{Check: name, Says: says}) })
}

func (r *Record) change(how func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how()
}

// Counts are the operations by kind, those that ended.
func (r *Record) Counts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := map[string]int{}
	for kind, n := range r.counts {
		counts[kind] = n
	}
	return counts
}

// Operations are those on registers.
func (r *Record) Operations() []porcupine.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

// Acked are the writes that were acknowledged with their index.
func (r *Record) Acked() []check.Acked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.acked)
}

// Reads are the local reads and those of the past.
func (r *Record) Reads() []streams.Read {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reads)
}

// Published are the requests that went live.
func (r *Record) Published() []check.Published {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.published)
}

// Violations are what clients themselves saw that must not be.
func (r *Record) Violations() []check.Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.found)
}

// Pulses are the writes that were attempted first in a time.
func (r *Record) Pulses(from, to time.Time) []Pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return within(r.writes, from, to)
}

// PulseReads are the linearizable reads that began in a time.
func (r *Record) PulseReads(from, to time.Time) []Pulse {
	r.mu.Lock()
	defer r.mu.Unlock()
	return within(r.gets, from, to)
}

func within(pulses []Pulse, from, to time.Time) (some []Pulse) {
	for _, p := range pulses {
		if !p.Began.Before(from) && p.Began.Before(to) {
			some = append(some, p)
		}
	}
	return some
}

// Gap is the longest time without an acknowledged write of which a part lies in
// a time.
func (r *Record) Gap(from, to time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := slices.BinarySearchFunc(r.acks, from, time.Time.Compare)
	last := r.began
	if first > 0 {
		last = r.acks[first-1]
	}
	for _, at := range r.acks[first:] {
		longest = max(longest, at.Sub(last))
		if last = at; at.After(to) {
			return longest
		}
	}
	return max(longest, time.Since(last)) // nothing came any more
}

// Acks counts the writes that were acknowledged in a time.
func (r *Record) Acks(from, to time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, _ := slices.BinarySearchFunc(r.acks, from, time.Time.Compare)
	last, _ := slices.BinarySearchFunc(r.acks, to, time.Time.Compare)
	return last - first
}

// Quantile is how long the share q of the pulses that were acknowledged took at
// most; 0 when there were none.
func Quantile(pulses []Pulse, q float64) time.Duration {
	var took []time.Duration
	for _, p := range pulses {
		if p.Error == "" {
			took = append(took, p.Took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(q*float64(len(took))))]
}
