package keyuse

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func opened(t testing.TB, path string, log *bytes.Buffer) *Book {
	t.Helper()
	c := Config{Path: path, Now: time.Now}
	if log != nil {
		c.Log = zerolog.New(log)
	}
	b, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Keep()
	return b
}

func closed(t testing.TB, b *Book) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheLastUseOfEachKeyIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, filepath.Join(t.TempDir(), "uses"), nil)
		defer closed(t, b)
		began := time.Now().UTC()
		b.Note("a", "10.0.0.1")
		<-time.After(resolution / 2)
		b.Note("a", "10.0.0.1") // the same use, at this resolution
		if got := b.Uses([]string{"a", "b"}); len(got) != 1 || got["a"] != (Use{began, "10.0.0.1"}) {
			t.Errorf("%v", got)
		}
		b.Note("a", "10.0.0.2")
		if got := b.Uses([]string{"a"})["a"]; got != (Use{began.Add(resolution / 2), "10.0.0.2"}) {
			t.Errorf("from elsewhere: %v", got)
		}
		<-time.After(resolution)
		b.Note("a", "10.0.0.2")
		if got := b.Uses([]string{"a"})["a"]; got.At != began.Add(3*resolution/2) {
			t.Errorf("later: %v", got)
		}
	})
}

func TestAUseIsWrittenOnceAMinuteAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "uses")
		b := opened(t, path, nil)
		b.Note("a", "10.0.0.1")
		<-time.After(saveInterval - time.Second)
		if _, err := os.Stat(path); err == nil {
			t.Error("written within the minute")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		first, err := os.Stat(path)
		if err != nil || first.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", first, err)
		}
		<-time.After(10 * saveInterval)
		synctest.Wait()
		if again, err := os.Stat(path); err != nil || !os.SameFile(first, again) {
			t.Error("written again without anything new")
		}
		b.Note("b", "10.0.0.2")
		closed(t, b)
		again := opened(t, path, nil)
		defer closed(t, again)
		if got := again.Uses([]string{"a", "b"}); len(got) != 2 || got["b"].From != "10.0.0.2" {
			t.Errorf("after a restart: %v", got)
		}
	})
}

func TestAFileThatCannotBeReadOnlyForgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "uses")
	for _, damaged := range []string{"", "{", `{"a":{"at":"never"}}`, "[]", "null"} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		log := &bytes.Buffer{}
		b := opened(t, path, log)
		if warned := strings.Contains(log.String(), "cannot be read"); warned == (damaged == "null") {
			t.Errorf("%q: warned %v", damaged, warned)
		}
		b.Note("b", "10.0.0.2")
		closed(t, b)
		again := opened(t, path, nil)
		if len(again.Uses([]string{"b"})) != 1 {
			t.Errorf("%q: what came later is lost", damaged)
		}
		closed(t, again)
	}
}

func TestCrashesLeaveAtMostOneFileBesideIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "uses")
	if err := os.WriteFile(path+".new", bytes.Repeat([]byte("x"), 4<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	b := opened(t, path, nil)
	b.Note("a", "10.0.0.1")
	closed(t, b)
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %v, %v", left, err)
	}
	again := opened(t, path, nil)
	defer closed(t, again)
	if len(again.Uses([]string{"a"})) != 1 {
		t.Error("forgotten")
	}
}

func TestAFileThatCannotBeWrittenIsToldOnceAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "gone")
		log := &bytes.Buffer{}
		b := opened(t, filepath.Join(dir, "uses"), log)
		b.Note("a", "10.0.0.1")
		<-time.After(5 * saveInterval)
		synctest.Wait()
		if n := strings.Count(log.String(), "is not written"); n != 1 {
			t.Errorf("told %d times: %s", n, log)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		<-time.After(saveInterval)
		synctest.Wait()
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("in the directory: %v, %v", left, err)
		}
		closed(t, b)
	})
}

func TestManyMayNoteAtOnce(t *testing.T) {
	b := opened(t, filepath.Join(t.TempDir(), "uses"), nil)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 500 {
				b.Note(fmt.Sprint(i%50), fmt.Sprint(w))
				b.Uses([]string{fmt.Sprint(i % 50)})
			}
		})
	}
	all.Wait()
	closed(t, b)
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprint(i))
	}
	if got := b.Uses(ids); len(got) != 50 {
		t.Errorf("%d keys", len(got))
	}
}

func BenchmarkNote(b *testing.B) {
	book := opened(b, filepath.Join(b.TempDir(), "uses"), nil)
	defer closed(b, book)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			book.Note("01JKEY", "10.0.0.1")
		}
	})
}
