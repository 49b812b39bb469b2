package projections

import (
	"encoding/binary"

	"confman/events"
)

// The indexes over the records. Each lists, under a name, the records that bear
// it: one row for each name in a Raft entry.
const (
	byNamespace   = 'N' // exactly this one; the empty name is that of none
	bySubtree     = 'S' // all that lie below it; not written for the root
	byActor       = 'A'
	byKind        = 'E'
	byRequest     = 'R' // publish request
	byCorrelation = 'C'
	byTransaction = 'T'
)

// postingPrefix is what the rows of one name begin with; the index of a record,
// 8 bytes, ends them.
func postingPrefix(view byte, name string) []byte {
	key := make([]byte, 0, len(name)+10)
	key = append(append(key, view), name...)
	return append(key, 0)
}

func postingKey(prefix []byte, index uint64) []byte {
	return binary.BigEndian.AppendUint64(prefix[:len(prefix):len(prefix)], index)
}

// postings collects the index rows of one Raft entry's records. A Raft entry is
// the same on every node and in every replay, so these rows are too.
type postings struct {
	lists map[postingName]int
	rows  []Row    // by their first record
	last  []uint64 // in each row
}

type postingName struct {
	view byte
	of   string
}

// appendPostings appends one row for each name in the records of a Raft entry.
func appendPostings(rows []Row, records []events.Record) []Row {
	if len(records) == 0 {
		return rows
	}
	p := postings{lists: make(map[postingName]int, 4+2*len(records))}
	for _, r := range records {
		e, err := r.Event()
		if err != nil {
			panic(err) // folding decoded it before
		}
		p.add(byNamespace, e.Namespace, r.Index)
		for above := range events.Upwards(e.Namespace) {
			if above != e.Namespace && above != events.Root {
				p.add(bySubtree, above, r.Index)
			}
		}
		p.add(byActor, e.Actor, r.Index)
		p.add(byKind, string(e.Data.Kind()), r.Index)
		p.addNamed(byRequest, e.Request, r.Index)
		p.addNamed(byCorrelation, e.CorrelationID, r.Index)
		p.addNamed(byTransaction, e.Transaction, r.Index)
	}
	return append(rows, p.rows...)
}

// add lists a record under a name. The row stands at the index of its first
// record, so that a history as of any of them finds it.
func (p *postings) add(view byte, name string, index uint64) {
	n := postingName{view, name}
	at, ok := p.lists[n]
	if !ok {
		p.lists[n] = len(p.rows)
		p.rows = append(p.rows, Row{Key: postingKey(postingPrefix(view, name), index), Index: index})
		p.last = append(p.last, index)
		return
	}
	p.rows[at].Value = binary.AppendUvarint(p.rows[at].Value, index-p.last[at])
	p.last[at] = index
}

// addNamed is add for what an event may do without.
func (p *postings) addNamed(view byte, name string, index uint64) {
	if name != "" {
		p.add(view, name, index)
	}
}

// appendPosting appends the indexes of the records that a row lists, rising.
func appendPosting(to []uint64, row Row) []uint64 {
	last := indexOf(row.Key)
	to = append(to, last)
	for steps := row.Value; len(steps) > 0; {
		step, n := binary.Uvarint(steps)
		if n <= 0 {
			break
		}
		last += step
		to, steps = append(to, last), steps[n:]
	}
	return to
}

// indexOf reads the index at the end of a key.
func indexOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
