package replication

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
)

// erase takes the value of the first version of a key out of the history.
func (n *testNode) erase(t *testing.T, ctx context.Context, namespace, key, value string) events.Outcome {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	c := events.EraseValues{Namespace: namespace, Key: key, Reason: "leaked", AsOf: h.Index(), Values: []events.Value{{Type: events.String, JSON: []byte(fmt.Sprintf("%q", value))}}}
	for held, err := range h.Holding([]byte(fmt.Sprintf("%q", value))) {
		if err != nil {
			t.Fatal(err)
		}
		after, err := held.Record.Erase(held.Places)
		if err != nil {
			t.Fatal(err)
		}
		before, err := h.Record(held.Index - 1)
		if err != nil {
			t.Fatal(err)
		}
		c.Records = append(c.Records, events.ErasedRecord{
			Index: held.Index, Before: before.Chain, Digest: events.DigestOf(held.AppendStored(nil)), Remains: events.DigestOf(after.AppendStored(nil)), Values: held.Places,
		})
	}
	done, err := n.Submit(ctx, c, stamp())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// filesWith lists the files below a directory that hold some bytes.
func filesWith(t *testing.T, dir string, what []byte) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, what) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (n *testNode) awaitScrubbed(t *testing.T, erasure uint64) {
	t.Helper()
	eventually(t, n.config.ID+" has scrubbed", func() bool {
		u := n.Standing().Upkeep
		return u.Scrubbed >= erasure && u.Pending == 0
	})
}

// untilStopped does something again and again until it is stopped or reports
// false; stop reports whether it never did.
func untilStopped(do func(i int) bool) (stop func() bool) {
	end, well := make(chan struct{}), make(chan bool)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-end:
				well <- true
				return
			default:
			}
			if !do(i) {
				<-end
				well <- false
				return
			}
		}
	}()
	return func() bool {
		close(end)
		return <-well
	}
}

const secret = "hunter2-0123456789-hunter2"

func TestNoFileOfAnyNodeHoldsWhatWasErased(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second}
	c.form(3)
	ctx := testContext(t)
	leader := c.leader()
	if _, err := leader.Submit(ctx, put("pay", "password", secret), stamp()); err != nil {
		t.Fatal(err)
	}
	if _, err := leader.Submit(ctx, put("pay", "password", "changed"), stamp()); err != nil {
		t.Fatal(err)
	}
	leader.write(t, ctx, 30)
	if _, err := leader.Snapshot(ctx); err != nil {
		t.Fatal(err)
	}
	if len(filesWith(t, leader.dir, []byte(secret))) < 2 {
		t.Fatal("the test shows nothing: it is not in the log and the store")
	}
	stop := untilStopped(func(i int) bool {
		_, err := leader.Submit(ctx, put("pay", "busy", fmt.Sprint(i)), stamp())
		return err == nil
	})
	done := leader.erase(t, ctx, "pay", "password", secret)
	for id, n := range c.nodes {
		n.awaitScrubbed(t, done.Index)
		if files := filesWith(t, n.dir, []byte(secret)); len(files) > 0 {
			t.Errorf("%s: it is in %v", id, files)
		}
	}
	if !stop() {
		t.Error("a write failed meanwhile")
	}
	for _, p := range c.peers {
		again := c.restart(p.ID)
		again.awaitReady(t)
		if u := again.Standing().Upkeep; u.Pending != 0 || u.Scrubbed != done.Index {
			t.Errorf("%s after a restart: %+v", p.ID, u)
		}
		if files := filesWith(t, again.dir, []byte(secret)); len(files) > 0 {
			t.Errorf("%s after a restart: it is in %v", p.ID, files)
		}
	}
	n := c.leader()
	h, release := n.History(n.State().Index())
	defer release()
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	var backup bytes.Buffer
	if err := n.Backup(ctx, &backup, 0, func(events.Position) {}); err != nil || bytes.Contains(backup.Bytes(), []byte(secret)) {
		t.Errorf("it is in a backup, or %v", err)
	}
}

// A node that crashes before it has scrubbed takes it up again; until then it says
// so.
func TestScrubbingIsTakenUpAgainAfterACrash(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) { config.tuning.abrupt = true }
	c.form(1)
	ctx := testContext(t)
	n := c.leader()
	if _, err := n.Submit(ctx, put("pay", "password", secret), stamp()); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Submit(ctx, put("pay", "password", "changed"), stamp()); err != nil {
		t.Fatal(err)
	}
	reader := n.engine.Load().store.At(n.State().Index()) // scrubbing waits for it
	closeReader := sync.OnceValue(reader.Close)
	t.Cleanup(func() { _ = closeReader() })
	done := n.erase(t, ctx, "pay", "password", secret)
	eventually(t, "all is done but what is read", func() bool {
		current, err := os.ReadFile(filepath.Join(viewsDir(n.dir), "CURRENT"))
		return err == nil && bytes.Contains(current, []byte(`"generation":2`))
	})
	if files := filesWith(t, raftDir(n.dir), []byte(secret)); len(files) > 0 {
		t.Errorf("it is in %v", files)
	}
	if u := n.Standing().Upkeep; u.Pending != done.Index {
		t.Errorf("while the old rows are read: %+v", u)
	}
	crashed := filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(crashed, os.DirFS(n.dir)); err != nil {
		t.Fatal(err)
	}
	if err := closeReader(); err != nil {
		t.Fatal(err)
	}
	config := n.Node.config
	c.stop("n1")
	again := c.start(Config{Member: config.Member, Dir: crashed, Peers: config.Peers}, listen(t, config.Address))
	eventually(t, "ready", func() bool {
		select {
		case err := <-again.died:
			t.Fatal(err)
		default:
		}
		return len(again.Standing().Reasons) == 0
	})
	again.awaitScrubbed(t, done.Index)
	if files := filesWith(t, crashed, []byte(secret)); len(files) > 0 {
		t.Errorf("it is in %v", files)
	}
}

// A follower that was away is sent what is left, by a snapshot, as the log has
// been purged meanwhile.
func TestANodeThatWasAwayScrubsToo(t *testing.T) {
	c := newCluster(t, 3)
	ctx := testContext(t)
	leader := c.leader()
	if _, err := leader.Submit(ctx, put("pay", "password", secret), stamp()); err != nil {
		t.Fatal(err)
	}
	if err := leader.raiseLevel(ctx, leader.engine.Load(), events.NewestLevel); err != nil { // while all are there
		t.Fatal(err)
	}
	away := c.follower()
	config, dir := c.nodes[away].Node.config, c.nodes[away].dir
	eventually(t, "the follower has it", func() bool { return c.nodes[away].State().Entry("pay", "password").Live() })
	c.stop(away)
	if _, err := c.leader().Submit(ctx, put("pay", "password", "changed"), stamp()); err != nil {
		t.Fatal(err)
	}
	done := c.leader().erase(t, ctx, "pay", "password", secret)
	c.leader().awaitScrubbed(t, done.Index)
	again := c.start(Config{Member: config.Member, Dir: dir, Peers: config.Peers}, listen(t, config.Address))
	again.awaitScrubbed(t, done.Index)
	if files := filesWith(t, dir, []byte(secret)); len(files) > 0 {
		t.Errorf("it is in %v", files)
	}
}

// What reads on while the store is made anew gets its answer, from the old one.
func TestTheBytesGoWhenTheLastReaderHasGone(t *testing.T) {
	c := newCluster(t, 1)
	ctx := testContext(t)
	n := c.leader()
	if _, err := n.Submit(ctx, put("pay", "k", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	h, release := n.History(n.State().Index())
	began := time.Now()
	if err := n.Rebuild(ctx, func(uint64, uint64) {}); err != nil {
		t.Fatal(err)
	}
	t.Logf("rebuilt in %v", time.Since(began))
	if e, err := h.Entry("pay", "k"); err != nil || e.Value.Text() != "v" {
		t.Errorf("%+v, %v", e, err)
	}
	if got := n.engine.Load().store.Retired(); got != 1 {
		t.Errorf("%d old stores", got)
	}
	release()
	if got := n.engine.Load().store.Retired(); got != 0 {
		t.Errorf("%d old stores after the last reader", got)
	}
}

// Who reads for hours holds up an erasure; the log must say so, and not fill up.
func TestAnErasureThatWaitsForReadersSaysSoOnce(t *testing.T) {
	for _, tt := range []struct {
		held time.Duration
		want []string
	}{
		{time.Second, nil},
		{time.Hour, []string{`"for":"a reader"`, `"waited":3600000`}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log bytes.Buffer
			began := time.Now()
			err := awaitIdle(t.Context(), zerolog.New(&log), func() string {
				if time.Since(began) < tt.held {
					return "a reader"
				}
				return ""
			})
			lines := strings.SplitAfter(log.String(), "\n")
			if lines = lines[:len(lines)-1]; err != nil || len(lines) != len(tt.want) {
				t.Fatalf("held for %v: %v, %q, want %q", tt.held, err, lines, tt.want)
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("held for %v: %s, want %s", tt.held, lines[i], want)
				}
			}
		})
	}
}
