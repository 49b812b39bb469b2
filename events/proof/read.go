package proof

import (
	"errors"
	"io"
)

// Read takes a whole export or archive. What one file holds continues, or
// overlaps, what the one before it held; the first says where the history
// begins, unless Begin did. What is wrong with the file is a finding, that it
// cannot be read too.
func (v *Verifier) Read(r io.Reader) {
	lines, err := NewReader(r)
	if !v.header(lines.Header(), err) {
		return
	}
	before := len(v.report.Findings)
	for {
		record, err := lines.Next()
		var line *LineError
		switch {
		case err == nil:
			v.Record(record)
		case errors.As(err, &line):
			v.badLine(lines, line, before)
		case errors.Is(err, io.EOF):
			v.Until(lines.Header().To)
			v.witnesses.lineage.is(lines.Header().Cluster)
			return
		default:
			v.report.add(v.next, CutShort, "after %s it cannot be read on: %v", v.report.Position(), err)
			return
		}
	}
}

// badLine takes a line that is not what it should be. The last one adds nothing
// to what was found before it.
func (v *Verifier) badLine(lines *Reader, err *LineError, before int) {
	switch {
	case !lines.ended:
		v.Broken(err)
	case len(v.report.Findings) == before:
		v.report.add(0, Altered, "%v", err)
	}
}

// header begins a file. It reports whether records follow that can be read.
func (v *Verifier) header(h Header, err error) bool {
	var line *LineError
	switch {
	case errors.As(err, &line):
		v.report.add(0, Altered, "%v", err)
		return true // what follows is held against what came before, or against itself
	case err != nil:
		v.report.add(v.next, CutShort, "it has no header: %v", err)
		return false
	}
	v.witnesses.lineage.claimed = h.Cluster
	switch {
	case !v.begun:
		v.Begin(h.From, h.Before)
		if v.report.Chain != h.Before {
			v.report.add(0, Altered, "the header says that the chain before event 1 is %s", h.Before)
		}
	case h.From < v.report.From:
		v.report.add(h.From, Swapped, "a file begins with it, and the one before began with event %d: they come in order", v.report.From)
		return false
	case h.From > v.next:
		v.gaps.add(v.next, h.From-1)
		v.next, v.link, v.older = h.From, link{h.Before}, nil
		v.recent[h.From-1] = h.Before
	case h.From < v.next:
		v.again = v.next
	case v.report.Chain != h.Before:
		v.report.add(h.From, Altered, "the chain before it is %s, the header says %s", v.report.Chain, h.Before)
	}
	return true
}
