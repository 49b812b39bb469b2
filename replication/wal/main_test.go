package wal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"
)

// TestMain runs the tests, or, in the child process that a test has started, the writer it kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(envWriter); dir != "" {
		writeForEver(dir)
	}
	os.Exit(m.Run())
}

const smallSegment = 16 << 10

// open opens the log in dir; what goes to Fatal ends up in the channel.
func open(t *testing.T, dir string) (*Log, chan error) {
	t.Helper()
	fatal := make(chan error, 1)
	l, err := Open(Config{Dir: dir, SegmentSize: smallSegment, Fatal: func(err error) { fatal <- err }, Log: zerolog.New(zerolog.NewTestWriter(t))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, fatal
}

// entry returns the entry at index, of size bytes, that every test expects there.
func entry(index uint64, size int) *raft.Log {
	data := bytes.Repeat(fmt.Appendf(nil, "%d|\xff\xfe", index), size)[:size]
	return &raft.Log{Index: index, Term: 1 + index/10, Type: raft.LogCommand, Data: data, AppendedAt: time.Unix(int64(index), 5).UTC()}
}

func entries(from, to uint64, size int) []*raft.Log {
	var es []*raft.Log
	for i := from; i <= to; i++ {
		es = append(es, entry(i, size))
	}
	return es
}

func equal(a, b *raft.Log) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && bytes.Equal(a.Data, b.Data) &&
		bytes.Equal(a.Extensions, b.Extensions) && a.AppendedAt.Equal(b.AppendedAt)
}

// checkEntries fails the test unless the log holds exactly the entries from 1 to last.
func checkEntries(t *testing.T, l *Log, last uint64, size int) {
	t.Helper()
	if got, err := l.LastIndex(); err != nil || got != last {
		t.Fatalf("last index %d, %v, want %d", got, err, last)
	}
	for i := uint64(1); i <= last; i++ {
		var got raft.Log
		if err := l.GetLog(i, &got); err != nil || !equal(&got, entry(i, size)) {
			t.Fatalf("entry %d: %v, or not what was stored", i, err)
		}
	}
}

// memory is a store that keeps what it is given and does what a test asks first.
type memory struct {
	*raft.InmemStore
	values map[string][]byte
	before func() error // of each write
}

func newMemory() *memory {
	return &memory{InmemStore: raft.NewInmemStore(), values: map[string][]byte{}, before: func() error { return nil }}
}

func (m *memory) StoreLogs(es []*raft.Log) error {
	return errors.Join(m.before(), m.InmemStore.StoreLogs(es))
}

func (m *memory) DeleteRange(min, max uint64) error {
	return errors.Join(m.before(), m.InmemStore.DeleteRange(min, max))
}

func (m *memory) Set(key, value []byte) error {
	err := m.before()
	if err == nil {
		m.values[string(key)] = bytes.Clone(value)
	}
	return err
}

func (m *memory) Get(key []byte) ([]byte, error) { return m.values[string(key)], nil }

func (m *memory) Close() error { return nil }

// writes are the four ways to change a log, each with what its error must name.
var writes = map[string]func(*Log) error{
	"append raft log entries 1 to 3":   func(l *Log) error { return l.StoreLogs(entries(1, 3, 10)) },
	"delete raft log entries 1 to 7":   func(l *Log) error { return l.DeleteRange(1, 7) },
	"store CurrentTerm":                func(l *Log) error { return l.SetUint64([]byte("CurrentTerm"), 7) },
	"store something Raft may want to": func(l *Log) error { return l.Set([]byte("something Raft may want to"), []byte("x")) },
}
