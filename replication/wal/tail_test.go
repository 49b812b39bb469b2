package wal

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

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
	if err := mendTail(whole); err != nil {
		t.Fatalf("untouched: %v", err)
	}
	shortened := 0
	for range 300 {
		dir := faults.CopyDir(t, whole)
		path, end := tailFile(t, dir)
		at := segmentHeader + rnd.IntN(end*3/4-segmentHeader) // not of the last batches
		faults.FlipBit(t, path, int64(at))
		err := mendTail(dir)
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
		if err := mendTail(dir); err != nil {
			t.Errorf("torn at byte %d, and written on: %v", torn, err)
		}
	}
}

// A kill between the making of a segment's file and its allocation leaves it short.
func TestASegmentThatWasHalfMadeIsMadeAgain(t *testing.T) {
	for _, size := range []int64{0, 10, segmentHeader, 1000} {
		dir := t.TempDir()
		l, _ := open(t, dir)
		if err := l.StoreLogs(entries(1, 20, 1000)); err != nil { // more than a segment: the next one is made
			t.Fatal(err)
		}
		path, end := tailFile(t, dir)
		for deadline := time.Now().Add(20 * time.Second); end > 0; path, end = tailFile(t, dir) {
			if runtime.Gosched(); time.Now().After(deadline) {
				t.Fatalf("%s has entries", path)
			}
		}
		if err := l.store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		for next := uint64(21); next < 24; next++ {
			l, err := Open(Config{Dir: dir, SegmentSize: smallSegment, Fatal: func(error) {}})
			if err != nil {
				t.Fatalf("half made with %d bytes, at entry %d: %v", size, next, err)
			}
			if err := l.StoreLogs(entries(next, next, 100)); err != nil {
				t.Fatal(err)
			}
			if last, err := l.LastIndex(); err != nil || last != next {
				t.Fatalf("half made with %d bytes: ends at %d, want %d: %v", size, last, next, err)
			}
			if err := l.store.Close(); err != nil { // as a kill leaves it
				t.Fatal(err)
			}
		}
	}
}
