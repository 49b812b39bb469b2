package projections

import (
	"encoding/binary"

	"github.com/tidwall/btree"

	"confman/events"
)

// receipts remembers the requests that were done, for [events.ReceiptAge] of
// the history's own time.
type receipts struct {
	byID  *btree.Map[string, *events.Receipt]
	byAge *btree.Map[string, struct{}] // time, big endian, then ID
}

func newReceipts() receipts {
	return receipts{new(btree.Map[string, *events.Receipt]), new(btree.Map[string, struct{}])}
}

func (r receipts) copy() receipts { return receipts{r.byID.Copy(), r.byAge.Copy()} }

func (r receipts) get(id events.ReceiptID) (events.Receipt, bool) {
	if found, ok := r.byID.Get(string(id[:])); ok {
		return *found, true
	}
	return events.Receipt{}, false
}

func (r receipts) add(receipt events.Receipt) {
	r.byID.Set(string(receipt.ID[:]), &receipt)
	r.byAge.Set(ageKey(receipt), struct{}{})
}

// expire forgets those that are older than the age at the time of the history,
// and returns them.
func (r receipts) expire(now int64) (gone []events.ReceiptID) {
	for {
		key, _, ok := r.byAge.Min()
		if !ok || int64(binary.BigEndian.Uint64([]byte(key[:8]))) >= now-int64(events.ReceiptAge) {
			return gone
		}
		r.byAge.PopMin()
		r.byID.Delete(key[8:])
		gone = append(gone, events.ReceiptID([]byte(key[8:])))
	}
}

func ageKey(r events.Receipt) string {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(r.Time.UnixNano()))
	return string(append(key, r.ID[:]...))
}
