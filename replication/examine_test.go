package replication

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/replication/disk"
)

// contents is every file of a directory and when it was last written.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		info, statErr := d.Info()
		all[path] = info.ModTime().String() + string(data)
		return errors.Join(err, statErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnExaminationFindsDamageAndChangesNothing(t *testing.T) {
	c := newCluster(t, 1)
	n := c.leader()
	for i := range 20 {
		if _, err := n.Submit(testContext(t), put("pay", "k", fmt.Sprint("value ", i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	dir := n.dir
	if busy, err := InUse(dir); !busy || err != nil {
		t.Errorf("a node runs: in use %v, %v", busy, err)
	}
	if _, err := Examine(dir); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("examined under a running node: %v", err)
	}
	c.stop("n1")
	if busy, err := InUse(dir); busy || err != nil {
		t.Errorf("nobody runs: in use %v, %v", busy, err)
	}
	before := contents(t, dir)
	f, err := Examine(dir)
	if err != nil || f.Node != "n1" || f.Cluster == "" || f.Event < 20 || f.Last < f.First || f.Last < 20 {
		t.Errorf("%+v, %v", f, err)
	}
	for path, was := range contents(t, dir) {
		if before[path] != was {
			t.Errorf("%s was changed", path)
		}
	}
	if _, err := Whose(dir, "n2"); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "belongs to node n1") {
		t.Errorf("as another node's: %v", err)
	}
	flip := func(pattern, text string) (mend func()) {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		path := files[0]
		data, err := os.ReadFile(path)
		at := strings.Index(string(data), text)
		if err != nil || at < 0 {
			t.Fatalf("no %q in %s: %v", text, path, err)
		}
		damaged := append([]byte(nil), data...)
		damaged[at] ^= 1
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.WriteFile(path, data, 0o600) }
	}
	mend := flip("raft/*.wal", "value 7")
	if _, err := Examine(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "raft")) {
		t.Errorf("a bit of the log was flipped: %v", err) // raft-wal drops the end of the newest segment: the log is then too short
	}
	mend()
	mend = flip("views/generation-*/MARKER", `"index":`)
	if _, err := Examine(dir); !errors.Is(err, disk.ErrCorrupt) || !strings.Contains(err.Error(), "MARKER") {
		t.Errorf("a bit of the marker was flipped: %v", err)
	}
	mend()
	if _, err := Examine(dir); err != nil {
		t.Error(err)
	}
	cutLog(t, dir)
	if _, err := Examine(dir); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "was durable: the log is damaged") {
		t.Errorf("the log was cut: %v", err)
	}
	segments, _ := filepath.Glob(filepath.Join(dir, "raft", "*wal*"))
	for _, path := range segments {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Examine(dir); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "ends at entry 0") {
		t.Errorf("the log is gone: %v", err)
	}
	if f, err := Examine(t.TempDir()); err != nil || f != (Findings{}) {
		t.Errorf("an empty directory: %+v, %v", f, err)
	}
}
