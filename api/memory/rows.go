package memory

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"confman/projections"
)

// rows keeps every version of every row.
type rows struct {
	mu       sync.RWMutex                 // guards the fields below
	versions map[string][]projections.Row // oldest first
	keys     []string                     // sorted
}

func (s *rows) write(written []projections.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range written {
		k := string(r.Key)
		old, ok := s.versions[k]
		if !ok {
			at := sort.SearchStrings(s.keys, k)
			s.keys = slices.Insert(s.keys, at, k)
		}
		switch at, again := slices.BinarySearchFunc(old, r.Index, func(v projections.Row, index uint64) int { return cmp.Compare(v.Index, index) }); {
		case again: // as an erasure does; a fork may share the old ones
			old = slices.Clone(old)
			old[at] = r
		default:
			old = slices.Insert(slices.Clip(old), at, r)
		}
		s.versions[k] = old
	}
}

// take copies what another one keeps.
func (s *rows) take(from *rows) {
	from.mu.RLock()
	defer from.mu.RUnlock()
	s.keys, s.versions = slices.Clone(from.keys), maps.Clone(from.versions)
	for k, versions := range s.versions {
		s.versions[k] = slices.Clip(versions) // neither appends where the other does
	}
}

// rowsAt reads the rows as of an index: a [projections.Source].
type rowsAt struct {
	*rows
	index uint64
}

// visible is the newest version at or below the index, unless that deletes the
// row.
func (s rowsAt) visible(key string) (projections.Row, bool) {
	for _, r := range slices.Backward(s.versions[key]) {
		if r.Index <= s.index {
			return r, !r.Delete
		}
	}
	return projections.Row{}, false
}

// Get returns a row.
func (s rowsAt) Get(key []byte) ([]byte, uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.visible(string(key))
	if !ok {
		return nil, 0, projections.ErrNoRow
	}
	return r.Value, r.Index, nil
}

// Scan yields the rows under a prefix, from a key on. Rows of later indexes may
// be written meanwhile; it does not see them.
func (s rowsAt) Scan(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		at := max(string(prefix), string(from))
		for r, ok := s.next(prefix, at); ok; r, ok = s.next(prefix, at) {
			if !yield(r, nil) {
				return
			}
			at = string(r.Key) + "\x00"
		}
	}
}

// next is the first visible row under a prefix at or after a key.
func (s rowsAt) next(prefix []byte, from string) (projections.Row, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, k := range s.keys[sort.SearchStrings(s.keys, from):] {
		if !strings.HasPrefix(k, string(prefix)) {
			break
		}
		if r, ok := s.visible(k); ok {
			return r, true
		}
	}
	return projections.Row{}, false
}

// Reverse is Scan backwards.
func (s rowsAt) Reverse(prefix, from []byte) iter.Seq2[projections.Row, error] {
	var found []projections.Row
	for r, err := range s.Scan(prefix, nil) {
		if err == nil && (from == nil || string(r.Key) <= string(from)) {
			found = append(found, r)
		}
	}
	slices.Reverse(found)
	return yieldRows(found)
}

// Versions yields every version of a row, newest first.
func (s rowsAt) Versions(key []byte) iter.Seq2[projections.Row, error] {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []projections.Row
	for _, r := range slices.Backward(s.versions[string(key)]) {
		if r.Index <= s.index {
			found = append(found, r)
		}
	}
	return yieldRows(found)
}

func yieldRows(found []projections.Row) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}
