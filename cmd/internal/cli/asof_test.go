package cli_test

import (
	"strings"
	"testing"
)

// Every command that shows a state shows that of another time, too.
func TestThePastIsShownAsItWas(t *testing.T) {
	admin, ana, bo := office(t)
	admin.does(0, "role", "grant", "pay", "viewer", "cy")
	id, _ := ana.does(0, "request", "submit", "pay", "--set", "pool:number=50", "-q")
	events, _ := admin.asked("--limit", "1")
	then := events[0].Position
	bo.does(0, "request", "approve", id, "--yes")
	admin.does(0, "settings", "set", "pay", "requireApproval=false")
	admin.does(0, "role", "grant", "pay", "viewer", "di")
	admin.does(0, "schema", "unset", "pay", "--yes")
	admin.does(0, "namespace", "create", "pay", "--owner", "zoe")
	tests := []struct {
		args      string
		then, now string // what is in one and not in the other; empty: nothing
	}{
		{"get pay pool", "5\n", "50\n"},
		{"list pay -o json", `"value": 5,`, `"value": 50,`},
		{"list / -o json", `"value": 5,`, `"value": 50,`},
		{"export pay", "pool: 5\n", "pool: 50\n"},
		{"explain pay pool", "5 (number, version 1)", "50 (number, version 2)"},
		{"role list pay", "", "di"},
		{"schema get pay", "maximum", ""},
		{"settings get pay", "true", "false"},
		{"namespace show pay", "", "zoe"},
		{"request show " + id, "pending_review", "published"},
	}
	for _, test := range tests {
		args := strings.Fields(test.args)
		for at, wants := range map[string][2]string{then: {test.then, test.now}, "now": {test.now, test.then}} {
			out, _ := admin.does(0, append(args, "--at", at)...)
			out += "\n"
			if !strings.Contains(out, wants[0]) || wants[1] != "" && strings.Contains(out, wants[1]) {
				t.Errorf("%s --at %s: want %q, not %q, in\n%s", test.args, at, wants[0], wants[1], out)
			}
		}
		admin.does(2, append(args, "--at", "sometimes")...)
	}
	if out, _ := admin.does(1, "diff", "pay@"+then, "pay@now"); !strings.Contains(out, "- 5\n    + 50") {
		t.Errorf("diff:\n%s", out)
	}
	admin.does(2, "diff", "pay@sometimes", "pay")
	admin.does(0, "diff", "pay@"+then, "pay@"+strings.Split(then, "-")[0])
	if out, _ := admin.does(0, "history", "pay", "pool", "--since", then); !strings.Contains(out, "50") || strings.Contains(out, "created") {
		t.Errorf("history:\n%s", out)
	}
	admin.does(0, "rollback", "pay", "--to-time", "1s ago", "--dry-run")
	admin.does(2, "rollback", "pay", "--to-time", "1042", "--dry-run")
}
