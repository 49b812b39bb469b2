package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

func TestPoliciesAreReadAndChanged(t *testing.T) {
	d := newDesk(t)
	d.roles.Grants = []wire.RoleGrant{{Role: "viewer", Group: "all"}}
	d.schema.Schema = number(`{"type":"object","properties":{"pool":{"maximum":65535}}}`)
	files := map[string]string{"s.json": `{"type":"object"}`, "v.json": `"x"`, "r.yaml": "grants:\n- role: editor\n  principal: ana\n"}
	d.expect(t, files, []told{
		{args: "role list pay", stdout: `ROLE     TO          KEYS   FROM
viewer   group:all   -      -
`},
		{args: "role grant pay editor ana --keys db/*", stderr: "editor in pay given to ana\n", change: `PUT namespaces/pay/roles * {"grants":[{"role":"viewer","group":"all"},{"role":"editor","principal":"ana","keys":"db/*"}]}`},
		{args: "role grant pay editor ana --keys db/*", stderr: "pay: ana editor of db/* is so already\n"},
		{args: "role grant pay owner ana", stderr: `confman: the role "owner": want one of viewer, editor, publisher, admin
hint: confman role grant --help
`, code: 2},
		{args: "role revoke pay editor bo", stderr: "confman: not found: the namespace does not give bo editor; confman role list NS --resolve shows who does\n", code: 3},
		{args: "role revoke pay editor ana", stderr: "editor in pay taken from ana\n", change: `PUT namespaces/pay/roles "r10" {"grants":[{"role":"viewer","group":"all"}]}`},
		{args: "role set pay DIR/r.yaml --yes", stderr: `- group:all viewer
+ ana editor
roles of pay replaced
`, change: `PUT namespaces/pay/roles "r20" {"grants":[{"role":"editor","principal":"ana"}]}`},
		{args: "schema get pay", stdout: `{
  "type": "object",
  "properties": {
    "pool": {
      "maximum": 65535
    }
  }
}
`},
		{args: "schema set pay DIR/s.json", stderr: "schema of pay set\n", change: `PUT namespaces/pay/schema * {"schema":{"type":"object"}}`},
		{args: "schema set pay DIR/s.json --dry-run", stdout: `WHEN                   EVENT   BY    NAMESPACE   PLACE   PROBLEM
live                   -       -     pay/eu      /pool   is 5, must be at least 10
2026-01-31T12:00:00Z   31      ana   pay         /pool   is 5, must be at least 10
`, stderr: "confman: live values break the schema\n", code: 7, change: `POST namespaces/pay/schema?dry_run=true {"schema":{"type":"object"}}`},
		{args: "schema test web", stdout: `WHEN                   EVENT   BY    NAMESPACE   PLACE   PROBLEM
live                   -       -     pay/eu      /pool   is 5, must be at least 10
2026-01-31T12:00:00Z   31      ana   pay         /pool   is 5, must be at least 10
`, stderr: "no live value breaks it; it would have refused 1 of the last 7 changes\n", change: `POST namespaces/web/schema?dry_run=true&last=100 {"schema":{"type":"object"}}`},
		{args: "schema test pay DIR/s.json", stdout: `WHEN                   EVENT   BY    NAMESPACE   PLACE   PROBLEM
live                   -       -     pay/eu      /pool   is 5, must be at least 10
2026-01-31T12:00:00Z   31      ana   pay         /pool   is 5, must be at least 10
`, stderr: "confman: live values break the schema\n", code: 7, change: `POST namespaces/pay/schema?dry_run=true&last=100 {"schema":{"type":"object"}}`},
		{args: "schema unset pay --yes", stderr: "schema of pay taken away\n", change: `PUT namespaces/pay/schema "r10" {"schema":null}`},
		{args: "schema get pay", stderr: "pay has no schema of its own\n"},
		{args: "schema validate DIR/s.json DIR/v.json", stdout: "is not a number\n", stderr: "confman: DIR/v.json is invalid\n", code: 7},
		{args: "settings set pay requireApproval=true minApprovers=2 quota.bytes=10MiB quota.keys=5", stderr: "settings of pay changed\n", change: `PUT namespaces/pay/settings * {"requireApproval":true,"minApprovers":2,"quota":{"keys":5,"bytes":10485760}}`},
		{args: "settings get pay", stdout: `SETTING           VALUE      FROM
requireApproval   true       -
minApprovers      2          -
quota.keys        5          -
quota.bytes       10485760   -
`},
		{args: "settings set pay minApprovers=", stderr: "settings of pay changed\n", change: `PUT namespaces/pay/settings "r10" {"requireApproval":true,"quota":{"keys":5,"bytes":10485760}}`},
		{args: "settings set pay nope=1", stderr: `confman: nope=1: unknown setting "nope"; want one of requireApproval, minApprovers, rollbackRequiresApproval, allowBypass, inherit, quota.keys, quota.bytes, windows, or confman settings freeze
hint: confman settings set --help
`, code: 2},
		{args: "settings set pay minApprovers=0", stderr: `confman: minApprovers=0: want a number from 1 on
hint: confman settings set --help
`, code: 2},
		{args: "settings set pay --dry-run windows=mon,fri", stderr: `confman: windows=mon,fri: the window "mon,fri": want DAYS FROM-TO ZONE, such as mon,fri 09:00-17:00 Europe/Berlin
hint: confman settings set --help
`, code: 2},
		{args: "settings freeze pay --from 2026-12-23T18:00:00Z --until 2027-01-02T08:00:00Z --reason holidays", stderr: "settings of pay changed: frozen from 2026-12-23T18:00:00Z until 2027-01-02T08:00:00Z\n", change: `PUT namespaces/pay/settings "r20" {"requireApproval":true,"quota":{"keys":5,"bytes":10485760},"freezes":[{"from":"2026-12-23T18:00:00Z","until":"2027-01-02T08:00:00Z","reason":"holidays"}]}`},
		{args: "settings thaw pay", stderr: "settings of pay changed: no freezes\n", change: `PUT namespaces/pay/settings "r30" {"requireApproval":true,"quota":{"keys":5,"bytes":10485760}}`},
		{args: "settings thaw pay", stderr: "pay has no freezes of its own; confman settings get pay --resolve shows those of namespaces above\n"},
		{args: "access explain ana pay --group x", stdout: `ana is editor in pay
ROLE     NAMESPACE   BY              KEYS   COUNTS
editor   /           group:x         db/*   yes
admin    pay         API key 01KEY   -      no: revoked
`},
	})
}

// Two people who grant at the same time both have their way.
func TestGrantsOfOthersAreNotOverwritten(t *testing.T) {
	d := newDesk(t)
	d.roles.Index = 7
	d.meddle = func() {
		d.roles.Grants, d.roles.Index = []wire.RoleGrant{{Role: "admin", Principal: "bo"}}, 8
	}
	_, stderr, code := d.shell(t).run("role", "grant", "pay", "editor", "ana")
	want := []wire.RoleGrant{{Role: "admin", Principal: "bo"}, {Role: "editor", Principal: "ana"}}
	if code != 0 || !slices.Equal(d.roles.Grants, want) || len(d.changes) != 2 {
		t.Errorf("exit %d, %s; %v after %q", code, stderr, d.roles.Grants, d.changes)
	}
}

// A file of roles is written over what it was made from and nothing else.
func TestRolesOfAnOldFileAreRefused(t *testing.T) {
	d := newDesk(t)
	d.roles.Index = 8
	for file, want := range map[string]struct {
		code   int
		stderr string
	}{
		`{"index":7,"grants":[]}`:                                   {4, "the roles of pay changed since: they are of event 8, the file's of event 7"},
		`{"index":8,"grants":[]}`:                                   {0, "roles of pay replaced"},
		`{"grants":[{"role":"admin","principle":"bo"}]}`:            {7, `unknown field "principle"`},
		`{"grants":[{"role":"admin","principal":"bo","from":"/"}]}`: {7, "make the file without --resolve"},
		`{"grants":[{"role":"admin","principal":"bo"`:               {7, "read -: yaml"},
	} {
		sh := d.shell(t)
		sh.stdin, d.roles = file, wire.Roles{Origin: wire.Origin{Index: 8}}
		if _, stderr, code := sh.run("role", "set", "pay", "-", "--yes"); code != want.code || !strings.Contains(stderr, want.stderr) {
			t.Errorf("%s: exit %d, %s", file, code, stderr)
		}
	}
}

func TestPoliciesAreCompleted(t *testing.T) {
	sh := newDesk(t).shell(t)
	for args, want := range map[string]string{
		"draft|show|":           "pay\n:4\n",
		"draft|show|pay|":       "gone\npool\nurl\n:4\n",
		"draft|discard|-n|pay|": "gone\npool\nurl\npay\n:4\n",
		"request|approve|":      "01REQ\tpay/limits and 1 more\n01OLD\tpay/limits and hidden ones\n:4\n",
		"request|list|--state|": "open\nall\npending_review\nscheduled\npublished\nrejected\nwithdrawn\n:4\n",
		"role|grant|pay|":       "viewer\neditor\npublisher\nadmin\n:4\n",
		"schema|set|pay|":       ":0\n",
		"access|explain|ana|":   "pay\n:4\n",
	} {
		if stdout, _, code := sh.run(append([]string{"__complete"}, strings.Split(args, "|")...)...); stdout != want || code != 0 {
			t.Errorf("%s: %q, want %q", args, stdout, want)
		}
	}
}

func TestSettingsAreShownWithTheirOrigin(t *testing.T) {
	d := newDesk(t)
	d.settings = wire.Settings{
		RequireApproval: new(true), Quota: &wire.Quota{Keys: 10}, Usage: &wire.Quota{Keys: 3}, From: map[string]string{"requireApproval": "/", "quota": "pay", "freezes": "/"},
		Freezes: []wire.Freeze{{From: noon, Until: noon.AddDate(0, 0, 2), Reason: "stock-taking"}},
	}
	stdout, _, _ := d.shell(t).run("settings", "get", "pay", "--resolve")
	if diff := cmp.Diff(`SETTING           VALUE                                                           FROM
requireApproval   true                                                            /
quota.keys        10, used 3                                                      pay
freeze            2026-01-31T12:00:00Z until 2026-02-02T12:00:00Z: stock-taking   /
`, stdout); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// What only an answer has does not come back, and windows are read.
	_, stderr, code := d.shell(t).run("settings", "set", "pay", "windows=mon,fri 09:00-17:00 Europe/Berlin; 10:00-12:00")
	want := `PUT namespaces/pay/settings * {"requireApproval":true,"quota":{"keys":10},` +
		`"windows":[{"days":["mon","fri"],"from":"09:00","to":"17:00","timezone":"Europe/Berlin"},{"from":"10:00","to":"12:00"}],` +
		`"freezes":[{"from":"2026-01-31T12:00:00Z","until":"2026-02-02T12:00:00Z","reason":"stock-taking"}]}`
	if diff := cmp.Diff([]string{want}, d.changes); code != 0 || diff != "" {
		t.Errorf("exit %d, %s\n-want +got:\n%s", code, stderr, diff)
	}
}
