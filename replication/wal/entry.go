package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
)

const (
	sumSize = 4

	// maxBatchBytes is how much data is written at once. raft-wal makes one write of
	// a batch, in a buffer of up to twice its size, and each segment that was written
	// to since the start keeps one.
	maxBatchBytes = 1 << 20
)

var (
	_ raft.LogStore          = (*Log)(nil)
	_ raft.MonotonicLogStore = (*Log)(nil)
)

// FirstIndex returns the index of the oldest entry, 0 when there is none.
func (l *Log) FirstIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.store.FirstIndex()
}

// LastIndex returns the index of the newest entry, 0 when there is none.
func (l *Log) LastIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.store.LastIndex()
}

// IsMonotonic tells Raft that the log takes no gaps.
func (l *Log) IsMonotonic() bool { return true }

// StoreLog is StoreLogs for one entry.
func (l *Log) StoreLog(entry *raft.Log) error { return l.StoreLogs([]*raft.Log{entry}) }

// StoreLogs appends entries and returns when they are on disk; of many that are
// large, the first may be before the others are. It does not touch them: Raft and
// its cache go on using the same structs.
func (l *Log) StoreLogs(entries []*raft.Log) error {
	for len(entries) > 0 {
		n := batch(entries)
		sealed := make([]*raft.Log, n)
		for i, e := range entries[:n] {
			s := *e
			s.Extensions = seal(e)
			sealed[i] = &s
		}
		what := fmt.Sprintf("append raft log entries %d to %d", entries[0].Index, entries[n-1].Index)
		if err := l.write(what, func() error { return l.store.StoreLogs(sealed) }); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

// batch is how many of the entries are written at once: all, or at least one and
// what else fits maxBatchBytes.
func batch(entries []*raft.Log) int {
	bytes := 0
	for n, e := range entries {
		if bytes += len(e.Data); bytes > maxBatchBytes && n > 0 {
			return n
		}
	}
	return len(entries)
}

// DeleteRange removes the entries from min to max, both included; they are a
// prefix or a suffix of the log.
func (l *Log) DeleteRange(min, max uint64) error {
	what := fmt.Sprintf("delete raft log entries %d to %d", min, max)
	return l.write(what, func() error { return l.store.DeleteRange(min, max) })
}

// GetLog reads the entry at index into entry. It returns raft.ErrLogNotFound,
// unwrapped as Raft expects, when the log does not hold that index. Anything else
// that is not the entry as it was stored is ErrCorrupt, and fatal.
func (l *Log) GetLog(index uint64, entry *raft.Log) error {
	err := l.read(index, entry)
	switch {
	case err == nil, errors.Is(err, raft.ErrLogNotFound), errors.Is(err, raftwal.ErrClosed):
		return err
	}
	err = fmt.Errorf("read raft log entry %d in %s: %w: %w", index, l.segmentOf(index), ErrCorrupt, err)
	l.fail(err)
	return err
}

// segmentOf names the file that has the entry at index, the directory if none has.
func (l *Log) segmentOf(index uint64) string {
	name, first := l.config.Dir, uint64(0)
	paths, _ := filepath.Glob(filepath.Join(l.config.Dir, "*.wal")) // the pattern is good
	for _, path := range paths {                                    // named by their first index, in digits enough to sort
		if n, _ := fmt.Sscanf(filepath.Base(path), "%020d-", &first); n == 1 && first <= index {
			name = path
		}
	}
	return name
}

func (l *Log) read(index uint64, entry *raft.Log) (err error) {
	defer func() { // raft-wal's decoder slices by lengths that it reads, before we can check them
		if p := recover(); p != nil {
			err = fmt.Errorf("decode: %v", p)
		}
	}()
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := l.store.GetLog(index, entry); err != nil {
		return err
	}
	if entry.Index != index {
		return fmt.Errorf("found entry %d in its place", entry.Index)
	}
	return unseal(entry)
}

// seal returns the extensions of an entry followed by the checksum of the entry.
func seal(entry *raft.Log) []byte {
	ext := entry.Extensions
	return binary.LittleEndian.AppendUint32(append(make([]byte, 0, len(ext)+sumSize), ext...), sum(entry))
}

// unseal checks the entry against its checksum and takes that off its extensions.
func unseal(entry *raft.Log) error {
	n := len(entry.Extensions) - sumSize
	if n < 0 {
		return errors.New("no checksum")
	}
	want := binary.LittleEndian.Uint32(entry.Extensions[n:])
	entry.Extensions = entry.Extensions[:n:n]
	if n == 0 {
		entry.Extensions = nil
	}
	if got := sum(entry); got != want {
		return fmt.Errorf("checksum is %08x, want %08x", got, want)
	}
	return nil
}

func sum(entry *raft.Log) uint32 {
	at := entry.AppendedAt
	head := make([]byte, 0, 6*8)
	for _, v := range []uint64{
		entry.Index, entry.Term, uint64(entry.Type), uint64(at.Unix()), uint64(at.Nanosecond()), uint64(len(entry.Data)),
	} {
		head = binary.LittleEndian.AppendUint64(head, v)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	crc := crc32.Update(0, table, head)
	crc = crc32.Update(crc, table, entry.Data)
	return crc32.Update(crc, table, entry.Extensions)
}
