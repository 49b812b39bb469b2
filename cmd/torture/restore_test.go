package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/proxy"
)

// restored is what confman restore -o json says.
type restored struct {
	Cluster  string `json:"cluster"`
	Previous string `json:"previous"`
	Position string `json:"position"`
	Events   uint64 `json:"events"`
}

// taker takes backups of a node through a network that breaks.
type taker struct {
	c     *cluster
	proxy *proxy.Proxy
	dir   string
}

func (c *cluster) taker(n *node) *taker {
	c.t.Helper()
	p, err := proxy.New(n.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = p.Close() })
	return &taker{c, p, filepath.Join(c.base, "backups")}
}

// grown waits until a file that is being written has so many bytes.
func (k *taker) grown(pattern string, bytes int64) {
	k.c.t.Helper()
	await(k.c.t, pattern+" grows", func() error {
		found, err := filepath.Glob(filepath.Join(k.dir, pattern))
		if err != nil || len(found) == 0 {
			return errors.Join(err, errors.New("it is not there"))
		}
		info, err := os.Stat(found[0])
		if err == nil && info.Size() < bytes {
			err = fmt.Errorf("%d bytes, want %d", info.Size(), bytes)
		}
		return err
	})
}

// command is confman backup by way of the proxy, as a process that can be killed.
func (k *taker) command(args ...string) *node {
	args = append([]string{"backup", "--addr", "http://" + k.proxy.Address(), "--api-key", k.c.key}, args...)
	return &node{t: k.c.t, id: "backup", args: args, log: filepath.Join(k.c.base, "backup.log")}
}

// take takes a backup whose connection is cut at some of its bytes, as the file
// that is being written has them.
func (k *taker) take(file, partial string, cuts []int64, more ...string) (path, position string) {
	k.c.t.Helper()
	path = filepath.Join(k.dir, file)
	command := k.command(append(more, path)...)
	k.proxy.Slow(6 << 20)
	command.start()
	for _, at := range cuts {
		k.grown(partial, at)
		k.proxy.Reset()
	}
	k.proxy.Pass()
	if code := command.exit(); code != 0 {
		k.c.t.Fatalf("backup %s: exit %d\n%s", file, code, command.logs())
	}
	said := strings.Fields(strings.TrimSpace(command.logs()))
	return path, said[len(said)-1]
}

// bulk writes values that make a backup some megabytes long.
func (c *cluster) bulk(n *node, values int) {
	c.t.Helper()
	padding := strings.Repeat("bulk ", 4<<10)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; i < values; i += 4 {
				if a, err := c.do(n, http.MethodPut, entryPath("bulk", fmt.Sprintf("b-%d", i)), value(fmt.Sprint(i, padding))); err != nil || a.status >= http.StatusBadRequest {
					c.t.Errorf("bulk: %v, %v", a, err)
				}
			}
		})
	}
	writers.Wait()
}

// restore begins a cluster of its own from a backup, with one node that does not
// run yet.
func (c *cluster) restore(path, id string, more ...string) (*cluster, restored) {
	c.t.Helper()
	fresh := prepare(c.t, plan{size: 1, args: c.args})
	n := fresh.nodes[0]
	n.id, n.dir = id, filepath.Join(fresh.base, id)
	n.args = fresh.serve(n)
	fresh.key = c.key
	stdout, stderr, code := fresh.confman(append([]string{"restore", path, "--data", n.dir, "--id", id, "--advertise", n.address, "-o", "json"}, more...)...)
	var r restored
	if err := json.Unmarshal([]byte(stdout), &r); code != 0 || err != nil {
		c.t.Fatalf("restore: exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return fresh, r
}

func TestABackupUnderLoadBeginsANewCluster(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	leader := c.leader()
	c.bulk(leader, 150)
	l := c.startLoad("app", 3, rng.Uint64())
	l.more(30)
	k := c.taker(c.followers(leader)[0])
	if err := os.Mkdir(k.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := c.write("age-key", key.String())
	sealed, sealedAt := k.take("b.age", ".confman-*", []int64{1 << 20, 2 << 20}, "--recipient", key.Recipient().String())

	// One command is killed, another goes on with what it left, and is cut twice.
	killed := k.command(filepath.Join(k.dir, "b"))
	k.proxy.Slow(6 << 20)
	killed.start()
	k.grown("b.part", 1<<20)
	killed.kill9()
	plain, at := k.take("b", "b.part", []int64{2 << 20, 3 << 20})
	if err := k.command().logged("going on with"); err != nil {
		t.Error(err)
	}
	l.more(10)
	acked := l.end()
	old := c.oneHistory()
	ahead := old[len(old)-1].Position
	for _, n := range c.nodes {
		n.term()
	}
	for _, verify := range [][]string{{"backup", "verify", plain}, {"backup", "verify", "--identity", identity, sealed}} {
		if stdout, stderr, code := c.confman(verify...); code != 0 {
			t.Errorf("%v: exit %d\n%s%s", verify, code, stdout, stderr)
		}
	}
	if _, r := c.restore(sealed, "s1", "--identity", identity); r.Position != sealedAt {
		t.Errorf("the encrypted one is of %s, said %s", r.Position, sealedAt)
	}
	fresh, r := c.restore(plain, "r1")
	if r.Position != at || r.Events != indexOf(t, at) || r.Cluster == r.Previous {
		t.Errorf("restored %+v of %s", r, at)
	}
	first := fresh.nodes[0]
	first.start()
	fresh.awaitReady(first)
	fresh.checkWatch(old, at)
	told := make(chan error, 1)
	go func() { told <- fresh.ahead(ahead) }() // which the new history has not reached: it is waited for first
	for _, id := range []string{"r2", "r3"} {
		n := fresh.join(id, first)
		n.start()
		fresh.awaitVoter(n)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	fresh.overtake(ahead)
	if err := fresh.ahead(ahead); err != nil {
		t.Error(err)
	}
	h := fresh.oneHistory()
	index := indexOf(t, at)
	if h[index-1].Position != at || h[index-1].Position != old[index-1].Position {
		t.Errorf("at event %d the history is at %s, want %s", index, h[index-1].Position, at)
	}
	var kept []check.Acked
	for _, w := range acked {
		if w.Index <= index {
			kept = append(kept, w)
		}
	}
	keeps(t, h, kept)
	fresh.checkValues(old[:index])
	fresh.checkPast(h[:index], "app", l.keys, rng, 20)
	said := 0
	for _, e := range h[index:] {
		if e.Action == "cluster.restored" {
			said++
		}
	}
	if said != 1 {
		t.Errorf("the history says %d times that it was restored: %+v", said, h[index:])
	}
	t.Logf("%d events in the backup, %d acknowledged writes among them, %d events afterwards", index, len(kept), len(h)-int(index))
}

// checkValues compares every value as of the end of a history, on every node.
func (c *cluster) checkValues(h history) {
	c.t.Helper()
	at := strconv.Itoa(len(h))
	for _, namespace := range []string{"app", "bulk"} {
		want := check.History(h).At(uint64(len(h)), namespace)
		for _, n := range c.nodes {
			got := 0
			for e, err := range c.client(c.key, n).List(c.t.Context(), namespace, "", client.Read{At: at}) {
				if err != nil {
					c.t.Fatal(err)
				}
				if got++; text(e.Value) != want[e.Key] {
					c.t.Errorf("%s has %s=%.40q, want %.40q", n.id, e.Key, text(e.Value), want[e.Key])
				}
			}
			if got != len(want) {
				c.t.Errorf("%s has %d values in %s, want %d", n.id, got, namespace, len(want))
			}
		}
	}
}

// checkWatch has a watch of the old cluster, within what was restored, go on.
func (c *cluster) checkWatch(old history, at string) {
	c.t.Helper()
	within := old[indexOf(c.t, at)-20]
	seen := within.Index
	for f, err := range c.client(c.key).Watch(c.t.Context(), client.WatchRequest{Events: wire.EventsAll, After: within.Position}) {
		if err != nil {
			c.t.Fatalf("a watch from %s, within the backup at %s: %v", within.Position, at, err)
		}
		if f.Event == nil {
			continue
		}
		if seen++; f.Event.Index != seen {
			c.t.Fatalf("event %d came after %d", f.Event.Index, seen-1)
		}
		if f.Event.Type == "cluster.restored" {
			return
		}
	}
}

// ahead returns an error unless a watch of the old cluster, ahead of what was
// restored, is told that its history is another.
func (c *cluster) ahead(position string) error {
	for f, err := range c.client(c.key).Watch(c.t.Context(), client.WatchRequest{After: position}) {
		if !errors.Is(err, client.ErrReset) || !errors.Is(err, client.ErrConflict) {
			return fmt.Errorf("a watch from %s: %+v, %w", position, f, err)
		}
	}
	return nil
}

// overtake writes until the new history has another event at a position of the
// old one.
func (c *cluster) overtake(position string) {
	c.t.Helper()
	l := c.startLoad("app", 3, 0)
	await(c.t, "the new history is past "+position, func() error {
		if now := c.positionNow(); indexOf(c.t, now) <= indexOf(c.t, position) {
			return errors.New("it is at " + now)
		}
		return nil
	})
	l.end()
	a := c.must(http.StatusConflict, c.nodes[0], http.MethodGet, "/api/v1/watch?after="+position, nil)
	if !strings.Contains(string(a.body), "other-history") {
		c.t.Errorf("a watch from %s: %v", position, a)
	}
}

// TestAGigabyteIsRestoredInBoundedMemory says how fast, and what it takes: the
// present has to fit into memory, as on every node, and the history has not.
func TestAGigabyteIsRestoredInBoundedMemory(t *testing.T) {
	if !long() {
		t.Skip("CONFMAN_TORTURE=1 wants it")
	}
	c, made := prepareGrown(t, random(t), grownEvents(), plan{size: 1})
	n := c.nodes[0]
	n.start()
	c.awaitReady(n)
	file := filepath.Join(c.base, "b")
	size := int64(0)
	timed := func(what string, args ...string) {
		t.Helper()
		began := time.Now()
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = []string{asNode + "=1", "HOME=" + c.base, "TMPDIR=" + os.TempDir(), "CONFMAN_ADDR=" + n.url(), "CONFMAN_API_KEY=" + c.key}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		peak, ended := make(chan int64, 1), make(chan struct{})
		go func() { peak <- anonymous(cmd.Process.Pid, ended) }()
		err := cmd.Wait()
		close(ended)
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out.String())
		}
		if info, err := os.Stat(file); err == nil {
			size = info.Size()
		}
		took := time.Since(began)
		t.Logf("%s: %d MB in %v, %.0f MB/s, at most %d MiB of memory beside mapped files; %d lines said how far it was",
			what, size/1e6, took.Round(100*time.Millisecond), float64(size)/1e6/took.Seconds(), <-peak>>10, strings.Count(out.String(), "/s\n"))
	}
	timed("backup", "backup", file)
	timed("verify", "backup", "verify", file)
	n.term()
	fresh := prepare(t, plan{size: 1})
	r := fresh.nodes[0]
	r.args, fresh.key = fresh.serve(r), c.key
	timed("restore", "restore", file, "--data", r.dir, "--id", r.id, "--advertise", r.address)
	began := time.Now()
	r.start()
	fresh.awaitReady(r)
	t.Logf("ready after %v", time.Since(began).Round(100*time.Millisecond))
	then := fresh.must(http.StatusOK, r, http.MethodGet, fmt.Sprintf("/api/v1/configs?limit=1&at=%d", made.Head.Index), nil)
	if got := then.header.Get(wire.HeaderPosition); got != made.Head.String() {
		t.Errorf("at event %d the history is at %s, want %s", made.Head.Index, got, made.Head)
	}
}

// anonymous is the most memory that a process had until it ended, in KiB, files
// that it maps left out: those are the kernel's to take back.
func anonymous(pid int, ended <-chan struct{}) (most int64) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // of one that has just ended: nothing
		_, rest, _ := strings.Cut(string(status), "RssAnon:")
		kib := int64(0)
		_, _ = fmt.Sscan(rest, &kib)
		most = max(most, kib)
		select {
		case <-tick.C:
		case <-ended:
			return most
		}
	}
}
