package replication

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
)

// restoring is a restore of a backup in memory into DIR/data of a directory that
// holds nothing else.
func restoring(t *testing.T, file []byte) RestoreConfig {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	return RestoreConfig{
		Open:  func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil },
		Bytes: uint64(len(file)), Dir: filepath.Join(t.TempDir(), "data"),
		Member: Member{"r1", l.Addr().String()}, Comment: "a drill", Log: zerolog.Nop(),
	}
}

// beside is what there is in the directory above.
func beside(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// backupOf is a backup as of now, and the rows then.
func backupOf(t *testing.T, n *testNode) ([]byte, map[string]string) {
	t.Helper()
	var file bytes.Buffer
	if err := n.Backup(testContext(t), &file, 0, func(events.Position) {}); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), rowsAt(t, n.views.Load(), n.State().Index())
}

// serveRestored starts the node of a directory, alone.
func serveRestored(t *testing.T, c RestoreConfig) *testNode {
	t.Helper()
	cluster := &testCluster{t: t, nodes: map[string]*testNode{}}
	n := cluster.start(Config{Member: c.Member, Dir: c.Dir}, listen(t, c.Address))
	n.awaitReady(t)
	return n
}

func TestARestoredClusterGoesOnWhereTheBackupEnds(t *testing.T) {
	_, old := historyToBackUp(t, true)
	if _, err := old.Submit(testContext(t), put("pay", "retried", "once"), claimed("retried")); err != nil {
		t.Fatal(err)
	}
	file, want := backupOf(t, old)
	backedUp := old.State()
	c := restoring(t, file)
	steps := map[RestoreStep]uint64{}
	c.Progress = func(step RestoreStep, done, _ uint64) { steps[step] = done }
	r, err := Restore(testContext(t), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Previous != old.cluster() || r.Cluster == old.cluster() || r.Position != backedUp.Position().String() || r.Events != backedUp.Index() {
		t.Errorf("restored %+v", r)
	}
	if steps[RestoreVerifies] != backedUp.Index() || steps[RestoreRebuilds] != backedUp.Index() || len(steps) != 3 {
		t.Errorf("progress went to %v", steps)
	}
	if names := beside(t, c.Dir); !slices.Equal(names, []string{"data"}) {
		t.Errorf("there is %v", names)
	}
	n := serveRestored(t, c)
	if term := n.Standing().Term; term <= backedUp.RaftTerm() {
		t.Errorf("leads in term %d, the backup ends in term %d", term, backedUp.RaftTerm())
	}
	if got := rowsAt(t, n.views.Load(), backedUp.Index()); !maps.Equal(got, want) {
		t.Errorf("%d rows, %d in the backup", len(got), len(want))
	}
	h, release := n.History(n.State().Index())
	defer release()
	kinds := map[events.Kind]events.Event{}
	for r, err := range h.Records(backedUp.Index() + 1) {
		e, bad := r.Event()
		if err = errors.Join(err, bad); err != nil {
			t.Fatal(err)
		}
		kinds[e.Data.Kind()] = e
	}
	said, ok := kinds["cluster.restored"].Data.(events.ClusterRestored)
	if !ok || said.Position != r.Position || said.Previous != r.Previous || said.Node != "r1" || said.Comment != "a drill" || !said.TakenAt.Equal(backedUp.Time()) {
		t.Errorf("the history says %+v", kinds)
	}
	if p, err := h.Position(backedUp.Index()); err != nil || p != backedUp.Position() {
		t.Errorf("at the backup's index the chain is %s, %v; it was %s", p, err, backedUp.Position())
	}
	again, err := n.Submit(testContext(t), put("pay", "retried", "once"), claimed("retried"))
	if err != nil || !again.Replayed {
		t.Errorf("a request that was done before the backup is done again: %+v, %v", again, err)
	}
	if _, err := n.Submit(testContext(t), put("pay", "new", "value"), claimed("new")); err != nil {
		t.Error(err)
	}
}

// Whoever can write the file can make any row and every sum; only the records are
// under the chain, and they decide.
func TestAForgedRowOfTheViewsDoesNotSurviveARestore(t *testing.T) {
	file, old := historyToBackUp(t, false)
	b := takeApart(t, file).fork()
	forged := 0
	for i, row := range b.rows {
		if row.key[0] != 'r' || row.end != 0 {
			continue
		}
		was := row.value
		switch row.key[1] {
		case 'c': // an entry
			b.rows[i].value = bytes.Replace(row.value, []byte("value "), []byte("VALUE "), 1)
		case 'k': // an API key
			var key map[string]any
			if err := json.Unmarshal(row.value, &key); err != nil {
				t.Fatal(err)
			}
			key["digest"] = events.DigestKey("a key of the forger")
			b.rows[i].value, _ = json.Marshal(key)
		}
		if !bytes.Equal(was, b.rows[i].value) {
			forged++
		}
	}
	if forged < 10 {
		t.Fatalf("%d rows forged", forged)
	}
	c := restoring(t, b.together(t))
	if _, err := Restore(testContext(t), c); err != nil {
		t.Fatal(err)
	}
	n := serveRestored(t, c)
	got, want := rowsAt(t, n.views.Load(), old.State().Index()), rowsAt(t, old.views.Load(), old.State().Index())
	if !maps.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	if _, found := n.State().APIKeyByDigest(events.DigestKey("a key of the forger")); found {
		t.Error("the forger has a key")
	}
}

func TestATrimmedHistoryIsRestoredWithItsHorizon(t *testing.T) {
	cluster := trimming(t, 1, 40, "")
	old, ctx := cluster.leader(), testContext(t)
	old.write(t, ctx, 200)
	eventually(t, "the history is trimmed", func() bool { return old.State().Oldest() > 100 })
	at := old.State()
	file, _ := backupOf(t, old)
	for at.Oldest() != old.State().Oldest() { // trimmed meanwhile
		at = old.State()
		file, _ = backupOf(t, old)
	}
	c := restoring(t, file)
	if _, err := Restore(ctx, c); err != nil {
		t.Fatal(err)
	}
	n := serveRestored(t, c)
	if n.State().Oldest() != at.Oldest() || n.State().Len() != at.Len() {
		t.Errorf("begins at %d with %d entries, want %d and %d", n.State().Oldest(), n.State().Len(), at.Oldest(), at.Len())
	}
	for e := range at.AllEntries("", "") {
		if got := n.State().Entry(e.Namespace, e.Key); !reflect.DeepEqual(got.Value, e.Value) || got.Revision != e.Revision {
			t.Errorf("%s/%s is %v at %d, want %v at %d", e.Namespace, e.Key, got.Value, got.Revision, e.Value, e.Revision)
		}
	}
}

func TestABadBackupIsRefusedWithThePlaceAndNothingIsTouched(t *testing.T) {
	file, _ := historyToBackUp(t, false)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	flipped := func(at int, bit int) []byte {
		bad := bytes.Clone(file)
		bad[at] ^= 1 << bit
		return bad
	}
	newer := takeApart(t, file)
	newer.header = bytes.Replace(bytes.Clone(newer.header), []byte(`"format":1`), []byte(`"format":2`), 1)
	cases := map[string]struct {
		file []byte
		says string
	}{
		"an empty file":       {nil, "magic"},
		"not a backup":        {bytes.Repeat([]byte("not a backup "), 100), "magic"},
		"of a newer format":   {newer.together(t), "format 2, this release reads up to 1"},
		"without its end":     {file[:len(file)-1], "cut short"},
		"with something more": {append(bytes.Clone(file), 'x'), "something follows the end"},
	}
	for range 40 {
		at := 1 + rng.IntN(len(file)-2)
		cases[fmt.Sprintf("cut at byte %d of %d", at, len(file))] = struct {
			file []byte
			says string
		}{file[:at], ""}
	}
	for range 120 {
		at, bit := rng.IntN(len(file)), rng.IntN(8)
		cases[fmt.Sprintf("bit %d flipped at byte %d of %d", bit, at, len(file))] = struct {
			file []byte
			says string
		}{flipped(at, bit), ""}
	}
	place := regexp.MustCompile(`event \d+|events \d+|byte \d+|magic|header|format`)
	for name, bad := range cases {
		c := restoring(t, bad.file)
		_, err := Restore(testContext(t), c)
		if !errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), bad.says) || !place.MatchString(err.Error()) {
			t.Errorf("%s: %v", name, err)
		}
		if left := beside(t, c.Dir); len(left) > 0 {
			t.Errorf("%s: there is %v", name, left)
		}
	}
}

func TestNothingIsRestoredOverAnything(t *testing.T) {
	file, _ := historyToBackUp(t, false)
	c := restoring(t, file)
	mine := filepath.Join(c.Dir, "raft")
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(testContext(t), c); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "not empty, there is raft") {
		t.Errorf("into a directory with something in it: %v", err)
	}
	if names := beside(t, mine); !slices.Equal(names, []string{"raft"}) || len(beside(t, c.Dir)) != 1 {
		t.Errorf("there is %v in %v", names, beside(t, c.Dir))
	}
	c = restoring(t, file)
	theirs := filepath.Join(c.Dir+".restoring", "photos")
	if err := os.MkdirAll(theirs, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(testContext(t), c); err == nil || !strings.Contains(err.Error(), "photos") {
		t.Errorf("where the site is somebody's directory: %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
	c = restoring(t, file)
	c.Bytes = 1 << 60
	if _, err := Restore(testContext(t), c); err == nil || !strings.Contains(err.Error(), "not enough free space") || len(beside(t, c.Dir)) > 0 {
		t.Errorf("without room: %v, there is %v", err, beside(t, c.Dir))
	}
	c = restoring(t, file)
	ended, cancel := context.WithCancel(testContext(t))
	c.Progress = func(step RestoreStep, _, _ uint64) {
		if step == RestoreRebuilds {
			cancel()
		}
	}
	if _, err := Restore(ended, c); !errors.Is(err, context.Canceled) || len(beside(t, c.Dir)) > 0 {
		t.Errorf("interrupted: %v, there is %v", err, beside(t, c.Dir))
	}
}

// At each step the disk is as a crash would leave it there.
func TestACrashInARestoreLeavesNothingOrAll(t *testing.T) {
	file, _ := historyToBackUp(t, false)
	for _, mounted := range []bool{false, true} {
		steps := []string{"unpacked", "identity", "place"}
		if mounted {
			steps = []string{"log", "half placed"}
		}
		for _, step := range steps {
			t.Run(fmt.Sprintf("%s, mounted %t", step, mounted), func(t *testing.T) {
				c := restoring(t, file)
				if mounted {
					mountIn(t, c.Dir)
				}
				left := t.TempDir()
				c.crash = func(at string) error {
					if at != step {
						return nil
					}
					return errors.Join(os.CopyFS(left, os.DirFS(filepath.Dir(c.Dir))), errors.New("crash"))
				}
				if _, err := Restore(testContext(t), c); err == nil || !strings.Contains(err.Error(), "crash") {
					t.Fatal(err)
				}
				c.crash = nil
				if err := os.CopyFS(filepath.Dir(c.Dir), os.DirFS(left)); err != nil {
					t.Fatal(err)
				}
				if id, err := loadIdentity(c.Dir, c.ID); id.Cluster != "" || err == nil && step == "half placed" {
					t.Errorf("a node would start: %+v, %v", id, err)
				}
				r, err := Restore(testContext(t), c)
				if err != nil {
					t.Fatalf("again: %v", err)
				}
				if id, err := loadIdentity(c.Dir, c.ID); id.Cluster != r.Cluster || id.Origin == nil || err != nil {
					t.Errorf("the node would be %+v, %v", id, err)
				}
			})
		}
	}
}

// mountIn makes a directory a mount point until the test ends.
func mountIn(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1g"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// A backup as of an event is the same bytes whenever and by whomever it is made.
func TestABackupAsOfAnEventIsTheSameOnEveryNode(t *testing.T) {
	c := newCluster(t, 2)
	leader, ctx := c.leader(), testContext(t)
	leader.write(t, ctx, 60)
	at := leader.State().Index()
	first, _ := backupOf(t, leader)
	leader.write(t, ctx, 60)
	other := c.nodes[c.follower()]
	if err := other.Await(ctx, leader.State().Index()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		n := []*testNode{leader, other, other}[i]
		if i == 2 {
			n = c.restart(other.config.ID)
			n.awaitReady(t)
		}
		var again bytes.Buffer
		if err := n.Backup(ctx, &again, at, func(events.Position) {}); err != nil || !bytes.Equal(again.Bytes(), first) {
			t.Errorf("%s: %v, %d bytes, %d before", n.config.ID, err, again.Len(), len(first))
		}
	}
	if p, err := BackupPosition(bytes.NewReader(first)); err != nil || p.Index != at {
		t.Errorf("is of %s, %v", p, err)
	}
	leader = c.leader()
	leader.eraseIn(t, at-3)
	if err := leader.Backup(ctx, io.Discard, at, func(events.Position) {}); !errors.Is(err, events.ErrCondition) {
		t.Errorf("after an erasure: %v", err)
	}
}
