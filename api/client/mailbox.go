package client

import (
	"context"
	"sync"
)

// mailbox holds the changes that a slow receiver has not been told of, one for
// each key. What is put in before it is opened is dropped.
type mailbox struct {
	wake chan struct{} // there is something in it

	mu      sync.Mutex
	opened  bool
	keys    []string // in the order in which they first changed
	waiting map[string]Change
}

func newMailbox() *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), waiting: map[string]Change{}}
}

func (m *mailbox) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened = true
}

// put adds changes; one of a key that waits already becomes one with it.
func (m *mailbox) put(changes []Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.opened {
		return
	}
	for _, change := range changes {
		if earlier, ok := m.waiting[change.Key]; ok {
			change.Old = earlier.Old
		} else {
			m.keys = append(m.keys, change.Key)
		}
		m.waiting[change.Key] = change
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take removes the change that waits for longest.
func (m *mailbox) take() (Change, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.keys) > 0 {
		change := m.waiting[m.keys[0]]
		delete(m.waiting, change.Key)
		m.keys = m.keys[1:]
		if !sameEntry(change.Old, change.New) { // it may have come and gone
			return change, true
		}
	}
	return Change{}, false
}

// deliver hands changes over until ctx ends.
func (m *mailbox) deliver(ctx context.Context, receive func(Change)) {
	for {
		change, ok := m.take()
		if ok {
			receive(change)
		}
		switch {
		case ctx.Err() != nil:
			return
		case ok:
			continue
		}
		select {
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}
