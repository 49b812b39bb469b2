package disk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"confman/projections"
	"confman/replication/faults"
)

// A child process writes and marks on a file system whose power is cut. The
// environment tells it where, and which barrier to use.
const (
	childDir     = "CONFMAN_TEST_POWER_DIR"
	childBarrier = "CONFMAN_TEST_POWER_BARRIER"

	barrierOurs = "ours"
	barrierSync = "badger's Sync"
	barrierNone = "none"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println("error", writeUntilPowerCut(dir, os.Getenv(childBarrier)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// powerRow is the row at an index: 256 bytes that only it has, or 64 KiB now and
// then.
func powerRow(index uint64) projections.Row {
	n := 256
	if index%40 == 0 {
		n = 64 << 10
	}
	value := binary.BigEndian.AppendUint64(nil, index*0x9e3779b97f4a7c15)
	return projections.Row{Key: fmt.Appendf(nil, "k%04d", index%1000), Index: index, Value: bytes.Repeat(value, n/8)}
}

// writeUntilPowerCut writes for as long as it can, in batches, and marks all the
// while; it prints every marker once it is durable.
func writeUntilPowerCut(dir, kind string) error {
	s, err := Open(testConfig(dir))
	if err != nil {
		return err
	}
	if kind != barrierOurs {
		views := s.current.views()
		s.fsync = func(path string) error {
			switch {
			case path == views && kind == barrierSync:
				return s.current.db.Sync()
			case strings.HasPrefix(path, views):
				return nil
			}
			return fsyncPath(path)
		}
	}
	var applied atomic.Uint64
	failed := make(chan error, 2)
	go func() {
		for {
			i := applied.Load()
			if err := s.Mark(Marker{Position: position(i)}); err != nil {
				failed <- err
				return
			}
			fmt.Println("mark", i)
		}
	}()
	go func() {
		for i := uint64(1); ; {
			var rows []projections.Row
			for range 1 + i%24 {
				rows = append(rows, powerRow(i))
				i++
			}
			if err := s.Write(rows); err != nil {
				failed <- err
				return
			}
			applied.Store(i - 1)
		}
	}()
	return <-failed
}

// missing counts the rows up to index that the store does not hold as they were
// written.
func missing(t testing.TB, s *Store, index uint64) int {
	t.Helper()
	r := s.At(index)
	defer r.Close()
	seen := 0
	for key := range uint64(1000) {
		for row, err := range r.Versions(powerRow(key).Key) {
			if err != nil {
				t.Log(err)
				continue
			}
			if want := powerRow(row.Index); bytes.Equal(row.Value, want.Value) && bytes.Equal(row.Key, want.Key) {
				seen++
			}
		}
	}
	return int(index) - seen
}

// cutPower runs the child on a new file system, cuts the power after some marks
// and returns the directory as it is after a restart, with the last marker that
// the child was told is durable.
func cutPower(t *testing.T, rng *rand.Rand, kind string) (dir string, told uint64) {
	t.Helper()
	d := faults.NewDisk(t, 512<<20)
	dir = filepath.Join(d.Dir(), "store")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir, childBarrier+"="+kind)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for cut, marks := 3+rng.IntN(6), 0; (marks < cut || told < 2000) && lines.Scan(); marks++ {
		if _, err := fmt.Sscanf(lines.Text(), "mark %d", &told); err != nil {
			t.Errorf("child: %s", lines.Text())
		}
	}
	d.PowerCut()
	child.Process.Kill()
	for lines.Scan() { // what it was told before the cut
		fmt.Sscanf(lines.Text(), "mark %d", &told)
	}
	child.Wait() //nolint:errcheck // it was killed
	d.Remount()
	return dir, told
}

func TestAPowerCutLosesNothingBelowTheMarker(t *testing.T) {
	rng := seeded(t)
	cuts := 2
	if os.Getenv("CONFMAN_TORTURE") == "1" {
		cuts = 20
	}
	for range cuts {
		dir, told := cutPower(t, rng, barrierOurs)
		s := open(t, dir)
		marked := s.Marker().Index
		if marked < told {
			t.Errorf("marker at %d, the writer was told %d", marked, told)
		}
		if n := missing(t, s, marked); n > 0 {
			t.Fatalf("%d of %d marked rows are missing", n, marked)
		}
		high := s.current.db.MaxVersion()
		t.Logf("marked %d, highest row %d, holes above the marker %d", marked, high, missing(t, s, max(high, marked)))
		for i := marked + 1; i <= high+1000; i++ { // the replay
			write(t, s, powerRow(i))
		}
		if n := missing(t, s, high+1000); n > 0 {
			t.Errorf("after the replay %d rows are missing", n)
		}
		s = reopen(t, s)
		if n := missing(t, s, high+1000); n > 0 || s.Verify() != nil {
			t.Errorf("reopened, %d rows are missing, %v", n, s.Verify())
		}
	}
}

// The control: with a weaker barrier the same test must be able to fail.
func TestAWeakerBarrierLosesMarkedRows(t *testing.T) {
	if os.Getenv("CONFMAN_TORTURE") != "1" {
		t.Skip("set CONFMAN_TORTURE=1")
	}
	rng := seeded(t)
	for _, kind := range []string{barrierSync, barrierNone} {
		cuts := 0
		for lost := false; !lost; cuts++ {
			if cuts == 50 {
				t.Fatalf("barrier %s lost nothing in %d cuts: the power cut tests show nothing", kind, cuts)
			}
			lost = losesMarked(t, rng, kind)
		}
		t.Logf("barrier %s lost marked rows at cut %d", kind, cuts)
	}
}

func losesMarked(t *testing.T, rng *rand.Rand, kind string) bool {
	t.Helper()
	dir, _ := cutPower(t, rng, kind)
	s, err := Open(testConfig(dir))
	if errors.Is(err, ErrCorrupt) { // a log is shorter than the marker says
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return missing(t, s, s.Marker().Index) > 0
}
