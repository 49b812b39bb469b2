package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"confman/projections"
)

// writer writes a model's rows, index by index, as a state machine does.
type writer struct {
	store   *Store
	rows    model
	applied atomic.Uint64
}

// to writes all rows up to an index.
func (w *writer) to(t testing.TB, index uint64) {
	t.Helper()
	for at := w.applied.Load() + 1; at <= index; at++ {
		var rows []projections.Row
		for _, r := range w.rows {
			if r.Index == at {
				rows = append(rows, r)
			}
		}
		if err := w.store.Write(rows); err != nil {
			t.Error(err)
			return
		}
		w.applied.Store(at)
	}
}

func TestARenewedStoreIsTheSameWhileWritesGoOn(t *testing.T) {
	const n = 240
	s := open(t, t.TempDir())
	w := &writer{store: s, rows: history(seeded(t), n)}
	w.to(t, 80)
	if err := s.Mark(Marker{Position: Position{Index: 50}}); err != nil {
		t.Fatal(err)
	}
	early := s.At(60)
	var done sync.WaitGroup
	done.Go(func() { w.to(t, n) })
	for range 3 {
		renewed, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("writes waited %v, %d passes", renewed.Held, renewed.Passes)
	}
	done.Wait()
	if m := s.Marker(); m.Index != 50 {
		t.Errorf("the marker is at %d", m.Index)
	}
	w.rows.sameAsReader(t, early, 60)
	if err := early.Close(); err != nil {
		t.Fatal(err)
	}
	for index := uint64(1); index <= n; index += 17 {
		w.rows.sameAs(t, s, index)
	}
	s = reopen(t, s)
	w.rows.sameAs(t, s, n)
	if dirs, _ := filepath.Glob(filepath.Join(s.config.Dir, generationPrefix+"*")); len(dirs) != 1 {
		t.Errorf("there is %v", dirs)
	}
}

func TestWhatIsWrittenBeforeItIsVisibleIsRenewedToo(t *testing.T) {
	rows := history(seeded(t), 60)
	s := open(t, t.TempDir())
	w := &writer{store: s, rows: rows}
	w.to(t, 40)
	ahead := &writer{store: s, rows: rows} // its rows are written, its state is not visible yet
	ahead.applied.Store(40)
	next := uint64(40)
	s.step = func(string) {
		next += 5
		ahead.to(t, next)
	}
	if _, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load}); err != nil {
		t.Fatal(err)
	}
	if next < 50 {
		t.Fatal("nothing was written meanwhile")
	}
	ahead.to(t, 60)
	rows.sameAs(t, s, 60)
}

// ofEvent takes a key "e" and an index for a row of that event.
func ofEvent(key []byte) (uint64, bool) {
	if len(key) != 9 || key[0] != 'e' {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

func TestATrimmedCopyIsExactAtTheEdgeAndAboveAndHoldsNoMore(t *testing.T) {
	rng := seeded(t)
	for range 8 {
		const n = 150
		oldest := 2 + rng.Uint64N(n-1)
		rows := history(rng, n)
		for i := uint64(1); i <= n; i++ {
			rows = append(rows, projections.Row{Key: binary.BigEndian.AppendUint64([]byte{'e'}, i), Index: i, Value: []byte("event")})
		}
		s := open(t, t.TempDir())
		w := &writer{store: s, rows: rows}
		w.to(t, n)
		if err := s.Mark(Marker{Position: Position{Index: n}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load, Trim: Trim{oldest, ofEvent}}); err != nil {
			t.Fatal(err)
		}
		s = reopen(t, s)
		want := trimmed(rows, oldest)
		for index := oldest - 1; index <= n; index += 1 + rng.Uint64N(20) {
			want.sameAs(t, s, index)
			r := s.At(index)
			for _, prefix := range []string{"a", "b"} {
				sameRows(t, fmt.Sprintf("%q from %d on, at %d", prefix, oldest, index), collect(t, r.Scan([]byte(prefix), nil), 0), rows.scan(prefix, index))
			}
			_ = r.Close()
		}
		for e, err := range s.current.entries(0, n) {
			if err != nil {
				t.Fatal(err)
			}
			if index, ok := (Trim{oldest, ofEvent}).eventOf(e.key); ok && index < oldest {
				t.Errorf("event %d is there, the oldest is %d", index, oldest)
			}
		}
	}
}

// trimmed restates what must stay: rows of events from the oldest on, every
// version from it on, and the one before, if it is a value.
func trimmed(rows model, oldest uint64) (kept model) {
	for _, r := range rows {
		if index, ok := ofEvent(r.Key); ok && index < oldest {
			continue
		}
		later := func(o projections.Row) bool {
			return bytes.Equal(o.Key, r.Key) && o.Index > r.Index && o.Index < oldest
		}
		superseded := r.Delete
		for _, o := range rows {
			superseded = superseded || later(o)
		}
		if r.Index >= oldest || !superseded {
			kept = append(kept, r)
		}
	}
	return kept
}

func TestTrimBeyondTheMarkerIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, "a"), put("k", 2, "b"))
	_, err := s.Renew(context.Background(), Renewal{Applied: func() uint64 { return 2 }, Trim: Trim{2, ofEvent}})
	if !errors.Is(err, ErrBehind) {
		t.Errorf("got %v: a start would find no state at the marker", err)
	}
}

func TestNoByteIsLeftOfARowThatWasWrittenOver(t *testing.T) {
	secret := []byte("hunter2-0123456789")
	for name, value := range map[string]string{
		"short": "a " + string(secret),
		"long":  strings.Repeat(string(secret), 40_000), // three parts
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			write(t, s, put("k", 1, value))
			write(t, s, put("k", 2, "other"), put("l", 2, "other"))
			r := s.At(1)
			write(t, s, put("k", 1, "erased"))
			if err := s.Mark(Marker{Position: Position{Index: 2}}); err != nil {
				t.Fatal(err)
			}
			if files := holding(t, s.config.Dir, secret); len(files) == 0 {
				t.Fatal("the test shows nothing")
			}
			if _, err := s.Renew(context.Background(), Renewal{Applied: func() uint64 { return 2 }}); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil { // the last who sees the old rows
				t.Fatal(err)
			}
			if files := holding(t, s.config.Dir, secret); len(files) > 0 {
				t.Errorf("the value is in %v", files)
			}
			var stream bytes.Buffer
			if err := s.Copy(&stream, Position{Index: 2}); err != nil || bytes.Contains(stream.Bytes(), secret) {
				t.Errorf("the value is in a copy, or %v", err)
			}
			model{put("k", 1, "erased"), put("k", 2, "other"), put("l", 2, "other")}.sameAs(t, s, 2)
		})
	}
}

// holding lists the files below a directory that hold some bytes.
func holding(t testing.TB, dir string, what []byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, what) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestARowWrittenOverWhileItIsCopiedIsNotMissed(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, "secret"), put("k", 2, "x"))
	if err := s.Mark(Marker{Position: Position{Index: 2}}); err != nil {
		t.Fatal(err)
	}
	tries := 0
	s.step = func(name string) {
		if name != stepMarked {
			return
		}
		if tries++; tries == 1 {
			write(t, s, put("k", 1, "erased"))
		}
	}
	if _, err := s.Renew(context.Background(), Renewal{Applied: func() uint64 { return 2 }}); err != nil {
		t.Fatal(err)
	}
	if tries != 2 {
		t.Errorf("tried %d times", tries)
	}
	model{put("k", 1, "erased"), put("k", 2, "x")}.sameAs(t, s, 2)
}

func TestACrashDuringARenewalLosesNothing(t *testing.T) {
	for _, at := range []string{stepSynced, stepMarked, stepSwitched} {
		t.Run(at, func(t *testing.T) {
			rows := history(rand.New(rand.NewPCG(1, 2)), 60)
			s := open(t, t.TempDir())
			w := &writer{store: s, rows: rows}
			w.to(t, 60)
			if err := s.Mark(Marker{Position: Position{Index: 60}, Snapshot: Boundary{Index: 9}}); err != nil {
				t.Fatal(err)
			}
			crashed := filepath.Join(t.TempDir(), "crashed")
			s.step = func(name string) {
				if name == at {
					if err := os.CopyFS(crashed, os.DirFS(s.config.Dir)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load}); err != nil {
				t.Fatal(err)
			}
			after := open(t, crashed)
			if m := after.Marker(); m.Index != 60 || m.Snapshot.Index != 9 {
				t.Errorf("the marker is %+v", m)
			}
			rows.sameAs(t, after, 60)
			if dirs, _ := filepath.Glob(filepath.Join(crashed, generationPrefix+"*")); len(dirs) != 1 {
				t.Errorf("there is %v", dirs)
			}
		})
	}
}

func TestARenewalThatCannotGoOnChangesNothing(t *testing.T) {
	rows := history(seeded(t), 40)
	s := open(t, t.TempDir())
	w := &writer{store: s, rows: rows}
	w.to(t, 40)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		ctx  context.Context
		r    Renewal
		want error
	}{
		{"stopped", stopped, Renewal{Applied: w.applied.Load}, context.Canceled},
		{"no space", context.Background(), Renewal{Applied: w.applied.Load, ReserveBytes: 1 << 60}, ErrNoSpace},
		{"cannot be built", context.Background(), Renewal{Applied: w.applied.Load, Build: func(uint64, func([]projections.Row) error) error {
			return broken
		}}, broken},
	} {
		if _, err := s.Renew(tt.ctx, tt.r); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		rows.sameAs(t, s, 40)
		if dirs, _ := filepath.Glob(filepath.Join(s.config.Dir, generationPrefix+"*")); len(dirs) != 1 {
			t.Errorf("%s: there is %v", tt.name, dirs)
		}
	}
	s.step = func(name string) {
		if name == stepMarked {
			if _, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load}); !errors.Is(err, ErrBusy) {
				t.Errorf("a second one: %v", err)
			}
		}
	}
	if _, err := s.Renew(context.Background(), Renewal{Applied: w.applied.Load}); err != nil {
		t.Fatal(err)
	}
}

func TestAnOpenReaderKeepsWhatItReads(t *testing.T) {
	s := open(t, t.TempDir())
	write(t, s, put("k", 1, "a"), put("k", 5, "b"), put("k", 9, "c"))
	r := s.At(4)
	s.DiscardBelow(9)
	if got := s.current.discarded; got != 4 {
		t.Errorf("discards below %d, a reader is at 4", got)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.current.discarded; got != 9 {
		t.Errorf("discards below %d", got)
	}
}
