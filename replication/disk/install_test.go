package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"confman/replication/faults"
)

func position(index uint64) Position { return at(index).Position }

func copyOf(t testing.TB, s *Store, index uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Copy(&b, position(index)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upTo returns the rows of m at or below index.
func (m model) upTo(index uint64) model {
	var all model
	for _, row := range m {
		if row.Index <= index {
			all = append(all, row)
		}
	}
	return all
}

func TestAnInstalledCopyHasTheSameRowsAndVersions(t *testing.T) {
	rng := seeded(t)
	m, other := history(rng, 120), history(rng, 90)
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	write(t, from, m...)
	write(t, to, other...)
	mark(t, to, 90)
	old := to.At(90)

	boundary := Boundary{Version: 1, Index: 70, Term: 2, Configuration: []byte("who"), ConfigurationIndex: 3}
	checked := false
	got, err := to.Install(bytes.NewReader(copyOf(t, from, 100)), boundary, func(h Header, r *Reader) error {
		checked = h.Position == position(100)
		m.upTo(100).sameAsReader(t, r, 100)
		return nil
	})
	if err != nil || !checked {
		t.Fatal(err, checked)
	}
	if got.Position != position(100) || got.Snapshot.Index != 70 || got.Node != "n1" || !got.Installed || to.Marker().Index != 100 {
		t.Errorf("marker %+v", got)
	}
	m.upTo(100).sameAs(t, to, 100)
	m.upTo(100).sameAs(t, to, 55)
	other.sameAsReader(t, old, 90)
	if _, err := os.Stat(to.generationDir(1)); err != nil {
		t.Errorf("the old generation went away under its reader: %v", err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to.generationDir(1)); !os.IsNotExist(err) {
		t.Errorf("the old generation is still there: %v", err)
	}
	to = reopen(t, to)
	m.upTo(100).sameAs(t, to, 100)
	write(t, to, m[len(m.upTo(100)):]...) // life goes on
	m.sameAs(t, to, 120)
}

func TestACopyIsConsistentWhileWritesGoOn(t *testing.T) {
	m := history(seeded(t), 100)
	s := open(t, t.TempDir())
	write(t, s, m.upTo(60)...)
	var b bytes.Buffer
	first := true
	err := s.Copy(writerFunc(func(p []byte) (int, error) {
		if first {
			first = false
			write(t, s, m[len(m.upTo(60)):]...)
		}
		return b.Write(p)
	}), position(60))
	if err != nil {
		t.Fatal(err)
	}
	to := open(t, t.TempDir())
	if _, err := to.Install(&b, Boundary{}, nil); err != nil {
		t.Fatal(err)
	}
	m.upTo(60).sameAs(t, to, 60)
	m.upTo(60).sameAs(t, to, 1000)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// longHistory has one key whose versions fill several memtables and end at 61.
func longHistory(t *testing.T) *Store {
	s := open(t, t.TempDir())
	for i := uint64(1); i <= 60; i++ {
		write(t, s, put("k", i, strings.Repeat("x", partBytes)))
	}
	write(t, s, end("k", 61), put("other", 62, ""))
	return s
}

func TestACopyHasTheVersionsOfAKeyOldestFirst(t *testing.T) {
	dec, err := newDecoder(bytes.NewReader(copyOf(t, longHistory(t), 62)))
	if err != nil {
		t.Fatal(err)
	}
	var key []byte
	last := uint64(0)
	for e, err := dec.next(); !errors.Is(err, io.EOF); e, err = dec.next() {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(e.key, key) && e.index <= last {
			t.Fatalf("%q at %d after %d", e.key, e.index, last)
		}
		key, last = append(key[:0], e.key...), e.index
	}
}

func TestADeletedRowStaysDeletedThroughCopyAndCompaction(t *testing.T) {
	from, to := longHistory(t), open(t, t.TempDir())
	if _, err := to.Install(bytes.NewReader(copyOf(t, from, 62)), Boundary{}, nil); err != nil {
		t.Fatal(err)
	}
	to.DiscardBelow(62)
	to = compacted(t, to)
	r := to.At(62)
	defer r.Close()
	if rows := collect(t, r.Scan(nil, nil), 0); len(rows) != 1 || string(rows[0].Key) != "other" {
		t.Errorf("alive: %s", brief(rows))
	}
}

// smallStore holds a few rows and a marker at 3.
func smallStore(t *testing.T) (*Store, model) {
	m := model{put("a", 1, "one"), put("b", 2, "two"), end("a", 3)}
	s := open(t, t.TempDir())
	write(t, s, m...)
	mark(t, s, 3)
	return s, m
}

func TestNoDamagedStreamIsInstalled(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	write(t, from, put("k", 1, "v"), put("l", 2, strings.Repeat("x", 200)), end("k", 3))
	whole := copyOf(t, from, 3)
	refused := func(what string, stream []byte) {
		t.Helper()
		dec, err := newDecoder(bytes.NewReader(stream))
		for err == nil {
			_, err = dec.next()
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, ErrStream) {
			t.Fatalf("%s: passed", what)
		}
		if !errors.Is(err, ErrStream) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		refused(fmt.Sprintf("byte %d altered", i), b)
	}
	for n := range whole {
		refused(fmt.Sprintf("cut to %d of %d", n, len(whole)), whole[:n])
	}
	refused("something follows", append(bytes.Clone(whole), 0))
	refused("twice", append(bytes.Clone(whole), whole...))
	// Blocks that are whole in themselves.
	write(t, from, put("m", 4, strings.Repeat("x", partBytes)), put("n", 5, strings.Repeat("y", partBytes)))
	whole = copyOf(t, from, 5)
	first := len(streamMagic) + frameLength(whole[len(streamMagic):])
	second := first + frameLength(whole[first:])
	rest := second + frameLength(whole[second:])
	refused("a block taken out", slices.Concat(whole[:first], whole[second:]))
	refused("blocks swapped", slices.Concat(whole[:first], whole[second:rest], whole[first:second], whole[rest:]))

	// And a refused stream changes nothing.
	write(t, to, put("old", 1, "v"))
	mark(t, to, 1)
	damaged := map[string][]byte{"header": whole[:20], "block": whole[:len(whole)-200], "trailer": whole[:len(whole)-1]}
	for what, stream := range damaged {
		if _, err := to.Install(bytes.NewReader(stream), Boundary{}, nil); !errors.Is(err, ErrStream) {
			t.Errorf("cut in the %s: %v", what, err)
		}
	}
	unchanged(t, to)
}

// unchanged fails unless s holds the row "old" of index 1, its marker, and no
// trace of another generation.
func unchanged(t *testing.T, s *Store) {
	t.Helper()
	model{put("old", 1, "v")}.sameAs(t, s, 10)
	dirs, _ := filepath.Glob(filepath.Join(s.config.Dir, generationPrefix+"*"))
	if len(dirs) != 1 || s.Marker().Index != 1 {
		t.Errorf("generations %v, marker at %d", dirs, s.Marker().Index)
	}
}

func TestAStreamMayBeRefusedByTheCallerOrByItsIdentity(t *testing.T) {
	from, _ := smallStore(t)
	stream := copyOf(t, from, 3)
	config := testConfig(t.TempDir())
	to := open(t, config.Dir)
	write(t, to, put("old", 1, "v"))
	mark(t, to, 1)
	no := errors.New("the chain does not match")
	if _, err := to.Install(bytes.NewReader(stream), Boundary{}, func(Header, *Reader) error { return no }); !errors.Is(err, no) {
		t.Error(err)
	}
	unchanged(t, to)

	config.Dir, config.Cluster = t.TempDir(), "c2"
	foreign, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if _, err := foreign.Install(bytes.NewReader(stream), Boundary{}, nil); !errors.Is(err, ErrIdentity) {
		t.Errorf("stream of c1 into c2: %v", err)
	}
	newer := bytes.Replace(stream, []byte(`{"format":1`), []byte(`{"format":2`), 1)
	header := newer[len(streamMagic):]
	header = header[:frameLength(header)]
	binary.BigEndian.PutUint32(header[len(header)-4:], checksum(header[:len(header)-4]))
	if _, err := to.Install(bytes.NewReader(newer), Boundary{}, nil); !errors.Is(err, ErrNewer) {
		t.Errorf("format 2: %v", err)
	}
}

// frameLength returns the length of the frame that b begins with.
func frameLength(b []byte) int { return 5 + int(binary.BigEndian.Uint32(b[1:])) + 4 }

// A copy of the directory at a step is what a process killed there leaves.
func TestAKillDuringInstallLeavesTheOldOrTheNewContent(t *testing.T) {
	from, fresh := smallStore(t)
	to := open(t, t.TempDir())
	write(t, to, put("old", 1, "v"))
	mark(t, to, 1)
	images := map[string]string{}
	to.step = func(name string) { images[name] = faults.CopyDir(t, to.config.Dir) }
	if _, err := to.Install(bytes.NewReader(copyOf(t, from, 3)), Boundary{}, nil); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{stepBuilt: false, stepSynced: false, stepMarked: false, stepSwitched: true, stepRemoved: true}
	if len(images) != len(want) {
		t.Fatalf("steps %v", images)
	}
	for step, isNew := range want {
		s := open(t, images[step])
		if isNew {
			fresh.sameAs(t, s, 10)
			if dirs, _ := filepath.Glob(filepath.Join(s.config.Dir, generationPrefix+"*")); len(dirs) != 1 || s.Marker().Index != 3 {
				t.Errorf("%s: generations %v, marker at %d", step, dirs, s.Marker().Index)
			}
		} else {
			unchanged(t, s)
		}
	}
}

// Whichever fsync fails, the next start finds one whole content.
func TestAFailedSyncDuringInstallIsFatalAndLosesNothing(t *testing.T) {
	from, fresh := smallStore(t)
	stream := copyOf(t, from, 3)
	for fail := 1; ; fail++ {
		config := testConfig(t.TempDir())
		to, err := Open(config)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, put("old", 1, "v"))
		mark(t, to, 1)
		calls := 0
		to.fsync = func(path string) error {
			if calls++; calls == fail {
				return errors.New("input/output error")
			}
			return fsyncPath(path)
		}
		_, err = to.Install(bytes.NewReader(stream), Boundary{}, nil)
		if err == nil {
			to.Close()
			if fail < 10 {
				t.Errorf("only %d fsyncs", fail)
			}
			return
		}
		if !errors.Is(err, ErrSync) {
			t.Fatalf("fsync %d failed: %v", fail, err)
		}
		to.Close()
		s := open(t, config.Dir)
		if s.Marker().Index == 3 {
			fresh.sameAs(t, s, 10)
		} else {
			unchanged(t, s)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	var b bytes.Buffer
	enc, err := newEncoder(&b, Header{Format: streamFormat, Position: position(3)})
	if err != nil {
		f.Fatal(err)
	}
	rows := []entry{{key: []byte("ra"), index: 1, value: []byte("v")}, {key: []byte("ra"), index: 3, end: true}}
	for _, e := range rows {
		if err := enc.add(&e); err != nil {
			f.Fatal(err)
		}
	}
	if err := enc.end(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, err := newDecoder(bytes.NewReader(stream))
		for err == nil {
			_, err = d.next()
		}
		if !errors.Is(err, ErrStream) && !errors.Is(err, ErrNewer) && !errors.Is(err, io.EOF) {
			t.Errorf("neither whole nor refused: %v", err)
		}
	})
}

func FuzzEntry(f *testing.F) {
	f.Add((&entry{key: []byte("rk"), index: 7, value: []byte("v"), parts: 2}).appendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := cutEntry(b)
		if err != nil {
			return
		}
		again, left, err := cutEntry(e.appendTo(nil))
		if err != nil || len(left) > 0 || !bytes.Equal(again.key, e.key) || !bytes.Equal(again.value, e.value) ||
			again.index != e.index || again.end != e.end || again.parts != e.parts || len(rest) > len(b) {
			t.Errorf("%x: %+v, then %+v, %v", b, e, again, err)
		}
	})
}

// Raft's log of a node that was sent a snapshot need not reach to it, and marking
// the same place again changes nothing about that; a place that was reached by the
// log does.
func TestAMarkerAtAnInstalledSnapshotPromisesNoLog(t *testing.T) {
	from, dir := open(t, t.TempDir()), t.TempDir()
	to := open(t, dir)
	write(t, from, history(seeded(t), 100)...)
	if _, err := to.Install(bytes.NewReader(copyOf(t, from, 100)), Boundary{Version: 1, Index: 70}, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at, boundary uint64
		installed    bool
	}{{100, 70, true}, {100, 110, true}, {101, 110, false}, {101, 111, false}} { // the state of 100 is of Raft entry 110
		m := at(tt.at)
		m.Snapshot = Boundary{Version: 1, Index: tt.boundary}
		if err := to.Mark(m); err != nil {
			t.Fatal(err)
		}
		if got := to.Marker(); got.Installed != tt.installed {
			t.Errorf("marked at %d, snapshot %d: %+v, want installed %v", tt.at, tt.boundary, got, tt.installed)
		}
	}
}
