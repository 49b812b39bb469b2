package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"confman/projections"
)

func TestReadsAsOfAnyIndexAreThoseOfTheHistory(t *testing.T) {
	rng := seeded(t)
	const n = 150
	m := history(rng, n)
	s := open(t, t.TempDir())
	for rest := m; len(rest) > 0; { // in batches of any size
		k := min(len(rest), 1+rng.IntN(20))
		write(t, s, rest[:k]...)
		rest = rest[k:]
	}
	check := func(when string) {
		t.Helper()
		t.Log(when)
		for _, index := range []uint64{1, n, n + 5, 1 + rng.Uint64N(n), 1 + rng.Uint64N(n), 1 + rng.Uint64N(n)} {
			m.sameAs(t, s, index)
		}
	}
	check("in memory")
	s = reopen(t, s)
	check("in tables")
	half := len(m) / 2
	write(t, s, m[half:]...)
	check("with half of it written again, as a replay does")
	s = compacted(t, s)
	check("compacted")
}

func TestScansBeginAnywhere(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("a1", 1, ""), put("b1", 1, ""), put("b3", 1, ""), put("b5", 1, ""), put("c", 1, ""))
	r := s.At(1)
	defer r.Close()
	cases := []struct {
		prefix, from string
		forward      string
		backward     string
	}{
		{"b", "b3", "b3 b5", "b3 b1"},
		{"b", "b2", "b3 b5", "b1"},
		{"b", "a", "b1 b3 b5", ""},
		{"b", "c", "", "b5 b3 b1"},
		{"b", "z", "", "b5 b3 b1"},
		{"", "b9", "c", "b5 b3 b1 a1"},
		{"b", "b", "b1 b3 b5", ""},
	}
	keys := func(rows []projections.Row) string {
		var names []string
		for _, row := range rows {
			names = append(names, string(row.Key))
		}
		return strings.Join(names, " ")
	}
	for _, c := range cases {
		if got := keys(collect(t, r.Scan([]byte(c.prefix), []byte(c.from)), 0)); got != c.forward {
			t.Errorf("scan %q from %q: %q, want %q", c.prefix, c.from, got, c.forward)
		}
		if got := keys(collect(t, r.Reverse([]byte(c.prefix), []byte(c.from)), 0)); got != c.backward {
			t.Errorf("reverse %q from %q: %q, want %q", c.prefix, c.from, got, c.backward)
		}
	}
	if got := collect(t, r.Scan(nil, nil), 2); len(got) != 2 {
		t.Errorf("a consumer that stops after 2 got %d", len(got))
	}
}

func TestADeletedRowStaysDeletedThroughCompaction(t *testing.T) {
	s := open(t, t.TempDir())
	long := strings.Repeat("x", 3*partBytes)
	for i := range uint64(50) {
		write(t, s, put(fmt.Sprint("k", i), i+1, "short"), put(fmt.Sprint("l", i), i+1, long))
	}
	s = compacted(t, s)
	for i := range uint64(50) {
		write(t, s, end(fmt.Sprint("k", i), 100+i), end(fmt.Sprint("l", i), 100+i))
	}
	gone := func(when string) {
		t.Helper()
		r := s.At(1000)
		defer r.Close()
		if rows := collect(t, r.Scan(nil, nil), 0); len(rows) > 0 {
			t.Fatalf("%s: %s is back", when, brief(rows))
		}
	}
	gone("in memory")
	s = compacted(t, s)
	gone("after compaction")
	s.DiscardBelow(500)
	write(t, s, put("other", 501, "")) // something to compact with
	s = compacted(t, s)
	r := s.At(500)
	defer r.Close()
	if rows := collect(t, r.Scan(nil, nil), 0); len(rows) > 0 {
		t.Fatalf("below the horizon: %s is back", brief(rows))
	}
}

// compacted reopens the store after all its rows have been merged into one level.
func compacted(t testing.TB, s *Store) *Store {
	t.Helper()
	views := s.current.views()
	if err := s.Close(); err != nil { // flushes the memtable
		t.Fatal(err)
	}
	db, err := badger.OpenManaged(badgerOptions(views, s.config).WithCompactL0OnClose(true))
	if err != nil {
		t.Fatal(err)
	}
	db.SetDiscardTs(s.horizon)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	horizon := s.horizon
	s = open(t, s.config.Dir)
	for _, table := range s.current.db.Tables() {
		if table.Level == 0 {
			t.Fatal("not compacted: the test shows nothing")
		}
	}
	s.DiscardBelow(horizon)
	return s
}

func TestReadsAtAndAboveTheHorizonStayExact(t *testing.T) {
	rng := seeded(t)
	const n, horizon = 120, 60
	m := history(rng, n)
	s := open(t, t.TempDir())
	write(t, s, m...)
	s.DiscardBelow(horizon)
	s = compacted(t, s)
	for index := uint64(horizon); index <= n; index += 7 {
		r := s.At(index)
		for _, prefix := range []string{"", "a/", "b"} {
			sameRows(t, fmt.Sprintf("scan %q at %d", prefix, index), collect(t, r.Scan([]byte(prefix), nil), 0), m.scan(prefix, index))
		}
		for _, row := range m.scan("", index) {
			newer := 0
			for _, v := range m.versions(string(row.Key), index) {
				if v.Index > horizon {
					newer++
				}
			}
			if got := collect(t, r.Versions(row.Key), 0); len(got) < newer {
				t.Fatalf("%q at %d: %d versions, want the %d above the horizon at least", row.Key, index, len(got), newer)
			}
		}
		r.Close()
	}
	r := s.At(horizon)
	defer r.Close()
	for _, row := range m.scan("", horizon) {
		if got := collect(t, r.Versions(row.Key), 0); len(got) != 1 {
			t.Errorf("%q has %d versions at the horizon: nothing was discarded", row.Key, len(got))
		}
	}
}

func TestTheEndOfALongRowLeavesNoParts(t *testing.T) {
	s := open(t, t.TempDir())
	long := strings.Repeat("x", 4*partBytes)
	write(t, s, put("k", 1, long), put("k", 2, long[:2*partBytes]), end("k", 3), put("k", 4, long), end("k", 5))
	s.DiscardBelow(10)
	s = compacted(t, s)
	txn := s.current.db.NewTransactionAt(10, false)
	defer txn.Discard()
	it := txn.NewIterator(badger.IteratorOptions{})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		t.Errorf("%q at %d is left", it.Item().Key(), it.Item().Version())
	}
}

func TestNoValueReachesTheValueLog(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range uint64(5) {
		write(t, s, put(fmt.Sprint("k", i), i+1, strings.Repeat("x", 3<<20)))
	}
	for _, path := range glob(t, s, "*.vlog") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("xxxx")); n > 0 {
			t.Errorf("%s holds values", path)
		}
	}
}

func TestRowsThatCannotBeStoredAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for what, row := range map[string]projections.Row{
		"a value too long": {Key: []byte("k"), Index: 1, Value: make([]byte, MaxValueBytes+1)},
		"a key too long":   {Key: make([]byte, maxKeyBytes+1), Index: 1},
	} {
		if err := s.Write([]projections.Row{row}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Write([]projections.Row{put("k", 0, "")}); err == nil {
		t.Error("a row at index 0 was taken")
	}
	write(t, s) // nothing is fine
	write(t, s, projections.Row{Index: 1, Value: []byte("empty key")}, put("!badger!x", 1, "any key"))
	r := s.At(1)
	defer r.Close()
	if v, _, err := r.Get(nil); err != nil || string(v) != "empty key" {
		t.Errorf("%q, %v", v, err)
	}
	if v, _, err := r.Get([]byte("!badger!x")); err != nil || string(v) != "any key" {
		t.Errorf("%q, %v", v, err)
	}
}

func TestOpenDropsZeroLengthLogs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	write(t, s, put("k", 1, "v"))
	views := s.current.views()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"00013.mem", "000007.vlog"} {
		if err := os.WriteFile(filepath.Join(views, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	r := s.At(1)
	defer r.Close()
	if _, _, err := r.Get([]byte("k")); err != nil {
		t.Error(err)
	}
}

func TestADirectoryIsOpenedOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(testConfig(dir)); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	reopen(t, s)
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s, err := Open(testConfig(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	r := s.At(1)
	defer r.Close()
	_, _, err = r.Get(nil)
	if !errors.Is(err, ErrClosed) || !errors.Is(s.Write(nil), ErrClosed) || !errors.Is(s.Mark(Marker{}), ErrClosed) ||
		!errors.Is(s.Verify(), ErrClosed) || !errors.Is(s.Copy(nil, Position{}), ErrClosed) {
		t.Error("a closed store did something")
	}
	for _, err := range r.Scan(nil, nil) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("scan: %v", err)
		}
	}
}

func TestCloseWaitsForReaders(t *testing.T) {
	config := testConfig(t.TempDir())
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s, put("k", 1, "v"))
	r := s.At(1)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for {
		late := s.At(1)
		_, _, err := late.Get([]byte("k"))
		late.Close()
		if errors.Is(err, ErrClosed) {
			break
		}
	}
	for range 20 {
		if other, err := Open(config); !errors.Is(err, ErrLocked) {
			t.Fatalf("opened under a reader: %v", errors.Join(err, other.Close()))
		}
	}
	if _, _, err := r.Get([]byte("k")); err != nil {
		t.Errorf("the reader that was open: %v", err)
	}
	if err := errors.Join(r.Close(), <-closed); err != nil {
		t.Error(err)
	}
}
