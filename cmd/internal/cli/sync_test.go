package cli_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// visibleFiles are the files below a directory that do not begin with a dot. They
// may change meanwhile.
func visibleFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var data []byte
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), ".") {
			if data, err = os.ReadFile(path); err == nil {
				name, _ := filepath.Rel(dir, path)
				files[name] = string(data)
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func manifestOf(t *testing.T, dir string) (m struct {
	Position string
	Pending  bool
	Files    map[string]string
},
) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, ".confman.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSyncMakesADirectoryEqualToANamespace(t *testing.T) {
	f := newFeed(t)
	f.set("app", "db/url", "string", `"postgres://a\n"`)
	f.set("app", "pool", "number", "1.50")
	f.set("app", "cert", "binary", `"AAH/"`)
	f.set("app", "empty", "string", `""`)
	f.set("app/below", "hidden", "string", `"x"`)
	dir := filepath.Join(t.TempDir(), "new", "dir")
	sh := f.shell()
	sync := func(more ...string) (stderr string) {
		t.Helper()
		stdout, stderr, code := sh.run(append([]string{"sync", "app", dir, "--once"}, more...)...)
		if code != 0 || stdout != "" {
			t.Fatalf("exit %d, %s%s", code, stdout, stderr)
		}
		return stderr
	}
	if stderr := sync(); stderr != dir+": 4 files changed, event 5-00000005\n" {
		t.Errorf("stderr %q", stderr)
	}
	want := map[string]string{"db/url": "postgres://a\n", "pool": "1.50", "cert": "\x00\x01\xff", "empty": ""}
	if diff := cmp.Diff(want, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, mode := range map[string]os.FileMode{"": os.ModeDir | 0o750, "db": os.ModeDir | 0o750, "db/url": 0o640, "pool": 0o640, ".confman.json": 0o600, ".confman-view.json": 0o600} {
		if at, err := os.Stat(filepath.Join(dir, name)); err != nil || at.Mode() != mode {
			t.Errorf("%s: %v, %v", name, at.Mode(), err)
		}
	}

	before, _ := os.Stat(filepath.Join(dir, "pool"))
	f.set("app", "db/url", "", "")
	f.set("app", "cert", "binary", `"AA=="`)
	put(t, filepath.Join(dir, "unrelated"), "mine")
	if stderr := sync("--mode", "0640"); stderr != dir+": 2 files changed, event 7-00000007\n" {
		t.Errorf("stderr %q", stderr)
	}
	want = map[string]string{"pool": "1.50", "cert": "\x00", "empty": "", "unrelated": "mine"}
	if diff := cmp.Diff(want, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "db")); !os.IsNotExist(err) {
		t.Errorf("the empty directory is still there: %v", err)
	}
	if after, _ := os.Stat(filepath.Join(dir, "pool")); !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
		t.Error("an unchanged file was touched")
	}
	before, _ = os.Stat(filepath.Join(dir, ".confman.json"))
	f.set("other", "k", "string", `"x"`)
	if stderr := sync(); stderr != "" {
		t.Errorf("nothing to do, but %q", stderr)
	}
	if after, _ := os.Stat(filepath.Join(dir, ".confman.json")); !os.SameFile(before, after) {
		t.Error("nothing to do, but the manifest was written")
	}
	sync("--mode", "600")
	if at, _ := os.Stat(filepath.Join(dir, "pool")); at.Mode() != 0o600 {
		t.Errorf("mode %v", at.Mode())
	}
}

func TestSyncPutsBackWhatWasChangedHere(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	f.set("app", "d/b", "string", `"1"`)
	dir := t.TempDir()
	sh := f.shell()
	sh.run("sync", "app", dir, "--once")
	put(t, filepath.Join(dir, "a"), "edited while it was away")
	p := sh.start("sync", "app", dir, "--check-every", "20ms", "--exec", "echo ran $CONFMAN_CHANGED $CONFMAN_POSITION $CONFMAN_DIRECTORY $CONFMAN_NAMESPACE")
	p.awaitError(filepath.Join(dir, "a") + " was changed here; it is put back")
	p.awaitOutput("ran 1 2-00000002 "+dir+" app\n", 1)
	if err := os.RemoveAll(filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	p.awaitError(filepath.Join(dir, "d/b") + " was changed here")
	if err := os.Chmod(filepath.Join(dir, "a"), 0o666); err != nil {
		t.Fatal(err)
	}
	p.awaitOutput("ran 1 2-00000002", 3)
	f.set("app", "a", "string", `"2"`)
	p.awaitOutput("ran 1 3-00000003", 1)
	p.signal(syscall.SIGTERM)
	if code := p.code(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if diff := cmp.Diff(map[string]string{"a": "2", "d/b": "1"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if at, _ := os.Stat(filepath.Join(dir, "a")); at.Mode() != 0o640 {
		t.Errorf("mode %v", at.Mode())
	}
}

func TestSyncNamesKeysThatCannotBeFiles(t *testing.T) {
	f := newFeed(t)
	f.set("app", "good", "string", `"1"`)
	f.set("app", "a", "string", `"1"`)
	f.set("app", "a/b", "string", `"1"`)
	f.set("app", ".git/config", "string", `"1"`)
	f.set("app", strings.Repeat("n", 256), "string", `"1"`)
	dir := t.TempDir()
	_, stderr, code := f.shell().run("sync", "app", dir, "--once")
	for _, want := range []string{"entries a and a/b: a path cannot be a file and a directory", "entry .git/config: files and folders named .git", "entry nnnnn"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q does not name %q", stderr, want)
		}
	}
	if code != 7 || len(visibleFiles(t, dir)) > 0 {
		t.Errorf("exit %d, %v", code, visibleFiles(t, dir))
	}

	f, dir = newFeed(t), t.TempDir()
	f.set("app", "a", "string", `"1"`)
	p := f.shell().start("sync", "app", dir, "--check-every", "10ms")
	p.awaitError("1 file changed")
	f.transact(change{"app", "a", "string", `"2"`}, change{"app", "a/b", "string", `"2"`})
	p.awaitError("a path cannot be a file and a directory; " + dir + " stays as it is")
	if diff := cmp.Diff(map[string]string{"a": "1"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.set("app", "a", "", "")
	await(t, "the new file", func() bool { return cmp.Equal(map[string]string{"a/b": "2"}, visibleFiles(t, dir)) })
	if n := strings.Count(p.errors.String(), "stays as it is"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// A link that takes the place of a directory of ours while sync runs.
func TestSyncRunsAFailedCommandAgain(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	dir := t.TempDir()
	sh := f.shell()
	for _, step := range []struct {
		command string
		code    int
		stdout  string
		pending bool
	}{
		{"echo failed; exit 9", 9, "failed\n", true},
		{"echo failed; exit 7", 7, "failed\n", true},
		{"echo ran", 0, "ran\n", false},
		{"echo ran", 0, "", false},
	} {
		stdout, stderr, code := sh.run("sync", "app", dir, "--once", "--exec", step.command)
		if m := manifestOf(t, dir); code != step.code || stdout != step.stdout || m.Pending != step.pending {
			t.Errorf("%s: exit %d, %s%s, %+v", step.command, code, stdout, stderr, m)
		}
	}
	f.set("app", "a", "string", `"2"`)
	_, stderr, code := sh.run("sync", "app", dir, "--once", "--exec", "exit 9", "--keep-going")
	if code != 0 || !strings.Contains(stderr, "the command ended with exit code 9; going on") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestSyncRunsItsCommandOnceForATransaction(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	dir := t.TempDir()
	p := f.shell().start("sync", "app", dir, "--exec", "echo ran $CONFMAN_CHANGED $CONFMAN_POSITION")
	p.awaitOutput("ran 1 1-00000001", 1)
	f.transact(change{"app", "a", "", ""}, change{"app", "b", "string", `"1"`}, change{"app", "c", "string", `"1"`})
	p.awaitOutput("ran 3 4-00000004", 1)
	if n := strings.Count(p.out.String(), "ran"); n != 2 {
		t.Errorf("ran %d times", n)
	}
}

func TestSyncAsOneFile(t *testing.T) {
	f := newFeed(t)
	f.set("app", "server.port", "number", "8080")
	f.set("app", "title", "string", `"a b"`)
	dir := t.TempDir()
	sh := f.shell()
	sync := func(args ...string) {
		t.Helper()
		if _, stderr, code := sh.run(append([]string{"sync", "app", dir, "--once", "--as", "application.properties"}, args...)...); code != 0 {
			t.Fatalf("exit %d, %s", code, stderr)
		}
	}
	sync()
	if diff := cmp.Diff(map[string]string{"application.properties": "server.port=8080\ntitle=a b\n"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	f.set("app", "title", "", "")
	sync("--format", "properties")
	if diff := cmp.Diff(map[string]string{"application.properties": "server.port=8080\n"}, visibleFiles(t, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for args, of := range map[string]string{
		"sync app DIR --once":                                            "app",
		"sync app DIR --once --as a.yaml":                                "app --as a.yaml",
		"sync web DIR --once --as application.properties":                "web --as application.properties",
		"sync app DIR --once --as application.properties --prefix title": "app --prefix title --as application.properties",
	} {
		_, stderr, code := sh.run(strings.Fields(strings.ReplaceAll(args, "DIR", dir))...)
		if want := "it is a copy of app --as application.properties, not of " + of + ": give each a directory of its own\n"; code != 1 || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}

func TestSyncRefuses(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	f.set("app", "b", "json", "null")
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"sync":                                     {2, "confman: too few arguments"},
		"sync DIR":                                 {2, "confman: no namespace"},
		"sync app DIR more":                        {2, "confman: too many arguments"},
		"sync app DIR -n app":                      {2, "confman: the namespace is given twice"},
		"sync app DIR --mode 8":                    {2, `confman: invalid argument "8" for "--mode" flag: want an octal mode`},
		"sync app DIR --mode 04755":                {2, `confman: invalid argument`},
		"sync app DIR --as a.ini":                  {2, `confman: --as "a.ini": its extension belongs to no format`},
		"sync app DIR --as ../a.yaml":              {2, `confman: --as "../a.yaml": want the name of a file`},
		"sync app DIR --as .confman.json":          {2, `confman: --as ".confman.json": want the name of a file`},
		"sync app DIR --as a.yaml --prune":         {2, "confman: --prune is for"},
		"sync app DIR --as a.yaml --format ini":    {2, `confman: --format: format "ini"`},
		"sync app DIR --format yaml":               {2, "confman: --format is for --as"},
		"sync app DIR --keep-going":                {2, "confman: --keep-going is for --exec"},
		"sync absent DIR --once":                   {3, "confman: read namespace absent: 404"},
		"sync app DIR --as a.toml --once":          {7, "confman: sync app: TOML b: null"},
		"sync app DIR/file --once":                 {1, "confman: sync: open"},
		"watch --key a --prefix b":                 {2, "confman: --key and --prefix exclude each other"},
		"watch --progress":                         {2, "confman: --progress is for -o json"},
		"watch --keep-going":                       {2, "confman: --keep-going is for --exec"},
		"watch app -n app":                         {2, "confman: the namespace is given twice"},
		"watch --after yesterday":                  {7, `confman: watch everything: invalid: after: position "yesterday"`},
		"watch --state DIR/absent/state --count 1": {1, "confman: state: open DIR/absent"},
		"watch -o yaml":                            {2, `confman: invalid argument "yaml"`},
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "file"), "")
		_, stderr, code := f.shell().run(append(strings.Fields(strings.ReplaceAll(args, "DIR", dir)), "-q")...)
		if code != want.code || !strings.HasPrefix(stderr, strings.ReplaceAll(want.stderr, "DIR", dir)) {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}

func TestSyncIsAloneInItsDirectory(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	dir := t.TempDir()
	p := f.shell().start("sync", "app", dir)
	p.awaitError("1 file changed")
	_, stderr, code := f.shell().run("sync", "app", dir, "--once")
	if code != 1 || !strings.Contains(stderr, "another sync is at work here") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	p.signal(syscall.SIGINT)
	if code := p.code(); code != 130 {
		t.Errorf("exit %d", code)
	}
	if _, stderr, code = f.shell().run("sync", "app", dir, "--once"); code != 0 {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestSyncKeepsTheDirectoryWithoutTheCluster(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "string", `"1"`)
	dir := t.TempDir()
	sh := f.shell()
	f.refuse(http.StatusServiceUnavailable)
	if _, stderr, code := sh.run("sync", "app", dir, "--timeout", "200ms"); code != 6 || !strings.HasPrefix(stderr, "confman: unavailable: no values of app within 200ms") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	f.refuse(0)
	sh.run("sync", "app", dir, "--once")
	f.set("app", "a", "string", `"2"`)
	f.refuse(http.StatusServiceUnavailable)
	if err := os.Remove(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := sh.run("sync", "app", dir, "--once", "--timeout", "200ms"); code != 6 || !strings.Contains(stderr, "cannot be brought up to date") {
		t.Errorf("exit %d, %s", code, stderr)
	}
	p := sh.start("sync", "app", dir, "--timeout", "200ms")
	p.awaitError("using the values of event 1-00000001")
	await(t, "the old file", func() bool { return cmp.Equal(map[string]string{"a": "1"}, visibleFiles(t, dir)) })
	f.refuse(0)
	await(t, "the new file", func() bool { return cmp.Equal(map[string]string{"a": "2"}, visibleFiles(t, dir)) })
}
