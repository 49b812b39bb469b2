package disk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAStoreThatNobodyHasOpenIsLookedAtAndReassigned(t *testing.T) {
	dir := t.TempDir()
	if r, err := Look(dir); err != nil || r.Marker.Format != 0 || r.Received != nil {
		t.Fatalf("an empty directory: %+v, %v", r, err)
	}
	if err := Reassign(dir, "old", "new", nil); err != nil {
		t.Fatalf("an empty directory: %v", err)
	}
	config := Config{Dir: dir, Node: "n1", Cluster: "old"}
	s, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	m := Marker{Position: Position{Index: 7, Chain: "c", RaftIndex: 9, RaftTerm: 2}, Snapshot: Boundary{Index: 8, Term: 2}}
	if err := errors.Join(s.Mark(m), s.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err := Look(dir); err != nil || r.Marker.Position != m.Position || r.Marker.Cluster != "old" {
		t.Errorf("looked at as %+v, %v", r, err)
	}
	if err := Reassign(dir, "another", "new", nil); !errors.Is(err, ErrIdentity) {
		t.Errorf("a store of another cluster: %v", err)
	}
	base := &Boundary{Index: 9, Term: 2, Configuration: []byte("alone")}
	for range 2 { // again changes nothing
		if err := Reassign(dir, "old", "new", base); err != nil {
			t.Fatal(err)
		}
		r, err := Look(dir)
		if err != nil || r.Marker.Cluster != "new" || r.Marker.Node != "n1" || r.Marker.Position != m.Position || r.Marker.Snapshot.Index != 9 {
			t.Fatalf("reassigned as %+v, %v", r, err)
		}
	}
	if _, err := Open(config); !errors.Is(err, ErrIdentity) {
		t.Errorf("opened as the old cluster's: %v", err)
	}
	config.Cluster = "new"
	if s, err = Open(config); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.generationDir(1), markerName)
	if err := os.WriteFile(path, []byte("not a marker"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged marker: %v", err)
	}
}
