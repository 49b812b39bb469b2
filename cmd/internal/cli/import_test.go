package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// tree writes files, by path, into a new directory.
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

// numbered is a JSON object k000: 0, k001: 1 …
func numbered(n int) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf(`"k%03d":%d`, i, i))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestImportWritesAFileForEachKeyOrALeafForEachKey(t *testing.T) {
	files := map[string]string{
		"app.yml":        "pool:\n  size: 10.50\nhosts: [a, b]\n",
		"sub/web.env":    "PORT=80\n",
		"README.md":      "read me",
		".git/HEAD":      "ref",
		"sub/.gitignore": "*",
	}
	tests := []struct {
		args   string
		stderr string
		want   []string
	}{
		{"", "skipped: .git/, sub/.gitignore\npay: 3 created, 0 updated, 0 deleted, 0 unchanged; event 3-00000000\n", []string{
			`README.md string "read me"`, `app.yml string "pool:\n  size: 10.50\nhosts: [a, b]\n"`, `sub/web.env string "PORT=80\n"`,
		}},
		{"--flatten", "skipped: .git/, README.md, sub/.gitignore\npay: 3 created, 0 updated, 0 deleted, 0 unchanged; event 3-00000000\n", []string{
			`app/hosts json ["a","b"]`, `app/pool/size number 10.50`, `sub/web/PORT string "80"`,
		}},
	}
	for _, test := range tests {
		s := newStore(t)
		sh := s.shell(t)
		args := append([]string{"import", tree(t, files), "-n", "pay", "--comment", "why"}, strings.Fields(test.args)...)
		stdout, stderr, code := sh.run(args...)
		if code != 0 || stdout != "" || stderr != test.stderr {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", test.args, code, stdout, stderr)
		}
		if diff := cmp.Diff(test.want, s.values("pay")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.args, diff)
		}
		if s.transactions[0].Comment != "why" {
			t.Errorf("comment %q", s.transactions[0].Comment)
		}
		if _, stderr, code := sh.run(args...); code != 0 || len(s.transactions) != 1 || !strings.HasSuffix(stderr, "0 created, 0 updated, 0 deleted, 3 unchanged\n") {
			t.Errorf("%s again: exit %d, %d transactions, stderr %q", test.args, code, len(s.transactions), stderr)
		}
		if !slices.Equal(s.reads, []string{wire.ConsistencyLinearizable, wire.ConsistencyLinearizable}) {
			t.Errorf("compared with what %q shows; a follower may not have the last import yet", s.reads)
		}
	}
}

func TestImportReadsStdin(t *testing.T) {
	s := newStore(t)
	sh := s.shell(t)
	sh.stdin = "a.b = 1\n"
	if _, stderr, code := sh.run("import", "-", "-n", "pay", "--format", "properties"); code != 0 {
		t.Fatal(stderr)
	}
	if got := s.values("pay"); !slices.Equal(got, []string{`a.b string "1"`}) {
		t.Error(got)
	}
}

// A transaction may have 128 conditions and operations, and not too many bytes.
func TestImportStaysWithinTheLimitsOfATransaction(t *testing.T) {
	s := newStore(t)
	files := map[string]string{"large": strings.Repeat("x", 3<<20)}
	for i := range 10 {
		files[fmt.Sprintf("middle%d", i)] = strings.Repeat("y", 300<<10)
	}
	for i := range 130 {
		files[fmt.Sprintf("small%03d", i)] = "z"
	}
	if _, stderr, code := s.shell(t).run("import", tree(t, files), "-n", "pay"); code != 0 {
		t.Fatal(stderr)
	}
	if got := len(s.values("pay")); got != len(files) {
		t.Errorf("%d keys, want %d", got, len(files))
	}
	for i, x := range s.transactions {
		size := 0
		for _, set := range x.Set {
			size += len(set.Value)
		}
		if len(x.If)+len(x.Set) > 128 || len(x.If) != len(x.Set) || size > 1<<20 && len(x.Set) > 1 {
			t.Errorf("transaction %d: %d conditions, %d operations, %d bytes", i, len(x.If), len(x.Set), size)
		}
	}
}

func TestConcurrentChangeEndsTheImportAndTheNextGoesOn(t *testing.T) {
	s := newStore(t)
	calls := 0
	s.beforeTransaction = func(http.ResponseWriter, wire.Transaction) bool {
		if calls++; calls == 2 {
			s.change("pay", "k070", "number", "-1")
			s.change("pay", "k100", "number", "100")
		}
		return false
	}
	sh := s.shell(t)
	file := filepath.Join(tree(t, map[string]string{"n.json": numbered(150)}), "n.json")
	args := []string{"import", file, "-n", "pay", "--flatten"}
	stdout, stderr, code := sh.run(args...)
	const want = "confman: import into pay: 64 of 150 changes written; not written: the next 64, k064 to k127; not written: the last 22: " +
		"409 Conflict: pay/k070 is at version 1, not 0; and 1 more (correlation corr-1)\n" +
		"hint: the same import again compares anew and writes what still differs\n"
	if code != 4 || stdout != "" || stderr != want {
		t.Errorf("exit %d, stdout %q, stderr\n%swant\n%s", code, stdout, stderr, want)
	}
	if got := s.values("pay"); len(got) != 66 || got[64] != "k070 number -1" {
		t.Errorf("%d keys, the last %s", len(got), got[len(got)-1])
	}
	if _, stderr, code := sh.run(args...); code != 0 || stderr != "pay: 84 created, 1 updated, 0 deleted, 65 unchanged; event 151-00000000\n" {
		t.Errorf("again: exit %d, %s", code, stderr)
	}
}

func TestInterruptedImportSaysWhatIsWritten(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	calls := 0
	s.beforeTransaction = func(http.ResponseWriter, wire.Transaction) bool {
		if calls++; calls == 2 {
			cancel()
			<-release
		}
		return false
	}
	var stdout, stderr bytes.Buffer
	code := cli.Run(ctx, []string{"import", "-", "-n", "pay", "--format", "json"}, cli.Env{
		Stdin: strings.NewReader(numbered(150)), Stdout: &stdout, Stderr: &stderr, Environ: s.shell(t).environ,
	})
	const want = "confman: import into pay: 64 of 150 changes written; perhaps written: the next 64, k064 to k127; not written: the last 22: "
	if code != 130 || !strings.HasPrefix(stderr.String(), want) || !strings.Contains(stderr.String(), "\nhint: the same import again") {
		t.Errorf("exit %d, %s", code, stderr.String())
	}
}

func TestImportSaysHowItsTransactionEnded(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2"})
	tests := []struct {
		name   string
		status int
		kind   string
		fields []wire.FieldError
		code   int
		stderr string
		hint   string
	}{
		{"refused value", 400, wire.ProblemMalformed, []wire.FieldError{{Pointer: "/set/1/value", Detail: "is wrong"}}, 7, "0 of 2 changes written; not written: the next 2, a to b: 400 Bad Request: b is wrong\n", ""},
		{"forbidden", 403, wire.ProblemForbidden, nil, 5, "not written: the next 2, a to b: transaction: 403 Forbidden\n", "confman whoami"},
		{"approval required", 409, wire.ProblemApprovalRequired, nil, 4, "not written: the next 2, a to b: transaction: 409 Conflict\n", "changes here are reviewed: confman draft set"},
		{"unknown", 504, wire.ProblemOutcomeUnknown, nil, 8, "perhaps written: the next 2, a to b: transaction: outcome unknown", "the same import again"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			s.beforeTransaction = func(w http.ResponseWriter, _ wire.Transaction) bool {
				w.Header().Set("Content-Type", wire.MediaProblem)
				w.WriteHeader(test.status)
				_, _ = w.Write(problemBody(test.status, test.kind, test.fields))
				return true
			}
			_, stderr, code := s.shell(t).run("import", dir, "-n", "pay", "--timeout", "500ms")
			_, hint, _ := strings.Cut(stderr, "\nhint: ")
			if code != test.code || !strings.Contains(stderr, test.stderr) || !strings.HasPrefix(hint, test.hint) || (hint == "") != (test.hint == "") {
				t.Errorf("exit %d, %s", code, stderr)
			}
		})
	}
}

// What was exported as files is text when it comes back; a number must not
// become a string by that.
func TestTextKeepsTheTypeThatItsKeyHas(t *testing.T) {
	tests := []struct{ oldType, old, file, want string }{
		{"number", `5`, "5", `number 5`},
		{"number", `5`, "6\n", `number 6`},
		{"number", `5`, "six", `string "six"`},
		{"boolean", `true`, "false", `boolean false`},
		{"json", `{"a":[1.0]}`, "{ \"a\": [1.0, 2] }\n", `json {"a":[1.0,2]}`},
		{"json", `null`, "null", `json null`},
		{"secret-ref", `"vault://a"`, "vault://b", `secret-ref "vault://b"`},
		{"secret-ref", `"vault://a"`, "plain", `string "plain"`},
		{"binary", `"AAH/"`, "now text", `binary "bm93IHRleHQ="`},
		{"string", `"text"`, "a\x00b", `binary "YQBi"`},
		{"string", `"5"`, "6", `string "6"`},
	}
	for _, test := range tests {
		s := newStore(t)
		s.change("pay", "k", test.oldType, test.old)
		if _, stderr, code := s.shell(t).run("import", tree(t, map[string]string{"k": test.file}), "-n", "pay"); code != 0 {
			t.Error(stderr)
		}
		if got := s.values("pay"); !slices.Equal(got, []string{"k " + test.want}) {
			t.Errorf("%s %s, then the file %q: %s, want %s", test.oldType, test.old, test.file, got, test.want)
		}
	}
}

func TestPruneAsksAndDeletesWhatTheSourceLacks(t *testing.T) {
	for _, test := range []struct {
		interactive bool
		reply, args string
		code        int
		deletes     bool
	}{
		{args: "", code: 2},
		{args: "--yes", deletes: true},
		{interactive: true, reply: "y\n", deletes: true},
		{interactive: true, reply: "n\n", code: 1},
	} {
		s := newStore(t)
		for _, key := range []string{"old", "gone", "same"} {
			s.change("pay", key, "string", `"x"`)
		}
		s.change("other", "old", "string", `"x"`)
		sh := s.shell(t)
		sh.interactive, sh.stdin = test.interactive, test.reply
		args := []string{"import", tree(t, map[string]string{"same": "x", "zoo": "new"}), "-n", "pay", "--prune"}
		_, stderr, code := sh.run(append(args, strings.Fields(test.args)...)...)
		want := []string{`gone string "x"`, `old string "x"`, `same string "x"`}
		if test.deletes {
			want = []string{`same string "x"`, `zoo string "new"`}
		}
		if got := s.values("pay"); code != test.code || !slices.Equal(got, want) || len(s.values("other")) != 1 {
			t.Errorf("%+v: exit %d, %s\n%q", test, code, stderr, got)
		}
		if test.interactive && !strings.HasPrefix(stderr, "Delete 2 keys of pay (gone, old)? [y/N] ") {
			t.Errorf("asked %q", stderr)
		}
	}
}

func TestImportRefusesBeforeItWrites(t *testing.T) {
	dir := tree(t, map[string]string{
		"bad.yml": "a: [\n", "good.yml": "a: 1\n", "plain.txt": "a",
		"deep.json": `{"k":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + "}",
	})
	for args, want := range map[string]struct {
		code   int
		stderr string
	}{
		"import":                                   {2, "confman: too few arguments: confman import PATH -n NS"},
		"import DIR":                               {2, "confman: no namespace"},
		"import - -n pay":                          {2, "confman: stdin has no name that tells its format: add --format"},
		"import - -n pay --format ini":             {2, `confman: --format: format "ini" is not one of [json yaml toml properties env]`},
		"import DIR/absent -n pay":                 {1, "confman: import: stat "},
		"import DIR -n pay --format yaml":          {1, "confman: import "},
		"import DIR -n pay --flatten":              {7, "confman: import from "},
		"import DIR/bad.yml -n pay":                {0, "pay: 1 created"}, // whole files need not be anything
		"import DIR/plain.txt -n pay --flatten":    {7, "confman: import "},
		"import DIR/deep.json -n pay --flatten":    {7, "confman: import k: "},
		"import DIR/good.yml -n pay --format json": {7, "confman: import: "},
	} {
		s := newStore(t)
		_, stderr, code := s.shell(t).run(strings.Fields(strings.ReplaceAll(args, "DIR", dir))...)
		if code != want.code || !strings.HasPrefix(stderr, want.stderr) || (len(s.transactions) > 0) != (code == 0) {
			t.Errorf("%s: exit %d, %s", args, code, stderr)
		}
	}
}
