package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"confman/api/apitest"
)

// person is somebody at a shell, with an API key of their own.
type person struct {
	*shell
	name string
}

// does runs a command and requires its exit code; it returns what it printed.
func (p person) does(code int, args ...string) (stdout, stderr string) {
	p.t.Helper()
	stdout, stderr, got := p.run(args...)
	if got != code {
		p.t.Fatalf("%s: confman %s: exit %d, want %d\n%s%s", p.name, strings.Join(args, " "), got, code, stdout, stderr)
	}
	return strings.TrimSpace(stdout), stderr
}

// office is a real server and the people at it: an admin, an editor ana and a
// publisher bo of pay, where changes are reviewed and pool is 5 and at most 100.
func office(t *testing.T) (admin, ana, bo person) {
	t.Helper()
	s := apitest.NewServer(t)
	at := func(name, key string) person {
		return person{&shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + key, "HOME=" + t.TempDir()}}, name}
	}
	admin = at("admin", s.Key)
	key := func(name, role string) string {
		key, _ := admin.does(0, "key", "create", name, "--grant", "pay="+role)
		return key
	}
	admin.does(0, "set", "pay", "pool", "5", "--type", "number")
	admin.does(0, "settings", "set", "pay", "requireApproval=true")
	admin.stdin = `{"properties":{"pool":{"type":"number","maximum":100}}}`
	admin.does(0, "schema", "set", "pay", "-")
	return admin, at("ana", key("ana", "editor")), at("bo", key("bo", "publisher"))
}

func TestChangeTakesTwoPeople(t *testing.T) {
	_, ana, bo := office(t)
	_, stderr := ana.does(4, "set", "pay", "pool", "7", "--type", "number")
	hint := regexp.MustCompile(`confman (draft .*) && confman (request .*)\n`).FindStringSubmatch(stderr)
	if hint == nil {
		t.Fatalf("a protected key does not say what to do:\n%s", stderr)
	}
	ana.does(0, strings.Fields(strings.ReplaceAll(hint[1], "VALUE", "7"))...)
	id, _ := ana.does(0, strings.Fields(hint[2])...)
	if _, stderr = ana.does(4, "draft", "set", "pay", "pool", "8", "--type", "number"); !strings.Contains(stderr, "hint: it is under review") {
		t.Errorf("a locked draft: %s", stderr)
	}
	ana.does(5, "request", "approve", id, "--yes")
	if shown, _ := bo.does(0, "request", "show", id); !strings.Contains(shown, "needs       1 more approval for pay/pool") || !strings.Contains(shown, "    - 5\n    + 7") {
		t.Errorf("request show:\n%s", shown)
	}
	if open, _ := bo.does(0, "request", "list", "-n", "pay"); !strings.Contains(open, id) {
		t.Errorf("request list:\n%s", open)
	}
	bo.does(0, "request", "approve", id, "--yes", "--comment", "fine")
	bo.does(0, "request", "wait", id)
	if value, _ := ana.does(0, "get", "pay", "pool"); value != "7" {
		t.Errorf("pool is %s after the approval", value)
	}
	ana.does(4, "request", "wait", id, "--state", "rejected")
	ana.does(3, "draft", "show", "pay", "pool")
}

func TestSchemaIsInTheWayOfSubmittingNotOfDrafting(t *testing.T) {
	_, ana, _ := office(t)
	if _, stderr := ana.does(0, "draft", "set", "pay", "pool", "500", "--type", "number"); !strings.Contains(stderr, "it breaks the schema: /pool ") {
		t.Errorf("draft set: %s", stderr)
	}
	if _, stderr := ana.does(7, "request", "submit", "pay", "--all"); !strings.Contains(stderr, "/pool") {
		t.Errorf("request submit: %s", stderr)
	}
	id, _ := ana.does(0, "request", "submit", "pay", "--set", "pool:number=50", "--set", "name=pay", "-q")
	ana.does(0, "request", "withdraw", id)
	if list, _ := ana.does(0, "draft", "list", "pay"); strings.Count(list, "\n") != 2 {
		t.Errorf("drafts of a withdrawn request:\n%s", list)
	}
	ana.does(0, "draft", "discard", "pay", "name", "--yes")
}

func TestFrozenNamespacesWait(t *testing.T) {
	admin, ana, bo := office(t)
	admin.does(0, "settings", "freeze", "/", "--until", "1h", "--reason", "stock-taking")
	id, _ := ana.does(0, "request", "submit", "pay", "--set", "pool:number=50", "-q")
	if _, stderr := bo.does(0, "request", "approve", id, "--yes"); !strings.Contains(stderr, "approved; it is published at ") {
		t.Errorf("approved inside a freeze: %s", stderr)
	}
	if _, stderr := admin.does(4, "set", "web", "title", "x"); !strings.Contains(stderr, "stock-taking") || !strings.Contains(stderr, "hint: confman settings get") {
		t.Errorf("set inside a freeze: %s", stderr)
	}
	admin.does(0, "settings", "thaw", "/")
	admin.does(0, "set", "web", "title", "x")
}

func TestRolesAreGrantedExplainedAndTakenAway(t *testing.T) {
	admin, _, _ := office(t)
	admin.does(0, "role", "grant", "/", "viewer", "group:all")
	admin.does(0, "role", "grant", "pay", "editor", "cy", "--keys", "db/*")
	if roles, _ := admin.does(0, "role", "list", "pay", "--resolve"); !strings.Contains(roles, "group:all") || !strings.Contains(roles, "db/*") {
		t.Errorf("role list --resolve:\n%s", roles)
	}
	for key, want := range map[string]string{"db/url": "cy is editor in pay/db/url", "pool": "cy is viewer in pay/pool"} {
		if why, _ := admin.does(0, "access", "explain", "cy", "pay", "--group", "all", "--key", key); !strings.HasPrefix(why, want) {
			t.Errorf("access explain: %s\nwant %s", why, want)
		}
	}
	admin.does(0, "role", "revoke", "pay", "editor", "cy")
	admin.does(3, "role", "revoke", "pay", "editor", "cy")
	admin.stdin, _ = admin.does(0, "role", "list", "/", "-o", "yaml")
	admin.does(0, "role", "set", "/", "-", "--yes")
}

func TestSchemasAreTestedBeforeTheyHold(t *testing.T) {
	admin, _, _ := office(t)
	admin.stdin = `{"properties":{"pool":{"minimum":10}}}`
	if out, _ := admin.does(7, "schema", "test", "pay", "-"); !strings.Contains(out, "/pool") {
		t.Errorf("schema test:\n%s", out)
	}
	admin.does(7, "schema", "set", "pay", "-")
	admin.does(0, "schema", "set", "pay", "-", "--force")
	if out, _ := admin.does(0, "schema", "get", "pay"); !strings.Contains(out, `"minimum": 10`) {
		t.Errorf("schema get:\n%s", out)
	}
	admin.does(0, "schema", "unset", "pay", "--yes")
	if out, _ := admin.does(0, "schema", "get", "pay"); out != "" {
		t.Errorf("schema get after unset:\n%s", out)
	}
}
