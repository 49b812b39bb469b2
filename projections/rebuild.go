package projections

import (
	"fmt"

	"confman/events"
)

// How much Rebuild hands over at a time, at the least.
const (
	rebuildBatch = 4096    // rows
	rebuildBytes = 4 << 20 // of keys and values
)

// Rebuild makes the rows of a history anew and hands them over. Rows at or below
// the edge, which the second source reads at, are copied as they are: the
// records that made them are not to be relied on. Those after it come of folding
// the records again on top of the state as of the edge, in rising order of
// indexes; receipts, which no record holds, are copied. progress is told the
// event index reached. The state at the end is returned, without receipts, its
// chain recomputed from the edge on.
func Rebuild(h *History, edge Source, write func([]Row) error, progress func(index uint64)) (*State, error) {
	base, err := h.base(edge)
	if err != nil {
		return nil, err
	}
	f := Begin(base)
	weighed, bytes := 0, 0 // of the rows that wait
	flush := func() error {
		err := write(f.Rows)
		progress(f.state.index)
		f.Rows, f.Records, weighed, bytes = nil, nil, 0, 0
		return err
	}
	flushFull := func() error {
		for ; weighed < len(f.Rows); weighed++ {
			bytes += len(f.Rows[weighed].Key) + len(f.Rows[weighed].Value)
		}
		if len(f.Rows) < rebuildBatch && bytes < rebuildBytes {
			return nil
		}
		return flush()
	}
	if err := f.copyRows(edge, base.index, flushFull); err != nil {
		return nil, err
	}
	var entry []events.Record // the records of one Raft entry
	for r, err := range h.Records(0) {
		if err != nil {
			return nil, err
		}
		if len(entry) > 0 && entry[0].RaftIndex != r.RaftIndex {
			if err := f.Replay(entry); err != nil {
				return nil, err
			}
			entry = nil
			if err := flushFull(); err != nil {
				return nil, err
			}
		}
		entry = append(entry, r)
	}
	if err := f.Replay(entry); err != nil {
		return nil, err
	}
	if f.state.index != h.index {
		return nil, fmt.Errorf("event %d is missing", f.state.index+1)
	}
	for row, err := range h.src.Scan([]byte{receiptView}, nil) {
		if err != nil {
			return nil, err
		}
		f.Rows = append(f.Rows, row)
		if err := flushFull(); err != nil {
			return nil, err
		}
	}
	return f.state, flush()
}

// base is the state as of the edge, which the source reads at.
func (h *History) base(edge Source) (*State, error) {
	s, err := load(edge, h.horizon.Edge().Index)
	if err != nil {
		return nil, err
	}
	s.chain, s.time = h.horizon.Chain, h.horizon.Time
	return s, nil
}

// copyRows takes over all rows up to an index, but for receipts, which are taken
// as of the end.
func (f *Folding) copyRows(from Source, index uint64, flushFull func() error) error {
	if index == 0 {
		return nil
	}
	for row, err := range from.Scan(nil, nil) {
		if err != nil {
			return err
		}
		switch row.Key[0] {
		case receiptView:
		case recordView, byNamespace, bySubtree, byActor, byKind, byRequest, byCorrelation, byTransaction: // have one version
			f.Rows = append(f.Rows, row)
		default:
			for version, err := range from.Versions(row.Key) {
				if err != nil {
					return err
				}
				f.Rows = append(f.Rows, version)
			}
		}
		if err := flushFull(); err != nil {
			return err
		}
	}
	return nil
}
