package proof

import "slices"

// maxStray is how many records of one gap are remembered when they turn up
// elsewhere.
const maxStray = 4096

// gaps are the places where records are missing, until they turn up in another
// place.
type gaps struct {
	report *Report
	open   []gap
}

type gap struct {
	from, to uint64
	found    map[uint64]bool
}

// add notes that events are not where they should be.
func (g *gaps) add(from, to uint64) {
	if from <= to && len(g.open) < MaxFindings {
		g.open = append(g.open, gap{from, to, map[uint64]bool{}})
	}
}

// fill reports whether an event was missing until now.
func (g *gaps) fill(index uint64) bool {
	for _, hole := range slices.Backward(g.open) {
		if index >= hole.from && index <= hole.to && !hole.found[index] && len(hole.found) < maxStray {
			hole.found[index] = true
			return true
		}
	}
	return false
}

// end reports what is missing, and what was only elsewhere.
func (g *gaps) end() {
	for _, hole := range g.open {
		if len(hole.found) > 0 {
			g.report.add(hole.from, Swapped, "%s stand elsewhere", span(hole.from, hole.to))
		}
		if uint64(len(hole.found)) == hole.to-hole.from+1 {
			continue
		}
		first := hole.from
		for hole.found[first] {
			first++
		}
		g.report.add(first, Dropped, "missing: %d of %s", hole.to-hole.from+1-uint64(len(hole.found)), span(hole.from, hole.to))
	}
}
