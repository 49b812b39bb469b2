package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"confman/api/wire"
)

// state is what a view answers from. It is never changed, only replaced.
type state struct {
	entries  entries
	position string        // empty: nothing was heard yet
	changed  chan struct{} // closed once other entries have taken their place
}

// entries are sorted by key. They are never changed in place: a change copies
// the list, a pointer for each entry.
type entries []*wire.ConfigEntry

func (e entries) find(key string) (int, bool) {
	return slices.BinarySearchFunc(e, key, func(e *wire.ConfigEntry, key string) int { return cmp.Compare(e.Key, key) })
}

// get returns an entry, or nil.
func (e entries) get(key string) *wire.ConfigEntry {
	if i, ok := e.find(key); ok {
		return e[i]
	}
	return nil
}

// with is the list with another entry in it.
func (e entries) with(entry wire.ConfigEntry) entries {
	i, ok := e.find(entry.Key)
	if ok {
		e = slices.Clone(e)
		e[i] = &entry
		return e
	}
	return slices.Insert(slices.Clip(e), i, &entry)
}

// without is the list without a key.
func (e entries) without(key string) entries {
	i, ok := e.find(key)
	if !ok {
		return e
	}
	return slices.Delete(slices.Clone(e), i, i+1)
}

// only are the entries of some keys, which are sorted and each there once.
func (e entries) only(keys []string) (some entries) {
	for _, key := range keys {
		if entry := e.get(key); entry != nil {
			some = append(some, entry)
		}
	}
	return some
}

// sorted makes a list of entries in any order, and fills it up from defaults.
func sorted(given []wire.ConfigEntry, defaults entries) (entries, error) {
	list := make(entries, 0, len(given)+len(defaults))
	for i := range given {
		list = append(list, &given[i])
	}
	byKey := func(a, b *wire.ConfigEntry) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortFunc(list, byKey)
	for i := range list[min(1, len(list)):] {
		if list[i].Key == list[i+1].Key {
			return nil, fmt.Errorf("%w: the entry %s twice in one snapshot", ErrBadAnswer, list[i].Key)
		}
	}
	live := list[:len(list):len(list)]
	for _, e := range defaults {
		if live.get(e.Key) == nil {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, byKey)
	return list, nil
}

// differences are the changes that lead from one list to another.
func differences(from, to entries, index uint64) (changes []Change) {
	for len(from) > 0 || len(to) > 0 {
		switch {
		case len(to) == 0, len(from) > 0 && from[0].Key < to[0].Key:
			changes = append(changes, Change{Key: from[0].Key, Old: from[0], Index: index})
			from = from[1:]
		case len(from) == 0, to[0].Key < from[0].Key:
			changes = append(changes, Change{Key: to[0].Key, New: to[0], Index: index})
			to = to[1:]
		default:
			if !sameEntry(from[0], to[0]) {
				changes = append(changes, Change{Key: to[0].Key, Old: from[0], New: to[0], Index: index})
			}
			from, to = from[1:], to[1:]
		}
	}
	return changes
}

// sameEntry reports whether two entries of a key, or none, are the same version
// of it. After another history took over, an equal version may be of another
// value.
func sameEntry(a, b *wire.ConfigEntry) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Version == b.Version && a.Index == b.Index && a.Type == b.Type && bytes.Equal(a.Value, b.Value)
}

// kindOf is the type that the server would infer from a value.
func kindOf(value json.RawMessage) (string, error) {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return "", err
	}
	switch v.(type) {
	case string:
		return wire.TypeString, nil
	case float64:
		return wire.TypeNumber, nil
	case bool:
		return wire.TypeBoolean, nil
	}
	return wire.TypeJSON, nil
}
