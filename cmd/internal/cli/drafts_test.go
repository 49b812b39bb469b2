package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// told is one command and all that comes of it. DIR is the directory with files of
// the test.
type told struct {
	args           string
	stdout, stderr string
	code           int
	change         string // what the server was asked to change
}

// expect runs commands one after the other; each finds what those before it left.
func (d *desk) expect(t *testing.T, files map[string]string, tests []told) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			d.changes = nil
			stdout, stderr, code := d.shell(t).run(strings.Fields(strings.ReplaceAll(test.args, "DIR", dir))...)
			got := told{test.args, stdout, strings.ReplaceAll(stderr, dir, "DIR"), code, strings.Join(d.changes, "\n")}
			if diff := cmp.Diff(test, got, cmp.AllowUnexported(told{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestDraftsAreSavedShownAndDiscarded(t *testing.T) {
	newDesk(t).expect(t, nil, []told{
		{args: "draft set pay pool 7 --type number", stderr: `draft of pay/pool saved: revision 60
it breaks the schema: /pool is 70000, must be at most 65535
`, change: `PUT namespaces/pay/drafts/pool {"value":"7","type":"number"}`},
		{args: "draft set pay pool 7 --dry-run --type number", stderr: `would save a draft:
~ pay/pool (number, version 2)
    - 5
    + 7
`},
		{args: "draft set pay new hi --dry-run --if-revision 4", stderr: "confman: condition failed: the draft of pay/new is at revision 0, not 4\n", code: 4},
		{args: "draft set pay url x", stderr: `confman: put a draft of pay/url: 409 Conflict
hint: it is under review: confman request list says in which publish request, and withdrawing or rejecting that unlocks it
`, code: 4, change: `PUT namespaces/pay/drafts/url {"value":"x","type":"string"}`},
		{args: "draft delete pay pool --comment c", stderr: "draft of pay/pool saved: revision 60\n", change: `PUT namespaces/pay/drafts/pool {"delete":true,"comment":"c"}`},
		{args: "draft discard pay pool --if-revision 41 -y", stderr: "draft of pay/pool discarded\n", change: `DELETE namespaces/pay/drafts/pool "r41"`},
		{args: "draft list pay", stdout: `KEY    CHANGE   REVISION   UPDATED                BY    REQUEST   SCHEMA    VALUE
gone   delete   43         2026-01-31T12:00:00Z   ana   -         ok        -
pool   update   41         2026-01-31T12:00:00Z   ana   -         1 error   70000
url    create   42         2026-01-31T12:00:00Z   ana   01REQ     ok        http://b
`},
		{args: "draft show pay pool", stdout: `draft     revision 41, 2026-01-31T12:00:00Z by ana
comment   more traffic
schema    /pool is 70000, must be at most 65535

~ pay/pool (number, version 2)
    - 5
    + 70000
`},
		{args: "draft show pay url", stdout: `draft    revision 42, 2026-01-31T12:00:00Z by ana
locked   under review: confman request show 01REQ

+ pay/url (string)
    + http://b
`},
		{args: "draft show pay gone", stdout: `draft   revision 43, 2026-01-31T12:00:00Z by ana

- pay/gone (version 1)
    - "x"
`},
		{args: "set pay pool 5 --type number", stderr: `confman: put pay/pool: 409 Conflict
hint: changes here are reviewed: confman draft set pay pool VALUE --type number && confman request submit pay pool
`, code: 4},
		{args: "delete pay pool --yes", stderr: `confman: delete pay/pool: 409 Conflict
hint: changes here are reviewed: confman draft delete pay pool && confman request submit pay pool
`, code: 4},
	})
}
