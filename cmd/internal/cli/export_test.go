package cli_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// filesIn are the files below a directory, by path.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
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

func TestExportedDirectoryIsImportedByteForByte(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	files := map[string]string{
		"empty": "", "bom.yml": "\ufeffa: 1\r\n", "no-newline": "x", "nul": "a\x00b", "latin1": "\xe9", "emoji": "🙂\u2028<&>\"\\",
	}
	for i := range 50 {
		content := make([]byte, random.IntN(200))
		for j := range content {
			content[j] = byte(random.IntN(1 << (6 + random.IntN(3))))
		}
		files[fmt.Sprintf("dir%d/file%d", i%5, i)] = string(content)
	}
	s := newStore(t)
	sh := s.shell(t)
	out := filepath.Join(t.TempDir(), "out") + "/"
	for _, args := range [][]string{
		{"import", tree(t, files), "-n", "one"}, {"export", "one", out}, {"import", out, "-n", "two"},
	} {
		if _, stderr, code := sh.run(args...); code != 0 {
			t.Fatalf("%q: exit %d, %s", args, code, stderr)
		}
	}
	if diff := cmp.Diff(files, filesIn(t, out)); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(s.values("one"), s.values("two")); diff != "" {
		t.Errorf("imported (-one +two):\n%s", diff)
	}
}

// Of a directory nothing but the values comes back, so a key that has a type
// must keep it.
func TestExportedDirectoryGoesBackWithoutAChange(t *testing.T) {
	s := newStore(t)
	for key, value := range map[string]string{
		"n": `number 1.50`, "b": `boolean true`, "j": `json {"a":[1,null]}`, "t": `json "text"`, "s": `string "5"`,
		"r": `secret-ref "vault://x"`, "x": `binary "AAH/"`, "plain": `binary "YWJj"`, "null": `json null`,
	} {
		valueType, text, _ := strings.Cut(value, " ")
		s.change("pay", key, valueType, text)
	}
	sh, dir := s.shell(t), t.TempDir()
	if _, stderr, code := sh.run("export", "pay", dir); code != 0 || stderr != "pay: 9 values as of event 9-00000000 written to "+dir+"\n" {
		t.Fatalf("exit %d, %s", code, stderr)
	}
	if stdout, stderr, code := sh.run("import", dir, "-n", "pay", "--dry-run"); code != 0 {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
}

func TestExportWritesOneDocument(t *testing.T) {
	s := newStore(t)
	s.change("pay", "pool/size", "number", "10.50")
	s.change("pay", "title", "string", `"a\nb\n"`)
	s.change("pay", "hosts", "json", `["a","b"]`)
	sh, dir := s.shell(t), t.TempDir()
	asJSON := "{\n  \"hosts\": [\n    \"a\",\n    \"b\"\n  ],\n  \"pool\": {\n    \"size\": 10.50\n  },\n  \"title\": \"a\\nb\\n\"\n}\n"
	for args, want := range map[string]string{
		"export pay":                             "hosts:\n- a\n- b\npool:\n  size: 10.50\ntitle: |\n  a\n  b\n",
		"export pay --format json":               asJSON,
		"export pay - -o json":                   asJSON,
		"export -n pay - -o properties":          "hosts=[\"a\",\"b\"]\npool/size=10.50\ntitle=a\\nb\\n\n",
		"export pay --at 1 --format toml":        "[pool]\nsize = 10.50\n",
		"export pay --at 1 -q":                   "pool:\n  size: 10.50\n",
		"export pay " + dir + "/x.json -q":       "",
		"export -n pay " + dir + "/y -o json -q": "",
	} {
		stdout, stderr, code := sh.run(strings.Fields(args)...)
		if diff := cmp.Diff(want, stdout); code != 0 || stderr != "" || diff != "" {
			t.Errorf("%s: exit %d, stderr %q (-want +got):\n%s", args, code, stderr, diff)
		}
	}
	if diff := cmp.Diff(map[string]string{"x.json": asJSON, "y": asJSON}, filesIn(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, stderr, code := sh.run("import", dir+"/x.json", "-n", "pay", "--flatten", "--dry-run"); code != 0 {
		t.Errorf("back again: exit %d, %s", code, stderr)
	}
}

func TestExportRefusesAndWritesNothing(t *testing.T) {
	s := newStore(t)
	s.change("pay", "a", "json", "null")
	s.change("pay", "a/b", "number", "1")
	dir := t.TempDir()
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"export":                              {2, "confman: no namespace: confman export NS [PATH]"},
		"export pay DIR -n pay":               {2, "confman: the namespace is given twice"},
		"export pay DIR/x.ini":                {2, "confman: the extension of "},
		"export pay DIR --format json":        {2, "confman: DIR is a directory"},
		"export pay --format ini":             {2, `confman: --format: format "ini"`},
		"export absent":                       {3, "confman: read namespace absent: 404"},
		"export pay":                          {7, "confman: export as yaml: entries a and a/b: a key cannot have a value and keys below it"},
		"export pay DIR/x.properties":         {7, "confman: export as properties: entry a is null"},
		"export pay DIR/":                     {7, "confman: export: entries a and a/b: a path cannot be a file and a directory"},
		"export pay DIR/absent/x.json --at 0": {1, "confman: export: "},
	} {
		stdout, stderr, code := s.shell(t).run(strings.Fields(strings.ReplaceAll(args, "DIR", dir))...)
		if code != want.code || stdout != "" || !strings.HasPrefix(stderr, strings.ReplaceAll(want.stderr, "DIR", dir)) {
			t.Errorf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
	if files := filesIn(t, dir); len(files) > 0 {
		t.Errorf("written: %v", files)
	}
}

// A long list comes in pages, and a page shows what is there when it is read.
func TestExportIsOfOneMoment(t *testing.T) {
	s := newStore(t)
	s.page = 2
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		s.change("pay", key, "number", "0")
	}
	lists := 0
	s.beforeList = func() {
		if lists++; lists == 2 || lists == 5 {
			s.change("pay", "a", "number", "1")
			s.change("pay", "e", "number", "1")
		}
	}
	stdout, stderr, code := s.shell(t).run("export", "pay")
	if code != 0 || stderr != "" || stdout != "a: 0\nb: 0\nc: 0\nd: 0\ne: 0\n" {
		t.Errorf("exit %d, %s%s", code, stdout, stderr)
	}
	if lists != 6 || !slices.Contains(s.values("pay"), "e number 1") {
		t.Errorf("%d pages were read, want two times three", lists)
	}
}
