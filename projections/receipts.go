package projections

import (
	"bytes"
	"cmp"
	"time"

	"github.com/tidwall/btree"

	"confman/events"
)

// receipts remembers the requests that were done, for [events.ReceiptAge] of
// the history's own time. There is one for each write of a day: they lie in the
// nodes of the trees themselves, and hold no pointers.
type receipts struct {
	byID  *btree.BTreeG[receipt]
	byAge *btree.BTreeG[aged]
}

// receipt is an [events.Receipt] without pointers.
type receipt struct {
	id          events.ReceiptID
	fingerprint events.Fingerprint
	index       uint64
	time        int64 // in nanoseconds since 1970
	count       int32 // below the most events of a proposal
}

// aged is when the request with the ID was done.
type aged struct {
	time int64
	id   events.ReceiptID
}

func newReceipts() receipts {
	// What is written copies a node of each level. One goroutine folds, and readers
	// have copies of their own.
	options := btree.Options{Degree: 16, NoLocks: true}
	return receipts{
		btree.NewBTreeGOptions(func(a, b receipt) bool { return bytes.Compare(a.id[:], b.id[:]) < 0 }, options),
		btree.NewBTreeGOptions(func(a, b aged) bool {
			return cmp.Or(cmp.Compare(a.time, b.time), bytes.Compare(a.id[:], b.id[:])) < 0
		}, options),
	}
}

func (r receipts) copy() receipts { return receipts{r.byID.Copy(), r.byAge.Copy()} }

func (r receipts) get(id events.ReceiptID) (events.Receipt, bool) {
	found, ok := r.byID.Get(receipt{id: id})
	if !ok {
		return events.Receipt{}, false
	}
	return found.public(), true
}

func (r receipt) public() events.Receipt {
	return events.Receipt{ID: r.id, Fingerprint: r.fingerprint, Index: r.index, Count: int(r.count), Time: time.Unix(0, r.time).UTC()}
}

func (r receipts) add(of events.Receipt) {
	at := of.Time.UnixNano()
	r.byID.Set(receipt{of.ID, of.Fingerprint, of.Index, at, int32(of.Count)})
	r.byAge.Set(aged{at, of.ID})
}

// expire forgets those that are older than the age at the time of the history,
// and returns them.
func (r receipts) expire(now int64) (gone []events.ReceiptID) {
	for {
		oldest, ok := r.byAge.Min()
		if !ok || oldest.time >= now-int64(events.ReceiptAge) {
			return gone
		}
		r.byAge.PopMin()
		r.byID.Delete(receipt{id: oldest.id})
		gone = append(gone, oldest.id)
	}
}
