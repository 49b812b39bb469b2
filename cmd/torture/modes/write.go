package modes

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Write writes the report as Markdown.
func (r *Report) Write(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &strings.Builder{}
	verdict := "no violation"
	if n := len(r.Wrong.Violations) + r.Wrong.More; n > 0 {
		verdict = fmt.Sprintf("**%d violations**", n)
	}
	fmt.Fprintf(b, "# Torture: %s\n\n%s. Seed %d, %d nodes, %v from %s.\nConfman %s on %s.\n", r.Mode, verdict, r.Seed, r.Nodes,
		r.Took.Round(time.Second), r.Began.UTC().Format(time.RFC3339), r.Binary.Version, r.Machine)
	if r.Binary.Planted != "" {
		fmt.Fprintf(b, "The bug `%s` was planted: violations are what is wanted.\n", r.Binary.Planted)
	}
	if !r.Networked {
		b.WriteString("No network of its own (that needs root): the faults of the network were left out.\n")
	}
	r.writeWrong(b)
	r.writeFaults(b)
	r.writePromises(b)
	r.writeChecks(b)
	r.writeWear(b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeWrong(b *strings.Builder) {
	if len(r.Wrong.Violations) == 0 {
		return
	}
	b.WriteString("\n## Violations\n\n")
	for _, f := range r.Wrong.Violations {
		fmt.Fprintf(b, "- %s\n", f)
	}
	if r.Wrong.More > 0 {
		fmt.Fprintf(b, "- and %d more\n", r.Wrong.More)
	}
	if r.Wrong.Kept != "" {
		fmt.Fprintf(b, "\nLogs, data and histories are kept in `%s`.\n", r.Wrong.Kept)
	}
}

func (r *Report) writeFaults(b *strings.Builder) {
	if len(r.Faults) == 0 {
		return
	}
	b.WriteString("\n## Faults\n\n| fault | times | held, median | write gap, median | longest | ready after healing, median | longest |\n|---|---|---|---|---|---|---|\n")
	for _, f := range r.Faults {
		held, _ := summary(f.Lasted)
		gap, longest := summary(f.Gaps)
		ready, slowest := summary(f.Ready)
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s | %s |\n", f.Fault, len(f.Gaps), milli(held), milli(gap), milli(longest), milli(ready), milli(slowest))
	}
	fmt.Fprintf(b, "\nElections: %d. A write gap is the longest time without an acknowledged write, anywhere.\n", r.Elections)
}

func (r *Report) writePromises(b *strings.Builder) {
	if len(r.Promises) == 0 {
		return
	}
	b.WriteString("\n## Times\n\n| what | promised median | longest | measured median | longest | times | |\n|---|---|---|---|---|---|---|\n")
	for _, p := range r.Promises {
		median, longest := summary(p.Measured)
		kept := "kept"
		switch {
		case len(p.Measured) == 0:
			kept = "not measured"
		case p.Median == 0 && p.Longest == 0:
			kept = ""
		case p.Missed():
			kept = "**missed**"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d | %s |\n", p.What, milli(p.Median), milli(p.Longest), milli(median), milli(longest), len(p.Measured), kept)
	}
}

func (r *Report) writeChecks(b *strings.Builder) {
	b.WriteString("\n## Checks\n\n| check | of | how many | violations |\n|---|---|---|---|\n")
	for _, j := range r.Checks {
		fmt.Fprintf(b, "| %s | %s | %d | %d |\n", j.Check, j.What, j.Count, j.Found)
	}
	if len(r.Counts) == 0 {
		return
	}
	b.WriteString("\n## Operations\n\n| kind | how many |\n|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(r.Counts)) {
		fmt.Fprintf(b, "| %s | %d |\n", kind, r.Counts[kind])
	}
}

func (r *Report) writeWear(b *strings.Builder) {
	if len(r.Wear) == 0 {
		return
	}
	b.WriteString("\n## What nodes used\n\nWhen the load had ended, and after a restart with the same data.\n\n" +
		"Resident memory is the node's own and pages of files.\n\n" +
		"| node | goroutines | restarted | descriptors | restarted | heap | restarted | own | restarted | resident | restarted |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, w := range r.Wear {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d MiB | %d MiB | %d MiB | %d MiB | %d MiB | %d MiB |\n", w.Node, w.Worn.Goroutines, w.Fresh.Goroutines,
			w.Worn.Descriptors, w.Fresh.Descriptors, w.Worn.Heap>>20, w.Fresh.Heap>>20, w.Worn.Own>>20, w.Fresh.Own>>20, w.Worn.Resident>>20, w.Fresh.Resident>>20)
	}
}

// milli is a time for people, empty when there is none.
func milli(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
