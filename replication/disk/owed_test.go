package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"confman/projections"
	"confman/replication/faults"
)

// taken is what a directory takes on its disk.
func taken(t *testing.T, dir string) (total uint64) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
		var st syscall.Stat_t
		if err == nil && syscall.Stat(path, &st) == nil {
			total += uint64(st.Blocks) * 512
		}
		return nil // files come and go
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// When writes stop at any moment, the files grow by no more than what is owed and
// the tables of the memtables, until they have settled.
func TestWhatTheStoreWritesAfterTheLastWriteIsOwed(t *testing.T) {
	rng, s := seeded(t), open(t, t.TempDir())
	value, index, grown := make([]byte, 20<<10), uint64(0), uint64(0)
	for range 6 {
		for range 300 + rng.IntN(700) {
			index++
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			write(t, s, projections.Row{Key: fmt.Appendf(nil, "k%d", rng.IntN(5000)), Index: index, Value: append([]byte(nil), value...)})
		}
		owed, before := s.Owed(), taken(t, s.config.Dir)
		peak, settled := before, 0
		tick := time.NewTicker(5 * time.Millisecond)
		for last := before; settled < 20; <-tick.C {
			now := taken(t, s.config.Dir)
			peak = max(peak, now)
			if settled++; now != last {
				settled = 0
			}
			last = now
		}
		tick.Stop()
		grown = max(grown, peak-before)
		if may := owed + 2*minMemTableBytes; peak-before > may {
			t.Errorf("after event %d: %d KiB more, %d KiB were owed", index, (peak-before)>>10, owed>>10)
		}
	}
	t.Logf("at most %d KiB more", grown>>10)
	if grown == 0 {
		t.Error("nothing was ever written: the test looks at nothing")
	}
}

func TestAStoreOnAFullDiskIsLeftAsItIsWhenItIsClosed(t *testing.T) {
	d := faults.NewDisk(t, 64<<20)
	s, err := Open(testConfig(filepath.Join(d.Dir(), "store")))
	if err != nil {
		t.Fatal(err)
	}
	const rows = 1500
	value := strings.Repeat("x", 2<<10)
	for i := range uint64(rows) { // the table of the memtable does not fit
		write(t, s, put(fmt.Sprintf("k%d", i), i+1, fmt.Sprint(value, i)))
	}
	d.Fill(1 << 20)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	d.Free()
	again := open(t, faults.CopyDir(t, s.config.Dir)) // this process has the files open
	r := again.At(rows)
	defer r.Close()
	for i := range rows {
		if got, _, err := r.Get(fmt.Appendf(nil, "k%d", i)); err != nil || string(got) != fmt.Sprint(value, i) {
			t.Fatalf("k%d: %.20q, %v", i, got, err)
		}
	}
}
