package replication

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASnapshotThatCannotBeWrittenIsNamedUntilOneSucceeds(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	write := func() {
		t.Helper()
		if _, err := n.Submit(testContext(t), put("pay", "k", "v"), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	write()
	found, err := filepath.Glob(filepath.Join(viewsDir(n.dir), "generation-*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	inTheWay := filepath.Join(found[0], "MARKER.tmp")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Snapshot(testContext(t)); err == nil || !strings.Contains(err.Error(), inTheWay) {
		t.Errorf("the error does not name %s: %v", inTheWay, err)
	}
	if r := n.report(); !strings.Contains(r.NoSnapshot, inTheWay) {
		t.Errorf("the node does not tell: %q", r.NoSnapshot)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	write()
	if _, err := n.Snapshot(testContext(t)); err != nil {
		t.Error(err)
	}
	if r := n.report(); r.NoSnapshot != "" {
		t.Errorf("mended, and still: %q", r.NoSnapshot)
	}
}
