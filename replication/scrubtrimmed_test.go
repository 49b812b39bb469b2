package replication

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"confman/events"
	"confman/events/proof"
	"confman/replication/disk"
)

// trim lets the history begin with an event.
func trim(t *testing.T, n *testNode, oldest uint64) {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	edge, err := h.Record(oldest - 1)
	if err != nil {
		t.Fatal(err)
	}
	to := events.Horizon{Oldest: oldest, Chain: edge.Chain, Time: edge.Time}
	if _, err := n.Submit(testContext(t), events.TrimHistory{To: to}, stamp()); err != nil {
		t.Fatal(err)
	}
}

// A record that was trimmed is no longer served, and stays in the files until it is
// worth the while. An erasure cannot name it; scrubbing destroys it all the same.
func TestScrubbingTakesWhatWasTrimmedAlong(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second}
	c.with = func(config *Config) {
		config.Retention = Retention{Events: 20}
		config.tuning.retention, config.tuning.worth = 10*time.Millisecond, 1<<40
	}
	c.form(1)
	ctx := testContext(t)
	n := c.leader()
	if _, err := n.Submit(ctx, put("pay", "password", secret), stamp()); err != nil {
		t.Fatal(err)
	}
	created := n.State().Entry("pay", "password").Revision
	n.write(t, ctx, 60)
	eventually(t, "the record is trimmed", func() bool { return n.State().Oldest() > created })
	if n.held(t) > created {
		t.Fatal("the test shows nothing: the record is not on disk any more")
	}
	if _, err := n.Submit(ctx, put("pay", "password", "changed"), stamp()); err != nil {
		t.Fatal(err)
	}
	done := n.erase(t, ctx, "pay", "password", secret)
	n.awaitScrubbed(t, done.Index)
	if files := filesWith(t, n.dir, []byte(secret)); len(files) > 0 {
		t.Errorf("it is in %v", files)
	}
}

// A leader that ends after it has archived and before it has trimmed leaves an
// archive of what is still served. What is erased then must not stay there, nor
// make the archive wrong.
func TestScrubbingTakesBackWhatWasArchivedTooEarly(t *testing.T) {
	dir := t.TempDir()
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second}
	c.with = func(config *Config) { config.Archive = dir }
	c.form(1)
	ctx := testContext(t)
	n := c.leader()
	n.write(t, ctx, 20)
	early := n.State().Index()
	if err := n.archiveUpTo(ctx, early); err != nil {
		t.Fatal(err)
	}
	trim(t, n, early+1)
	for _, value := range []string{secret, "changed"} {
		if _, err := n.Submit(ctx, put("pay", "password", value), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.archiveUpTo(ctx, n.State().Index()); err != nil {
		t.Fatal(err)
	}
	done := n.erase(t, ctx, "pay", "password", secret)
	n.awaitScrubbed(t, done.Index)
	if err := n.archiveUpTo(ctx, done.Index); err != nil {
		t.Fatal(err)
	}
	v := proof.NewVerifier(proof.Options{})
	files := archiveFiles(t, dir)
	for _, path := range files {
		for _, r := range unpack(t, path) {
			if v.Record(r); bytes.Contains(r.Body, []byte(secret)) {
				t.Errorf("%s holds it in record %d", path, r.Index)
			}
		}
	}
	if r := v.End(); !r.OK() || r.From != 1 || r.To != done.Index || len(files) < 2 {
		t.Errorf("%v: %+v", files, r)
	}
}

// A new file of Raft's log that finds no room is the end of the node. Scrubbing
// waits for room instead.
func TestScrubbingWaitsForRoom(t *testing.T) {
	c := newCluster(t, 1)
	ctx := testContext(t)
	n := c.leader()
	n.write(t, ctx, 5)
	e := n.engine.Load()
	poor := &Node{config: n.config, present: n.present}
	poor.config.MinFreeBytes = 1 << 60
	if err := poor.purgeLog(ctx, e, n.State().RaftIndex()); !errors.Is(err, disk.ErrNoSpace) {
		t.Errorf("without room: %v", err)
	}
	if err := n.purgeLog(ctx, e, n.State().RaftIndex()); err != nil {
		t.Errorf("with room: %v", err)
	}
}
