package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/cmd/internal/formats"
	"confman/events"
)

const (
	// batchChanges is how many keys one transaction changes: each takes a
	// condition and an operation.
	batchChanges = events.MaxOperations / 2
	// batchBytes bounds the values of one transaction, old ones included, for
	// the events have them too. A larger value goes alone.
	batchBytes = 1 << 20
)

// plan is what an import does.
type plan struct {
	differences []difference // what is set, by key, then what is deleted, by key
	unchanged   int
	extra       int // live keys that the source does not have and that stay
}

// difference is what an import does to one key.
type difference struct {
	Key     string      `json:"key"`
	Outcome string      `json:"outcome"`       // wire.OutcomeCreated, OutcomeUpdated or OutcomeDeleted
	Version uint64      `json:"version"`       // that was compared against; 0: there was no such entry
	Old     *typedValue `json:"old,omitempty"` // absent when created
	New     *typedValue `json:"new,omitempty"` // absent when deleted
}

// typedValue is a value as the API has it.
type typedValue struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// importResult is what import prints with -o json.
type importResult struct {
	Namespace string       `json:"namespace"`
	DryRun    bool         `json:"dryRun"`
	Created   int          `json:"created"`
	Updated   int          `json:"updated"`
	Deleted   int          `json:"deleted"`
	Unchanged int          `json:"unchanged"`
	Extra     int          `json:"extra"`              // live keys that the source does not have and that stay
	Position  string       `json:"position,omitempty"` // of the last event; absent when nothing was written
	Changes   []difference `json:"changes"`
}

// compare finds what differs between a source and what is live, by key. The
// error names a key whose value can be no value.
func compare(from source, live []wire.ConfigEntry, prune bool) (p plan, err error) {
	now := make(map[string]wire.ConfigEntry, len(live))
	for _, e := range live {
		now[e.Key] = e
	}
	for _, e := range from.entries {
		old, exists := now[e.Key]
		delete(now, e.Key)
		value, err := from.valueOf(e, old)
		if err != nil {
			return plan{}, &ExitError{Code: ExitInvalid, Err: fmt.Errorf("import %s: %w", e.Key, err)}
		}
		d := difference{Key: e.Key, Outcome: wire.OutcomeCreated, New: &value}
		if exists {
			d.Outcome, d.Version, d.Old = wire.OutcomeUpdated, old.Version, &typedValue{old.Type, old.Value}
		}
		if exists && value.Type == old.Type && bytes.Equal(value.Value, old.Value) {
			p.unchanged++
			continue
		}
		p.differences = append(p.differences, d)
	}
	if !prune {
		p.extra = len(now)
		return p, nil
	}
	sets := len(p.differences)
	for key, e := range now {
		p.differences = append(p.differences, difference{Key: key, Outcome: wire.OutcomeDeleted, Version: e.Version, Old: &typedValue{e.Type, e.Value}})
	}
	slices.SortFunc(p.differences[sets:], func(a, b difference) int { return strings.Compare(a.Key, b.Key) })
	return p, nil
}

// valueOf is the value of an entry in the spelling that the server keeps. Text
// keeps the type that the key has, as long as it still reads as that: exported
// numbers are not strings when they come back.
func (s source) valueOf(e formats.Entry, old wire.ConfigEntry) (typedValue, error) {
	if s.untyped && old.Version > 0 && old.Type != e.Type {
		content, err := e.Bytes()
		if err != nil {
			return typedValue{}, err
		}
		there, err := formats.Entry{Key: old.Key, Type: old.Type, Value: old.Value}.Bytes()
		if err == nil && bytes.Equal(content, there) {
			return typedValue{old.Type, old.Value}, nil
		}
		if text, err := encodeValue(content, old.Type); err == nil {
			if value, err := canonical(old.Type, text); err == nil {
				return value, nil
			}
		}
	}
	return canonical(e.Type, e.Value)
}

func canonical(valueType string, raw json.RawMessage) (typedValue, error) {
	v, err := events.ParseValue(jsontext.Value(raw), events.ValueType(valueType), math.MaxInt)
	return typedValue{string(v.Type), json.RawMessage(v.JSON)}, err
}

// batches divides differences into those of one transaction each.
func batches(all []difference) (batches [][]difference) {
	start, size := 0, 0
	for i, d := range all {
		n := len(d.Key)
		for _, v := range []*typedValue{d.Old, d.New} {
			if v != nil {
				n += len(v.Value)
			}
		}
		if i > start && (i-start == batchChanges || size+n > batchBytes) {
			batches = append(batches, all[start:i])
			start, size = i, 0
		}
		size += n
	}
	if start < len(all) {
		batches = append(batches, all[start:])
	}
	return batches
}

// transaction makes one transaction of a batch. It holds while every key is at
// the version that it was compared at.
func transaction(namespace, comment string, batch []difference) wire.Transaction {
	t := wire.Transaction{Comment: comment}
	for _, d := range batch {
		t.If = append(t.If, wire.Condition{Namespace: namespace, Key: d.Key, Version: d.Version})
		if d.New == nil {
			t.Delete = append(t.Delete, wire.DeleteOperation{Namespace: namespace, Key: d.Key})
			continue
		}
		t.Set = append(t.Set, wire.SetOperation{Namespace: namespace, Key: d.Key, Value: d.New.Value, Type: d.New.Type})
	}
	return t
}

// keys are the keys with an outcome, in the order in which they are written.
func (p plan) keys(outcome string) (keys []string) {
	for _, d := range p.differences {
		if d.Outcome == outcome {
			keys = append(keys, d.Key)
		}
	}
	return keys
}

func (p plan) result(namespace, position string, dryRun bool) importResult {
	return importResult{
		Namespace: namespace, DryRun: dryRun, Position: position, Unchanged: p.unchanged, Extra: p.extra,
		Created: len(p.keys(wire.OutcomeCreated)), Updated: len(p.keys(wire.OutcomeUpdated)), Deleted: len(p.keys(wire.OutcomeDeleted)),
		Changes: append([]difference{}, p.differences...),
	}
}

// summary counts on one line.
func (p plan) summary() string {
	r := p.result("", "", false)
	text := fmt.Sprintf("%d created, %d updated, %d deleted, %d unchanged", r.Created, r.Updated, r.Deleted, r.Unchanged)
	if p.extra > 0 {
		text += fmt.Sprintf(", %d not in the source (--prune deletes them)", p.extra)
	}
	return text
}

// counted is "1 key" or "2 keys".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// some lists names, and counts those after the tenth.
func some(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
