package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDryRunShowsDifferencesAndWritesNothing(t *testing.T) {
	long := strings.Repeat("0123456789", 10)
	tests := []struct {
		name string
		old  string // type and value
		file string
		want string
	}{
		{"new", "", "a\tb", `+ k: a\tb`},
		{"new and empty", "", "", `+ k: ""`},
		{"short", `string "a"`, "b", `~ k: a → b`},
		{"emptied", `string "a"`, "", `~ k: a → ""`},
		{"controls are spelled", `string "a"`, "\x1b[31m", `~ k: a → \u001b[31m`},
		{"number", `number 5`, "6", `~ k: 5 → 6`},
		{"type", `number 5`, "x", `~ k: number 5 → string x`},
		{"binary", `binary "AAH/"`, "\x00", `~ k: 3 bytes → 1 byte`},
		{"long", `string "` + long + `x"`, long + "é", `~ k: …890123456789x → …890123456789é`},
		{"long grows", `string "` + long + `"`, long + "é", `~ k: …890123456789 → …890123456789é`},
		{"lines", `string "a\nb\nc\nd\n"`, "a\nB\n\nd\n", "~ k: from line 2\n    - b\n    - c\n    + B\n    + "},
		{"last newline", `string "a\nb\n"`, "a\nb", "~ k: from line 3\n    - "},
		{"many lines", `string "a\nz\n"`, "a\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\nz\n", "~ k: from line 2\n" +
			"    + 1\n    + 2\n    + 3\n    + 4\n    + 5\n    + 6\n    + 7\n    + 8\n    + … 2 lines more"},
		{"one line becomes several", `string "a"`, "a\nb\n", `~ k: a → a\nb\n`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			if valueType, value, ok := strings.Cut(test.old, " "); ok {
				s.change("pay", "k", valueType, value)
			}
			before := s.values("pay")
			stdout, stderr, code := s.shell(t).run("import", tree(t, map[string]string{"k": test.file}), "-n", "pay", "--dry-run")
			if code != 1 || !strings.HasPrefix(stderr, "would be in pay: ") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, stderr %q", code, stderr)
			}
			if diff := cmp.Diff(test.want+"\n", stdout); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, s.values("pay")); diff != "" || len(s.transactions) > 0 {
				t.Errorf("it wrote:\n%s", diff)
			}
		})
	}
}

func TestDryRunIsForMachinesToo(t *testing.T) {
	s := newStore(t)
	s.change("pay", "gone", "string", `"x"`)
	s.change("pay", "k", "number", `1.50`)
	dir := tree(t, map[string]string{"k": "2", "new": "<&>"})
	args := []string{"import", dir, "-n", "pay", "--prune", "--dry-run", "-o", "json", "-q"}
	stdout, stderr, code := s.shell(t).run(args...)
	const want = `{
  "namespace": "pay",
  "dryRun": true,
  "created": 1,
  "updated": 1,
  "deleted": 1,
  "unchanged": 0,
  "extra": 0,
  "changes": [
    {
      "key": "k",
      "outcome": "updated",
      "version": 1,
      "old": {
        "type": "number",
        "value": 1.50
      },
      "new": {
        "type": "number",
        "value": 2
      }
    },
    {
      "key": "new",
      "outcome": "created",
      "version": 0,
      "new": {
        "type": "string",
        "value": "<&>"
      }
    },
    {
      "key": "gone",
      "outcome": "deleted",
      "version": 1,
      "old": {
        "type": "string",
        "value": "x"
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, stdout); code != 1 || stderr != "" || diff != "" {
		t.Errorf("exit %d, stderr %q (-want +got):\n%s", code, stderr, diff)
	}
	done := newStore(t)
	done.change("pay", "k", "number", "2")
	done.change("pay", "new", "string", `"<&>"`)
	if _, stderr, code := done.shell(t).run(args...); code != 0 || stderr != "" {
		t.Errorf("without differences: exit %d, %s", code, stderr)
	}
}
