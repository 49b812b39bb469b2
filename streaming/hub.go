package streaming

import (
	"cmp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"confman/events"
)

// HubConfig bounds what the hub keeps in memory. Zero values mean the defaults.
type HubConfig struct {
	Records int // of the tail; DefaultTailRecords
	Bytes   int // of the tail, encoded records included; DefaultTailBytes
}

// Hub holds the newest records and wakes those who wait for them. It is the one
// place where the commit path meets readers, and it does not wait for them.
type Hub struct {
	tail   tail
	log    logBlocks
	rights atomic.Uint64 // counts what may take a right from somebody
	rung   atomic.Uint64 // all whom a record up to here concerns have been woken
	pace   time.Duration // from one wake-up to the next
	rest   *time.Timer   // run's own
	looked uint64        // up to where run last looked for who is to be told of progress
	news   chan struct{}
	stop   chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	waiters map[topic]map[*waiter]struct{}
	all     map[*waiter]struct{}
}

// NewHub starts a hub. Close it.
func NewHub(c HubConfig) *Hub {
	h := &Hub{
		tail:    tail{records: cmp.Or(c.Records, DefaultTailRecords), bytes: cmp.Or(c.Bytes, DefaultTailBytes)},
		pace:    wakeCost / time.Duration(runtime.GOMAXPROCS(0)),
		rest:    time.NewTimer(0),
		news:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		waiters: map[topic]map[*waiter]struct{}{},
		all:     map[*waiter]struct{}{},
	}
	h.done.Go(h.run)
	return h
}

// Close ends the hub's goroutine. Nobody is woken any more.
func (h *Hub) Close() {
	close(h.stop)
	h.done.Wait()
}

// Publish takes over records that readers can see already. It blocks for
// nobody.
func (h *Hub) Publish(records []events.Record) {
	if len(records) == 0 {
		return
	}
	items := make([]*item, 0, len(records))
	for _, r := range records {
		i, err := newItem(r)
		if err != nil { // whoever folded the record has read it before
			h.Reset()
			return
		}
		if events.TakesRights(i.event.Data) {
			h.rights.Add(1) // before anything later can be read
		}
		items = append(items, i)
	}
	h.tail.add(items)
	h.tell()
}

// Reset says that the history jumped, by a snapshot: everybody is woken, and
// reads on from the log.
func (h *Hub) Reset() {
	h.rights.Add(1)
	h.tail.reset()
	h.log.reset()
	h.rung.Store(0)
	h.tell()
}

func (h *Hub) tell() {
	select {
	case h.news <- struct{}{}:
	default: // it is told already
	}
}

// Recent are records that follow an index, at most n, decoded: the newest ones are
// in memory. ok is false when those are not there any more, or not yet.
func (h *Hub) Recent(after uint64, n int) (records []events.Record, ok bool) {
	items, before := h.tail.after(nil, after, n)
	if before {
		return nil, false
	}
	for _, i := range items {
		records = append(records, i.record.WithEvent(i.event))
	}
	return records, true
}

// Wait returns a channel that is closed after the next event in the namespace's
// subtree; [events.Root] waits for any event, those about no namespace included.
// A wake-up is a hint: look again. Take it before looking, and call release once,
// when done waiting.
func (h *Hub) Wait(namespace string) (wake <-chan struct{}, release func()) {
	return h.WaitKey(namespace, "")
}

// WaitKey is Wait for the events about one key in the namespace's subtree.
func (h *Hub) WaitKey(namespace, key string) (wake <-chan struct{}, release func()) {
	woken := make(chan struct{})
	w := &waiter{topics: []topic{{namespace, key}}, wake: func() { close(woken) }}
	w.told.Store(never)
	h.register(w)
	return woken, func() { h.remove(w) }
}

// Waiting is how many wait.
func (h *Hub) Waiting() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// topic is what wakes a waiter: events in the subtree of a namespace, or, with a
// key, those of them that are about it.
type topic struct{ namespace, key string }

// waiter is woken at most once until it says that it looks.
type waiter struct {
	topics []topic
	wake   func()        // must not block
	ready  atomic.Bool   // woken, and not looking yet
	told   atomic.Uint64 // the index that its reader knows to have missed nothing up to
}

// never is what a waiter that is not to be told of progress was told.
const never = ^uint64(0)

func (h *Hub) register(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all[w] = struct{}{}
	for _, t := range w.topics {
		if h.waiters[t] == nil {
			h.waiters[t] = map[*waiter]struct{}{}
		}
		h.waiters[t][w] = struct{}{}
	}
}

func (h *Hub) remove(w *waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, w)
	for _, t := range w.topics {
		if delete(h.waiters[t], w); len(h.waiters[t]) == 0 {
			delete(h.waiters, t)
		}
	}
}

// Records are looked at in batches of ringBatch at most. After as many, whoever
// has not been told of progress for skippedMost records is woken to tell it.
const (
	ringBatch   = 256
	skippedMost = progressEvery - 2*ringBatch
)

// wakeAtOnce are woken before others get the processor. wakeCost of the
// processors' time is left to each, about what a delivery takes at both of its
// ends, and half as much more for each further record of the batch, up to
// wakeSlowest records.
const (
	wakeAtOnce  = 32
	wakeCost    = 20 * time.Microsecond
	wakeSlowest = 3
)

// run wakes those whom new records concern.
func (h *Hub) run() {
	for {
		select {
		case <-h.news:
		case <-h.stop:
			return
		}
		for h.ring() {
		}
	}
}

// ring wakes those whom the next batch of records concerns; more says that there
// may be another.
func (h *Hub) ring() (more bool) {
	rung := h.rung.Load()
	var room [ringBatch]*item
	batch, before := h.tail.after(room[:0], rung, ringBatch)
	var woken []*waiter
	var last uint64
	switch {
	case before: // the tail begins later, or is empty
		last = h.tail.last()
		woken = h.everybody()
	case len(batch) == 0:
		return false
	default:
		last = batch[len(batch)-1].record.Index
		woken = h.concerned(batch, last)
	}
	// The mark comes first: a watch that meets it unwoken has nothing to read.
	// Those who are concerned were marked ready before it.
	h.rung.CompareAndSwap(rung, last)
	h.wake(woken, max(1, len(batch)))
	return len(batch) > 0
}

// wake wakes them at a pace at which the machine has time for something else as
// well: writers, first of all. The more records a batch has, the slower: who
// delivers less often delivers more at once, which is cheaper.
func (h *Hub) wake(waiters []*waiter, records int) {
	pace := h.pace + h.pace/2*time.Duration(min(records, wakeSlowest)-1)
	begun := time.Now()
	for n, w := range waiters {
		w.wake()
		if n%wakeAtOnce == wakeAtOnce-1 {
			// At least a moment: only who really sleeps lets the network be looked at.
			h.rest.Reset(max(time.Microsecond, time.Duration(n)*pace-time.Since(begun)))
			select {
			case <-h.rest.C:
			case <-h.stop:
				return
			}
		}
	}
}

// everybody marks all as ready, and returns those who were not.
func (h *Hub) everybody() (woken []*waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.all {
		if !w.ready.Swap(true) {
			woken = append(woken, w)
		}
	}
	return woken
}

// concerned marks those as ready whom a batch concerns or who should be told of
// progress, and returns those who were not.
func (h *Hub) concerned(batch []*item, last uint64) (woken []*waiter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	mark := func(t topic) {
		for w := range h.waiters[t] {
			if !w.ready.Swap(true) {
				woken = append(woken, w)
			}
		}
	}
	for _, i := range batch {
		e := &i.event
		if events.TakesRights(e.Data) {
			for w := range h.all {
				if !w.ready.Swap(true) {
					woken = append(woken, w)
				}
			}
		}
		for namespace := range upwards(e.Namespace) {
			mark(topic{namespace, ""})
			if e.Key != "" {
				mark(topic{namespace, e.Key})
			}
		}
	}
	if last-h.looked < ringBatch {
		return woken
	}
	h.looked = last
	for w := range h.all {
		if told := w.told.Load(); told < last && last-told >= skippedMost && !w.ready.Swap(true) {
			woken = append(woken, w)
		}
	}
	return woken
}

// upwards yields a namespace, all above it, and the root.
func upwards(namespace string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for more := namespace != ""; more; {
			if !yield(namespace) {
				return
			}
			cut := strings.LastIndexByte(namespace, '/')
			if more = cut >= 0; more {
				namespace = namespace[:cut]
			}
		}
		yield(events.Root)
	}
}
