package streams

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"confman/api/wire"
)

// Log is a history as the audit tells it, from event 1 on: the truth that
// streams are held against.
type Log struct {
	events []wire.AuditEvent
	keys   map[name][]version
	names  []name // those of keys, in the order of a snapshot
}

// name is an entry's.
type name struct{ namespace, key string }

// version is what an entry became at an event.
type version struct {
	index  uint64
	number uint64 // deletions count too
	live   bool
	text   string // of the value
	by     string
	at     time.Time
}

// NewLog folds an audit, which must begin with event 1 and have no holes.
func NewLog(audit []wire.AuditEvent) (*Log, error) {
	l := &Log{events: audit, keys: map[name][]version{}}
	for i, e := range audit {
		if e.Index != uint64(i)+1 {
			return nil, fmt.Errorf("audit: event %d stands where %d should", e.Index, i+1)
		}
		if e.Key == nil || !within(e.Action, "config", ".") {
			continue
		}
		n := name{e.Namespace, *e.Key}
		v := version{index: e.Index, number: 1, live: e.NewValue != nil, by: e.Actor, at: e.Timestamp}
		if e.NewValue != nil {
			v.text = *e.NewValue
		}
		if before := l.keys[n]; len(before) > 0 {
			v.number = before[len(before)-1].number + 1
		} else {
			l.names = append(l.names, n)
		}
		l.keys[n] = append(l.keys[n], v)
	}
	sort.Slice(l.names, func(i, j int) bool {
		a, b := l.names[i], l.names[j]
		return a.namespace < b.namespace || a.namespace == b.namespace && a.key < b.key
	})
	return l, nil
}

// Head is the index of the last event.
func (l *Log) Head() uint64 { return uint64(len(l.events)) }

// Position is the position of an index, as the audit has it.
func (l *Log) Position(index uint64) string {
	if index == 0 {
		return "0-00000000"
	}
	if index > l.Head() {
		return fmt.Sprintf("%d, beyond the end of the history", index)
	}
	return l.events[index-1].Position
}

// Matches are the indexes of the events that a filter lets through, ascending.
func (l *Log) Matches(f Filter) (indexes []uint64) {
	for i := range l.events {
		if f.wants(&l.events[i]) {
			indexes = append(indexes, l.events[i].Index)
		}
	}
	return indexes
}

// entryAt is what an entry was as of an index; the zero version when there had
// never been one.
func (l *Log) entryAt(n name, index uint64) version {
	all := l.keys[n]
	i, found := slices.BinarySearchFunc(all, index, func(v version, index uint64) int { return int(v.index) - int(index) })
	if found {
		return all[i]
	}
	if i == 0 {
		return version{}
	}
	return all[i-1]
}

// snapshot is the names of the entries that lived as of an index and that a
// filter lets through, by namespace and key.
func (l *Log) snapshot(f Filter, index uint64) (live []name) {
	for _, n := range l.names {
		if f.wantsEntry(n) && l.entryAt(n, index).live {
			live = append(live, n)
		}
	}
	return live
}

// textOf is the bare text of a value: a string without its quotes, anything else
// as it stands.
func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
