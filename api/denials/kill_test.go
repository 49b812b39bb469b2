package denials

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

	"confman/api/wire"
)

const victim = "CONFMAN_TEST_DENIALS_VICTIM" // the directory, in a process that is to be killed

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		recordUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// recordUntilKilled records one row every few milliseconds and says which.
func recordUntilKilled(dir string) {
	l, err := Open(Config{Dir: dir, Node: "n1", Now: time.Now})
	if err != nil {
		panic(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	for n := 0; ; n++ {
		<-tick.C
		l.Record(numbered(n))
		fmt.Println(time.Now().UnixNano())
	}
}

// kill -9 takes the last second at most.
func TestAProcessThatIsKilledLosesItsLastSecond(t *testing.T) {
	dir := t.TempDir()
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(os.Environ(), victim+"="+dir)
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	var recorded []int64
	lines := bufio.NewScanner(out)
	for begun := int64(0); lines.Scan(); {
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &at); err != nil {
			t.Fatal(err)
		}
		if recorded = append(recorded, at); begun == 0 {
			begun = at
		}
		if at-begun > int64(2500*time.Millisecond) {
			break
		}
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	for lines.Scan() { // what it had said until then
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &at); err == nil {
			recorded = append(recorded, at)
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = process.Wait()
	due := 0
	for _, at := range recorded {
		if killed.Sub(time.Unix(0, at)) > window+200*time.Millisecond { // what writing takes
			due++
		}
	}
	l := open(t, Config{Dir: dir})
	kept := rows(t, l, Query{Reason: wire.DeniedForbidden})
	t.Logf("%d recorded, %d of them more than a second before the end, %d kept", len(recorded), due, len(kept))
	if due == 0 || len(kept) < due {
		t.Errorf("%d rows are kept, want %d at least", len(kept), due)
	}
	for i, r := range kept {
		if want := fmt.Sprint("10.0.0.", len(kept)-1-i); r.Remote != want {
			t.Fatalf("row %d is of %s, want %s", i, r.Remote, want)
		}
	}
}
