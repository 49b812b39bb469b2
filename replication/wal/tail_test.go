package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/replication/faults"
)

// tailFile is the newest segment of a log and where its last commit ends.
func tailFile(t *testing.T, dir string) (path string, end int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	path = paths[len(paths)-1]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, lastCommit(content)
}

func TestATailThatLostEntriesIsRefusedAndNamed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	whole := t.TempDir()
	l, _ := open(t, whole)
	for i := uint64(1); i <= 12; i++ { // batches of one
		if err := l.StoreLogs(entries(i, i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	if err := checkTail(whole); err != nil {
		t.Fatalf("untouched: %v", err)
	}
	shortened := 0
	for range 300 {
		dir := faults.CopyDir(t, whole)
		path, end := tailFile(t, dir)
		at := segmentHeader + rnd.IntN(end*3/4-segmentHeader) // not of the last batches
		faults.FlipBit(t, path, int64(at))
		err := checkTail(dir)
		if err != nil && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), path)) {
			t.Fatalf("byte %d: %v", at, err)
		}
		if err != nil {
			shortened++
			continue
		}
		l, fatal := open(t, dir) // what is not noticed here is when it is read
		last, lastErr := l.LastIndex()
		if lastErr != nil || last < 12 {
			t.Errorf("byte %d: the log ends at %d (%v) and nobody noticed", at, last, lastErr)
		}
		l.Close()
		if len(fatal) > 0 {
			t.Error(<-fatal)
		}
	}
	t.Logf("%d of 300 flips cut the log", shortened)
	if shortened == 0 {
		t.Error("no flip ever cut the log: the test looks at nothing")
	}
}

func TestATailThatWasCutShortIsRefused(t *testing.T) {
	whole := t.TempDir()
	l, _ := open(t, whole)
	if err := l.StoreLogs(entries(1, 20, 100)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, size := range []int64{smallSegment - 1, smallSegment / 2, 3000} {
		dir := faults.CopyDir(t, whole)
		path, end := tailFile(t, dir)
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Config{Dir: dir, SegmentSize: smallSegment, Fatal: func(error) {}})
		if errors.Is(err, ErrCorrupt) != (size >= int64(end)) { // with no commit left it is as new: the caller knows better
			t.Errorf("cut to %d of %d bytes: %v", size, end, err)
		}
	}
}

// A batch that a crash tore was promised to nobody, and is no damage.
func TestATornBatchIsNoDamage(t *testing.T) {
	whole := t.TempDir()
	l, _ := open(t, whole)
	for i := uint64(1); i <= 12; i++ {
		if err := l.StoreLogs(entries(i, i, 100)); err != nil {
			t.Fatal(err)
		}
	}
	_, before := tailFile(t, whole)
	if err := l.StoreLogs(entries(13, 20, 100)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	path, end := tailFile(t, whole)
	for torn := before; torn < end; torn += 64 { // any part of it may be there or not
		dir := faults.CopyDir(t, whole)
		path := filepath.Join(dir, filepath.Base(path))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(make([]byte, min(64, end-torn)), int64(torn))
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		l, _ := open(t, dir)
		checkEntries(t, l, 12, 100)
		if err := l.StoreLogs(entries(13, 13, 50)); err != nil { // over a part of what is left of it
			t.Fatal(err)
		}
		l.Close()
		if err := checkTail(dir); err != nil {
			t.Errorf("torn at byte %d, and written on: %v", torn, err)
		}
	}
}
