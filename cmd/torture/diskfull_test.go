package torture

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"confman/api/wire"
	"confman/replication/disk"
	"confman/replication/faults"
)

// Free space, with the least --min-free-bytes there may be.
const (
	belowSoft     = 3 * disk.MinHardBytes / 2
	belowHard     = 3 * disk.MinHardBytes / 4
	belowCritical = disk.MinHardBytes / 4
)

// full is a cluster each of whose nodes has a disk of its own.
type full struct {
	*cluster
	disks []*faults.Disk
	load  *load
}

func formOnDisks(t *testing.T, rng *rand.Rand, bytes int64) *full {
	t.Helper()
	f := &full{disks: make([]*faults.Disk, 3)}
	for i := range f.disks {
		f.disks[i] = faults.NewDisk(t, bytes)
	}
	f.cluster = form(t, plan{
		data: func(i int) string { return filepath.Join(f.disks[i].Dir(), "data") },
		args: []string{"--min-free-bytes", "256MiB"},
	})
	f.namespace("app")
	f.load = f.startLoad("app", 4, rng.Uint64())
	f.load.more(20)
	return f
}

func (f *full) disk(n *node) *faults.Disk { return f.disks[slices.Index(f.nodes, n)] }

// fill leaves so much free on the disks of nodes and waits until they know. The
// last byte is taken from nodes that know that they are at the critical mark: of a
// disk that others fill to the end between two looks a node may die (see
// docs/failure-modes.md).
func (f *full) fill(free int64, level disk.Level, nodes ...*node) {
	f.t.Helper()
	f.t.Logf("%d MiB are left to %s", free>>20, ids(nodes))
	for _, n := range nodes {
		f.disk(n).Fill(cmp.Or(free, belowCritical))
	}
	for _, n := range nodes {
		f.awaitLevel(n, level)
	}
	if free > 0 {
		return
	}
	for _, n := range nodes {
		f.disk(n).Fill(1 << 20)
		f.exhaust(n)
		f.awaitLevel(n, level)
	}
}

// exhaust takes the last byte of a disk, while its node takes some too.
func (f *full) exhaust(n *node) {
	f.t.Helper()
	rest, err := os.OpenFile(f.rest(n), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rest.Close()
	for page := make([]byte, 4<<10); err == nil; {
		_, err = rest.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		f.t.Fatal(err)
	}
}

// rest is the file that holds the last bytes of a disk.
func (f *full) rest(n *node) string { return filepath.Join(f.disk(n).Dir(), "rest") }

// awaitLevel waits until a node says how full its disk is.
func (f *full) awaitLevel(n *node, level disk.Level) {
	f.t.Helper()
	await(f.t, fmt.Sprintf("%s is at %v", n.id, level), func() error {
		f.alive()
		a, err := f.get(n, "/metrics")
		if err == nil && !strings.Contains(string(a.body), fmt.Sprintf("\nconfman_disk_level %d\n", level)) {
			err = fmt.Errorf("it is at another level")
		}
		return err
	})
}

// alive fails the test when a node has ended: of a full disk none does.
func (f *full) alive() {
	f.t.Helper()
	for _, n := range f.nodes {
		if !n.runs() {
			f.t.Fatalf("%s has ended with code %d", n.id, n.exit())
		}
	}
}

// heal gives all space back, and waits until all nodes are well by themselves.
func (f *full) heal() {
	f.t.Helper()
	for i, d := range f.disks {
		_ = os.Remove(f.rest(f.nodes[i])) // if it is there
		d.Free()
	}
	f.alive()
	f.awaitReady(f.nodes...)
	f.load.more(10)
}

// refused waits until a write is refused for lack of space, and returns why. It is
// tried on one key after the other: what is let through deletes.
func (f *full) refused(method string, keys ...string) (why string) {
	f.t.Helper()
	tries := 0
	await(f.t, method+" is refused with 507", func() error {
		f.alive()
		key := keys[tries%len(keys)]
		tries++
		a, err := f.do(f.leader0(), method, entryPath("room", key), value(fmt.Sprint(time.Now().UnixNano())))
		if err == nil && a.status != http.StatusInsufficientStorage {
			err = errors.New(a.String())
		}
		why = string(a.body)
		return err
	})
	return why
}

// leader0 is whoever leads, ready or not.
func (f *full) leader0() (found *node) {
	f.t.Helper()
	await(f.t, "a leader", func() error {
		for _, n := range f.nodes {
			if r, err := f.ready(n); err == nil && r.Cluster.Role == wire.MemberLeader {
				found = n
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return found
}

func TestFullDisksStopNobodyAndHealByThemselves(t *testing.T) {
	rng := random(t)
	f := formOnDisks(t, rng, 1<<30)
	for range rounds(1, 10) {
		f.fullFollower()
		f.fullLeader()
		f.twoFull()
	}
	f.load.verify(rng)
	for _, n := range f.nodes {
		if logs := n.logs(); strings.Contains(logs, "SIGBUS") || strings.Contains(logs, "this node stops") {
			t.Errorf("%s has died:\n%s", n.id, n.tail(20))
		}
	}
}

// fullFollower: the others go on, whatever becomes of its disk, and it waits with
// its start until there is room.
func (f *full) fullFollower() {
	f.t.Helper()
	victim := f.followers(f.leader())[0]
	f.fill(belowCritical, disk.Critical, victim)
	f.load.more(30)
	f.fill(0, disk.Critical, victim)
	f.load.more(30)
	for range rounds(1, 5) {
		f.killed(victim)
	}
	f.load.more(10)
	f.heal()
}

// killed kills a node whose disk is full and starts it again: it waits.
func (f *full) killed(n *node) {
	f.t.Helper()
	n.kill9()
	n.start()
	await(f.t, n.id+" says what it waits for", func() error {
		f.alive()
		r, err := f.ready(n)
		if err == nil && (len(r.Reasons) != 1 || !strings.Contains(r.Reasons[0], "waiting for free space")) {
			err = fmt.Errorf("reasons: %q", r.Reasons)
		}
		return err
	})
}

// fullLeader: another leads, and goes on.
func (f *full) fullLeader() {
	f.t.Helper()
	for _, free := range []int64{belowSoft, 0} {
		victim := f.leader()
		level := disk.Soft
		if free == 0 {
			level = disk.Critical
		}
		f.fill(free, level, victim)
		next := f.leader(victim)
		f.t.Logf("%s leads in the place of %s", next.id, victim.id)
		f.load.more(30)
		f.heal()
	}
}

// twoFull: nothing can be kept by a majority, so writes are refused with 507
// before they are tried, while reads go on and, as long as they can, deletions.
func (f *full) twoFull() {
	f.t.Helper()
	f.must(http.StatusCreated, f.leader(), http.MethodPut, entryPath("app", "gone"), value("to be deleted"))
	doomed := make([]string, 50) // some may go before the leader knows that disks are full
	for i := range doomed {
		doomed[i] = fmt.Sprintf("doomed-%d", i)
		f.must(http.StatusCreated, f.leader(), http.MethodPut, entryPath("room", doomed[i]), value("to be deleted"))
	}
	victims := f.followers(f.leader())
	f.fill(belowHard, disk.Hard, victims...)
	if why := f.refused(http.MethodPut, "new"); !strings.Contains(why, victims[0].id) || !strings.Contains(why, victims[1].id) {
		f.t.Errorf("the refusal does not say who is full: %s", why)
	}
	f.must(http.StatusNoContent, f.leader0(), http.MethodDelete, entryPath("app", "gone"), nil)
	f.fill(0, disk.Critical, victims...)
	f.refused(http.MethodDelete, doomed...)
	f.must(http.StatusOK, f.leader0(), http.MethodGet, "/api/v1/namespaces?consistency=linearizable", nil)
	if long() {
		for range 20 {
			f.killed(victims[0])
		}
	}
	f.heal()
}

// Writes of much data fill the disks by themselves: what the stores write for
// them, log segments, tables and compaction, must fit below the marks.
func TestWritesThatFillTheDisksAreRefusedInTime(t *testing.T) {
	if !long() {
		t.Skip("minutes of writing; CONFMAN_TORTURE=1 runs it")
	}
	rng := random(t)
	f := formOnDisks(t, rng, 4<<30)
	for round := range 4 {
		for _, d := range f.disks {
			d.Fill(disk.MinHardBytes*2 + rng.Int64N(100<<20))
		}
		wrote := f.flood(rng)
		t.Logf("round %d: refused after %d MiB", round, wrote>>20)
		for range 5 {
			victims := f.nodes[:1+rng.IntN(3)]
			for _, n := range victims {
				n.kill9()
			}
			for _, n := range victims {
				n.start()
			}
			for _, n := range victims { // it may wait, for space or for the others, and says so
				await(t, n.id+" answers", func() error {
					f.alive()
					_, err := f.ready(n)
					return err
				})
			}
		}
		f.heal()
	}
	f.load.verify(rng)
}

// flood writes until writes are refused for lack of space, and returns how much it
// has written.
func (f *full) flood(rng *rand.Rand) (bytes int) {
	f.t.Helper()
	const size = 200 << 10
	text := make([]byte, size)
	for refusals := 0; refusals < 20; {
		f.alive()
		for i := range text {
			text[i] = 'a' + byte(rng.IntN(26))
		}
		a, err := f.do(f.leader0(), http.MethodPut, entryPath("app", fmt.Sprintf("flood-%d", rng.IntN(300))), value(string(text)))
		switch {
		case err == nil && a.status == http.StatusInsufficientStorage:
			refusals++
			<-time.After(100 * time.Millisecond)
		case err == nil && a.status < 300:
			bytes += size
			refusals = 0
		}
	}
	return bytes
}
