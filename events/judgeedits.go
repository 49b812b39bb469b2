package events

import (
	"fmt"
	"maps"
	"slices"
)

// JudgeEdits lists what edits of a namespace, made together, would break of the
// schema if it held there, on top of what the view shows: each key is to get a
// value, or with nil to be deleted. What was broken in the same way before is not
// listed, nor what inheriting namespaces would break.
func (s *Schema) JudgeEdits(v View, namespace string, edits map[string]*Value) []Field {
	j := judgement{
		d:     &decision{view: v, guarded: map[Subject]bool{}},
		edits: map[string]map[string]*Value{namespace: edits},
	}
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		now, value := v.Entry(namespace, key), edits[key]
		switch f := s.Flags(key); {
		case value != nil && now.Live() && value.Equal(now.Value):
		case f.Immutable && now.Live():
			j.breach(Field{pointerTo(key), fmt.Sprintf("is immutable, and was set at version %d", now.Version)})
		case f.Deprecated && value != nil:
			j.breach(Field{pointerTo(key), "is deprecated: nothing new is written to it"})
		}
	}
	if s.Separable() {
		j.members(namespace, s, j.changed(namespace))
	} else {
		j.members(namespace, s, j.whole(namespace))
	}
	return j.fields
}
