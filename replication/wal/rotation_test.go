package wal

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	raftwal "github.com/hashicorp/raft-wal"
	walfs "github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/segment"
)

const envWriter = "CONFMAN_TEST_WAL_WRITER"

// wedge returns a log that was closed right after the append that sealed a
// segment: four entries stored singly, then three in the batch that seals.
func wedge(t *testing.T, size int) string {
	t.Helper()
	for range 20 { // the rotation in the background may be faster than Close
		dir := t.TempDir()
		l, _ := open(t, dir)
		for i := uint64(1); i <= 4; i++ {
			if err := l.StoreLog(entry(i, size)); err != nil {
				t.Fatal(err)
			}
		}
		err := l.StoreLogs(entries(5, 7, size))
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
		if sealed, _, _ := tailOf(t, dir); sealed {
			return dir
		}
	}
	t.Skip("Close never came between sealing and rotating; is FinishRotation still needed?")
	return ""
}

// tailOf looks at the segment that the metadata says is open.
func tailOf(t *testing.T, dir string) (sealed bool, indexStart int64, name string) {
	t.Helper()
	meta := &metadb.BoltMetaDB{}
	state, err := meta.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer meta.Close()
	tail := state.Segments[len(state.Segments)-1]
	w, err := segment.NewFiler(dir, walfs.New()).RecoverTail(tail)
	if errors.Is(err, os.ErrNotExist) {
		return false, 0, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	sealed, start, err := w.Sealed()
	if err != nil {
		t.Fatal(err)
	}
	return sealed, int64(start), filepath.Join(dir, segment.FileName(tail))
}

// When this fails, raft-wal has repaired itself: remove FinishRotation.
func TestRaftWALStillWedgesOnCleanClose(t *testing.T) {
	w, err := raftwal.Open(wedge(t, 2300), raftwal.WithSegmentSize(smallSegment))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.StoreLog(entry(8, 2300)); !errors.Is(err, raftwal.ErrSealed) {
		t.Fatalf("append after reopening: %v, want ErrSealed", err)
	}
}

func TestCloseAfterSealingDoesNotWedge(t *testing.T) {
	dir := wedge(t, 2300)
	repaired, err := FinishRotation(dir)
	if err != nil || !repaired {
		t.Fatalf("FinishRotation: %v, %v", repaired, err)
	}
	if repaired, err := FinishRotation(dir); err != nil || repaired {
		t.Fatalf("FinishRotation of a sound log: %v, %v", repaired, err)
	}
	l, _ := open(t, dir)
	checkEntries(t, l, 7, 2300)
	if err := l.StoreLogs(entries(8, 30, 2300)); err != nil {
		t.Fatal(err)
	}
	checkEntries(t, l, 30, 2300)
}

// A power cut inside the write that seals leaves any part of it. The batch was not
// acknowledged and may go, what was before it must be there, and the log must take
// appends.
func TestTornSealDoesNotWedge(t *testing.T) {
	const size = 2300
	// which bytes did not reach the disk, given where the index starts
	tests := map[string]func(s int64) (from, to int64){
		"commit mark missing":           func(s int64) (int64, int64) { return s + 32, s + 40 },
		"index missing":                 func(s int64) (int64, int64) { return s, s + 28 },
		"index and commit mark missing": func(s int64) (int64, int64) { return s, s + 40 },
		"end of last entry missing":     func(s int64) (int64, int64) { return s - 1000, s - 8 },
		"all after frame of last entry": func(s int64) (int64, int64) { return s - 1000, s + 40 },
	}
	for name, tear := range tests {
		t.Run(name, func(t *testing.T) {
			dir := wedge(t, size)
			_, start, file := tailOf(t, dir)
			from, to := tear(start)
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(make([]byte, to-from), from); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			l, _ := open(t, dir)
			checkEntries(t, l, 4, size)
			if err := l.StoreLogs(entries(5, 30, size)); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l, _ = open(t, dir)
			checkEntries(t, l, 30, size)
		})
	}
}

func TestFinishRotationLeavesNewAndEmptyLogsAlone(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if repaired, err := FinishRotation(dir); err != nil || repaired {
			t.Fatal(repaired, err)
		}
		l, _ := open(t, dir)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledWriterLosesNothingAndIsNotWedged(t *testing.T) {
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	kills := 12
	if os.Getenv("CONFMAN_TORTURE") != "" {
		kills = 120
	}
	wedged := 0
	for range kills {
		acked := killWriter(t, dir, 3+rnd.IntN(25))
		if sealed, _, _ := tailOf(t, dir); sealed {
			wedged++
		}
		l, _ := open(t, dir)
		last, err := l.LastIndex()
		if err != nil || last < acked {
			t.Fatalf("last index %d, %v; %d was acknowledged", last, err, acked)
		}
		checkEntries(t, l, last, 3000)
		if err := errors.Join(l.StoreLog(entry(last+1, 3000)), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d kills came between sealing and rotating", wedged, kills)
}

// killWriter starts a process that appends, kills it once it has acknowledged n
// entries, and returns the last one it did.
func killWriter(t *testing.T, dir string, n int) (acked uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envWriter+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == n {
			_ = cmd.Process.Kill()
		}
		if acked, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return acked
}

// writeForEver is the child: it appends and prints each index that is acknowledged.
func writeForEver(dir string) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := Open(Config{Dir: dir, SegmentSize: 4 << 10, Fatal: die})
	if err != nil {
		die(err)
	}
	last, err := l.LastIndex()
	if err != nil {
		die(err)
	}
	for i := last + 1; ; i++ {
		if err := l.StoreLog(entry(i, 3000)); err != nil {
			die(err)
		}
		fmt.Println(i)
	}
}
