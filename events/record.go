package events

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Record is an event in its place in the history.
type Record struct {
	Index     uint64    // 1, 2, 3 … in commit order, the same on every node
	Chain     Chain     // the chain up to and including this record
	Time      time.Time // set by the proposer, never before the previous record's; for people, no rule reads it
	RaftTerm  uint64
	RaftIndex uint64 // of the Raft entry that brought it
	More      bool   // the next record belongs to the same transaction
	Erased    bool   // values were taken out of it: see [HistoryErased]
	Body      []byte // the event as its proposer encoded it; see [DecodeEvent]

	event *Event // Body decoded, when somebody did
}

// Stored form of a record, the bytes that the chain covers (of one with something
// erased, those that it covered were others):
//
//	offset 0   format, 1
//	       1   flags, bit 0: More, bit 1: Erased
//	       2   time, Unix nanoseconds, big endian
//	      10   Raft term, big endian
//	      18   Raft index, big endian
//	      26   body, a JSON object
const (
	recordFormat = 1
	recordHeader = 26
	flagMore     = 1
	flagErased   = 2
)

// AppendStored appends the stored form, which is what the chain covers.
func (r Record) AppendStored(dst []byte) []byte {
	var flags byte
	if r.More {
		flags |= flagMore
	}
	if r.Erased {
		flags |= flagErased
	}
	dst = append(dst, recordFormat, flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Time.UnixNano()))
	dst = binary.BigEndian.AppendUint64(dst, r.RaftTerm)
	dst = binary.BigEndian.AppendUint64(dst, r.RaftIndex)
	return append(dst, r.Body...)
}

// ParseRecord reads the stored form of the record at an index whose chain is
// known. Body shares memory with stored.
func ParseRecord(index uint64, chain Chain, stored []byte) (Record, error) {
	if len(stored) <= recordHeader || stored[0] != recordFormat || stored[1]&^(flagMore|flagErased) != 0 {
		return Record{}, fmt.Errorf("record %d: not a record of format %d", index, recordFormat)
	}
	return Record{
		Index:     index,
		Chain:     chain,
		Time:      time.Unix(0, int64(binary.BigEndian.Uint64(stored[2:]))).UTC(),
		RaftTerm:  binary.BigEndian.Uint64(stored[10:]),
		RaftIndex: binary.BigEndian.Uint64(stored[18:]),
		More:      stored[1]&flagMore != 0,
		Erased:    stored[1]&flagErased != 0,
		Body:      stored[recordHeader:],
	}, nil
}

// Position is where the record stands.
func (r Record) Position() Position { return r.Chain.At(r.Index) }

// WithEvent is the record with its body already decoded.
func (r Record) WithEvent(e Event) Record {
	r.event = &e
	return r
}

// Event decodes the body.
func (r Record) Event() (Event, error) {
	if r.event != nil {
		return *r.event, nil
	}
	e, err := DecodeEvent(r.Body)
	if err != nil {
		return Event{}, fmt.Errorf("record %d: %w", r.Index, err)
	}
	return e, nil
}
