package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"confman/replication/faults"
)

func at(index uint64) Marker {
	return Marker{Position: Position{Index: index, Chain: fmt.Sprint("chain ", index), RaftIndex: index + 10, RaftTerm: 2}}
}

func mark(t testing.TB, s *Store, index uint64) {
	t.Helper()
	if err := s.Mark(at(index)); err != nil {
		t.Fatal(err)
	}
}

func TestTheNewestMarkerSurvivesAReopen(t *testing.T) {
	s := open(t, t.TempDir())
	if m := s.Marker(); m.Index != 0 || m.Format != 0 {
		t.Errorf("a new store has the marker %+v", m)
	}
	write(t, s, put("k", 1, "v"))
	mark(t, s, 1)
	write(t, s, put("k", 2, "v"))
	mark(t, s, 2)
	want := s.Marker()
	if want.Position != at(2).Position || want.Node != "n1" || want.Cluster != "c1" || want.Time.IsZero() {
		t.Errorf("marker %+v", want)
	}
	a, _ := json.Marshal(want)
	b, _ := json.Marshal(reopen(t, s).Marker())
	if !bytes.Equal(a, b) {
		t.Errorf("reopened: %s\nwant %s", b, a)
	}
}

func TestMarkersNeverGoBack(t *testing.T) {
	s := open(t, t.TempDir())
	first := at(5)
	first.Snapshot.Index = 20
	if err := s.Mark(first); err != nil {
		t.Fatal(err)
	}
	event, entry, snapshot := first, first, first
	event.Index--
	entry.RaftIndex--
	snapshot.Snapshot.Index--
	for what, m := range map[string]Marker{"event": event, "entry": entry, "snapshot": snapshot} {
		if err := s.Mark(m); !errors.Is(err, ErrBehind) {
			t.Errorf("older %s: %v", what, err)
		}
	}
	if err := s.Mark(first); err != nil {
		t.Errorf("the same again: %v", err)
	}
}

func TestAStoreOfAnotherNodeOrClusterIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	mark(t, s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		node, cluster string
		want          error
	}{{"n2", "c1", ErrIdentity}, {"n1", "c2", ErrIdentity}, {"n1", "", nil}, {"", "", nil}}
	for _, c := range cases {
		config := testConfig(dir)
		config.Node, config.Cluster = c.node, c.cluster
		other, err := Open(config)
		if !errors.Is(err, c.want) {
			t.Errorf("open as %+v: %v", c, err)
		}
		if err == nil {
			if got := other.Marker().Cluster; got != "c1" {
				t.Errorf("cluster %q", got)
			}
			other.Close()
		}
	}
}

func TestAnUnknownClusterIsKeptFromTheMarker(t *testing.T) {
	config := testConfig(t.TempDir())
	config.Cluster = ""
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := at(1)
	m.Cluster = "learnt"
	if err := errors.Join(s.Mark(m), s.Mark(at(2))); err != nil {
		t.Fatal(err)
	}
	if got := s.Marker().Cluster; got != "learnt" {
		t.Errorf("cluster %q", got)
	}
}

// Each file decides what the store holds: no altered or shortened one may pass.
func TestTornAndAlteredMarkersAreNamed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	write(t, s, put("k", 1, "v"))
	mark(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CURRENT", "generation-000001/MARKER"} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, content []byte) {
			t.Helper()
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(testConfig(dir))
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path) {
				t.Fatalf("%s, %s: %v", name, what, err)
			}
		}
		for i := range whole {
			b := bytes.Clone(whole)
			b[i] ^= 1 << (i % 8)
			refused(fmt.Sprintf("byte %d altered", i), b)
		}
		for n := range whole {
			refused(fmt.Sprintf("cut to %d", n), whole[:n])
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "CURRENT")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(testConfig(dir)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("without CURRENT beside a marked generation: %v", err)
	}
}

func TestAMarkerOfANewerReleaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	m := at(1)
	m.Format = markerFormat + 1
	if err := writeSealed(s.current.markerPath(), m, fsyncPath); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(testConfig(dir)); !errors.Is(err, ErrNewer) {
		t.Error(err)
	}
}

// Whichever fsync fails, the caller hears of it and the marker stays where it was.
func TestAFailedSyncIsFatalAndMarksNothing(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, "v"))
	mark(t, s, 1)
	for fail := 0; ; fail++ {
		calls := 0
		s.fsync = func(path string) error {
			if calls++; calls == fail+1 {
				return &os.PathError{Op: "sync", Path: path, Err: syscall.EIO}
			}
			return fsyncPath(path)
		}
		err := s.Mark(at(2))
		if err == nil {
			if fail < 6 {
				t.Errorf("only %d fsyncs", fail)
			}
			return
		}
		if !errors.Is(err, ErrSync) || s.Marker().Index != 1 {
			t.Fatalf("fsync %d failed: %v, marker at %d", fail, err, s.Marker().Index)
		}
	}
}

func TestWritesGoOnDuringTheBarrier(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, "v"))
	s.step = func(name string) {
		if name == stepSynced {
			write(t, s, put("k", 2, "v"))
		}
	}
	mark(t, s, 1)
	s.step = func(string) {}
	r := s.At(2)
	defer r.Close()
	if _, at, err := r.Get([]byte("k")); err != nil || at != 2 {
		t.Errorf("at %d, %v", at, err)
	}
}

// A snapshot is a marker: however long the history, its files are not touched.
func TestMarkRewritesNoRows(t *testing.T) {
	s := open(t, t.TempDir())
	for i := uint64(1); i <= 40; i++ {
		write(t, s, put(fmt.Sprint("k", i), i, strings.Repeat("x", 1<<20)))
	}
	mark(t, s, 40)
	s = reopen(t, s)
	stamps := func() string {
		var b strings.Builder
		for _, path := range glob(t, s, "*") {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&b, path, info.Size(), info.ModTime().UnixNano())
		}
		return b.String()
	}
	before := stamps()
	mark(t, s, 40)
	if after := stamps(); after != before {
		t.Errorf("files of rows changed:\n%s\nbefore:\n%s", after, before)
	}
	info, err := os.Stat(s.current.markerPath())
	if err != nil || info.Size() > 4096 {
		t.Errorf("the marker has %d bytes, %v", info.Size(), err)
	}
}

// Every bit that changes in a file of Badger's is found by Open and the file is
// named, or the rows are all there.
func TestNoFlippedBitGoesUnnoticed(t *testing.T) {
	rng := seeded(t)
	s := open(t, t.TempDir())
	var m model
	for i := uint64(1); i <= 400; i++ {
		row := put(fmt.Sprint("k", i%50), i, strings.Repeat("v", 50))
		m = append(m, row)
		write(t, s, row)
		if i == 300 { // the rest stays in the memtable
			s = reopen(t, s)
		}
	}
	mark(t, s, 400)
	image := faults.CopyDir(t, s.config.Dir)
	cases := []struct {
		pattern  string
		flips    int
		harmless bool // all may be: the file holds nothing that is used
	}{{"*.sst", 100, false}, {"MANIFEST", 100, false}, {"*.mem", 100, false}, {"KEYREGISTRY", 28, false}, {"*.vlog", 12, true}, {"DISCARD", 4, true}}
	for _, c := range cases {
		file := strings.TrimPrefix(glob(t, s, c.pattern)[0], s.config.Dir)
		info, err := os.Stat(filepath.Join(image, file))
		if err != nil {
			t.Fatal(err)
		}
		size := info.Size()
		if c.pattern == "*.mem" {
			_, size, _ = logLength(filepath.Join(image, file), nil)
		}
		found := 0
		for i := range int64(c.flips) {
			offset := i % size // headers
			switch {
			case i > 90:
				offset = size - 1 - i%size // footers
			case i > 20 && c.flips > 90:
				offset = rng.Int64N(size)
			}
			if flipIsNoticed(t, image, file, offset, m) {
				found++
				continue
			}
			image = faults.CopyDir(t, s.config.Dir) // it was opened, and so changed
		}
		t.Logf("%s: %d of %d found at open, the others harmless", c.pattern, found, c.flips)
		if found == 0 && !c.harmless {
			t.Errorf("%s: not one flip was found", c.pattern)
		}
	}
}

// flipIsNoticed reports whether Open refused; if not, all rows must be there.
// A refused store is as it was once the bit is flipped back.
func flipIsNoticed(t *testing.T, dir, file string, offset int64, m model) bool {
	t.Helper()
	faults.FlipBit(t, filepath.Join(dir, file), offset)
	s, err := Open(testConfig(dir))
	if err != nil {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), filepath.Join(dir, file)) {
			t.Errorf("%s, byte %d: %v", file, offset, err)
		}
		faults.FlipBit(t, filepath.Join(dir, file), offset)
		return true
	}
	defer s.Close()
	r := s.At(400)
	defer r.Close()
	for _, row := range m.scan("", 400) {
		want := m.versions(string(row.Key), 400)
		sameRows(t, fmt.Sprintf("%s, byte %d: %q", file, offset, row.Key), collect(t, r.Versions(row.Key), 0), want)
	}
	return false
}

func TestVerifyFindsWhatRotsAfterOpen(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, strings.Repeat("v", 10_000)))
	s = reopen(t, s)
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	table := glob(t, s, "*.sst")[0]
	faults.FlipBit(t, table, 5000)
	if err := s.Verify(); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), filepath.Base(table)) {
		t.Errorf("flipped: %v", err)
	}
	faults.FlipBit(t, table, 5000)
	if err := s.Verify(); err != nil {
		t.Errorf("flipped back: %v", err)
	}
}

// Badger counts its logs from 1 again after a clean close: what the marker says
// of an old log must not be held against a new one of the same name.
func TestALogOfTheSameNameIsNotTakenForTheOldOne(t *testing.T) {
	s := open(t, t.TempDir())
	for i := uint64(1); i <= 100; i++ {
		write(t, s, put("k", i, strings.Repeat("v", 1000)))
	}
	mark(t, s, 100)
	old := glob(t, s, "*.mem")
	s = reopen(t, s)
	write(t, s, put("k", 101, "v"))
	if now := glob(t, s, "*.mem"); now[0] != old[0] {
		t.Fatalf("logs %v, were %v: the test shows nothing", now, old)
	}
	killed := open(t, faults.CopyDir(t, s.config.Dir))
	r := killed.At(101)
	defer r.Close()
	if _, at, err := r.Get([]byte("k")); err != nil || at != 101 {
		t.Errorf("at %d, %v", at, err)
	}
}

func FuzzSealed(f *testing.F) {
	f.Add([]byte("{\"generation\":1}\ncrc32c 00000000\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Marker
		if unseal(text, &m) == nil && bytes.Count(text, []byte("\n")) != 2 {
			t.Errorf("%q passed", text)
		}
	})
}
