package denials

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"confman/api/wire"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// ticking is a clock that goes on by a second at each look.
func ticking() func() time.Time {
	var looks atomic.Int64
	return func() time.Time { return noon.Add(time.Duration(looks.Add(1)) * time.Second) }
}

func open(t testing.TB, c Config) *Log {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Now == nil {
		c.Now = ticking()
	}
	c.Node = "n1"
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// numbered is a row that is equal to no other.
func numbered(n int) wire.Denied {
	return wire.Denied{Reason: wire.DeniedForbidden, Status: 403, Principal: "ann", Remote: fmt.Sprint("10.0.0.", n), Method: "GET", Path: "/api/v1/keys", Route: "/api/v1/keys"}
}

func rows(t testing.TB, l *Log, q Query) (all []Row) {
	t.Helper()
	for r, err := range l.Rows(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// remotes are the last numbers of the rows' addresses.
func remotes(all []Row) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, strings.TrimPrefix(r.Remote, "10.0.0."))
	}
	return strings.Join(texts, " ")
}

func TestWhatWasRecordedIsFoundNewestFirst(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir})
	for n := range 4 {
		l.Record(numbered(n))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Config{Dir: dir, Now: func() time.Time { return noon.Add(time.Hour) }})
	bob := numbered(4)
	bob.Principal, bob.Reason = "bob", wire.DeniedRead
	l.Record(bob)
	all := rows(t, l, Query{})
	if got := all[4].Denied; got.Time != noon.Add(time.Second) || got.Node != "n1" || got.Principal != "ann" || got.Status != 403 || got.Count != 0 {
		t.Errorf("the first row is %+v", got)
	}
	for _, tt := range []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "4 3 2 1 0"},
		{"of one", Query{Principal: "bob"}, "4"},
		{"of a reason", Query{Reason: wire.DeniedForbidden}, "3 2 1 0"},
		{"since, inclusive", Query{Since: noon.Add(3 * time.Second)}, "4 3 2"},
		{"until, inclusive", Query{Until: noon.Add(3 * time.Second)}, "2 1 0"},
		{"both", Query{Since: noon.Add(2 * time.Second), Until: noon.Add(3 * time.Second)}, "2 1"},
		{"before a row", Query{Before: all[2].Mark}, "1 0"},
		{"before the first", Query{Before: all[4].Mark}, ""},
		{"of nobody", Query{Principal: "eve"}, ""},
	} {
		if got := remotes(rows(t, l, tt.q)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestEqualAttemptsOfASecondAreOneRow(t *testing.T) {
	l := open(t, Config{})
	probe := func(change func(*wire.Denied)) {
		d := wire.Denied{Reason: wire.DeniedForbidden, Principal: "ann", KeyID: "k1", Remote: "10.0.0.1", Method: "GET", Route: "/r", Path: "/r/1"}
		change(&d)
		l.Record(d)
	}
	stranger := func(method, path string) {
		probe(func(d *wire.Denied) {
			*d = wire.Denied{Reason: wire.DeniedUnauthenticated, Remote: "10.0.0.9", Method: method, Path: path}
		})
	}
	probe(func(*wire.Denied) {})
	probe(func(d *wire.Denied) { d.Path = "/r/2" })
	probe(func(d *wire.Denied) { d.Principal = "bob" })
	probe(func(d *wire.Denied) { d.KeyID = "k2" })
	probe(func(d *wire.Denied) { d.Method = "PUT" })
	probe(func(d *wire.Denied) { d.Remote = "10.0.0.2" })
	probe(func(d *wire.Denied) { d.Reason, d.Key, d.Count = wire.DeniedRead, "a", 5 })
	probe(func(d *wire.Denied) { d.Reason, d.Key, d.Count = wire.DeniedRead, "a", 7 })
	probe(func(d *wire.Denied) { d.Reason, d.Key = wire.DeniedRead, "b" })
	stranger("GET", "/a")
	stranger("GET", "/b")
	stranger("PUT", "/a")
	var counts []uint64
	for _, r := range rows(t, l, Query{}) {
		counts = append(counts, r.Count)
	}
	if got, want := fmt.Sprint(counts), "[3 0 12 0 0 0 0 2]"; got != want {
		t.Errorf("counts are %s, want %s", got, want)
	}
	if got := l.Stats().Attempts; got[wire.DeniedForbidden] != 6 || got[wire.DeniedRead] != 13 || got[wire.DeniedUnauthenticated] != 3 {
		t.Errorf("attempts are %v", got)
	}
	probe(func(*wire.Denied) {})
	if got := len(rows(t, l, Query{})); got != 9 {
		t.Errorf("%d rows after the next second's attempt, want 9", got)
	}
}

// A flood of attempts, no two of them equal, neither waits nor grows, and none is
// lost that is not counted.
func TestAFloodIsBoundedAndCounted(t *testing.T) {
	const attempts, callers = 100_000, 20
	l := open(t, Config{})
	l.writing.Lock() // a disk that hangs
	var asked sync.WaitGroup
	for caller := range callers {
		asked.Go(func() {
			for n := range attempts / callers {
				l.Record(numbered(caller*attempts + n))
			}
		})
	}
	asked.Wait() // although the disk hangs
	if got := len(l.waiting); got != maxWaiting {
		t.Errorf("%d rows wait, want %d", got, maxWaiting)
	}
	before := l.Stats()
	if before.Lost != attempts-maxWaiting || before.Missing != before.Lost || before.Attempts[wire.DeniedForbidden] != attempts {
		t.Errorf("while nothing is written: %+v", before)
	}
	l.writing.Unlock()
	var told, lost uint64
	for _, r := range rows(t, l, Query{}) {
		if r.Reason == wire.DeniedLost {
			lost += r.Count
			continue
		}
		told++
	}
	if told != maxWaiting || lost != attempts-maxWaiting {
		t.Errorf("%d rows and %d lost, want %d and %d", told, lost, maxWaiting, attempts-maxWaiting)
	}
	if after := l.Stats(); after.Missing != lost || after.Lost != lost {
		t.Errorf("afterwards: %+v", after)
	}
}

func TestFilesStayWithinTheirBytesAndSayWhatTheyLetGoOf(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Bytes: minBytes})
	const total = 12_000
	for n := range total {
		l.Record(numbered(n))
		if n%500 == 499 {
			if err := l.flush(); err != nil {
				t.Fatal(err)
			}
			if size := sizeOf(t, dir); size > minBytes || size != l.Stats().Bytes {
				t.Fatalf("after %d rows %d bytes on disk, %d by the count, at most %d", n, size, l.Stats().Bytes, minBytes)
			}
		}
	}
	check := func(l *Log, total int) {
		t.Helper()
		all := rows(t, l, Query{})
		said := rows(t, l, Query{Reason: wire.DeniedRotated})
		if len(said) == 0 {
			t.Fatal("no row tells of the rotation")
		}
		last := all[len(all)-1]
		// The rotation's own rows count as rows, too; each file that went had one,
		// but for the first seven.
		if got := int(said[0].Count) + len(all); got < total || got > total+100 {
			t.Errorf("%d rows let go of and %d kept, of %d", said[0].Count, len(all), total)
		}
		if want := "the oldest that is kept is of " + last.Time.Format(time.RFC3339); !strings.HasSuffix(said[0].Detail, want) {
			t.Errorf("%q, want %q", said[0].Detail, want)
		}
	}
	check(l, total)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, Config{Dir: dir, Bytes: minBytes})
	letGo := l.store.letGo
	check(l, total)
	for n := range total / 4 {
		l.Record(numbered(n))
	}
	if check(l, total+total/4); l.store.letGo <= letGo {
		t.Errorf("%d let go of before a restart, %d after", letGo, l.store.letGo)
	}
}

func sizeOf(t testing.TB, dir string) (bytes int64) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range found {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	return bytes
}

func TestReadingGoesOnWhileRowsAreWrittenAndLetGoOf(t *testing.T) {
	l := open(t, Config{Bytes: minBytes})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if l.Record(numbered(n)); n%100 == 0 {
				_ = l.flush()
			}
		}
	}()
	read := 0
	for read < 20_000 {
		last := Row{Denied: wire.Denied{Time: noon.AddDate(100, 0, 0)}}
		for r, err := range l.Rows(t.Context(), Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Time.After(last.Time) && r.Reason == last.Reason {
				t.Fatalf("%s of %s after %s of %s", r.Mark, r.Time, last.Mark, last.Time)
			}
			last = r
			read++
		}
	}
	close(stop)
	<-stopped
}

func TestAReaderWhoLeavesIsNotReadFor(t *testing.T) {
	l := open(t, Config{})
	l.Record(numbered(1))
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, err := range l.Rows(gone, Query{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}
