package denials

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/api/wire"
)

func TestTornAndForeignLinesAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	l.Record(numbered(1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	newest := filepath.Join(dir, "denied-000000000001.ndjson")
	whole, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, tail string
		missing    uint64
	}{
		{"none", "", 0},
		{"half a row", string(whole[:len(whole)/2]), 1},
		{"a row without its end", string(whole[:len(whole)-1]), 1},
		{"zeros of a power cut", strings.Repeat("\x00", 8192), 1},
		{"a line that is none", "what is this\n", 1},
		{"one that is too long", strings.Repeat("x", 5*maxLine) + "\n", 1},
		{"both", "what is this\n\n" + string(whole) + "{", 3},
	} {
		if err := os.WriteFile(newest, append(bytes.Clone(whole), tt.tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		l := open(t, Config{Dir: dir})
		l.Record(numbered(2))
		told, lost := rows(t, l, Query{Reason: wire.DeniedForbidden}), rows(t, l, Query{Reason: wire.DeniedLost})
		if want := 2 + strings.Count(tt.tail, string(whole)); len(told) != want {
			t.Errorf("%s: %d rows, want %d", tt.name, len(told), want)
		}
		if got := l.Stats().Missing; got != tt.missing {
			t.Errorf("%s: %d missing, want %d", tt.name, got, tt.missing)
		}
		if torn := tt.tail != "" && !strings.HasSuffix(tt.tail, "\n"); torn != (len(lost) == 1) {
			t.Errorf("%s: %d rows tell of a torn line", tt.name, len(lost))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l := open(t, Config{Dir: dir}); l.Stats().Missing != tt.missing {
			t.Errorf("%s: %d missing at the next start, want %d", tt.name, l.Stats().Missing, tt.missing)
		}
	}
}

func TestADirectoryThatCannotBeWrittenIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	occupied := t.TempDir()
	if err := os.Mkdir(filepath.Join(occupied, "denied-000000000001.ndjson"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"a file":      {Dir: file, Node: "n1", Now: time.Now},
		"occupied":    {Dir: occupied, Node: "n1", Now: time.Now},
		"no place":    {Dir: "/proc/nowhere/denied", Node: "n1", Now: time.Now},
		"nobody":      {Dir: t.TempDir(), Now: time.Now},
		"hardly room": {Dir: t.TempDir(), Node: "n1", Now: time.Now, Bytes: 1000},
	} {
		if l, err := Open(c); err == nil {
			t.Errorf("%s: no error", name)
			l.Close()
		}
	}
}

// A disk that fails is complained of once; what was recorded meanwhile is written
// when it is well again.
func TestWhatADiskRefusesIsTriedAgain(t *testing.T) {
	var said bytes.Buffer
	dir := filepath.Join(t.TempDir(), "denied")
	l := open(t, Config{Dir: dir, Log: zerolog.New(&said)})
	l.Record(numbered(1))
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	l.store.current.Close() // so that writing fails
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err) // and opening, too
	}
	for n := 2; n <= 4; n++ {
		l.Record(numbered(n))
		if l.flush() == nil {
			t.Fatal("written nowhere")
		}
	}
	if got := l.Stats(); got.Errors != 3 || got.Lost != 0 {
		t.Errorf("while it fails: %+v", got)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if got := remotes(rows(t, l, Query{})); got != "4 3 2 1" {
		t.Errorf("afterwards the rows are %s", got)
	}
	if log := said.String(); strings.Count(log, "not written") != 1 || strings.Count(log, "written again") != 1 {
		t.Errorf("said:\n%s", log)
	}
}

func TestWhatWasHalfWrittenWhenADiskFailedIsGone(t *testing.T) {
	l := open(t, Config{})
	l.Record(numbered(1))
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.current.WriteString(`{"time":"half a r`); err != nil {
		t.Fatal(err)
	}
	l.store.current.Close()
	l.Record(numbered(2))
	if l.flush() == nil {
		t.Fatal("written to a closed file")
	}
	if got := remotes(rows(t, l, Query{})); got != "2 1" {
		t.Errorf("the rows are %s", got)
	}
	if again := open(t, Config{Dir: l.config.Dir}); again.Stats().Missing != 0 || remotes(rows(t, again, Query{})) != "2 1" {
		t.Errorf("opened again: %+v", again.Stats())
	}
}
