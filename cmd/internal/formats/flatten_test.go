package formats_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/cmd/internal/formats"
)

// entries builds entries from lines of key, type and JSON value.
func entries(lines ...string) []formats.Entry {
	all := []formats.Entry{}
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		all = append(all, formats.Entry{Key: f[0], Type: f[1], Value: json.RawMessage(f[2])})
	}
	return all
}

func TestEveryFormatFlattensToTypedLeaves(t *testing.T) {
	nested := entries(
		`db/hosts json ["a",{"port":5432,"weight":0.10}]`,
		`db/on boolean true`,
		`db/options json {}`,
		`db/password string "p w"`,
		`db/pool/size number 10.50`,
		`db/pool/timeout.ms number 9007199254740993`,
	)
	for _, c := range []struct {
		name   string
		format formats.Format
		file   string
		want   []formats.Entry
	}{
		{"json", formats.JSON, `{"db": {"hosts": ["a", {"port": 5432, "weight": 0.10}], "on": true, "password": "p w", "options": {},
			"pool": {"size": 10.50, "timeout.ms": 9007199254740993}}}`, nested},
		{"yaml", formats.YAML, "# comment\ndb:\n  hosts: [a, {port: 5432, weight: 0.10}]\n  on: true\n  password: p w\n  options: {}\n" +
			"  pool: {size: 10.50, timeout.ms: 9007199254740993}\n", nested},
		{"toml", formats.TOML, "[db]\nhosts = ['a', {port = 5_432, weight = 0.10}]\non = true\npassword = 'p w'\noptions = {}\n" +
			"[db.pool]\nsize = +10.50\n\"timeout.ms\" = 9007199254740993\n", nested},
		{"toml array of tables", formats.TOML, "[[s.on]]\nn = 1\n[s.on.x]\ny = 2\n[[s.on]]\nn.m = 'z'\n", entries(`s/on json [{"n":1,"x":{"y":2}},{"n":{"m":"z"}}]`)},
		{"toml dates", formats.TOML, "d = 1979-05-27\nt = 07:32:00\nz = 1979-05-27T07:32:00Z\n", entries(
			`d string "1979-05-27"`, `t string "07:32:00"`, `z string "1979-05-27T07:32:00Z"`)},
		{"yaml scalars", formats.YAML, "s: yes\nt: '1'\nd: 2001-12-14\nn: ~\ne:\nb: TRUE\nx: 1e999\nbig: 123456789012345678901234567890\n" +
			"bin: !!binary |\n  aGVs\n  bG8=\ntag: !!str 5\nplus: +7\nmulti: |\n  a\n  b\n", entries(
			`b boolean true`, `big number 123456789012345678901234567890`, `bin binary "aGVsbG8="`, `d string "2001-12-14"`,
			`e json null`, `multi string "a\nb\n"`, `n json null`, `plus number 7`, `s string "yes"`, `t string "1"`, `tag string "5"`, `x number 1e999`)},
		{"yaml documents", formats.YAML, "---\n# empty\n---\nkind: A\n---\nkind: B\n", entries(`1/kind string "A"`, `2/kind string "B"`)},
		{"yaml alias", formats.YAML, "a: &x {n: 1}\nb: *x\nl: [*x]\n", entries(`a/n number 1`, `b/n number 1`, `l json [{"n":1}]`)},
		{"yaml that is JSON", formats.YAML, `{"a": {"b": [1, null]}}`, entries(`a/b json [1,null]`)},
		{"byte order mark", formats.YAML, "\ufeffa: 1\n", entries(`a number 1`)},
		{"json byte order mark", formats.JSON, "\ufeff{\"a\": 1E5}", entries(`a number 1E5`)},
		{"empty yaml", formats.YAML, "# nothing\n", entries()},
		{"empty json", formats.JSON, "{}", entries()},
		{"empty toml", formats.TOML, "", entries()},
		{"properties", formats.Properties, "# c\n! c\r\na.b = x \\\n   y \nd:1\ne f\ng\r" + `u=\u00e9\ud83d\ude00\q\\` + "\n  env=${HOME}\nslash/key==v\nlast=\\", entries(
			`a.b string "x y "`, `d string "1"`, `e string "f"`, `env string "${HOME}"`, `g string ""`, `last string ""`, `slash/key string "=v"`, `u string "é😀q\\"`)},
		{"env", formats.Env, "# c\n\nA=1\r\nexport B = two words # c\nC='a $HOME \\n \"\n#'\nD=\"x\\ty\\$Z \\q \\\\\"  # c\nE=\nF=a#b\nG=${HOME}\nexport=1\n_=\"a\nb\"", entries(
			`A string "1"`, `B string "two words"`, `C string "a $HOME \\n \"\n#"`, `D string "x\ty$Z \\q \\"`, `E string ""`, `F string "a#b"`,
			`G string "${HOME}"`, `_ string "a\nb"`, `export string "1"`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := formats.Flatten("f", c.format, []byte(c.file))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWhatCannotBeAnEntryIsRefusedWithFileAndLine(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'i'; c++ {
		before := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 10), ", ") + "]\n"
	}
	for _, c := range []struct {
		name   string
		format formats.Format
		file   string
		want   string // in the error
	}{
		{"json twice", formats.JSON, "{\n\"a\": 1,\n\"a\": 2}", `conf:3: name "a" is given twice`},
		{"json name", formats.JSON, "{\n\"x\": {\n\"a b\": 1}}", `conf:3: name "x/a b" cannot be a key`},
		{"json slash", formats.JSON, "{\"p\": {\n\"a/b\": 1}}", `conf:2: name "a/b" has a slash`},
		{"json empty name", formats.JSON, `{"": 1}`, `conf:1: name "" cannot be a key`},
		{"json dots", formats.JSON, `{"..": {"x": 1}}`, `conf:1: name "../x" cannot be a key`},
		{"json syntax", formats.JSON, "{\n\n\"a\": }", `conf:3: not JSON`},
		{"json trailing", formats.JSON, "{}\n{}", `conf:2: more text after the end`},
		{"json empty", formats.JSON, " ", `conf: empty, not JSON`},
		{"json cut off", formats.JSON, `{"a": [`, `conf:1: not JSON: unexpected EOF`},
		{"json list", formats.JSON, "\n[1]", `conf:2: a mapping is needed at the top`},
		{"json NUL", formats.JSON, `{"a": "x\u0000"}`, `conf:1: a string with a NUL`},
		{"json half character", formats.JSON, `{"a": "\ud800"}`, `conf:1: not JSON`},
		{"json deep", formats.JSON, `{"a": ` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, `conf:1: nests deeper than 256`},
		{"long key", formats.JSON, `{"a": {"` + strings.Repeat("b", 512) + `": {"c": 1}}}`, `more than 512 bytes`},
		{"yaml twice", formats.YAML, "a: 1\nb: 2\na: 3\n", `conf:3: name "a" is given twice, first on line 1`},
		{"yaml number as name", formats.YAML, "a:\n  1: x\n", `conf:2: a name that is not a string: 1; quote it`},
		{"yaml list as name", formats.YAML, "? [a]\n: x\n", `conf:1: a name that is not a string`},
		{"yaml alias as name", formats.YAML, "a: &x y\n*x : z\n", `conf:2: a name that is not a string`},
		{"yaml merge", formats.YAML, "a: &x {b: 1}\nc:\n  <<: *x\n", `conf:3: merge keys`},
		{"yaml hexadecimal", formats.YAML, "\nmode: 0x1F\n", `conf:2: the number 0x1F has no JSON spelling`},
		{"yaml octal", formats.YAML, "mode: 0644\n", `conf:1: the number 0644 has no JSON spelling`},
		{"yaml infinity", formats.YAML, "a: .inf\n", `conf:1: the number .inf has no JSON spelling`},
		{"yaml tag", formats.YAML, "a: 1\nb: !vault x\n", `conf:2: the tag !vault is not supported`},
		{"yaml tag on a list", formats.YAML, "b: !x [1]\n", `conf:1: the tag !x is not supported`},
		{"yaml tag on a mapping", formats.YAML, "b: !!set {a}\n", `conf:1: the tag !!set is not supported`},
		{"yaml bool", formats.YAML, "b: !!bool perhaps\n", `conf:1: "perhaps" is not a boolean`},
		{"yaml bool as a digit", formats.YAML, "b: !!bool 1\n", `conf:1: "1" is not a boolean`},
		{"yaml binary", formats.YAML, "b: !!binary '*'\n", `conf:1: binary value: illegal base64`},
		{"yaml scalar", formats.YAML, "just text\n", `conf:1: a mapping is needed at the top`},
		{"yaml syntax", formats.YAML, "a: 1\nb: [\n", `conf:3: not YAML`},
		{"yaml alias bomb", formats.YAML, bomb, `aliases add up to more than 1048576 bytes`},
		{"yaml alias in itself", formats.YAML, "a: &a [*a, *a]\n", `conf:1: `},
		{"toml twice", formats.TOML, "a = 1\nb = 2\na = 3\n", `conf:3: not TOML`},
		{"toml table twice", formats.TOML, "a.b = 1\n\n[a]\n", `conf:3: not TOML`},
		{"toml syntax", formats.TOML, "a = 1\nb = \n", `conf:2: not TOML`},
		{"toml name", formats.TOML, "[a]\n\n\"b c\" = 1\n", `conf:3: name "a/b c" cannot be a key`},
		{"toml hexadecimal", formats.TOML, "a = 1\nb = 0xff\n", `conf:2: the number 0xff has no JSON spelling`},
		{"toml infinity", formats.TOML, "b = -inf\n", `conf:1: the number -inf has no JSON spelling`},
		{"toml deep", formats.TOML, strings.Repeat("a.", 300) + "b = 1\n", `conf:1: nests deeper than 256`},
		{"properties twice", formats.Properties, "a=1\n# \nb\\\n =2\na:3\n", `conf:5: name "a" is given twice, first on line 1`},
		{"properties name", formats.Properties, "\na\\ b=1\n", `conf:2: name "a b" cannot be a key`},
		{"properties without a name", formats.Properties, "=1\n", `conf:1: name "" cannot be a key`},
		{"properties escape", formats.Properties, "a=\\u00g0\n", `conf:1: "\\u00g0" is not \u and four hexadecimal digits`},
		{"properties half character", formats.Properties, `a=\ud83dx`, `conf:1: `},
		{"env twice", formats.Env, "A='\n'\nB=1\nA=2\n", `conf:4: name "A" is given twice, first on line 1`},
		{"env name", formats.Env, "A=1\nB-C=2\n", `conf:2: name "B-C" is not letters, digits and _`},
		{"env digit", formats.Env, "1A=1\n", `conf:1: name "1A" is not letters`},
		{"env no value", formats.Env, "\nexport A\n", `conf:2: "export A" is not NAME=value`},
		{"env single quote", formats.Env, "A='x\n", `conf:1: a single quote that is never closed`},
		{"env double quote", formats.Env, "A=\"x\\\"\n", `conf:1: a double quote that is never closed`},
		{"env after quote", formats.Env, "A='x'y\n", `conf:1: "y" after the closing quote`},
		{"not UTF-8", formats.YAML, "a: \xff\n", `conf: not UTF-8`},
		{"no format", "ini", "", `conf: no such format: "ini"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := formats.Flatten("conf", c.format, []byte(c.file))
			if err == nil {
				t.Fatalf("no error, but %d entries", len(got))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %q, want %q in it", err, c.want)
			}
		})
	}
}

func TestNothingIsExpandedFromTheEnvironment(t *testing.T) {
	t.Setenv("SECRET", "leaked")
	for _, format := range formats.Formats() {
		file := map[formats.Format]string{formats.JSON: `{"A": "${SECRET}$SECRET"}`, formats.TOML: `A = "${SECRET}$SECRET"`}[format]
		if file == "" {
			file = "A: ${SECRET}$SECRET\n"
		}
		if format == formats.Env {
			file = "A=${SECRET}$SECRET\n"
		}
		got, err := formats.Flatten("f", format, []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(entries(`A string "${SECRET}$SECRET"`), got); d != "" {
			t.Errorf("%s: %s", format, d)
		}
	}
}

func TestRealFilesFlatten(t *testing.T) {
	data, err := os.ReadFile("testdata/petclinic/vets-service.yml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := formats.Flatten("vets-service.yml", formats.YAML, data)
	if err != nil {
		t.Fatal(err)
	}
	want := entries(
		`1/vets/cache/heap-size number 100`,
		`1/vets/cache/ttl number 60`,
		`2/eureka/instance/instance-id string "${spring.application.name}:${random.uuid}"`,
		`2/spring/config/activate/on-profile string "default"`,
		`3/eureka/client/serviceUrl/defaultZone string "http://discovery-server:8761/eureka/"`,
		`3/server/port number 8083`,
		`3/spring/config/activate/on-profile string "docker"`,
	)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFormatIsKnownByNameAndExtension(t *testing.T) {
	for path, want := range map[string]formats.Format{
		"a/b.json": formats.JSON, "x.yml": formats.YAML, "x.YAML": formats.YAML, "x.toml": formats.TOML,
		"x.properties": formats.Properties, ".env": formats.Env, "prod.env": formats.Env, "README.md": "", "yaml": "",
	} {
		if got, ok := formats.FormatOf(path); got != want || ok != (want != "") {
			t.Errorf("%s is %q (%v), want %q", path, got, ok, want)
		}
	}
	for _, f := range formats.Formats() {
		if got, err := formats.ParseFormat(string(f)); err != nil || got != f {
			t.Errorf("ParseFormat(%q) is %q (%v)", f, got, err)
		}
	}
	if _, err := formats.ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "json yaml toml properties env") {
		t.Errorf("xml: %v", err)
	}
}
