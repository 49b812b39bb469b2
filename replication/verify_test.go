package replication

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"confman/events"
	"confman/events/proof"
	"confman/replication/disk"
)

// flipIn flips one bit of the first place in a node's tables that holds a text.
func flipIn(t *testing.T, dir, text string) (file string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(viewsDir(dir), "generation-*", "views", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range tables {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte(text))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte{data[at] ^ 1}, int64(at)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Fatalf("%q is in none of %d tables", text, len(tables))
	return ""
}

// marked is a stamp that is found again in the record, and in no view.
func marked(i int) events.Stamp {
	s := stamp()
	s.CorrelationID = fmt.Sprintf("the-mark-of-%d-", i)
	return s
}

// One byte that changes on the disk of one node is found by that node while it
// runs, at the event that it belongs to; it is refused when it starts.
func TestAFlippedByteIsReportedByItsNode(t *testing.T) {
	c := newCluster(t, 3)
	ctx := testContext(t)
	var at uint64
	for i := range 40 {
		outcome, err := c.leader().Submit(ctx, put("pay", fmt.Sprintf("k%d", i), "v"), marked(i))
		if err != nil {
			t.Fatal(err)
		}
		if i == 20 {
			at = outcome.Index
		}
	}
	id := c.follower()
	last := c.leader().State().Index()
	if err := c.nodes[id].Await(ctx, last); err != nil {
		t.Fatal(err)
	}
	n := c.restart(id) // what was in memory is in a table then
	n.awaitReady(t)
	if err := n.Await(ctx, last); err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		said := uint64(0)
		report, err := n.Verify(ctx, 0, 0, func(at uint64) { said = at })
		if err != nil || !report.OK() || report.To != n.State().Index() || report.Chain != n.State().Chain() || said != report.To {
			t.Fatalf("%s, untouched: %+v, %v, said %d", n.config.ID, report, err, said)
		}
		if v := n.Verified(); v.Success.IsZero() || v.Failures != 0 || v.Report.To != report.To {
			t.Errorf("%s: %+v", n.config.ID, v)
		}
	}
	path := flipIn(t, n.dir, `"the-mark-of-20-"`)
	for _, n := range c.nodes {
		report, err := n.Verify(ctx, 0, 0, func(uint64) {})
		if err != nil {
			t.Fatal(err)
		}
		if n.config.ID != id && !report.OK() {
			t.Errorf("%s: %v", n.config.ID, report.Findings)
		}
		if n.config.ID != id {
			continue
		}
		found := map[uint64]proof.Kind{}
		for _, f := range report.Findings {
			found[f.Index] = f.Kind
		}
		if found[at] != proof.Altered || found[0] != proof.Altered { // 0: the table's checksum
			t.Errorf("%s: %v, want event %d and the table", id, report.Findings, at)
		}
		if v := n.Verified(); v.Failures != 1 || v.Success.IsZero() {
			t.Errorf("%s: %+v", id, v)
		}
	}
	first := n.Verified().Report.Findings[0].String()
	for _, at := range c.nodes {
		if reasons := strings.Join(at.look().Reasons, "; "); (at.config.ID == id) != strings.Contains(reasons, first) {
			t.Errorf("%s is not ready for %q, wrong is %s", at.config.ID, reasons, id)
		}
		members, err := at.Members(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if (m.ID == id) != strings.Contains(m.Unsound, first) {
				t.Errorf("%s says of %s: %q", at.config.ID, m.ID, m.Unsound)
			}
		}
	}
	config := n.Node.config
	c.stop(id)
	again := c.start(Config{Member: config.Member, Dir: n.dir, Peers: config.Peers}, listen(t, config.Address))
	select {
	case err := <-again.died:
		if !errors.Is(err, disk.ErrCorrupt) || !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Errorf("it does not start for %v, want %s named", err, path)
		}
	case <-ctx.Done():
		t.Error("it starts with a damaged table")
	}
}

func TestVerificationOfARange(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) {
		config.Retention = Retention{Events: 20}
		config.tuning.retention = time.Hour // the test looks itself
	}
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	for i := range 40 {
		if _, err := n.Submit(ctx, put("pay", "k", fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.trim(ctx); err != nil {
		t.Fatal(err)
	}
	oldest, newest := n.State().Oldest(), n.State().Index()
	for _, tt := range []struct {
		from, to, begins, ends uint64
		err                    error
	}{
		{0, 0, oldest, newest, nil},
		{oldest, newest, oldest, newest, nil},
		{oldest + 3, oldest + 3, oldest + 3, oldest + 3, nil},
		{oldest + 3, 0, oldest + 3, newest, nil},
		{oldest - 1, newest, 0, 0, events.ErrCompacted},
		{0, newest + 1, 0, 0, events.ErrBehind},
	} {
		r, err := n.Verify(ctx, tt.from, tt.to, func(uint64) {})
		if !errors.Is(err, tt.err) || err == nil && (!r.OK() || r.From != tt.begins || r.To != tt.ends) {
			t.Errorf("%d to %d: %+v, %v", tt.from, tt.to, r, err)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := n.Verify(ended, 0, 0, func(uint64) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestEachNodeVerifiesItselfNowAndThen(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = func(config *Config) { config.Proof.VerifyInterval = 20 * time.Millisecond }
	c.form(1)
	n := c.leader()
	eventually(t, "it has checked its records", func() bool {
		first := n.Verified()
		return first.Report.To > 0 && first.Report.OK()
	})
}
