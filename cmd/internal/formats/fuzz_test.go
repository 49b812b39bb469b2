package formats_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/cmd/internal/formats"
	"confman/events"
)

// fuzz holds for any bytes: they are refused with the file's name, or give entries that a node takes, in order, which
// the same format can write again and which come back the same.
func fuzz(f *testing.F, format formats.Format, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := formats.Flatten("file", format, data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "file:") {
				t.Fatalf("error without the file's name: %v", err)
			}
			return
		}
		for _, e := range got {
			if err := events.CheckKey(e.Key); err != nil {
				t.Fatal(err)
			}
			if e.Type != string(events.JSON) {
				if _, err := events.ParseValue([]byte(e.Value), events.ValueType(e.Type), len(data)+64); err != nil {
					t.Fatalf("%s: %v", e.Key, err)
				}
			}
		}
		if !slices.IsSortedFunc(got, func(a, b formats.Entry) int { return strings.Compare(a.Key, b.Key) }) {
			t.Fatalf("not sorted: %v", got)
		}
		file, err := formats.Unflatten(format, got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := formats.Flatten("file", format, file)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		if d := cmp.Diff(got, again); d != "" {
			t.Fatalf("%s\n%s", d, file)
		}
	})
}

func FuzzJSON(f *testing.F) {
	fuzz(f, formats.JSON, `{"a": {"b": [1, 2.50, {"c": null}], "d": "\u00e9"}}`, "\ufeff{}", `{"a":1,"a":2}`, `[`)
}

func FuzzYAML(f *testing.F) {
	fuzz(f, formats.YAML, "a: &x {b: 1.0}\nc: *x\nd:\n- yes\n- '1'\n---\ne: |\n  text\n", "a: !!binary aGk=\nb: 2001-01-01\nc: 0x1\n",
		"? [a]\n: b\n", "<<: *x\n", "a: 'x\n\n  y'\n", "a: [*a]\n", "%YAML 1.2\n---\na: >-\n  b\n")
}

func FuzzTOML(f *testing.F) {
	fuzz(f, formats.TOML, "a = 1\n[b.c]\nd = [1, {e = 2.5}]\n[[f]]\ng = 1979-05-27\n[[f]]\nh = '''x'''\n", "a.b.c = \"\"\"x\\\n y\"\"\"\n", "a = 0x1\n", "[a]\n[a]\n")
}

func FuzzProperties(f *testing.F) {
	fuzz(f, formats.Properties, "# c\na = b\\\n  c\nd:\\u00e9\ne f\n", "a\\=b=c\n", "a=\\ud83d\\ude00\\", "a\r\nb\r")
}

func FuzzEnv(f *testing.F) {
	fuzz(f, formats.Env, "A=1\nexport B='x\ny' # c\nC=\"\\$x\\n\"\n", "A=\"\\", "A='", "export =1", "A=b#c #d\r\n")
}
