package torture

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"confman/api/client"
	"confman/replication/faults"
)

// inject has system calls of a node's process fail or wait, from now until it
// ends, as strace's -e inject= says; with patterns, only on files below its data
// directory that match one, or on a file that is there only sometimes.
func (n *node) inject(expression string, patterns ...string) {
	n.t.Helper()
	calls, _, _ := strings.Cut(expression, ":")
	args := []string{"-f", "-q", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=" + expression}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(n.dir, pattern))
		if err != nil {
			n.t.Fatal(err)
		}
		if len(found) == 0 {
			found = []string{filepath.Join(n.dir, pattern)}
		}
		for _, path := range found {
			args = append(args, "-P", path)
		}
	}
	pid := n.life().cmd.Process.Pid
	strace := exec.Command("strace", append(args, "-p", fmt.Sprint(pid))...)
	strace.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	strace.Stdout, strace.Stderr = &said, &said
	if err := strace.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = strace.Wait()
		close(ended)
	}()
	n.t.Cleanup(func() {
		_ = strace.Process.Kill() // it has ended with the process
		<-ended
	})
	await(n.t, "strace holds "+n.id, func() error {
		select {
		case <-ended:
			if said.Len() > 0 {
				n.t.Fatalf("strace: %s", said.String())
			}
			return nil // with the process, of the first call
		default:
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		for _, path := range threads {
			status, _ := os.ReadFile(path) // of a thread that has ended: nothing
			if bytes.Contains(status, []byte("TracerPid:\t0\n")) {
				err = errors.New("a thread is not traced yet")
			}
		}
		return err
	})
}

func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no strace, and CI must have it")
		}
		t.Skip("needs strace")
	}
}

const syncs = "fsync,fdatasync,msync"

// A write or an fsync that failed is not tried again: nobody knows what the kernel
// has kept. The node ends, and its next start trusts only what is on the disk.
func TestANodeEndsWithTheFirstFailedWriteAndComesBack(t *testing.T) {
	needStrace(t)
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 3, rng.Uint64())
	l.more(20)
	snapshot := func(n *node) { _, _ = c.do(n, http.MethodPost, "/api/v1/cluster/snapshot", nil) } // it dies of it
	transfer := func(*node) { _, _ = c.do(c.leader(), http.MethodPost, "/api/v1/cluster/transfer-leader", nil) }
	nothing := func(*node) {} // the load is enough
	for _, fault := range []struct {
		name, inject, file string
		leads              bool
		provoke            func(*node)
		says               string
	}{
		{"fsync of the leader's log", syncs + ":error=EIO", "raft/*.wal", true, nothing, "append raft log entries"},
		{"write to a follower's log", "pwrite64:error=EIO", "raft/*.wal", false, nothing, "append raft log entries"},
		{"full disk under a follower's log", "pwrite64:error=ENOSPC", "raft/*.wal", false, nothing, "append raft log entries"},
		{"term and vote", syncs + ":error=EIO", "raft/wal-meta.db", false, transfer, "store CurrentTerm"},
		{"the views at a marker", syncs + ":error=EIO", "views/generation-*/views/*.mem", false, snapshot, "cannot make durable"},
		{"the marker", syncs + ":error=EIO", "views/generation-000001/MARKER.tmp", false, snapshot, "cannot make durable"},
	} {
		victim := c.leader()
		if !fault.leads {
			victim = c.followers(victim)[rng.IntN(2)]
		}
		victim.inject(fault.inject, fault.file)
		fault.provoke(victim)
		if code := c.ended(victim); code != 1 {
			t.Errorf("%s: %s ended with code %d", fault.name, victim.id, code)
		}
		if last := victim.tail(3); !strings.Contains(last, fault.says) || !strings.Contains(last, "this node stops") {
			t.Errorf("%s: %s says:\n%s", fault.name, victim.id, last)
		}
		l.more(10)
		victim.start()
		c.awaitReady(victim)
	}
	l.verify(rng)
}

// ended waits for a node to end by itself.
func (c *cluster) ended(n *node) int {
	c.t.Helper()
	select {
	case <-n.life().ended:
	case <-time.After(patience):
		c.t.Fatalf("%s goes on:\n%s", n.id, n.tail(5))
	}
	return n.exit()
}

func TestALeaderWhoseDiskHangsEndsAndOthersLead(t *testing.T) {
	needStrace(t)
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 3, rng.Uint64())
	l.more(20)
	victim := c.leader()
	victim.inject(syncs+":delay_enter=5000000", "raft/*.wal")
	if code := c.ended(victim); code != 1 || victim.logged("hangs, for 3s now") != nil {
		t.Errorf("%s ended with code %d:\n%s", victim.id, code, victim.tail(3))
	}
	l.more(10)
	t.Logf("longest gap %v", l.longestGap())
	victim.start()
	c.awaitReady(victim)
	l.verify(rng)
}

// A data directory with damage is not used: whoever starts a node on it is told
// which file, and what to do, and doing it brings the node back.
func TestANodeWithDamagedDataDoesNotStartAndIsReplaced(t *testing.T) {
	rng := random(t)
	memory := inMemory(t) // what is written is much, and its fsyncs are not the point
	p := calm()           // what is poured in keeps a busy machine from its heartbeats
	p.data = func(i int) string { return filepath.Join(memory, fmt.Sprint(i)) }
	c := form(t, p)
	c.namespace("app")
	l := c.startLoad("app", 2, rng.Uint64())
	l.more(20)
	victim := c.followers(c.leader())[rng.IntN(2)]
	c.must(http.StatusOK, victim, http.MethodPost, "/api/v1/cluster/snapshot", nil)
	c.pour(rng, 70)
	poured := c.raftIndex(c.leader())
	await(t, victim.id+" has what was poured", func() error { // else its newest segment may be empty
		if at := c.raftIndex(victim); at < poured {
			return fmt.Errorf("it is at %d of %d", at, poured)
		}
		return nil
	})
	victim.kill9()
	whole := faults.CopyDir(t, victim.dir)
	flip := func(from, to float64) func(string) {
		return func(path string) {
			used := usedBytes(t, path)
			faults.FlipBit(t, path, int64(from*used)+rng.Int64N(int64((to-from)*used)))
		}
	}
	for _, damage := range []struct {
		name, file string
		last       bool // of the files that match
		do         func(path string)
	}{
		{"a sealed segment of the log", "raft/*.wal", false, flip(0.2, 0.9)},
		{"the tail of the log", "raft/*.wal", true, flip(0.01, 0.7)},
		{"a tail that is cut short", "raft/*.wal", true, func(path string) {
			if err := os.Truncate(path, int64(usedBytes(t, path)/2)); err != nil {
				t.Fatal(err)
			}
		}},
		{"a table", "views/generation-*/views/" + listedTable(t, victim), false, flip(0, 1)},
		{"the list of tables", "views/generation-*/views/MANIFEST", false, flip(0, 1)},
		{"the name of the generation", "views/CURRENT", false, flip(0, 1)},
		{"the marker", "views/generation-*/MARKER", false, flip(0, 1)},
		{"whose the log is", "raft/identity.json", false, func(path string) { faults.FlipBit(t, path, int64(len(`{"node":"n1","cluster":"`)+rng.IntN(26))) }},
	} {
		found, err := filepath.Glob(filepath.Join(victim.dir, damage.file))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no %s: %v", damage.name, damage.file, err)
		}
		path := found[0]
		if damage.last {
			path = found[len(found)-1]
		}
		damage.do(path)
		victim.start()
		if code := c.ended(victim); code != 1 {
			t.Errorf("%s: ended with code %d", damage.name, code)
		}
		said := victim.tail(1)
		named := strings.Contains(said, path) && strings.Contains(said, "confman cluster remove "+victim.id) && strings.Contains(said, "--join")
		if !named && !strings.Contains(said, "data directory "+victim.dir+": the Raft log is that of") {
			t.Errorf("%s: it does not name %s, or not what to do: %s", damage.name, path, said)
		}
		restore(t, whole, victim.dir)
	}
	l.more(10)
	if err := c.client(c.key).RemoveMember(t.Context(), victim.id, client.Write{}); err != nil {
		t.Fatal(err)
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return n == victim })
	again := c.join("n4", c.nodes[0])
	again.dir = victim.dir
	if err := os.RemoveAll(victim.dir); err != nil {
		t.Fatal(err)
	}
	again.args = c.serve(again, "--join", c.nodes[0].url())
	again.start()
	c.awaitVoter(again)
	l.verify(rng)
}

// pour writes so many values of a megabyte at the leader.
func (c *cluster) pour(rng *rand.Rand, values int) {
	c.t.Helper()
	text := make([]byte, 1<<20-1024)
	for i := range values {
		for j := range text {
			text[j] = 'a' + byte(rng.Uint32()%26)
		}
		c.must(http.StatusCreated, c.leader(), http.MethodPut, entryPath("app", fmt.Sprintf("much-%d", i)), value(string(text)))
	}
}

// listedTable is the name of a table of a node's views that their list has: beside
// those there may be some that were being written, or deleted, when it was killed.
func listedTable(t *testing.T, n *node) string {
	t.Helper()
	lists, err := filepath.Glob(filepath.Join(n.dir, "views/generation-*/views", badger.ManifestFilename))
	if err != nil || len(lists) != 1 {
		t.Fatalf("there are the lists %v: %v", lists, err)
	}
	list, err := os.Open(lists[0])
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	have, _, err := badger.ReplayManifestFile(list, 0, badger.DefaultOptions(filepath.Dir(lists[0])))
	if err != nil || len(have.Tables) == 0 {
		t.Fatalf("%s lists %d tables: %v", lists[0], len(have.Tables), err)
	}
	return fmt.Sprintf("%06d.sst", slices.Min(slices.Collect(maps.Keys(have.Tables))))
}

// usedBytes is the length of a file without the zeros at its end.
func usedBytes(t *testing.T, path string) float64 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return float64(len(bytes.TrimRight(content, "\x00")))
}

// restore makes a directory what another one is.
func restore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
