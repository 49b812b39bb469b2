package modes

import (
	"slices"
	"sync"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
)

// Report is what a run did and found. Its methods may be used by many goroutines
// at once.
type Report struct {
	Mode      string         `json:"mode"`
	Seed      uint64         `json:"seed"`
	Binary    Binary         `json:"binary"`
	Machine   string         `json:"machine"`
	Began     time.Time      `json:"began"`
	Took      time.Duration  `json:"tookNs"`
	Nodes     int            `json:"nodes"`
	Networked bool           `json:"networked"` // else the faults of the network were left out
	Faults    []*FaultFigure `json:"faults"`
	Counts    map[string]int `json:"operations"`
	Elections int            `json:"elections"`
	Checks    []*Judged      `json:"checks"`
	Promises  []*Promise     `json:"promises"`
	Wear      []check.Wear   `json:"wear"`
	Wrong     Wrong          `json:"wrong"`

	mu sync.Mutex // guards all of the above
}

// Binary is what the nodes run.
type Binary struct {
	Version string `json:"version"`
	Planted string `json:"planted,omitempty"` // the bug that is in it
}

// Wrong is what was found. None of it: the run has passed.
type Wrong struct {
	Violations []check.Finding `json:"violations"`
	More       int             `json:"more,omitzero"` // violations that are not listed
	Kept       string          `json:"kept,omitempty"`
}

// FaultFigure is all faults of a kind.
type FaultFigure struct {
	Fault  string          `json:"fault"`
	Mode   string          `json:"mode"`
	Lasted []time.Duration `json:"lastedNs"`  // from injection to healing
	Ready  []time.Duration `json:"readyNs"`   // from healing until all nodes were ready
	Gaps   []time.Duration `json:"writeGaps"` // the longest time without an acknowledged write
}

// Judged is what a check looked at, and how much of it.
type Judged struct {
	Check string `json:"check"`
	What  string `json:"what"`
	Count int    `json:"count"`
	Found int    `json:"found"`
}

// Promise is a time that is to be kept: by the median of what was measured, by
// the longest, or by both. 0: not promised.
type Promise struct {
	What     string          `json:"what"`
	Median   time.Duration   `json:"medianNs,omitzero"`
	Longest  time.Duration   `json:"longestNs,omitzero"`
	Measured []time.Duration `json:"measuredNs"`
}

// Missed reports whether it was not kept.
func (p *Promise) Missed() bool {
	median, longest := summary(p.Measured)
	return p.Median > 0 && median > p.Median || p.Longest > 0 && longest > p.Longest
}

// summary is the median and the longest.
func summary(all []time.Duration) (median, longest time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func (r *Report) note(how func(*Report)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(r)
}

// mostListed is how many violations a report lists.
const mostListed = 100

// Violate adds violations: the run has failed.
func (r *Report) Violate(found ...check.Finding) {
	r.note(func(r *Report) {
		room := max(0, min(len(found), mostListed-len(r.Wrong.Violations)))
		r.Wrong.Violations = append(r.Wrong.Violations, found[:room]...)
		r.Wrong.More += len(found) - room
	})
}

// Judge adds what a check looked at and found.
func (r *Report) Judge(name, what string, count int, found []check.Finding) {
	r.note(func(r *Report) {
		i := slices.IndexFunc(r.Checks, func(j *Judged) bool { return j.Check == name && j.What == what })
		if i < 0 {
			i, r.Checks = len(r.Checks), append(r.Checks, &Judged{Check: name, What: what})
		}
		r.Checks[i].Count += count
		r.Checks[i].Found += len(found)
	})
	r.Violate(found...)
}

// Promise says what a time must be, before it is measured.
func (r *Report) Promise(what string, median, longest time.Duration) {
	r.note(func(r *Report) {
		r.Promises = append(r.Promises, &Promise{What: what, Median: median, Longest: longest})
	})
}

// Measure adds a time to a promise; one that was not made is made of nothing.
func (r *Report) Measure(what string, took time.Duration) {
	r.note(func(r *Report) {
		i := slices.IndexFunc(r.Promises, func(p *Promise) bool { return p.What == what })
		if i < 0 {
			i, r.Promises = len(r.Promises), append(r.Promises, &Promise{What: what})
		}
		r.Promises[i].Measured = append(r.Promises[i].Measured, took)
	})
}

func (r *Report) fault(e fault.Entry, gap time.Duration) {
	r.note(func(r *Report) {
		i := slices.IndexFunc(r.Faults, func(f *FaultFigure) bool { return f.Fault == e.Fault })
		if i < 0 {
			i, r.Faults = len(r.Faults), append(r.Faults, &FaultFigure{Fault: e.Fault, Mode: e.Mode})
		}
		f := r.Faults[i]
		f.Lasted, f.Ready, f.Gaps = append(f.Lasted, e.Healed.Sub(e.From)), append(f.Ready, e.To.Sub(e.Healed)), append(f.Gaps, gap)
	})
}

func (r *Report) counted(counts map[string]int) {
	r.note(func(r *Report) {
		if r.Counts == nil {
			r.Counts = map[string]int{}
		}
		for kind, n := range counts {
			r.Counts[kind] += n
		}
	})
}

// Failed reports whether anything was violated.
func (r *Report) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.Wrong.Violations) > 0
}
