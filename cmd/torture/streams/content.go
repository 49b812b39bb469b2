package streams

import (
	"encoding/json"
	"errors"
	"fmt"

	"confman/api/wire"
)

func (j *judge) event(f Frame) {
	e := f.Event
	if e == nil {
		j.say("an event frame without an event")
		return
	}
	switch want := j.next(j.proved); {
	case e.Index <= j.proved:
		j.say("event %d again, or late: %d was proved", e.Index, j.proved)
	case want == 0 || e.Index < want:
		j.say("event %d does not belong on this stream", e.Index)
	case e.Index > want:
		j.say("event %d, but %d is missing before it", e.Index, want)
	}
	if f.Prev != j.prev {
		j.say("event %d has prev %d, the one before was %d", e.Index, f.Prev, j.prev)
	}
	if e.Index == 0 || e.Index > j.log.Head() {
		j.say("event %d is not in the log", e.Index)
		return
	}
	fact := &j.log.events[e.Index-1]
	goesOn := false
	if next := j.next(e.Index); next != 0 && fact.Transaction != "" {
		goesOn = j.log.events[next-1].Transaction == fact.Transaction
	}
	if f.More != goesOn {
		j.say("event %d says more %v, its transaction goes on: %v", e.Index, f.More, goesOn)
	}
	for _, err := range j.differences(e, fact) {
		j.say("event %d: %v", e.Index, err)
	}
	j.proved, j.prev = max(j.proved, e.Index), e.Index
}

// differences compares an event with the fact that it tells.
func (j *judge) differences(e *wire.Event, fact *wire.AuditEvent) (found []error) {
	differ := func(what, got, want string) {
		if got != want {
			found = append(found, fmt.Errorf("%s is %q, want %q", what, got, want))
		}
	}
	key := ""
	if fact.Key != nil {
		key = *fact.Key
	}
	differ("position", e.Position, fact.Position)
	differ("id", e.ID, fact.ID)
	differ("type", e.Type, fact.Action)
	differ("time", e.Time.UTC().String(), fact.Timestamp.UTC().String())
	differ("actor", e.Actor, fact.Actor)
	differ("namespace", e.Namespace, fact.Namespace)
	differ("key", e.Key, key)
	differ("transaction", e.Transaction, fact.Transaction)
	differ("request", e.Request, fact.Request)
	differ("correlation ID", e.CorrelationID, fact.CorrelationID)
	if within(fact.Action, "config", ".") {
		found = append(found, j.change(e.Data, fact)...)
	}
	return found
}

// change compares the data of a config event with the versions that the fold
// has.
func (j *judge) change(data json.RawMessage, fact *wire.AuditEvent) (found []error) {
	var change wire.ConfigChange
	if err := json.Unmarshal(data, &change); err != nil {
		return []error{fmt.Errorf("its data: %w", err)}
	}
	n := name{fact.Namespace, *fact.Key}
	now, before := j.log.entryAt(n, fact.Index), j.log.entryAt(n, fact.Index-1)
	if change.Version != now.number {
		found = append(found, fmt.Errorf("version %d, want %d", change.Version, now.number))
	}
	found = append(found, j.value("value", change.Value, now)...)
	switch previous := change.Previous; {
	case (previous != nil) != before.live:
		found = append(found, fmt.Errorf("a previous version: %v, there was one: %v", previous != nil, before.live))
	case previous != nil:
		if previous.Version != before.number {
			found = append(found, fmt.Errorf("previous version %d, want %d", previous.Version, before.number))
		}
		found = append(found, j.value("previous value", previous.Value, before)...)
	}
	return found
}

// value compares a value, which must be left out where the filter says so.
func (j *judge) value(what string, raw json.RawMessage, want version) []error {
	switch {
	case j.stream.Filter.Bare || !want.live:
		if raw != nil {
			return []error{fmt.Errorf("%s %.100s where none belongs", what, raw)}
		}
	case raw == nil:
		return []error{errors.New(what + " is missing")}
	case textOf(raw) != want.text:
		return []error{fmt.Errorf("%s %.100q, want %.100q", what, textOf(raw), want.text)}
	}
	return nil
}

func (j *judge) opened(f Frame) {
	j.place = snapshot
	if j.leg.Asked != wire.AfterSnapshot {
		j.say("a snapshot, asked for %q", j.leg.Asked)
	}
	index := j.index(f, f.Position)
	j.proved, j.prev, j.count = index, index, 0
	j.entries = j.log.snapshot(j.stream.Filter, index)
}

func (j *judge) entry(f Frame) {
	if f.Entry == nil {
		j.say("an entry frame without an entry")
		return
	}
	j.count++
	got := name{f.Entry.Namespace, f.Entry.Key}
	if len(j.entries) == 0 || j.entries[0] != got {
		j.say("entry %s/%s of the snapshot at %d, the next one should be %v", got.namespace, got.key, j.prev, j.entries[:min(1, len(j.entries))])
		return
	}
	j.entries = j.entries[1:]
	for _, err := range j.sameEntry(f.Entry, j.log.entryAt(got, j.prev)) {
		j.say("entry %s/%s of the snapshot at %d: %v", got.namespace, got.key, j.prev, err)
	}
}

func (j *judge) sameEntry(e *wire.ConfigEntry, want version) (found []error) {
	if e.Version != want.number || e.Index != want.index || e.UpdatedBy != want.by || !e.UpdatedAt.Equal(want.at) {
		found = append(found, fmt.Errorf("version %d of event %d by %s at %v, want %+v", e.Version, e.Index, e.UpdatedBy, e.UpdatedAt, want))
	}
	return append(found, j.value("value", e.Value, want)...)
}

func (j *judge) closed(f Frame) {
	j.place = live
	if index := j.index(f, f.Position); index != j.prev {
		j.say("the snapshot of %d ends at %d", j.prev, index)
	}
	if len(j.entries) > 0 {
		j.say("the snapshot at %d lacks %d entries, such as %v", j.prev, len(j.entries), j.entries[0])
	}
	if f.Entries != j.count {
		j.say("the snapshot says %d entries and had %d", f.Entries, j.count)
	}
}
