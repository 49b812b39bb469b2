package replication

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Where nothing can be written, as on a directory that was mounted read-only, no
// snapshot is made: the log grows, the failures count, and writes go on.
func TestASnapshotThatCannotBeWrittenIsCountedAndWritesGoOn(t *testing.T) {
	c := newCluster(t, 1)
	n, ctx := c.leader(), testContext(t)
	generations, err := filepath.Glob(filepath.Join(viewsDir(n.dir), "generation-*"))
	if err != nil || len(generations) != 1 {
		t.Fatalf("%v, %v", generations, err)
	}
	inTheWay := filepath.Join(generations[0], "MARKER.tmp")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := n.Submit(ctx, put("pay", "k", fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
		if m, err := n.Snapshot(ctx); err == nil {
			t.Fatalf("a snapshot was made: %+v", m)
		}
	}
	if got := n.engine.Load().snapshots.Failures(); got != 3 {
		t.Errorf("%d failures are counted", got)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if m, err := n.Snapshot(ctx); err != nil || m.Index != n.State().Index() {
		t.Errorf("with the way free: %+v, %v", m, err)
	}
	if len(n.died) > 0 {
		t.Error(<-n.died)
	}
}
