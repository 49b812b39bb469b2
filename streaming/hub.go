package streaming

import (
	"strings"
	"sync"

	"confman/events"
)

// Hub wakes those who wait for something to happen in a namespace or below it.
// The zero value is ready to use.
//
// Whoever waits takes the wake-up first and looks second, so that nothing falls
// between the two:
//
//	for {
//		wake, release := hub.Wait(namespace)
//		if found := look(); found || !waitFor(wake) {
//			release()
//			return
//		}
//		release()
//	}
type Hub struct {
	mu    sync.Mutex
	bells map[string]*bell // by the namespace waited for
}

// bell is shared by all who wait for one namespace; it rings once.
type bell struct {
	rung    chan struct{}
	waiting int
}

// Wait returns a channel that is closed at the next event in the namespace's
// subtree; [events.Root] waits for any event, those about no namespace
// included. A wake-up is a hint: look again. Call release once, when done
// waiting.
func (h *Hub) Wait(namespace string) (wake <-chan struct{}, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bells == nil {
		h.bells = map[string]*bell{}
	}
	b := h.bells[namespace]
	if b == nil {
		b = &bell{rung: make(chan struct{})}
		h.bells[namespace] = b
	}
	b.waiting++
	return b.rung, func() { h.leave(namespace, b) }
}

// Waiting is how many wait for exactly this namespace.
func (h *Hub) Waiting(namespace string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b := h.bells[namespace]; b != nil {
		return b.waiting
	}
	return 0
}

// leave forgets a bell that nobody waits for any more.
func (h *Hub) leave(namespace string, b *bell) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b.waiting--; b.waiting == 0 && h.bells[namespace] == b {
		delete(h.bells, namespace)
	}
}

// Publish wakes those whom the records concern. It never blocks. The state that
// the records led to is visible before it is called.
func (h *Hub) Publish(records []events.Record) {
	var ringing []*bell
	h.mu.Lock()
	for i := 0; i < len(records) && len(h.bells) > 0; i++ {
		ringing = h.take(ringing, records[i])
	}
	h.mu.Unlock()
	ring(ringing)
}

// take takes the bells of the record's namespace, of all above it, and of the
// root.
func (h *Hub) take(ringing []*bell, r events.Record) []*bell {
	pull := func(namespace string) {
		if b := h.bells[namespace]; b != nil {
			delete(h.bells, namespace)
			ringing = append(ringing, b)
		}
	}
	pull(events.Root)
	e, err := r.Event()
	if err != nil {
		return ringing // whoever folded it has read it before
	}
	for namespace, more := e.Namespace, e.Namespace != ""; more; {
		pull(namespace)
		cut := strings.LastIndexByte(namespace, '/')
		if more = cut >= 0; more {
			namespace = namespace[:cut]
		}
	}
	return ringing
}

// Reset wakes everybody: the state was replaced as a whole, by a snapshot.
func (h *Hub) Reset() {
	h.mu.Lock()
	ringing := make([]*bell, 0, len(h.bells))
	for _, b := range h.bells {
		ringing = append(ringing, b)
	}
	clear(h.bells)
	h.mu.Unlock()
	ring(ringing)
}

func ring(bells []*bell) {
	for _, b := range bells {
		close(b.rung)
	}
}
