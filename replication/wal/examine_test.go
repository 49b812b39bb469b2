package wal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"
)

func TestExaminingReadsEverySegmentAndFindsAFlippedBit(t *testing.T) {
	dir := t.TempDir()
	log, err := Open(Config{Dir: dir, SegmentSize: 4 << 10, Log: zerolog.Nop(), Fatal: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(1); i <= 100; i++ {
		if err := log.StoreLog(&raft.Log{Index: i, Term: 1 + i/50, Data: make([]byte, 200)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(log.DeleteRange(1, 30), log.Close()); err != nil {
		t.Fatal(err)
	}
	segments, _ := filepath.Glob(filepath.Join(dir, "*.wal"))
	if len(segments) < 3 {
		t.Fatalf("%d segments", len(segments))
	}
	slices.Sort(segments)
	if e, err := Examine(dir); err != nil || e.First != 31 || e.Last != 100 || e.LastTerm != 3 || e.Held == 0 || e.Held > 31 {
		t.Errorf("%+v, %v", e, err)
	}
	sealed := segments[1]
	data, err := os.ReadFile(sealed)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 1
	if err := os.WriteFile(sealed, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Examine(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a flipped bit: %v", err)
	}
	if e, err := Examine(t.TempDir()); err != nil || e != (Extent{}) {
		t.Errorf("no log: %+v, %v", e, err)
	}
}
