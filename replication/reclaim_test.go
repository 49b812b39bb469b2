package replication

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rs/zerolog"

	"confman/events"
	"confman/events/proof"
	"confman/projections"
	"confman/replication/disk"
)

// trimming is a cluster that keeps few events and gives their bytes back at once.
func trimming(t *testing.T, nodes int, keep uint64, archive string) *testCluster {
	t.Helper()
	c := &testCluster{t: t, nodes: map[string]*testNode{}, election: time.Second}
	c.with = func(config *Config) {
		config.Retention = Retention{Events: keep}
		config.tuning.retention, config.tuning.worth = 10*time.Millisecond, 10
		if archive != "" {
			config.Archive = filepath.Join(archive, config.ID)
		}
	}
	c.form(nodes)
	return c
}

// write submits n changes of a few keys.
func (n *testNode) write(t *testing.T, ctx context.Context, count int) {
	t.Helper()
	for i := range count {
		if _, err := n.Submit(ctx, put("pay", fmt.Sprintf("k%d", i%7), strings.Repeat(fmt.Sprint(i), 200)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
}

// held is the oldest event on a node's disk.
func (n *testNode) held(t *testing.T) uint64 {
	t.Helper()
	held, err := n.heldFrom(n.engine.Load())
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestTrimmedHistoryIsDeletedOnEveryNodeAndReadsStayExact(t *testing.T) {
	const keep = 40
	c := trimming(t, 3, keep, "")
	ctx := testContext(t)
	leader := c.leader()
	if _, err := leader.Submit(ctx, events.SaveDraft{Namespace: "old", Key: "drafted", Content: events.Content{Value: jsontext.Value(`"v"`)}, Actor: "tester"}, stamp()); err != nil {
		t.Fatal(err)
	}
	if _, err := leader.Submit(ctx, put("old", "still-here", "v"), stamp()); err != nil {
		t.Fatal(err)
	}
	leader.write(t, ctx, 300)
	for _, n := range c.nodes {
		eventually(t, n.config.ID+" has deleted what was trimmed", func() bool { return n.State().Oldest() > 200 && n.held(t) > 200 })
		s := n.State()
		for _, index := range []uint64{s.Edge().Index, s.Edge().Index + 5, s.Index()} {
			h, release := n.History(index)
			if e, err := h.Entry("old", "still-here"); err != nil || e.Value.Text() != "v" {
				t.Errorf("%s: an entry as of %d: %+v, %v", n.config.ID, index, e, err)
			}
			if d, err := h.Draft("old", "drafted"); err != nil || d.Value.Text() != "v" {
				t.Errorf("%s: a draft as of %d: %+v, %v", n.config.ID, index, d, err)
			}
			release()
		}
		h, release := n.History(s.Index())
		if err := h.Verify(h.Oldest(), h.Horizon().Chain); err != nil {
			t.Errorf("%s: %v", n.config.ID, err)
		}
		release()
	}
	for _, p := range c.peers {
		again := c.restart(p.ID)
		again.awaitReady(t)
		if e := again.State().Entry("old", "still-here"); e.Value.Text() != "v" {
			t.Errorf("%s after a restart: %+v", p.ID, e)
		}
	}
}

func TestDeletedHistoryFreesTheDisk(t *testing.T) {
	c := trimming(t, 1, 100, "")
	n, ctx := c.leader(), testContext(t)
	n.config.tuning.worth = 1 << 40 // not yet
	for i := range 40 {
		var set []events.PutEntry
		for k := range 20 {
			set = append(set, put("pay", fmt.Sprintf("k%d", k), strings.Repeat(fmt.Sprintf("%d-%d ", i, k), 4000)))
		}
		if _, err := n.Submit(ctx, events.Transact{Set: set}, stamp()); err != nil {
			t.Fatal(err)
		}
	}
	before, err := n.engine.Load().store.DiskBytes()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.reclaim(ctx, n.engine.Load(), true); err != nil {
		t.Fatal(err)
	}
	after, err := n.engine.Load().store.DiskBytes()
	if err != nil || after > before/2 {
		t.Errorf("%d bytes before, %d after, %v", before, after, err)
	}
	t.Logf("%d KiB before, %d KiB after", before>>10, after>>10)
}

func TestWhatGoesIsInTheArchiveFirst(t *testing.T) {
	dir := t.TempDir()
	c := trimming(t, 2, 30, dir)
	ctx := testContext(t)
	for range 3 {
		c.leader().write(t, ctx, 80)
		oldest := c.leader().State().Oldest()
		for _, n := range c.nodes {
			eventually(t, n.config.ID+" has deleted what was trimmed", func() bool { return n.held(t)+20 > oldest && n.held(t) > 1 }) // what is left is not worth it
		}
	}
	for id, n := range c.nodes {
		from := uint64(1)
		held := n.held(t)
		before := events.Chain{}
		for _, path := range archiveFiles(t, filepath.Join(dir, id)) {
			records := unpack(t, path)
			if records[0].Index != from {
				t.Errorf("%s: %s begins with %d, want %d", id, path, records[0].Index, from)
			}
			for _, r := range records {
				if before = before.Next(r.AppendStored(nil)); before != r.Chain {
					t.Fatalf("%s: record %d has chain %s, want %s", id, r.Index, r.Chain, before)
				}
			}
			from = records[len(records)-1].Index + 1
		}
		if from < held {
			t.Errorf("%s: the archive ends before %d, the disk begins with %d", id, from, held)
		}
	}
}

func archiveFiles(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("archive %v, %v", paths, err)
	}
	slices.Sort(paths)
	return paths
}

func unpack(t *testing.T, path string) (records []events.Record) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := proof.NewReader(text)
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		r.Body = bytes.Clone(r.Body)
		records = append(records, r)
	}
}

// The history of trimmable has 9 events; an archive takes the first ones.
func TestAnArchiveGoesOnWhereItEndedAndIsNeverWrittenAgain(t *testing.T) {
	h := trimmable(t)
	dir := filepath.Join(t.TempDir(), "archive")
	archived := func() *archive { return &archive{dir: dir, header: proof.Header{Cluster: "c", Node: "n"}} }
	a := archived()
	for _, to := range []uint64{2, 2, 1, 8} {
		if err := a.keep(t.Context(), h, to); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"events-000000000001-000000000002.ndjson.gz", "events-000000000003-000000000008.ndjson.gz"}
	names := func() (names []string) {
		for _, path := range archiveFiles(t, dir) {
			names = append(names, filepath.Base(path))
		}
		return names
	}
	if got := names(); !slices.Equal(got, want) {
		t.Fatalf("files %v", got)
	}
	half := filepath.Join(dir, "events-000000000009-000000000009.ndjson.gz.tmp")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := archived().keep(t.Context(), h, 8); err != nil { // after a restart
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, want) {
		t.Fatalf("files %v after a restart", got)
	}
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a crash left is still there: %v", err)
	}

	last := filepath.Join(dir, want[1])
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, content[:len(content)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	a = archived()
	if err := a.keep(t.Context(), h, 9); err == nil || !strings.Contains(err.Error(), want[1]) || !a.failing.Load() {
		t.Errorf("a damaged file: %v, failing %v", err, a.failing.Load())
	}
	if err := os.Remove(last); err != nil {
		t.Fatal(err)
	}
	if err := a.keep(t.Context(), h, 9); err != nil || a.failing.Load() {
		t.Fatal(err)
	}
	if got := unpack(t, filepath.Join(dir, "events-000000000003-000000000009.ndjson.gz")); len(got) != 7 {
		t.Errorf("%d records", len(got))
	}
}

func TestTheArchiveOfAnotherHistoryIsNotContinued(t *testing.T) {
	dir := t.TempDir()
	if err := (&archive{dir: dir, header: proof.Header{Cluster: "c"}}).keep(t.Context(), trimmable(t), 2); err != nil {
		t.Fatal(err)
	}
	another := trimmable(t) // its events have other IDs
	if err := (&archive{dir: dir, header: proof.Header{Cluster: "c"}}).keep(t.Context(), another, 8); err == nil || !strings.Contains(err.Error(), "of another") {
		t.Errorf("got %v", err)
	}
}

func TestNothingIsTrimmedThatCannotBeArchived(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	file := filepath.Join(t.TempDir(), "not a directory")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.with = func(config *Config) {
		config.Retention, config.Archive = Retention{Events: 5}, file
		config.tuning.retention = time.Hour // the test looks itself
	}
	c.form(1)
	n, ctx := c.leader(), testContext(t)
	n.write(t, ctx, 20)
	if err := n.trim(ctx); err == nil {
		t.Error("trimmed")
	}
	if s := n.State(); s.Oldest() != 1 {
		t.Errorf("the history begins at %d", s.Oldest())
	}
	eventually(t, "it shows", func() bool { return n.Standing().Upkeep.ArchiveFailing })
}

// A node that comes late has nothing of what was trimmed before: its archive begins
// there, with the chain that the trim has noted.
func TestTheArchiveOfANewcomerBeginsAtItsHistory(t *testing.T) {
	c := trimming(t, 1, 30, "")
	ctx := testContext(t)
	leader := c.leader()
	leader.write(t, ctx, 100)
	eventually(t, "the leader has deleted something", func() bool { return leader.held(t) > 1 })
	h, release := leader.onDisk(leader.engine.Load())
	defer release()
	dir := t.TempDir()
	to := leader.held(t) + 10
	if err := (&archive{dir: dir, header: proof.Header{Cluster: "c"}}).keep(ctx, h, to); err != nil {
		t.Fatal(err)
	}
	paths := archiveFiles(t, dir)
	records := unpack(t, paths[0])
	chain, err := edgeChain(h, records[0].Index)
	if err != nil {
		t.Fatal(err)
	}
	if chain.Next(records[0].AppendStored(nil)) != records[0].Chain {
		t.Error("the archive does not follow from what its header says")
	}
	if chain, err = readArchive(paths[0], archiveFile{records[0].Index, to, events.Chain{}}); err != nil || chain != records[len(records)-1].Chain {
		t.Errorf("ends in %s, %v", chain, err)
	}
}

func TestABackupIsTheHistoryAsOfItsPosition(t *testing.T) {
	c := newCluster(t, 1)
	n, ctx := c.leader(), testContext(t)
	n.write(t, ctx, 50)
	var backup bytes.Buffer
	var at events.Position
	if err := n.Backup(ctx, &backup, 0, func(p events.Position) { at = p }); err != nil {
		t.Fatal(err)
	}
	if at != n.State().Position() {
		t.Errorf("says %s, the node is at %s", at, n.State().Position())
	}
	n.write(t, ctx, 5)
	store, err := openViews(t.TempDir(), identity{Node: "n9", Cluster: n.cluster()}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	m, err := store.Install(&backup, disk.Boundary{}, nil)
	if err != nil || m.Index != at.Index {
		t.Fatalf("%+v, %v", m, err)
	}
	r := store.At(m.Index)
	defer r.Close()
	h, err := projections.OpenHistory(r, m.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Verify(1, events.Chain{}); err != nil {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := n.Backup(ended, io.Discard, 0, func(events.Position) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
