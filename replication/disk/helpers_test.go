package disk

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rs/zerolog"

	"confman/projections"
)

// open opens a store with small memtables and closes it when the test ends.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func testConfig(dir string) Config {
	return Config{Dir: dir, Log: zerolog.Nop(), MemTableBytes: minMemTableBytes, Node: "n1", Cluster: "c1"}
}

func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.config.Dir)
}

func write(t testing.TB, s *Store, rows ...projections.Row) {
	t.Helper()
	if err := s.Write(rows); err != nil {
		t.Fatal(err)
	}
}

func put(key string, index uint64, value string) projections.Row {
	return projections.Row{Key: []byte(key), Index: index, Value: []byte(value)}
}

func end(key string, index uint64) projections.Row {
	return projections.Row{Key: []byte(key), Index: index, Delete: true}
}

// seeded returns a source of randomness whose seed a failure prints.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// model is the dumb second implementation: all rows ever written.
type model []projections.Row

// versions returns the rows of key at or below index, newest first.
func (m model) versions(key string, index uint64) []projections.Row {
	var all []projections.Row
	for _, r := range m {
		if string(r.Key) == key && r.Index <= index {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b projections.Row) int { return int(b.Index) - int(a.Index) })
	return all
}

// scan returns the rows alive at index whose keys have the prefix, by key.
func (m model) scan(prefix string, index uint64) []projections.Row {
	newest := map[string]projections.Row{}
	for _, r := range m {
		if r.Index <= index && bytes.HasPrefix(r.Key, []byte(prefix)) && r.Index > newest[string(r.Key)].Index {
			newest[string(r.Key)] = r
		}
	}
	var all []projections.Row
	for _, r := range newest {
		if !r.Delete {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b projections.Row) int { return bytes.Compare(a.Key, b.Key) })
	return all
}

// history makes rows at the indexes 1 to n, a few each, on few keys that are
// prefixes of each other, with deletions, empty values and long ones.
func history(rng *rand.Rand, n int) model {
	var m model
	for i := uint64(1); i <= uint64(n); i++ {
		used := map[string]bool{}
		for range 1 + rng.IntN(3) {
			key := fmt.Sprintf("%s%02d", []string{"a", "a/", "b", "b\xff"}[rng.IntN(4)], rng.IntN(12))
			if used[key] {
				continue
			}
			used[key] = true
			row := put(key, i, "")
			switch p := rng.IntN(100); {
			case p < 20:
				row = end(key, i)
			case p < 25:
				row.Value = []byte{}
			case p < 27:
				row.Value = bytes.Repeat([]byte{byte(i)}, partBytes+rng.IntN(3*partBytes))
			default:
				row.Value = fmt.Appendf(nil, "%s at %d", key, i)
			}
			m = append(m, row)
		}
	}
	return m
}

// collect returns up to limit rows; 0 is all.
func collect(t testing.TB, seq iter.Seq2[projections.Row, error], limit int) []projections.Row {
	t.Helper()
	var all []projections.Row
	for row, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, row); len(all) == limit {
			break
		}
	}
	return all
}

func sameRows(t testing.TB, what string, got, want []projections.Row) {
	t.Helper()
	same := func(a, b projections.Row) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Index == b.Index && a.Delete == b.Delete
	}
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("%s:\n got %s\nwant %s", what, brief(got), brief(want))
	}
}

func brief(rows []projections.Row) string {
	var b bytes.Buffer
	for _, r := range rows {
		fmt.Fprintf(&b, "%q@%d(%d bytes, end %v) ", r.Key, r.Index, len(r.Value), r.Delete)
	}
	return b.String()
}

// sameAs compares everything that a store can say as of index with the model.
func (m model) sameAs(t testing.TB, s *Store, index uint64) {
	t.Helper()
	r := s.At(index)
	defer r.Close()
	m.sameAsReader(t, r, index)
}

func (m model) sameAsReader(t testing.TB, r *Reader, index uint64) {
	t.Helper()
	keys := map[string]bool{}
	for _, row := range m {
		keys[string(row.Key)] = true
	}
	for key := range keys {
		versions := m.versions(key, index)
		sameRows(t, fmt.Sprintf("versions of %q at %d", key, index), collect(t, r.Versions([]byte(key)), 0), versions)
		value, at, err := r.Get([]byte(key))
		if len(versions) == 0 || versions[0].Delete {
			if !errors.Is(err, ErrNotFound) {
				t.Fatalf("%q at %d: %d bytes, %v; want ErrNotFound", key, index, len(value), err)
			}
		} else if err != nil || at != versions[0].Index || !bytes.Equal(value, versions[0].Value) {
			t.Fatalf("%q at %d: %d bytes of %d, %v; want %s", key, index, len(value), at, err, brief(versions[:1]))
		}
	}
	for _, prefix := range []string{"", "a", "a/", "a0", "b", "b\xff", "c"} {
		want := m.scan(prefix, index)
		sameRows(t, fmt.Sprintf("scan %q at %d", prefix, index), collect(t, r.Scan([]byte(prefix), nil), 0), want)
		slices.Reverse(want)
		sameRows(t, fmt.Sprintf("reverse %q at %d", prefix, index), collect(t, r.Reverse([]byte(prefix), nil), 0), want)
	}
}

// glob returns the one file below the store's views that matches.
func glob(t testing.TB, s *Store, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.current.views(), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: %v", pattern, s.current.views(), err)
	}
	return files
}
