package projections

import (
	"fmt"

	"confman/events"
)

// rebuildBatch is how many rows Rebuild hands over at a time.
const rebuildBatch = 4096

// Rebuild folds all records of a history again and hands over the rows of every
// view, in rising order of indexes; receipts, which no record holds, are copied.
// progress is told the event index reached. The state at the end is returned,
// its chain recomputed from the first event on.
func Rebuild(h *History, write func([]Row) error, progress func(index uint64)) (*State, error) {
	f := Begin(Empty())
	flush := func() error {
		err := write(f.Rows)
		progress(f.state.index)
		f.Rows, f.Records = nil, nil
		return err
	}
	var entry []events.Record // the records of one Raft entry
	for r, err := range h.Records(1) {
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
