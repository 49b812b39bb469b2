package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSyncLeavesFilesOfOthersUnlessItMayPrune(t *testing.T) {
	f := newFeed(t)
	f.set("app", "same", "string", `"x"`)
	f.set("app", "other", "string", `"x"`)
	f.set("app", "dir/k", "string", `"x"`)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "same"), "x")
	put(t, filepath.Join(dir, "other"), "mine")
	put(t, filepath.Join(dir, "more", "of", "mine"), "mine")
	put(t, filepath.Join(dir, ".hidden"), "mine")
	sh := f.shell()
	_, stderr, code := sh.run("sync", "app", dir, "--once")
	if code != 1 || stderr != "confman: sync "+dir+": files of somebody else are in the way, and --prune would replace them: other\n" {
		t.Errorf("exit %d, %s", code, stderr)
	}
	want := map[string]string{"same": "x", "other": "mine", "more/of/mine": "mine"}
	if diff := cmp.Diff(want, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, stderr, code = sh.run("sync", "app", dir, "--once", "--prune"); code != 0 {
		t.Errorf("exit %d, %s", code, stderr)
	}
	if diff := cmp.Diff(map[string]string{"same": "x", "other": "x", "dir/k": "x"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, ".hidden")); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"same", "other", "dir/k"} { // those it found there have become its own
		f.set("app", key, "", "")
	}
	if _, stderr, code = sh.run("sync", "app", dir, "--once"); code != 0 || len(visibleFiles(t, dir)) > 0 {
		t.Errorf("exit %d, %s, %v", code, stderr, visibleFiles(t, dir))
	}
}

func TestSyncChangesFilesIntoDirectoriesAndBack(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	dir := t.TempDir()
	sh := f.shell()
	for i, step := range []struct {
		changes []change
		want    map[string]string
	}{
		{[]change{{"app", "x", "string", `"x"`}}, map[string]string{"a": "1", "x": "x"}},
		{[]change{{"app", "a", "", ""}, {"app", "a/b/c", "string", `"2"`}}, map[string]string{"a/b/c": "2", "x": "x"}},
		{[]change{{"app", "a/b/c", "", ""}, {"app", "a", "string", `"3"`}}, map[string]string{"a": "3", "x": "x"}},
	} {
		f.transact(step.changes...)
		if _, stderr, code := sh.run("sync", "app", dir, "--once"); code != 0 {
			t.Fatalf("step %d: exit %d, %s", i, code, stderr)
		}
		if diff := cmp.Diff(step.want, visibleFiles(t, dir)); diff != "" {
			t.Errorf("step %d, -want +got:\n%s", i, diff)
		}
	}
}

func TestSyncNeverWritesOutsideItsDirectory(t *testing.T) {
	f := newFeed(t)
	f.set("app", "d/k", "string", `"new"`)
	f.set("app", "k", "string", `"new"`)
	outside := t.TempDir()
	put(t, filepath.Join(outside, "k"), "precious")
	for name, prepare := range map[string]func(dir string) error{
		"a directory is a link out of it": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "d")) },
		"a directory is a link within it": func(dir string) error {
			return errFirst(os.Mkdir(filepath.Join(dir, "e"), 0o755), os.Symlink("e", filepath.Join(dir, "d")))
		},
		"a file is a link": func(dir string) error { return os.Symlink(filepath.Join(outside, "k"), filepath.Join(dir, "k")) },
		"the manifest names others": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".confman.json"), []byte(`{"namespace":"app","files":{"../k":""}}`), 0o600)
		},
		"the manifest names itself": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ".confman.json"), []byte(`{"namespace":"app","files":{".confman-view.json":""}}`), 0o600)
		},
	} {
		for _, prune := range []bool{false, true} {
			dir := t.TempDir()
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			args := []string{"sync", "app", dir, "--once"}
			if prune {
				args = append(args, "--prune")
			}
			_, stderr, code := f.shell().run(args...)
			forged := strings.Contains(name, "manifest")
			if forged != strings.Contains(stderr, ".confman.json is damaged: it names") {
				t.Errorf("%s: %s", name, stderr)
			}
			replaced := prune && !forged // the link itself
			if (code == 0) != replaced || code != 0 && code != 1 {
				t.Errorf("%s, prune %v: exit %d, %s", name, prune, code, stderr)
			}
			if diff := cmp.Diff(map[string]string{"k": "precious"}, filesIn(t, outside)); diff != "" {
				t.Fatalf("%s, prune %v: %s", name, prune, diff)
			}
			if replaced {
				if diff := cmp.Diff(map[string]string{"k": "new", "d/k": "new"}, visibleFiles(t, dir)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestSyncDoesNotFollowALinkThatAppears(t *testing.T) {
	f := newFeed(t)
	f.set("app", "d/k", "string", `"1"`)
	dir, outside := t.TempDir(), t.TempDir()
	p := f.shell().start("sync", "app", dir)
	p.awaitError("1 file changed")
	if err := errFirst(os.RemoveAll(filepath.Join(dir, "d")), os.Symlink(outside, filepath.Join(dir, "d"))); err != nil {
		t.Fatal(err)
	}
	f.set("app", "d/k", "string", `"2"`)
	if code := p.code(); code != 1 || !strings.Contains(p.errors.String(), "d is no directory, and files belong below it") {
		t.Errorf("exit %d", code)
	}
	if files := filesIn(t, outside); len(files) > 0 {
		t.Errorf("written: %v", files)
	}
}

func TestSyncReadersNeverSeeHalfAFile(t *testing.T) {
	f := newFeed(t)
	value := func(i int) string { return strings.Repeat(fmt.Sprintf("%03d ", i), 50_000) }
	f.set("app", "big", "string", fmt.Sprintf("%q", value(0)))
	dir := t.TempDir()
	p := f.shell().start("sync", "app", dir)
	p.awaitError("1 file changed")
	const changes = 30
	for i := range changes {
		f.set("app", "big", "string", fmt.Sprintf("%q", value(i+1)))
		for range 20 {
			data, err := os.ReadFile(filepath.Join(dir, "big"))
			if err != nil {
				t.Fatal(err)
			}
			if n, err := strconv.Atoi(string(data[:min(3, len(data))])); err != nil || string(data) != value(n) {
				t.Fatalf("%d bytes that begin with %.20q: %v", len(data), data, err)
			}
		}
	}
	await(t, "the last value", func() bool {
		data, _ := os.ReadFile(filepath.Join(dir, "big"))
		return string(data) == value(changes)
	})
}

func TestSyncTakesUpWhatACrashLeft(t *testing.T) {
	f := newFeed(t)
	f.set("app", "d/k", "string", `"new"`)
	f.set("app", "written", "string", `"new"`)
	f.set("app", "claimed", "string", `"new"`)
	dir := t.TempDir()
	// As it is between two renames: some files are there, of others only the
	// temporary ones, and the manifest says what was about to happen.
	put(t, filepath.Join(dir, ".confman.json"), `{"namespace":"app","position":"1-00000001","pending":true,"files":{"d/k":"","written":"","claimed":"","old":"abc"}}`)
	put(t, filepath.Join(dir, "written"), "new")
	put(t, filepath.Join(dir, "claimed"), "of an older event")
	put(t, filepath.Join(dir, "old"), "of a deleted key")
	left := []string{".confman-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "d/.confman-ABCDEFGHIJKLMNOPQRSTUVWXYZ", ".confman-view.json..123", "..confman-view.json.123"}
	for _, name := range left {
		put(t, filepath.Join(dir, name), "half")
	}
	put(t, filepath.Join(dir, "d/.confman-mine"), "not a temporary file")
	stdout, stderr, code := f.shell().run("sync", "app", dir, "--once", "--exec", "echo ran")
	if code != 0 || stdout != "ran\n" || strings.Contains(stderr, "was changed here") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if diff := cmp.Diff(map[string]string{"d/k": "new", "written": "new", "claimed": "new"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var hidden []string
	for name := range filesIn(t, dir) {
		if strings.HasPrefix(filepath.Base(name), ".") {
			hidden = append(hidden, name)
		}
	}
	slices.Sort(hidden)
	if want := []string{".confman-view.json", ".confman-view.json..123", ".confman.json", "d/.confman-mine"}; !slices.Equal(hidden, want) {
		t.Errorf("%q is there, want %q", hidden, want)
	}
	if m := manifestOf(t, dir); m.Pending || len(m.Files) != 3 || m.Position != "3-00000003" {
		t.Errorf("%+v", m)
	}
}

// What failed half-way is known as its own, and its command as due.
func TestSyncKnowsItsFilesAfterAFailure(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	f.set("app", "b", "string", `"1"`)
	dir := t.TempDir()
	put(t, filepath.Join(dir, "b", "of", "others"), "mine")
	sh := f.shell()
	stdout, stderr, code := sh.run("sync", "app", dir, "--once", "--exec", "echo ran")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "b is a directory with files of somebody else") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if err := os.RemoveAll(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	f.set("app", "a", "string", `"2"`)
	stdout, stderr, code = sh.run("sync", "app", dir, "--once", "--exec", "echo ran")
	if code != 0 || stdout != "ran\n" || strings.Contains(stderr, "changed here") {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}
