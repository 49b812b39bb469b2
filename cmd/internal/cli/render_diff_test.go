package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

func TestChangesAreShownBeforeAndAfter(t *testing.T) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	update := func(valueType, before, after string, diff ...wire.Difference) wire.ValueChange {
		return wire.ValueChange{Action: wire.ActionUpdate, Old: raw(before), OldType: valueType, OldVersion: 3, New: raw(after), NewType: valueType, Diff: diff}
	}
	tests := []struct {
		name   string
		change wire.ValueChange
		want   string
	}{
		{"create", wire.ValueChange{Action: wire.ActionCreate, New: raw(`5`), NewType: "number"}, "+ app/k (number)\n    + 5\n"},
		{"delete", wire.ValueChange{Action: wire.ActionDelete, Old: raw(`"x"`), OldType: "string", OldVersion: 2}, "- app/k (string, version 2)\n    - x\n"},
		{"one line", update("string", `"a"`, `"b"`), "~ app/k (string, version 3)\n    - a\n    + b\n"},
		{"emptied", update("string", `"a"`, `""`), "~ app/k (string, version 3)\n    - a\n    + \"\"\n"},
		{"another type", wire.ValueChange{Action: wire.ActionUpdate, Old: raw(`5`), OldType: "number", New: raw(`"5"`), NewType: "string"}, "~ app/k (number → string)\n    (the value stays as it is)\n"},
		{"old type not known", wire.ValueChange{Action: wire.ActionUpdate, Old: raw(`"a"`), New: raw(`"b"`), NewType: "string"}, "~ app/k (string)\n    - a\n    + b\n"},
		{"binary", update("binary", `"AAH/"`, `"AAH+"`), "~ app/k (binary, version 3)\n    - 3 bytes, SHA-256 26a66b061e8f…\n    + 3 bytes, SHA-256 5a4619fe8105…\n"},
		{"escape sequences and hidden direction", update("string", `"a"`, `"\u001b[2J\u202e"`), "~ app/k (string, version 3)\n    - a\n    + \\u001b[2J\\u202e\n"},
		{
			"JSON by place", update("json", `{"a":{"b":1},"c":true}`, `{"a":{"b":2},"d":"x"}`,
				wire.Difference{Pointer: "/a/b", Old: raw(`1`), New: raw(`2`)}, wire.Difference{Pointer: "/c", Old: raw(`true`)}, wire.Difference{Pointer: "/d", New: raw(`"x"`)}),
			"~ app/k (json, version 3)\n    ~ /a/b: 1 → 2\n    - /c: true\n    + /d: \"x\"\n",
		},
		{"JSON as a whole", update("json", `{"a":1}`, `[1]`, wire.Difference{Old: raw(`{"a":1}`), New: raw(`[1]`)}), "~ app/k (json, version 3)\n    - {\n    -   \"a\": 1\n    - }\n    + [\n    +   1\n    + ]\n"},
		{
			"lines", update("string", `"1\n2\n3\n4\n5\n6\nold\n7\n8\n9\n10\n11\n12\n13\n14\n15\nend"`, `"1\n2\n3\n4\n5\n6\nnew\n7\n8\n9\n10\n11\n12\n13\n14\n15\nend\n"`),
			"~ app/k (string, version 3)\n    … 3 equal lines\n      4\n      5\n      6\n    - old\n    + new\n      7\n      8\n      9\n    … 3 equal lines\n" +
				"      13\n      14\n      15\n    - end\n    \\ no newline at the end\n    + end\n",
		},
		{"a line in between", update("string", `"a\nb\nc\n"`, `"a\nx\nb\nc\n"`), "~ app/k (string, version 3)\n      a\n    + x\n      b\n      c\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.change.Namespace, test.change.Key = "app", "k"
			var out strings.Builder
			if err := new(connection).printChange(&out, test.change); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	tests := []struct {
		environ  []string
		noColour bool
		want     bool
	}{
		{nil, false, false}, // not a terminal
		{[]string{"CLICOLOR_FORCE=1"}, false, true},
		{[]string{"CLICOLOR_FORCE=0"}, false, false},
		{[]string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, false, false},
		{[]string{"CLICOLOR_FORCE=1"}, true, false},
	}
	for _, test := range tests {
		s := connection{env: Env{Environ: test.environ}, noColour: test.noColour}
		var out strings.Builder
		change := wire.ValueChange{Namespace: "app", Key: "k", Action: wire.ActionUpdate, Old: json.RawMessage(`1`), New: json.RawMessage(`2`), NewType: "number"}
		if err := s.printChange(&out, change); err != nil {
			t.Fatal(err)
		}
		want := "~ app/k (number)\n    - 1\n    + 2\n"
		if test.want {
			want = "\x1b[36m~ app/k (number)\x1b[0m\n    \x1b[31m- 1\x1b[0m\n    \x1b[32m+ 2\x1b[0m\n"
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%v, --no-color=%v (-want +got):\n%s", test.environ, test.noColour, diff)
		}
	}
}

// A text that is far too long to compare line by line is shown all the same, and
// not for ever.
func TestHugeTextsAreCut(t *testing.T) {
	before, _ := json.Marshal(strings.Repeat("a\nb\n", 5000))
	after, _ := json.Marshal(strings.Repeat("c\nd\n", 5000))
	var out strings.Builder
	change := wire.ValueChange{Namespace: "app", Key: "k", Action: wire.ActionUpdate, Old: before, New: after, NewType: "string"}
	if err := new(connection).printChange(&out, change); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(out.String(), "\n"); lines != diffMost+2 || !strings.HasSuffix(out.String(), "… and more; -o json has all of it\n") {
		t.Errorf("%d lines, ending in %q", lines, out.String()[out.Len()-60:])
	}
}
