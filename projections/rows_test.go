package projections_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"confman/events"
	"confman/projections"
)

// rows is a store of rows made of a map: each key with its versions, oldest
// first.
type rows struct {
	versions map[string][]projections.Row
	keys     []string // sorted; nil when not known
}

func newRows() *rows { return &rows{versions: map[string][]projections.Row{}} }

func (s *rows) write(batch []projections.Row) {
	for _, r := range batch {
		versions, ok := s.versions[string(r.Key)]
		if !ok {
			s.keys = nil
		}
		i := sort.Search(len(versions), func(i int) bool { return versions[i].Index >= r.Index })
		if i < len(versions) && versions[i].Index == r.Index {
			versions[i] = r
		} else {
			versions = slices.Insert(versions, i, r)
		}
		s.versions[string(r.Key)] = versions
	}
}

// torn is a copy that a power cut left: of the rows that were written after the
// first n of them, each may be missing.
func torn(written []projections.Row, n int, rng *rand.Rand) *rows {
	s := newRows()
	s.write(written[:n])
	for _, r := range written[n:] {
		if rng.IntN(2) == 0 {
			s.write([]projections.Row{r})
		}
	}
	return s
}

func (s *rows) at(index uint64) asOf { return asOf{s, index} }

// asOf reads the rows as of an index.
type asOf struct {
	*rows
	index uint64
}

var _ projections.Source = asOf{}

func (s asOf) sorted() []string {
	if s.keys == nil {
		s.keys = make([]string, 0, len(s.versions))
		for k := range s.versions {
			s.keys = append(s.keys, k)
		}
		slices.Sort(s.keys)
	}
	return s.keys
}

func (s asOf) newest(key string) (projections.Row, bool) {
	for _, r := range slices.Backward(s.versions[key]) {
		if r.Index <= s.index {
			return r, !r.Delete
		}
	}
	return projections.Row{}, false
}

func (s asOf) Get(key []byte) ([]byte, uint64, error) {
	if r, ok := s.newest(string(key)); ok {
		return r.Value, r.Index, nil
	}
	return nil, 0, projections.ErrNoRow
}

func (s asOf) Scan(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		keys := s.sorted()
		start := string(prefix)
		if bytes.Compare(from, prefix) > 0 {
			start = string(from)
		}
		for _, k := range keys[sort.SearchStrings(keys, start):] {
			if !strings.HasPrefix(k, string(prefix)) {
				return
			}
			if r, ok := s.newest(k); ok && !yield(r, nil) {
				return
			}
		}
	}
}

func (s asOf) Reverse(prefix, from []byte) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		for _, k := range slices.Backward(s.sorted()) {
			if !strings.HasPrefix(k, string(prefix)) || from != nil && k > string(from) {
				continue
			}
			if r, ok := s.newest(k); ok && !yield(r, nil) {
				return
			}
		}
	}
}

func (s asOf) Versions(key []byte) iter.Seq2[projections.Row, error] {
	return func(yield func(projections.Row, error) bool) {
		for _, r := range slices.Backward(s.versions[string(key)]) {
			if r.Index <= s.index && !yield(r, nil) {
				return
			}
		}
	}
}

var errBroken = errors.New("the disk is gone")

// broken is a source that fails at everything.
type broken struct{}

func (broken) Get([]byte) ([]byte, uint64, error) { return nil, 0, errBroken }

func (broken) Scan(_, _ []byte) iter.Seq2[projections.Row, error]    { return fails }
func (broken) Reverse(_, _ []byte) iter.Seq2[projections.Row, error] { return fails }
func (broken) Versions([]byte) iter.Seq2[projections.Row, error]     { return fails }

func fails(yield func(projections.Row, error) bool) { yield(projections.Row{}, errBroken) }

func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		if err != nil {
			return err
		}
	}
	return nil
}

// clusterRow is what a store says of the cluster.
func clusterRow(t testing.TB, c events.Cluster, index uint64) projections.Row {
	value, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return projections.Row{Key: []byte("s"), Value: value, Index: index}
}

// recordKey is where the record of an index lies.
func recordKey(index uint64) []byte { return binary.BigEndian.AppendUint64([]byte("r"), index) }
