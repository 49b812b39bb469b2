package formats_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/magiconair/properties"
	"pgregory.net/rapid"

	"confman/cmd/internal/formats"
)

func TestEveryFormatIsWrittenForItsReaders(t *testing.T) {
	all := entries(
		`name string "caf\u00e9 \"x\" = 'y'"`, `db/pool/size number 10.50`, `db/hosts json ["a",{"p.q":1}]`, `db/on boolean true`,
		`answer string "no"`, `pem string "-----BEGIN\nabc\n-----END\n"`, `ref secret-ref "vault://a/b"`, `v.1 string "1e5"`,
	)
	flat := entries(`NAME string "caf\u00e9 'x' $HOME"`, `N number 1.50`, `P string "a b"`, `L json [1, null]`, `plain string "a-b:/c"`, `empty string ""`)
	for _, c := range []struct {
		format  formats.Format
		entries []formats.Entry
		want    string
	}{
		{formats.JSON, all, `{
  "answer": "no",
  "db": {
    "hosts": [
      "a",
      {
        "p.q": 1
      }
    ],
    "on": true,
    "pool": {
      "size": 10.50
    }
  },
  "name": "café \"x\" = 'y'",
  "pem": "-----BEGIN\nabc\n-----END\n",
  "ref": "vault://a/b",
  "v.1": "1e5"
}
`},
		{formats.YAML, all, `answer: "no"
db:
  hosts:
  - a
  - p.q: 1
  "on": true
  pool:
    size: 10.50
name: café "x" = 'y'
pem: |
  -----BEGIN
  abc
  -----END
ref: vault://a/b
v.1: "1e5"
`},
		{formats.TOML, all, `answer = "no"
name = "café \"x\" = 'y'"
pem = "-----BEGIN\nabc\n-----END\n"
ref = "vault://a/b"
"v.1" = "1e5"

[db]
hosts = ["a", {"p.q" = 1}]
on = true

[db.pool]
size = 10.50
`},
		{formats.Properties, all, `answer=no
db/hosts=["a",{"p.q":1}]
db/on=true
db/pool/size=10.50
name=caf\u00E9 "x" = 'y'
pem=-----BEGIN\nabc\n-----END\n
ref=vault://a/b
v.1=1e5
`},
		{formats.Env, flat, `L='[1,null]'
N=1.50
NAME="café 'x' \$HOME"
P='a b'
empty=''
plain=a-b:/c
`},
		{formats.Env, entries(`db/pool.size number 5`, `1st-try string "x"`), "_1st_try=x\ndb_pool_size=5\n"},
		{formats.JSON, nil, "{}\n"},
		{formats.YAML, nil, "{}\n"},
		{formats.TOML, nil, ""},
		{formats.Properties, nil, ""},
		{formats.Env, nil, ""},
	} {
		t.Run(fmt.Sprintf("%s of %d", c.format, len(c.entries)), func(t *testing.T) {
			for range 2 {
				got, err := formats.Unflatten(c.format, c.entries)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, string(got)); d != "" {
					t.Error(d)
				}
				slices.Reverse(c.entries) // any order gives the same file
			}
		})
	}
}

func TestWhatAFormatCannotSayIsRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		format  formats.Format
		entries []formats.Entry
		want    string
	}{
		{"value and prefix", formats.JSON, entries(`a number 1`, `a/b number 2`), `entries a and a/b: a key cannot have a value and keys below it`},
		{"value and prefix, apart", formats.YAML, entries(`a/b number 1`, `a/b-c number 1`, `a/b/c/d number 2`), `entries a/b and a/b/c/d`},
		{"empty mapping and prefix", formats.TOML, entries(`a json {}`, `a/b number 2`), `entries a and a/b`},
		{"object and prefix", formats.JSON, entries(`a json {"c":1}`, `a/b number 2`), `entries a and a/b`},
		{"twice", formats.JSON, entries(`a number 1`, `a number 1`), `entry a is given twice`},
		{"twice in a flat format", formats.Env, entries(`a number 1`, `a number 1`), `entry a is given twice`},
		{"null in TOML", formats.TOML, entries(`x/a json null`), `TOML x.a: null`},
		{"null in a list in TOML", formats.TOML, entries(`a json [1,{"b":null}]`), `TOML a: null`},
		{"null in properties", formats.Properties, entries(`a json null`), `entry a is null`},
		{"null in env", formats.Env, entries(`a json null`), `entry a is null`},
		{"large integer in TOML", formats.TOML, entries(`a number 9223372036854775808`), `more than TOML's 64 bits`},
		{"large float in TOML", formats.TOML, entries(`a number 1e400`), `more than TOML's floats`},
		{"one variable of two keys", formats.Env, entries(`a/b string "x"`, `a.b string "y"`, `c json null`), "entries a.b and a/b both are the variable a_b\nentry c is null"},
		{"one variable of a digit", formats.Env, entries(`1 string "x"`, `_1 string "y"`), `entries 1 and _1 both are the variable _1`},
		{"NUL in env", formats.Env, entries(`a string "\u0000"`), `entry a: line 1: a string with a NUL`},
		{"no key", formats.JSON, entries(`a//b number 1`), `empty segment`},
		{"escape", formats.JSON, entries(`../b number 1`), `".."`},
		{"no number", formats.JSON, entries(`a number "1"`), `entry a: type number with the value "1"`},
		{"no string", formats.JSON, entries(`a string 1`), `entry a: type string with a value that is no JSON string`},
		{"no base64", formats.YAML, entries(`a binary "*"`), `entry a: binary value: illegal base64`},
		{"no JSON", formats.JSON, entries(`a json {`), `entry a: `},
		{"no type", formats.JSON, entries(`a text "x"`), `entry a: unknown type "text"`},
		{"no format", "ini", entries(`a number 1`), `no such format: "ini"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := formats.Unflatten(c.format, c.entries)
			if err == nil {
				t.Fatalf("no error, but\n%s", got)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, want %q in it", err, c.want)
			}
		})
	}
}

// segment is one name of a key. Few letters make names meet often.
func segment() *rapid.Generator[string] {
	return rapid.StringMatching(`[ab1_-]{1,2}|[a-zA-Z0-9._-]{1,8}|true|null|no|1e5|0x1`).
		Filter(func(s string) bool {
			return regexp.MustCompile(`^[A-Za-z0-9._-]+$`).MatchString(s) && s != "." && s != ".."
		})
}

// text is a string that an entry can hold, with a liking for what formats trip over.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("ab \t\n\r\f\\\"'#=:$`{}[],&*!|>%@-?~é😀\u0085\u2028\u00a0\ufeff\x01\x7f"))),
		rapid.SampledFrom([]string{"yes", "null", "~", "1e999", ".5", "0x1F", "2001-12-14", "<<", "=", "12:30:00", "- a", "a: b", "a #b", "---", "...", " x", "x ", "\nx", "x\n\n"}),
	).Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
}

func quoted(s string) string {
	out, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// value draws an entry's type and JSON.
func value(t *rapid.T, types ...string) (typ, json string) {
	switch typ = rapid.SampledFrom(types).Draw(t, "type"); typ {
	case "string":
		return typ, quoted(text().Draw(t, "text"))
	case "number":
		return typ, rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})|-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
	case "boolean":
		return typ, fmt.Sprint(rapid.Bool().Draw(t, "truth"))
	case "null":
		return "json", "null"
	case "binary":
		return typ, rapid.SampledFrom([]string{`""`, `"aGVsbG8="`, `"AP8="`}).Draw(t, "binary")
	default:
		items := []string{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			_, item := value(t, "string", "number", "boolean", "list")
			if rapid.Bool().Draw(t, "object") {
				item = "{" + quoted(text().Draw(t, "name")) + ":" + item + "}"
			}
			items = append(items, item)
		}
		return "json", "[" + strings.Join(items, ",") + "]"
	}
}

// drawEntries draws entries that a nested format can take together.
func drawEntries(t *rapid.T, types ...string) []formats.Entry {
	all := []formats.Entry{}
	for range rapid.IntRange(0, 8).Draw(t, "entries") {
		key := strings.Join(rapid.SliceOfN(segment(), 1, 4).Draw(t, "key"), "/")
		taken := func(e formats.Entry) bool {
			return e.Key == key || strings.HasPrefix(e.Key, key+"/") || strings.HasPrefix(key, e.Key+"/")
		}
		if slices.ContainsFunc(all, taken) {
			continue
		}
		typ, json := value(t, types...)
		all = append(all, formats.Entry{Key: key, Type: typ, Value: []byte(json)})
	}
	slices.SortFunc(all, func(a, b formats.Entry) int { return strings.Compare(a.Key, b.Key) })
	return all
}

func TestVariablesAreNamedAsInAnEnvFile(t *testing.T) {
	all := entries(`db/pool.size number 5`, `title string "a b"`, `cert binary "AAH/"`, `on boolean true`)
	for upper, want := range map[bool][]string{
		false: {"cert=AAH/", "db_pool_size=5", "on=true", "title=a b"},
		true:  {"CERT=AAH/", "DB_POOL_SIZE=5", "ON=true", "TITLE=a b"},
	} {
		got, err := formats.Variables(all, upper)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("upper %v: %v (-want +got):\n%s", upper, err, d)
		}
	}
	if got, err := formats.Variables(entries(`a number 1`, `A number 2`), true); err == nil || err.Error() != "entries A and a both are the variable A" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestFlattenUndoesUnflatten(t *testing.T) {
	for _, c := range []struct {
		format formats.Format
		types  []string
	}{
		{formats.JSON, []string{"string", "number", "boolean", "list", "null"}},
		{formats.YAML, []string{"string", "number", "boolean", "list", "null", "binary"}},
		{formats.TOML, []string{"string", "number", "boolean", "list"}},
		{formats.Properties, []string{"string"}},
		{formats.Env, []string{"string"}},
	} {
		t.Run(string(c.format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := drawEntries(t, c.types...)
				if c.format == formats.Env {
					for i := range want {
						want[i].Key = fmt.Sprintf("V%d", i)
					}
				}
				file, err := formats.Unflatten(c.format, want)
				if err != nil {
					t.Fatal(err)
				}
				got, err := formats.Flatten("f", c.format, file)
				if err != nil {
					t.Fatalf("%v\n%s", err, file)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("%s\n%s", d, file)
				}
			})
		})
	}
}

func TestAnotherReaderOfPropertiesReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntries(t, "string")
		file, err := formats.Unflatten(formats.Properties, want)
		if err != nil {
			t.Fatal(err)
		}
		loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
		got, err := loader.LoadBytes(file)
		if err != nil {
			t.Fatalf("%v\n%s", err, file)
		}
		for _, e := range want {
			plain, err := e.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(plain, func(b byte) bool { return b >= 0xf0 }) {
				continue // it does not join surrogate pairs, which Java writes and reads
			}
			if text, ok := got.Get(e.Key); !ok || text != string(plain) {
				t.Fatalf("%s reads as %q, want %q, in\n%s", e.Key, text, plain, file)
			}
		}
	})
}

func TestShellReadsEnvFilesAsWeDo(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no sh here")
	}
	all := []formats.Entry{}
	for i, text := range []string{
		"plain", "two words", "", "it's", `"quoted"`, `back\slash`, `\n`, "$HOME ${HOME} $(id) `id`", "'$HOME' `id` \\$x \"", "line\nbreak", "it's\na \\ line\n", "#x", "a#b", "a;b|c&d", "~", "*", "é😀", "tab\tx", "cr\rx", "!x", "a=b",
	} {
		all = append(all, formats.Entry{Key: fmt.Sprintf("V%02d", i), Type: "string", Value: []byte(quoted(text))})
	}
	file, err := formats.Unflatten(formats.Env, all)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		want, err := e.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		got, err := exec.Command(shell, "-c", string(file)+"printf %s \"$"+e.Key+"\"").Output()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is %q in a shell, want %q", e.Key, got, want)
		}
	}
}
