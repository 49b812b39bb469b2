package dashboard

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func siteOf(files map[string]string) *Site {
	m := fstest.MapFS{}
	for name, content := range files {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return New(m)
}

func mustFile(t *testing.T, s *Site, name string) *File {
	t.Helper()
	f, err := s.File(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEachEncodingHasItsOwnTag(t *testing.T) {
	long := strings.Repeat("let x = 1;\n", 100)
	s := siteOf(map[string]string{"a.js": long, "b.js": long, "c.js": long + "x", "short.js": "1"})
	a, b, c := mustFile(t, s, "a.js"), mustFile(t, s, "b.js"), mustFile(t, s, "c.js")
	plain, zipped := a.Body(false), a.Body(true)
	if plain.Encoding != "" || zipped.Encoding != "gzip" || plain.ETag == zipped.ETag {
		t.Errorf("%q %s, %q %s", plain.Encoding, plain.ETag, zipped.Encoding, zipped.ETag)
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if content, err := io.ReadAll(r); err != nil || string(content) != long || string(plain.Bytes) != long {
		t.Errorf("unzipped %d bytes and %v, plain %d, want %d", len(content), err, len(plain.Bytes), len(long))
	}
	if b.Body(false).ETag != plain.ETag || c.Body(false).ETag == plain.ETag || c.Body(true).ETag == zipped.ETag {
		t.Error("a tag is not that of the content")
	}
	if short := mustFile(t, s, "short.js").Body(true); short.Encoding != "" {
		t.Error("a file was made longer by compressing it")
	}
}

func TestNothingElseIsServed(t *testing.T) {
	s := siteOf(map[string]string{"a.js": "1", "lib/b.js": "2", "a.go": "3", "vendor/LICENSE": "4"})
	for _, name := range []string{"", ".", "/", "b.js", "lib", "lib/", "a.go", "vendor/LICENSE", "/a.js", "./a.js", "lib/../a.js", "../a.js", "lib//b.js", "a.js/", "a.js\x00.js", "A.JS"} {
		if f, err := s.File(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v %v", name, f, err)
		}
	}
	mustFile(t, s, "lib/b.js")
}

func TestLiveFilesAreReadAtEachRequestAndOnlyInTheirDirectory(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.js", "no")
	if err := os.Mkdir(filepath.Join(dir, "site"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := Live(filepath.Join(dir, "site"))
	for _, content := range []string{"one", "two"} {
		write("site/app.js", content)
		if got := mustFile(t, s, "app.js").Body(false); string(got.Bytes) != content {
			t.Errorf("read %q, want %q", got.Bytes, content)
		}
	}
	for _, name := range []string{"../secret.js", "/secret.js", "site/../../secret.js", filepath.Join(dir, "secret.js")} {
		if _, err := s.File(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestThePageAnnouncesTheModulesThatItNeeds(t *testing.T) {
	s := siteOf(map[string]string{
		Index: "<head>\n<!--preload-->\n</head>",
		"app.js": `// import './comment.js'
import { a } from './lib/a.js';
import './lib/bare.js'; import b from "../dashboard/lib/b.js";
import {
  many,
  lines,
} from './lib/lines.js';
export * from './lib/all.js';
import '/confman.js';
const text = "import './text.js'";
const later = () => import('./lib/later.js');
export const path = './lib/path.js';
`,
		"lib/a.js":      `import{x}from"../vendor/v.js";import*as me from'./a.js';`,
		"lib/bare.js":   `import '../app.js';`,
		"lib/later.js":  `import './never.js';`,
		"vendor/v.js":   ``,
		"lib/lines.js":  ``,
		"lib/unused.js": ``,
	})
	want := "<head>\n"
	for _, address := range []string{
		"/dashboard/app.js", "/dashboard/lib/a.js", "/dashboard/lib/bare.js", "/dashboard/lib/b.js", "/dashboard/lib/lines.js", "/dashboard/lib/all.js",
		"/confman.js", "/dashboard/vendor/v.js",
	} {
		want += `<link rel="modulepreload" href="` + address + `">` + "\n"
	}
	if got := string(mustFile(t, s, Index).Body(false).Bytes); got != want+"</head>" {
		t.Errorf("got\n%s\nwant\n%s</head>", got, want)
	}
}

// names are all files of the built-in site.
func names(t *testing.T) (all []string) {
	t.Helper()
	err := fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatLiesHereIsBuiltInAndServed(t *testing.T) {
	s := New(nil)
	all := names(t)
	for _, name := range all {
		mustFile(t, s, name)
	}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name == "testdata":
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(name) != ".go" && !slices.Contains(all, name):
			t.Errorf("%s is not built in: the go:embed line in dashboard.go does not name it", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, "testdata") || filepath.Ext(name) == ".go" {
			t.Errorf("%s is built in", name)
		}
	}
}

func TestEveryModuleFindsWhatItImports(t *testing.T) {
	s := New(nil)
	mustFile(t, s, strings.TrimPrefix(entry, root))
	later := regexp.MustCompile(`\bimport\('(\.[^']+)'\)`)
	for _, name := range names(t) {
		if filepath.Ext(name) != ".js" {
			continue
		}
		source := mustFile(t, s, name).Body(false).Bytes
		imported := imports(name, source)
		for _, match := range later.FindAllSubmatch(source, -1) {
			imported = append(imported, path.Join(root, path.Dir(name), string(match[1])))
		}
		for _, address := range imported {
			ours, ok := strings.CutPrefix(address, root)
			if _, err := s.File(ours); address != "/confman.js" && (!ok || err != nil) {
				t.Errorf("%s imports %s, which no node serves", name, address)
			}
		}
	}
	if page := mustFile(t, s, Index).Body(false).Bytes; bytes.Contains(page, []byte(preloadMark)) || !bytes.Contains(page, []byte(`modulepreload" href="`+entry)) {
		t.Errorf("the page announces no modules:\n%s", page)
	}
}

// What a browser fetches before it shows anything; the rest comes when it is used.
func TestTheFirstLoadIsSmall(t *testing.T) {
	const most = 250_000
	s := New(nil)
	total := 0
	for _, address := range append(s.graph(entry), root+Index, root+"style.css", root+"vendor/icons.svg") {
		if f, err := s.File(strings.TrimPrefix(address, root)); err == nil { // else another test says so
			total += len(f.Body(true).Bytes)
		}
	}
	if t.Logf("%d bytes", total); total > most {
		t.Errorf("the page, its modules, style and icons are %d bytes compressed, want %d or less", total, most)
	}
}
