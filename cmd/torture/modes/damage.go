package modes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// foundOut is a time that is promised.
const foundOut = "damaged file is named after the start (promised: 5 s)"

// brokenDisks are power cuts, and an fsync that fails once.
func (t *Trial) brokenDisks(ctx context.Context) error {
	for _, name := range []string{"power cut of all", "power cut of the leader", "follower's fsync fails once", "leader's fsync fails once"} {
		for range t.bench.Rounds(2) {
			t.Calm(ctx, time.Second)
			if _, _, err := t.Strike(ctx, fault.Named(fault.All(), name), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// damage is what can happen to a file.
type damage struct {
	name, file string
	last       bool // of the files that match
	sealed     bool // a segment of the log after which another one begins
	do         func(path string, from int64, rng *rand.Rand) error
}

func damages() []damage {
	return []damage{
		{name: "a sealed segment of the log", file: "raft/*.wal", sealed: true, do: flip(0.9)},
		{name: "the tail of the log", file: "raft/*.wal", last: true, do: flip(0.7)},
		{name: "a tail that is cut short", file: "raft/*.wal", last: true, do: halve},
		{name: "a table", file: "views/generation-*/views/*.sst", do: flip(1)},
		{name: "the list of tables", file: "views/generation-*/views/MANIFEST", last: true, do: flip(1)},
		{name: "the name of the generation", file: "views/CURRENT", last: true, do: flip(1)},
		{name: "the marker", file: "views/generation-*/MARKER", last: true, do: flip(1)},
	}
}

// flip inverts one bit of a file, between an offset and a share of what is used
// after it.
func flip(share float64) func(string, int64, *rand.Rand) error {
	return func(path string, from int64, rng *rand.Rand) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := from + rng.Int64N(max(1, int64(share*float64(used(content)-from))))
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{content[at] ^ 1<<rng.IntN(8)}, at)
		return errors.Join(err, f.Close())
	}
}

// halve cuts off half of what is used of a file after an offset.
func halve(path string, from int64, _ *rand.Rand) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, (from+used(content))/2)
}

// used is how long a file is without the zeros at its end.
func used(content []byte) int64 { return int64(len(bytes.TrimRight(content, "\x00"))) }

// marked is the end of a node's log when it took a snapshot: what stands before
// it is not read at a start.
type marked struct {
	segment string
	end     int64
}

func (t *Trial) mark(ctx context.Context, n *lab.Node) (m marked, err error) {
	if a, err := t.Do(ctx, n, http.MethodPost, "/api/v1/cluster/snapshot", ""); err != nil || a.Status >= http.StatusBadRequest {
		return m, fmt.Errorf("snapshot at %s: %v %w", n.ID, a, err)
	}
	segments, err := filepath.Glob(filepath.Join(n.Data, "raft", "*.wal"))
	if err != nil || len(segments) == 0 {
		return m, fmt.Errorf("the log of %s: %v %w", n.ID, segments, err)
	}
	m.segment = segments[len(segments)-1]
	content, err := os.ReadFile(m.segment)
	m.end = used(content)
	return m, err
}

// pick is a file to damage, and the offset before which nothing is read at a
// start; "" if there is none.
func (m marked) pick(dir string, d damage) (path string, from int64, err error) {
	files, err := filepath.Glob(filepath.Join(dir, d.file))
	if err != nil || len(files) == 0 {
		return "", 0, err
	}
	if d.sealed {
		read := slices.Index(files, m.segment)
		if files = files[max(read, 0) : len(files)-1]; read < 0 || len(files) == 0 {
			return "", 0, nil
		}
	}
	path = files[0]
	if d.last {
		path = files[len(files)-1]
	}
	if path == m.segment {
		from = m.end
	}
	return path, from, nil
}

// damagedFiles damages a follower's files, one after the other: each time it must
// find out and neither serve nor lead. Then a new node is put in its place.
func (t *Trial) damagedFiles(ctx context.Context) error {
	t.bench.Report.Promise(foundOut, 0, 5*time.Second)
	return t.byHand(ctx, "damaged files", fault.DiskFull, func() error {
		chosen, err := fault.Follower(ctx, t.Lab, t.bench.RNG)
		if err != nil {
			return err
		}
		victim := chosen[0]
		at, err := t.mark(ctx, victim)
		if err != nil {
			return err
		}
		if !t.bench.Quick() { // for a sealed segment, and tables
			if err := t.pour(ctx, 70); err != nil {
				return err
			}
		}
		t.Calm(ctx, 3*time.Second)
		victim.Kill9()
		whole := filepath.Join(t.Dir(), "whole")
		if err := mirror(victim.Data, whole); err != nil {
			return err
		}
		for _, d := range damages() {
			if err := t.damaged(ctx, victim, d, at); err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			if err := mirror(whole, victim.Data); err != nil {
				return err
			}
		}
		return t.replace(ctx, victim)
	})
}

// pour writes so many values of about a megabyte, to two keys: they are to fill
// disks, not memory.
func (t *Trial) pour(ctx context.Context, values int) error {
	if err := t.put(ctx, "/api/v1/namespaces/much", "{}"); err != nil {
		return fmt.Errorf("a namespace for much: %w", err)
	}
	text := make([]byte, 1<<20-1024)
	for i := range values {
		for j := range text {
			text[j] = 'a' + byte(t.bench.RNG.Uint32()%26)
		}
		if err := t.put(ctx, fmt.Sprintf("/api/v1/namespaces/much/config/%d", i%2), `{"value":"`+string(text)+`"}`); err != nil {
			return fmt.Errorf("write much: %w", err)
		}
	}
	return nil
}

// mirror makes a directory what another one is; holes stay holes.
func mirror(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}

// damaged starts a node on damaged data. It ends, or says that it is not ready,
// and names the file either way.
func (t *Trial) damaged(ctx context.Context, n *lab.Node, d damage, at marked) error {
	path, from, err := at.pick(n.Data, d)
	if err != nil || path == "" {
		return err // there is none in a short life
	}
	if err := d.do(path, from, t.bench.RNG); err != nil {
		return err
	}
	began, said := time.Now(), ""
	place := n.LogSize()
	if err := n.Start(); err != nil {
		return err
	}
	soon, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = lab.Await(soon, n.ID+" finds out about "+d.name, func() error {
		said, _ = n.LogSince(place)
		if !n.Running() {
			return nil
		}
		r, err := t.Ready(ctx, n)
		if err == nil && r.Status == wire.StatusReady {
			err = errors.New("it is ready")
		}
		if err == nil && !strings.Contains(strings.Join(r.Reasons, " "), filepath.Base(path)) {
			err = fmt.Errorf("it says %q", r.Reasons)
		}
		return err
	})
	t.bench.Report.Measure(foundOut, time.Since(began))
	t.bench.Logf("%s (%s): %s", d.name, strings.TrimPrefix(path, n.Data), lastLine(said))
	var found []check.Finding
	say := func(format string, args ...any) {
		found = append(found, check.Finding{Check: fault.DiskFull, Says: n.ID + " has damage in " + d.name + ", and " + fmt.Sprintf(format, args...)})
	}
	if err != nil {
		say("does not find out: %v", err)
	}
	if n.Running() {
		n.Kill9()
	} else if code, _ := n.Exit(ctx); code != 1 || !strings.Contains(said, path) && !strings.Contains(said, filepath.Dir(path)) {
		say("ends with code %d without naming %s: %s", code, path, lastLine(said))
	}
	t.bench.Report.Judge(fault.DiskFull, "damaged files", 1, found)
	return nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// replace puts an empty node in the place of one that is down.
func (t *Trial) replace(ctx context.Context, old *lab.Node) error {
	fresh, err := t.renew(old)
	if err != nil {
		return err
	}
	if err := t.comeIn(ctx, old, fresh); err != nil {
		return err
	}
	t.bench.Report.Judge(fault.DiskFull, "nodes replaced by one command", 1, nil)
	return t.AwaitReady(ctx, fresh)
}
