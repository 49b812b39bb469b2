package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/replication/faults"
)

var three = raft.Configuration{Servers: []raft.Server{
	{ID: "n1", Address: "a:1"}, {ID: "n2", Address: "b:1"}, {Suffrage: raft.Nonvoter, ID: "n3", Address: "c:1"},
}}

func snapshotsOf(t testing.TB, s *Store, applied uint64) *Snapshots {
	t.Helper()
	snaps, err := NewSnapshots(SnapshotsConfig{
		Store: s, Applied: func() Position { return position(applied) }, ReserveBytes: 1 << 20, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return snaps
}

func create(t testing.TB, s *Snapshots, index uint64) *Sink {
	t.Helper()
	sink, err := s.Create(1, index, 2, three, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sink.(*Sink)
}

// take makes a snapshot of this node, as Raft does.
func take(t testing.TB, s *Snapshots, event, index uint64) {
	t.Helper()
	k := create(t, s, index)
	if err := errors.Join(k.Mark(position(event)), k.Close(), k.Close()); err != nil {
		t.Fatal(err)
	}
}

// receive makes a received snapshot, as Raft does.
func receive(t testing.TB, s *Snapshots, stream []byte, index uint64) string {
	t.Helper()
	k := create(t, s, index)
	n, err := io.Copy(k, bytes.NewReader(stream))
	if err := errors.Join(err, k.Close(), k.Close(), k.Cancel()); err != nil || n != int64(len(stream)) {
		t.Fatal(n, err)
	}
	return k.ID()
}

func sameMeta(t testing.TB, got *raft.SnapshotMeta, index uint64, size int64) {
	t.Helper()
	if got.Index != index || got.Term != 2 || got.Version != 1 || got.ConfigurationIndex != 5 || got.Size != size ||
		len(got.Configuration.Servers) != 3 || got.Configuration.Servers[2] != three.Servers[2] {
		t.Errorf("meta %+v, want index %d, size %d", got, index, size)
	}
}

func list(t testing.TB, s *Snapshots) []*raft.SnapshotMeta {
	t.Helper()
	all, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func files(t testing.TB, s *Snapshots) []string {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestASnapshotIsAMarkerAndCopiesNothing(t *testing.T) {
	s := open(t, t.TempDir())
	snaps := snapshotsOf(t, s, 3)
	if all := list(t, snaps); len(all) > 0 {
		t.Errorf("a new store has snapshots: %+v", all)
	}
	if _, _, err := snaps.Open("x"); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("open: %v", err)
	}
	write(t, s, put("k", 1, "v"), put("k", 2, "v"), put("k", 3, "v"))
	take(t, snaps, 3, 40)
	if names := files(t, snaps); len(names) > 0 {
		t.Errorf("files were written: %v", names)
	}
	snaps = snapshotsOf(t, reopen(t, s), 3)
	all := list(t, snaps)
	if len(all) != 1 {
		t.Fatalf("%d snapshots", len(all))
	}
	sameMeta(t, all[0], 40, 0)
}

func TestASinkIsMarkedOrWritten(t *testing.T) {
	s := open(t, t.TempDir())
	snaps := snapshotsOf(t, s, 0)
	if err := create(t, snaps, 1).Close(); err == nil {
		t.Error("an empty snapshot was closed")
	}
	k := create(t, snaps, 1)
	if _, err := k.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if k.Mark(position(0)) == nil {
		t.Error("a written sink was marked")
	}
	if err := errors.Join(k.Cancel(), k.Cancel(), k.Close()); err != nil {
		t.Error(err)
	}
	if names := files(t, snaps); len(names) > 0 {
		t.Errorf("cancelled: %v", names)
	}
	k = create(t, snaps, 1)
	if err := k.Mark(position(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Write([]byte("x")); err == nil {
		t.Error("a marked sink was written")
	}
}

func TestConcurrentOpensShareASpoolOfExactSize(t *testing.T) {
	s := open(t, t.TempDir())
	m := history(seeded(t), 50)
	write(t, s, m...)
	snaps := snapshotsOf(t, s, 50)
	take(t, snaps, 30, 40)
	copies := 0
	applied := snaps.config.Applied
	snaps.config.Applied = func() Position { copies++; return applied() } // serialised by the spool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			meta, r, err := snaps.Open("2-40")
			if err != nil {
				t.Error(err)
				return
			}
			stream, err := io.ReadAll(r)
			if err != nil || int64(len(stream)) != meta.Size {
				t.Errorf("%d bytes, meta says %d, %v", len(stream), meta.Size, err)
			}
			sameMeta(t, meta, 40, meta.Size)
			h, err := newDecoder(bytes.NewReader(stream))
			if err != nil || h.header.Position != position(50) {
				t.Errorf("%+v, %v", h, err)
			}
			if err := errors.Join(r.Close(), r.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if snaps.spool != nil || len(files(t, snaps)) > 0 {
		t.Errorf("spool %v, files %v", snaps.spool, files(t, snaps))
	}
	_, a, err := snaps.Open("any")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	before := copies
	_, b, err := snaps.Open("2-40")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if copies != before {
		t.Error("a second spool was made while the first was open")
	}
	take(t, snaps, 50, 60)
	meta, c, err := snaps.Open("2-60")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if sameMeta(t, meta, 60, meta.Size); copies != before+1 {
		t.Error("the spool of an older snapshot was used for a newer one")
	}
}

func TestASpoolThatFailsIsTriedAgain(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 5, "v"))
	behind := snapshotsOf(t, s, 4)
	take(t, behind, 5, 40)
	if _, _, err := behind.Open("2-40"); !errors.Is(err, ErrBehind) {
		t.Errorf("applied behind the marker: %v", err)
	}
	full := snapshotsOf(t, s, 5)
	full.config.ReserveBytes = 1 << 60
	if _, _, err := full.Open("2-40"); !errors.Is(err, ErrNoSpace) {
		t.Errorf("no room: %v", err)
	}
	full.config.ReserveBytes = 1
	_, r, err := full.Open("2-40")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}

func TestAReceivedSnapshotIsServedUntilItIsInstalled(t *testing.T) {
	m := history(seeded(t), 40)
	leader := open(t, t.TempDir())
	write(t, leader, m...)
	stream := copyOf(t, leader, 40)
	s := open(t, t.TempDir())
	snaps := snapshotsOf(t, s, 40)
	write(t, s, put("old", 1, "v"))
	take(t, snaps, 1, 7)
	receive(t, snaps, []byte("superseded"), 29)
	id := receive(t, snaps, stream, 30)
	if names := files(t, snaps); len(names) != 2 {
		t.Errorf("files %v", names)
	}
	all := list(t, snaps)
	if len(all) != 2 {
		t.Fatalf("%d snapshots", len(all))
	}
	sameMeta(t, all[0], 30, int64(len(stream)))
	sameMeta(t, all[1], 7, 0)
	meta, r, err := snaps.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sameMeta(t, meta, 30, int64(len(stream)))
	marker, err := snaps.Install(r, nil)
	if err != nil || marker.Position != position(40) || marker.Snapshot.Index != 30 {
		t.Fatalf("%+v, %v", marker, err)
	}
	m.sameAs(t, s, 40)
	if all = list(t, snaps); len(all) != 1 || len(files(t, snaps)) > 0 {
		t.Fatalf("%d snapshots, files %v", len(all), files(t, snaps))
	}
	sameMeta(t, all[0], 30, 0)
	if _, _, ok := snaps.Pending(); ok {
		t.Error("still pending")
	}
}

func TestACrashBetweenReceivedAndInstalledIsRepaired(t *testing.T) {
	m := history(seeded(t), 20)
	leader := open(t, t.TempDir())
	write(t, leader, m...)
	s := open(t, t.TempDir())
	snaps := snapshotsOf(t, s, 0)
	if _, _, ok := snaps.Pending(); ok {
		t.Error("a new store has something pending")
	}
	receive(t, snaps, copyOf(t, leader, 20), 30)
	half := create(t, snaps, 31)
	if _, err := half.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	killed := open(t, faults.CopyDir(t, s.config.Dir))
	half.Cancel()
	snaps = snapshotsOf(t, killed, 0)
	if names := files(t, snaps); len(names) != 2 {
		t.Errorf("half-written files were left: %v", names)
	}
	meta, openIt, ok := snaps.Pending()
	if !ok {
		t.Fatal("nothing is pending")
	}
	sameMeta(t, meta, 30, meta.Size)
	r, err := openIt()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var switched string
	killed.step = func(name string) {
		if name == stepSwitched {
			switched = faults.CopyDir(t, killed.config.Dir)
		}
	}
	if _, err := snaps.Install(r, nil); err != nil {
		t.Fatal(err)
	}
	m.sameAs(t, killed, 20)

	again := open(t, switched) // killed after the switch, before the file was removed
	snaps = snapshotsOf(t, again, 20)
	if _, _, ok := snaps.Pending(); ok || len(files(t, snaps)) > 0 {
		t.Errorf("pending again: %v, files %v", ok, files(t, snaps))
	}
	m.sameAs(t, again, 20)
}

func TestADamagedReceivedSnapshotIsDroppedAndChangesNothing(t *testing.T) {
	leader, _ := smallStore(t)
	stream := copyOf(t, leader, 3)
	s := open(t, t.TempDir())
	write(t, s, put("old", 1, "v"))
	mark(t, s, 1)

	snaps := snapshotsOf(t, s, 1)
	stream[len(stream)/2] ^= 1
	receive(t, snaps, stream, 30)
	_, openIt, _ := snaps.Pending()
	r, err := openIt()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := snaps.Install(r, nil); !errors.Is(err, ErrStream) {
		t.Errorf("install: %v", err)
	}
	r.Close()
	if len(files(t, snaps)) > 0 {
		t.Errorf("files %v: the next start would fail again", files(t, snaps))
	}
	unchanged(t, s)
	if _, err := snaps.Install(strings.NewReader(""), nil); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("install of nothing: %v", err)
	}

	for what, damage := range map[string]func(dir string){
		"META altered":  func(dir string) { faults.FlipBit(t, filepath.Join(dir, metaName), 9) },
		"file cut":      func(dir string) { os.Truncate(one(t, dir, "received-*"), 10) },
		"file missing":  func(dir string) { os.Remove(one(t, dir, "received-*")) },
		"META missing":  func(dir string) { os.Remove(filepath.Join(dir, metaName)) },
		"META half new": func(dir string) { os.WriteFile(filepath.Join(dir, metaName+".tmp"), []byte("{"), 0o600) },
	} {
		receive(t, snaps, stream, 30)
		damage(snaps.dir)
		snaps = snapshotsOf(t, s, 1)
		_, _, ok := snaps.Pending()
		if want := what == "META half new"; ok != want {
			t.Errorf("%s: pending %v", what, ok)
		}
	}
}

func one(t testing.TB, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	return names[0]
}

func TestReceivingStopsBeforeTheDiskIsFull(t *testing.T) {
	d := faults.NewDisk(t, 128<<20)
	s := open(t, d.Dir())
	snaps := snapshotsOf(t, s, 0)
	snaps.config.ReserveBytes = 40 << 20
	k := create(t, snaps, 1)
	_, err := io.Copy(k, io.LimitReader(zeros{}, 1<<30))
	if !errors.Is(err, ErrNoSpace) {
		t.Fatal(err)
	}
	if free, _ := FreeBytes(d.Dir()); free < 32<<20 {
		t.Errorf("%d MiB left of the reserve of 40", free>>20)
	}
	if err := k.Cancel(); err != nil {
		t.Error(err)
	}
	if free, _ := FreeBytes(d.Dir()); free < 60<<20 {
		t.Errorf("cancelled: %d MiB free", free>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
