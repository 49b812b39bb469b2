package streams_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"confman/api/wire"
	. "confman/cmd/torture/streams"
)

var moment = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// story makes an audit up: namespaces, changes, deletions, transactions and an
// API key, all over the place.
func story(t *testing.T) []wire.AuditEvent {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	var audit []wire.AuditEvent
	values := map[string]string{}
	tell := func(action, namespace, key, transaction string) {
		e := wire.AuditEvent{Timestamp: moment.Add(time.Duration(len(audit)) * time.Second), Action: action, Actor: "ana", Namespace: namespace}
		i := uint64(len(audit)) + 1
		e.Provenance = wire.Provenance{ID: fmt.Sprintf("ID%d", i), Index: i, Position: fmt.Sprintf("%d-%08x", i, i*7919), Transaction: transaction}
		if key != "" {
			e.Key = &key
			n := namespace + "/" + key
			if old, there := values[n]; there {
				e.OldValue = &old
			}
			if delete(values, n); action != "config.deleted" {
				value := fmt.Sprintf("v%d", i)
				e.NewValue, values[n] = &value, value
			}
		}
		audit = append(audit, e)
	}
	change := func(transaction string) {
		namespace, key := []string{"app", "app/eu", "application", "other"}[rng.IntN(4)], []string{"a", "b/c", "b/d", "e"}[rng.IntN(4)]
		_, there := values[namespace+"/"+key]
		switch {
		case !there:
			tell("config.created", namespace, key, transaction)
		case rng.IntN(3) == 0:
			tell("config.deleted", namespace, key, transaction)
		default:
			tell("config.updated", namespace, key, transaction)
		}
	}
	tell("cluster.formed", "", "", "")
	tell("key.created", "", "", "")
	for i := range 60 {
		if i%20 == 0 {
			tell("namespace.created", []string{"app", "app/eu", "other"}[i/20], "", "")
		}
		if i%6 == 0 {
			for range 4 {
				change(fmt.Sprintf("T%d", i))
			}
		}
		change("")
	}
	return audit
}

// told is what a faithful server sends of an event.
func told(audit []wire.AuditEvent, i int, bare bool) *wire.Event {
	a := audit[i]
	e := &wire.Event{Index: a.Index, Position: a.Position, ID: a.ID, Type: a.Action, Time: a.Timestamp, Actor: a.Actor, Namespace: a.Namespace, Transaction: a.Transaction}
	if a.Key == nil {
		return e
	}
	e.Key = *a.Key
	change := wire.ConfigChange{Version: 1}
	for _, before := range audit[:i] {
		if before.Namespace == a.Namespace && before.Key != nil && *before.Key == *a.Key {
			change.Version++
		}
	}
	raw := func(text *string) json.RawMessage {
		if text == nil || bare {
			return nil
		}
		return json.RawMessage(`"` + *text + `"`)
	}
	change.Value = raw(a.NewValue)
	if a.OldValue != nil {
		change.Previous = &wire.PreviousVersion{Value: raw(a.OldValue), Version: change.Version - 1}
	}
	e.Data, _ = json.Marshal(change)
	return e
}

// faithful is a stream as it should be, from one index to another.
func faithful(t *testing.T, audit []wire.AuditEvent, f Filter, from, to uint64, asked string) Leg {
	t.Helper()
	l, err := NewLog(audit)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	leg := Leg{Node: "n1", Asked: asked, Status: 200, Began: moment, Ended: moment.Add(time.Minute), End: EndedByClient}
	add := func(frame wire.Frame, id string) {
		leg.Frames = append(leg.Frames, Frame{Frame: frame, ID: id, HasID: id != "", Kind: frame.Frame})
	}
	if asked == wire.AfterSnapshot {
		add(wire.Frame{Frame: wire.FrameSnapshot, Position: l.Position(from), LeaderKnown: &yes}, "snapshot")
		entries := 0
		for _, namespace := range []string{"app", "app/eu", "application", "other"} {
			for _, key := range []string{"a", "b/c", "b/d", "e"} {
				last := -1
				for i := range audit[:from] {
					if audit[i].Namespace == namespace && audit[i].Key != nil && *audit[i].Key == key {
						last = i
					}
				}
				wanted := Filter{Namespaces: f.Namespaces, Key: f.Key, Prefix: f.Prefix, Grants: f.Grants, Events: "all"}
				if last < 0 || audit[last].NewValue == nil || !contains(l.Matches(wanted), audit[last].Index) {
					continue
				}
				e := told(audit, last, f.Bare)
				var change wire.ConfigChange
				_ = json.Unmarshal(e.Data, &change)
				entry := &wire.ConfigEntry{
					Namespace: namespace, Key: key, Value: change.Value, Version: change.Version, UpdatedAt: e.Time, UpdatedBy: e.Actor, Index: e.Index,
				}
				add(wire.Frame{Frame: wire.FrameEntry, Entry: entry}, "")
				entries++
			}
		}
		add(wire.Frame{Frame: wire.FrameSnapshotEnd, Position: l.Position(from), Entries: entries}, l.Position(from))
	} else {
		add(wire.Frame{Frame: wire.FrameResumed, After: l.Position(from), Head: l.Position(from), LeaderKnown: &yes}, l.Position(from))
	}
	prev := from
	matches := l.Matches(f)
	for i, index := range matches {
		if index <= from || index > to {
			continue
		}
		e := told(audit, int(index)-1, f.Bare)
		more := i+1 < len(matches) && e.Transaction != "" && audit[matches[i+1]-1].Transaction == e.Transaction
		add(wire.Frame{Frame: wire.FrameEvent, Prev: prev, Event: e, More: more}, e.Position)
		prev = index
		if next := index + 3; i%5 == 0 && next <= to && (i+1 == len(matches) || matches[i+1] > next) {
			add(wire.Frame{Frame: wire.FrameProgress, Position: l.Position(next), LeaderKnown: &yes}, l.Position(next))
		}
	}
	add(wire.Frame{Frame: wire.FrameProgress, Position: l.Position(to), LeaderKnown: &yes}, l.Position(to))
	return leg
}

func contains(all []uint64, one uint64) bool {
	for _, a := range all {
		if a == one {
			return true
		}
	}
	return false
}

// filters are those that tests here use.
func filters() map[string]Filter {
	return map[string]Filter{
		"config":   {},
		"all":      {Events: "all"},
		"subtree":  {Namespaces: []string{"app"}},
		"several":  {Namespaces: []string{"app/eu", "other"}, Bare: true},
		"key":      {Key: "b/c"},
		"prefix":   {Prefix: "b/", Events: "config,namespace"},
		"kinds":    {Events: "config.deleted,namespace"},
		"narrowed": {Events: "all", Grants: []wire.Grant{{Namespace: "app", Role: wire.RoleViewer, Keys: "b/*"}, {Namespace: "other", Role: wire.RoleViewer}}},
	}
}
