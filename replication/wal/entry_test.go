package wal

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftwal "github.com/hashicorp/raft-wal"
)

func TestEntriesComeBackAsStored(t *testing.T) {
	tests := map[string]raft.Log{
		"command":          {Index: 1, Term: 1, Data: []byte("set"), AppendedAt: time.Now()},
		"no-op":            {Index: 1, Term: 9, Type: raft.LogNoop},
		"with extensions":  {Index: 1, Term: 1, Data: []byte("set"), Extensions: []byte("raft's own")},
		"data and no type": {Index: 1, Data: bytes.Repeat([]byte{0xff}, 70_000)},
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			l, _ := open(t, t.TempDir())
			given := e
			if err := l.StoreLog(&given); err != nil {
				t.Fatal(err)
			}
			if !equal(&given, &e) {
				t.Error("the entry of the caller was changed")
			}
			var got raft.Log
			if err := l.GetLog(1, &got); err != nil {
				t.Fatal(err)
			}
			if !equal(&got, &e) || (e.Extensions == nil) != (got.Extensions == nil) {
				t.Errorf("got %+v, want %+v", got, e)
			}
		})
	}
}

func TestMissingEntryIsWhatRaftExpects(t *testing.T) {
	l, fatal := open(t, t.TempDir())
	if err := l.GetLog(1, new(raft.Log)); err != raft.ErrLogNotFound { //nolint:errorlint // Raft compares like this
		t.Fatalf("got %v", err)
	}
	if len(fatal) > 0 {
		t.Fatal(<-fatal)
	}
}

func TestEntryThatIsNotWhatWasStoredIsCorrupt(t *testing.T) {
	tests := map[string]func(index uint64, e *raft.Log) error{
		"another entry": func(_ uint64, e *raft.Log) error { *e = *entry(4, 10); e.Extensions = seal(e); return nil },
		"no checksum":   func(i uint64, e *raft.Log) error { *e = *entry(i, 10); return nil },
		"lengths overflow": func(_ uint64, e *raft.Log) error {
			return new(raftwal.BinaryCodec).Decode(bytes.Repeat([]byte{0xff}, 20), e)
		},
		"no such file":     func(uint64, *raft.Log) error { return os.ErrNotExist },
		"raft-wal noticed": func(uint64, *raft.Log) error { return raftwal.ErrCorrupt },
		"another extension": func(i uint64, e *raft.Log) error {
			*e = *entry(i, 10)
			e.Extensions = append([]byte("x"), seal(e)...)
			return nil
		},
	}
	for name, read := range tests {
		t.Run(name, func(t *testing.T) {
			fatal := make(chan error, 1)
			l, err := newLog(Config{Fatal: func(err error) { fatal <- err }}, reader{newMemory(), read})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.GetLog(5, new(raft.Log)); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "entry 5") {
				t.Errorf("got %v", err)
			}
			select {
			case err := <-fatal:
				if !errors.Is(err, ErrCorrupt) {
					t.Error(err)
				}
			default:
				t.Error("Fatal was not told")
			}
		})
	}
}

// reader answers reads of entries as a test wants.
type reader struct {
	*memory
	read func(index uint64, e *raft.Log) error
}

func (r reader) GetLog(i uint64, e *raft.Log) error { return r.read(i, e) }

// A flip may make the log refuse to open, an entry refuse to be read, or the log
// end earlier (which the owner notices, see the package documentation). It must
// never change what is read.
func TestFlippedBitsNeverChangeWhatIsRead(t *testing.T) {
	const size, last = 300, 90 // two segments: one sealed, one not
	master := t.TempDir()
	l, _ := open(t, master)
	for i := uint64(1); i <= last; i += 3 {
		if err := l.StoreLogs(entries(i, i+2, size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(master, "*.wal"))
	if err != nil || len(segments) != 2 {
		t.Fatalf("segments %v, %v, want 2", segments, err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for name, segment := range map[string]string{"sealed": segments[0], "tail": segments[1]} {
		t.Run(name, func(t *testing.T) {
			found := map[string]int{}
			for range 150 {
				dir := filepath.Join(t.TempDir(), "log")
				if err := os.CopyFS(dir, os.DirFS(master)); err != nil {
					t.Fatal(err)
				}
				flip(t, filepath.Join(dir, filepath.Base(segment)), rnd)
				found[readFlipped(t, dir, last, size)]++
			}
			t.Log(found)
			if found["refused to read"] < 100 {
				t.Errorf("most flips hit an entry and must be refused")
			}
		})
	}
}

// flip flips one bit in the first 12 kB of a file, which hold frames throughout.
func flip(t *testing.T, name string, rnd *rand.Rand) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[rnd.IntN(12_000)] ^= 1 << rnd.IntN(8)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// readFlipped reads all of a log in which a bit was flipped and says what came of it.
func readFlipped(t *testing.T, dir string, last uint64, size int) string {
	t.Helper()
	fatal := make(chan error, 1)
	l, err := Open(Config{Dir: dir, SegmentSize: smallSegment, Fatal: func(err error) { fatal <- err }})
	if err != nil {
		return "refused to open"
	}
	defer l.Close()
	end, err := l.LastIndex()
	if err != nil || end > last {
		t.Fatalf("last index %d, %v", end, err)
	}
	for i := uint64(1); i <= end; i++ {
		var got raft.Log
		err := l.GetLog(i, &got)
		if err == nil && !equal(&got, entry(i, size)) {
			t.Fatalf("entry %d was read, and is not what was stored: %+v", i, got)
		}
		if err == nil {
			continue
		}
		select {
		case cause := <-fatal:
			if !errors.Is(cause, ErrCorrupt) {
				t.Fatalf("Fatal got %v", cause)
			}
			return "refused to read"
		default:
			t.Fatalf("entry %d: %v, and Fatal was not told", i, err)
		}
	}
	if end < last {
		return "ends earlier"
	}
	return "harmless"
}

// raft-wal keeps a buffer as large as the largest batch that it was ever given.
func TestManyLargeEntriesAreNotOneBatch(t *testing.T) {
	tests := map[string]struct {
		size int
		want []int // entries in each batch
	}{
		"small":                {100, []int{9}},
		"two fit":              {maxBatchBytes / 2, []int{2, 2, 2, 2, 1}},
		"one byte too many":    {maxBatchBytes/2 + 1, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}},
		"each alone too large": {maxBatchBytes + 1, []int{1, 1, 1, 1, 1, 1, 1, 1, 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			store := &batches{memory: newMemory()}
			l, err := newLog(Config{Fatal: func(err error) { t.Error(err) }}, store)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.StoreLogs(entries(1, 9, test.size)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(store.sizes, test.want) {
				t.Errorf("batches of %v, want %v", store.sizes, test.want)
			}
			checkEntries(t, l, 9, test.size)
		})
	}
}

// A write that fails ends it: no entry is stored behind one that is not.
func TestNoBatchFollowsOneThatFailed(t *testing.T) {
	store := &batches{memory: newMemory()}
	l, err := newLog(Config{Fatal: func(error) {}}, store)
	if err != nil {
		t.Fatal(err)
	}
	store.before = func() error {
		if len(store.sizes) == 2 {
			return errors.New("input/output error")
		}
		return nil
	}
	if err := l.StoreLogs(entries(1, 5, maxBatchBytes)); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "entries 2 to 2") {
		t.Errorf("got %v", err)
	}
	if last, err := l.LastIndex(); err != nil || last > 2 || len(store.sizes) != 2 {
		t.Errorf("the log ends at %d, %v, after batches of %v", last, err, store.sizes)
	}
}

// batches notes how many entries each batch has.
type batches struct {
	*memory
	sizes []int
}

func (b *batches) StoreLogs(es []*raft.Log) error {
	b.sizes = append(b.sizes, len(es))
	return b.memory.StoreLogs(es)
}
