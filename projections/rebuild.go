package projections

import (
	"fmt"

	"confman/events"
)

// rebuildBatch is how many rows Rebuild hands over at a time.
const rebuildBatch = 4096

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
	flush := func() error {
		err := write(f.Rows)
		progress(f.state.index)
		f.Rows, f.Records = nil, nil
		return err
	}
	if err := f.copyRows(edge, base.index, flush); err != nil {
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
			if len(f.Rows) >= rebuildBatch {
				if err := flush(); err != nil {
					return nil, err
				}
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
func (f *Folding) copyRows(from Source, index uint64, flush func() error) error {
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
		if len(f.Rows) >= rebuildBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
