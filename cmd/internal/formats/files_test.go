package formats_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/cmd/internal/formats"
)

// tree writes files into a new directory and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// contents reads every file below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func keys(all []formats.Entry) []string {
	names := []string{}
	for _, e := range all {
		names = append(names, e.Key)
	}
	return names
}

func TestWholeFilesComeBackByteForByte(t *testing.T) {
	files := map[string]string{
		"app.yml":            "\ufeffa: 1 # comment\r\n",
		"no-newline.json":    `{"b":1,  "a":0.10}`,
		"empty":              "",
		"deep/er/x.txt":      "<&>\u2028 \t\x01é😀\n\n",
		"deep/binary.dat":    "\xff\xfe\x00a",
		"deep/nul.txt":       "a\x00b",
		"deep.d/almost-utf8": "caf\xe9",
	}
	got, err := formats.Read(tree(t, files), formats.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Sorted(maps.Keys(files)); !slices.Equal(keys(got.Entries), want) {
		t.Errorf("keys are %q, want %q", keys(got.Entries), want)
	}
	for _, e := range got.Entries {
		want := "string"
		if e.Key == "deep/binary.dat" || e.Key == "deep/nul.txt" || e.Key == "deep.d/almost-utf8" {
			want = "binary"
		}
		if e.Type != want {
			t.Errorf("%s has the type %s, want %s", e.Key, e.Type, want)
		}
	}
	out := filepath.Join(t.TempDir(), "new", "dir")
	if err := formats.WriteDir(out, got.Entries); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(files, contents(t, out)); d != "" {
		t.Error(d)
	}
}

func TestRealFilesComeBackByteForByte(t *testing.T) {
	const dir = "testdata/petclinic"
	got, err := formats.Read(dir, formats.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if err := formats.WriteDir(out, got.Entries); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contents(t, dir), contents(t, out)); d != "" || len(got.Entries) != 3 {
		t.Errorf("%d files: %s", len(got.Entries), d)
	}
}

func TestDotFilesAndVersionControlAreSkippedAndSaidToBe(t *testing.T) {
	dir := tree(t, map[string]string{
		"a.yml": "x: 1", ".env": "A=1", ".git/config": "x", "sub/.hidden": "x", "sub/b.toml": "y = 2", "CVS/Root": "x", "sub/README.md": "# x",
	})
	for _, c := range []struct {
		flatten bool
		keys    []string
		skipped []string
	}{
		{false, []string{"a.yml", "sub/README.md", "sub/b.toml"}, []string{".env", ".git/", "CVS/", "sub/.hidden"}},
		{true, []string{"a/x", "sub/b/y"}, []string{".env", ".git/", "CVS/", "sub/.hidden", "sub/README.md"}},
	} {
		got, err := formats.Read(dir, formats.ReadOptions{Flatten: c.flatten})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.keys, keys(got.Entries)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(c.skipped, got.Skipped); d != "" {
			t.Error(d)
		}
	}
}

func TestOneFileIsReadUnderItsName(t *testing.T) {
	dir := tree(t, map[string]string{".env": "A=1\n", "notes.txt": "x"})
	got, err := formats.Read(filepath.Join(dir, ".env"), formats.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(entries(`.env string "A=1\n"`), got.Entries); d != "" {
		t.Error(d)
	}
	got, err = formats.Read(filepath.Join(dir, ".env"), formats.ReadOptions{Flatten: true})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(entries(`A string "1"`), got.Entries); d != "" {
		t.Error(d)
	}
	if _, err := formats.Read(filepath.Join(dir, "notes.txt"), formats.ReadOptions{Flatten: true}); err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("notes.txt: %v", err)
	}
}

func TestLinksWithinTheDirectoryAreRead(t *testing.T) { // as Kubernetes mounts a ConfigMap
	dir := tree(t, map[string]string{"..2026/app.yml": "a: 1\n"})
	for link, target := range map[string]string{"..data": "..2026", "app.yml": "..data/app.yml"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := formats.Read(dir, formats.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(entries(`app.yml string "a: 1\n"`), got.Entries); d != "" {
		t.Error(d)
	}
}

func TestWhatIsNotReadIsAnErrorThatNamesIt(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "s3cret"})
	link := func(target string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
		}
	}
	content := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name    string
		file    string
		make    func(*testing.T, string)
		options formats.ReadOptions
		want    string
	}{
		{"absolute link out", "x", link(filepath.Join(outside, "secret")), formats.ReadOptions{}, "x: path escapes"},
		{"relative link out", "x", link("../../../../../../../etc/hostname"), formats.ReadOptions{}, "x: path escapes"},
		{"link to nothing", "x", link("nowhere"), formats.ReadOptions{}, "x: no such file"},
		{"link to a directory", "x", link("."), formats.ReadOptions{}, "x: a link to a directory"},
		{"pipe", "x", func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, formats.ReadOptions{}, "x: not a regular file"},
		{"name", "a b.yml", content("x"), formats.ReadOptions{}, "a b.yml: its path cannot be a key"},
		{"name, flattened", "a b.yml", content("x: 1"), formats.ReadOptions{Flatten: true}, `a b.yml: its path and "x" cannot be a key`},
		{"too large", "x", content(strings.Repeat("x", 1<<20+1)), formats.ReadOptions{}, "x: has more than 1048576 bytes"},
		{"too large for the option", "x", content("12345"), formats.ReadOptions{MaxFileBytes: 4}, "x: has more than 4 bytes"},
		{"too many", "x", content("x"), formats.ReadOptions{MaxFiles: 1}, "more than 1 files"},
		{"too much", "x", content("12345"), formats.ReadOptions{MaxTotalBytes: 8}, "more than 8 bytes"},
		{"mistake", "x.yml", content("a: 1\nb: 0x1\n"), formats.ReadOptions{Flatten: true}, "x.yml:2: the number"},
		{"key from two files", "base.properties", content("v=1"), formats.ReadOptions{Flatten: true}, "base.properties and base.yml both give the key base/v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"base.yml": "v: 1"})
			c.make(t, filepath.Join(dir, c.file))
			got, err := formats.Read(dir, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
			if len(got.Entries) > 0 {
				t.Errorf("%q came back with the error", keys(got.Entries))
			}
		})
	}
	if _, err := formats.Read("/nowhere/x", formats.ReadOptions{}); err == nil || !strings.Contains(err.Error(), "/nowhere/x") {
		t.Errorf("missing: %v", err)
	}
}

func TestWriteDirRefusesBeforeItWrites(t *testing.T) {
	good := `good string "x"`
	for name, all := range map[string][]formats.Entry{
		"parent":            entries(good, `../evil string "x"`),
		"absolute":          entries(good, `/evil string "x"`),
		"dots inside":       entries(good, `a/../../evil string "x"`),
		"repository":        entries(good, `.git/hooks/post-checkout string "x"`),
		"folder in it":      entries(good, `a/.ssh/authorized_keys string "x"`),
		"file and folder":   entries(good, `a string "x"`, `a/b string "y"`),
		"folder and file":   entries(`z/b/c string "y"`, good, `z/b string "x"`),
		"twice":             entries(good, `good string "y"`),
		"not its type":      entries(good, `b binary "*"`),
		"no key whatsoever": {{Key: "", Type: "string", Value: []byte(`"x"`)}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			if err := formats.WriteDir(dir, all); err == nil {
				t.Error("no error")
			}
			if found := contents(t, filepath.Dir(dir)); len(found) > 0 {
				t.Errorf("written: %q", found)
			}
		})
	}
}

func TestWriteDirDoesNotFollowLinksOut(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(dir, "file")); err != nil {
		t.Fatal(err)
	}
	if err := formats.WriteDir(dir, entries(`sub/evil string "x"`)); err == nil {
		t.Error("wrote through a link to a directory outside")
	}
	if err := formats.WriteDir(dir, entries(`file string "x"`)); err != nil { // the link is replaced, not followed
		t.Error(err)
	}
	if d := cmp.Diff(map[string]string{"victim": "mine"}, contents(t, outside)); d != "" {
		t.Error(d)
	}
}

func TestFilesAreReplacedKeepTheirModeAndLeaveNothingBehind(t *testing.T) {
	dir := tree(t, map[string]string{"old": "before", "other": "untouched"})
	if err := os.Chmod(filepath.Join(dir, "old"), 0o640); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(dir, "old"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := formats.WriteDir(dir, entries(`old string "after"`, `n/ew number 1.50`, `j json [1]`)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"old": "after", "other": "untouched", "n/ew": "1.50", "j": "[1]"}
	if d := cmp.Diff(want, contents(t, dir)); d != "" {
		t.Error(d)
	}
	info, err := os.Stat(filepath.Join(dir, "old"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode is %v (%v)", info.Mode(), err)
	}
	before := make([]byte, 16)
	if n, err := open.Read(before); err != nil || string(before[:n]) != "before" {
		t.Errorf("whoever had the old file open reads %q (%v)", before[:n], err)
	}

	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := formats.WriteDir(dir, entries(`folder string "x"`)); err == nil {
		t.Error("a file took the place of a directory")
	}
	if d := cmp.Diff(want, contents(t, dir)); d != "" {
		t.Errorf("left behind: %s", d)
	}
}

func TestWriteFileReplacesOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".env")
	for i := range 2 {
		want := fmt.Sprintf("A=%d\n", i)
		if err := formats.WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]string{".env": want}, contents(t, filepath.Dir(path))); d != "" {
			t.Error(d)
		}
	}
	if err := formats.WriteFile("/nowhere/x/y", nil); err == nil || !strings.Contains(err.Error(), "/nowhere/x") {
		t.Errorf("no such directory: %v", err)
	}
}
