package replication

import (
	"testing"

	"github.com/rs/zerolog"

	"confman/replication/wal"
)

// cutLog drops the last entries of a Raft log, as damage at its end would.
func cutLog(t *testing.T, dir string) {
	t.Helper()
	l, err := wal.Open(wal.Config{Dir: raftDir(dir), Fatal: func(err error) { t.Error(err) }, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	last, err := l.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DeleteRange(last-1, last); err != nil {
		t.Fatal(err)
	}
}
