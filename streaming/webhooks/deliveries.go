package webhooks

import (
	"slices"
	"sync"
	"time"

	"confman/events"
)

// Delivery is one event on its way to an endpoint.
type Delivery struct {
	ID       string // the webhook-id: the event's, the same in every attempt
	Index    uint64
	Type     events.Kind
	State    State
	Attempts int    // by this leader, resends included
	Status   int    // of the last answer; 0: there was none
	Error    string // of the last attempt; empty: delivered
	LastAt   time.Time
	NextAt   time.Time     // with Retrying
	Took     time.Duration // the last attempt
}

// State of a [Delivery].
type State string

// The states.
const (
	Delivered State = "delivered"
	Retrying  State = "retrying"
	Dead      State = "dead" // nobody tries it again by itself
)

// keptDeliveries is how many a leader remembers of each endpoint.
const keptDeliveries = 200

// deliveries are the newest of one endpoint. The zero value is ready to use.
type deliveries struct {
	mu   sync.Mutex // guards rows
	rows []Delivery // by their last attempt, oldest first
}

// note makes the event of an attempt the newest row.
func (d *deliveries) note(l letter, t trial, state State, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(l, t, state, next)
}

// resent notes an attempt that somebody asked for. One that fails leaves an
// event that is being retried anyway as it is.
func (d *deliveries) resent(l letter, t trial) Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.find(l.record.Index)
	switch {
	case t.err == nil:
		return d.put(l, t, Delivered, time.Time{})
	case i >= 0 && d.rows[i].State == Retrying:
		return d.put(l, t, Retrying, d.rows[i].NextAt)
	}
	return d.put(l, t, Dead, time.Time{})
}

// put needs the lock.
func (d *deliveries) put(l letter, t trial, state State, next time.Time) Delivery {
	row := Delivery{ID: l.event.ID.String(), Index: l.record.Index, Type: l.event.Data.Kind()}
	if i := d.find(row.Index); i >= 0 {
		row = d.rows[i]
		d.rows = slices.Delete(d.rows, i, i+1)
	}
	row.State, row.NextAt = state, next
	row.Attempts++
	row.Status, row.Error, row.LastAt, row.Took = t.status, brief(t.err), t.at, t.took
	if d.rows = append(d.rows, row); len(d.rows) > keptDeliveries {
		d.rows = slices.Delete(d.rows, 0, 1)
	}
	return row
}

// newest are the rows, newest first.
func (d *deliveries) newest() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows := slices.Clone(d.rows)
	slices.Reverse(rows)
	return rows
}

func (d *deliveries) find(index uint64) int {
	return slices.IndexFunc(d.rows, func(r Delivery) bool { return r.Index == index })
}
