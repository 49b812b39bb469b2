package wal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
)

func TestSealedEntriesGoWithTheirFile(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir)
	if err := l.StoreLogs(entries(1, 7, 100)); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRange(1, 5); err != nil {
		t.Fatal(err)
	}
	if from, err := l.HeldFrom(); err != nil || from != 1 {
		t.Fatalf("held from %d, %v: the segment stays until all of it is deleted", from, err)
	}
	last, err := l.Seal()
	if err != nil || last != 7 {
		t.Fatalf("sealed up to %d, %v", last, err)
	}
	if err := l.StoreLogs(entries(8, 9, 100)); err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRange(6, last); err != nil {
		t.Fatal(err)
	}
	if from, err := l.HeldFrom(); err != nil || from != 8 {
		t.Errorf("held from %d, %v", from, err)
	}
	for _, path := range segmentsOf(t, dir) {
		if b, err := os.ReadFile(path); err != nil || bytes.Contains(b, []byte("7|\xff\xfe")) {
			t.Errorf("entry 7 is in %s, or %v", path, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, _ = open(t, dir)
	for i := uint64(8); i <= 9; i++ {
		var got raft.Log
		if err := l.GetLog(i, &got); err != nil || !equal(&got, entry(i, 100)) {
			t.Errorf("entry %d: %v, or not what was stored", i, err)
		}
	}
	if err := l.StoreLogs(entries(10, 12, 100)); err != nil {
		t.Error(err)
	}
}

func segmentsOf(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("segments %v, %v", paths, err)
	}
	return paths
}

func TestSealWhileTheLogIsUsed(t *testing.T) {
	l, fatal := open(t, t.TempDir())
	const n, size = 300, 200 // several segments
	var done sync.WaitGroup
	stored := make(chan uint64, n)
	done.Go(func() {
		defer close(stored)
		for i := uint64(1); i <= n; i++ {
			if err := errors.Join(l.StoreLog(entry(i, size)), l.SetUint64([]byte("CurrentTerm"), i)); err != nil {
				t.Error(err)
				return
			}
			stored <- i
		}
	})
	done.Go(func() {
		for i := range stored {
			var got raft.Log
			if err := l.GetLog(i, &got); err != nil || !equal(&got, entry(i, size)) {
				t.Errorf("entry %d: %v, or not what was stored", i, err)
				return
			}
		}
	})
	for range 10 {
		if _, err := l.Seal(); err != nil {
			t.Fatal(err)
		}
	}
	done.Wait()
	checkEntries(t, l, n, size)
	if term := l.PersistedTerm(); term != n {
		t.Errorf("term %d", term)
	}
	if len(fatal) > 0 {
		t.Error(<-fatal)
	}
}

func TestSealOfAnEmptyLogAndOfAClosedOne(t *testing.T) {
	l, fatal := open(t, t.TempDir())
	for range 2 {
		if last, err := l.Seal(); err != nil || last != 0 {
			t.Fatalf("sealed up to %d, %v", last, err)
		}
	}
	if err := l.StoreLogs(entries(5, 6, 10)); err != nil { // as after a snapshot
		t.Fatal(err)
	}
	for range 2 {
		if last, err := l.Seal(); err != nil || last != 6 {
			t.Fatalf("sealed up to %d, %v", last, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Seal(); !errors.Is(err, raftwal.ErrClosed) {
		t.Errorf("sealed a closed log: %v", err)
	}
	if len(fatal) > 0 {
		t.Error(<-fatal)
	}
}
