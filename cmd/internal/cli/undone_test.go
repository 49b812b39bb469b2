package cli_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"confman/api/apitest"
)

// solo is somebody with all rights at a real server, and that server.
func solo(t *testing.T) (admin person, s *apitest.Server) {
	t.Helper()
	s = apitest.NewServer(t)
	return person{&shell{t: t, environ: []string{"CONFMAN_ADDR=" + s.URL, "CONFMAN_API_KEY=" + s.Key, "HOME=" + t.TempDir()}}, "admin"}, s
}

// reads requires that a key has a value, or is absent.
func (p person) reads(key, want string) {
	p.t.Helper()
	got, stderr, code := p.run("get", "pay", key, "-o", "raw")
	if want == "" && code != 3 || want != "" && got != want {
		p.t.Errorf("%s is %q, want %q: exit %d, %s", key, got, want, code, stderr)
	}
}

func TestNamespacesGoBack(t *testing.T) {
	admin, s := solo(t)
	s.Set("pay", "db", map[string]any{"host": "a", "port": 1})
	s.Set("pay", "gone", "x")
	then := s.Set("pay", "pool", 1)
	s.Set("pay", "db", map[string]any{"host": "b", "port": 1})
	s.Set("pay", "pool", 2)
	s.Set("pay", "new", true)
	s.Delete("pay", "gone")

	preview, _ := admin.does(0, "rollback", "pay", "--to-index", fmt.Sprint(then), "--dry-run")
	for _, want := range []string{"~ pay/db (json, version 2)\n    ~ /host: \"b\" → \"a\"\n", "+ pay/gone (string", "    + x\n", "- pay/new (boolean, version 1)\n    - true\n", "~ pay/pool (number, version 2)\n    - 2\n    + 1"} {
		if !strings.Contains(preview+"\n", want) {
			t.Errorf("the preview has no\n%sbut\n%s", want, preview)
		}
	}
	admin.reads("pool", "2")
	_, stderr := admin.does(0, "rollback", "pay", "--to-index", fmt.Sprint(then), "--comment", "INC-7", "--yes")
	for _, want := range []string{"pay/db set: version 3\n", "pay/gone created: version 3\n", "pay/new deleted", "pay/pool set: version 3\n"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
	for key, want := range map[string]string{"db": `{"host":"a","port":1}`, "pool": "1", "new": "", "gone": "x"} {
		admin.reads(key, want)
	}
	admin.does(0, "diff", fmt.Sprintf("pay@%d", then), "pay")
	if _, stderr = admin.does(0, "rollback", "pay", "pool", "--to-version", "1", "--yes"); !strings.Contains(stderr, "so already") {
		t.Error(stderr)
	}
	admin.does(0, "rollback", "pay", "pool", "--to-version", "2", "--yes")
	admin.reads("pool", "2")
	admin.does(3, "rollback", "pay", "absent", "--to-version", "2", "--yes")
}

func TestOneChangeIsTakenBack(t *testing.T) {
	admin, s := solo(t)
	s.Set("pay", "pool", 1)
	change := s.Set("pay", "pool", 2)
	s.Set("pay", "other", "x")
	later := s.Set("pay", "pool", 3)
	if _, stderr := admin.does(4, "revert", fmt.Sprint(change), "--yes"); !strings.Contains(stderr, "later changes touched the same keys") || !strings.Contains(stderr, fmt.Sprint(later)) {
		t.Error(stderr)
	}
	admin.does(0, "revert", fmt.Sprint(later), "--yes")
	admin.reads("pool", "2")
	admin.reads("other", "x")
}

func TestNamespacesAreComparedAndPromoted(t *testing.T) {
	admin, s := solo(t)
	s.Set("stage", "pool", 2)
	s.Set("stage", "new", "x")
	s.Set("pay", "pool", 1)
	s.Set("pay", "old", "y")
	found, _ := admin.does(1, "diff", "pay", "stage")
	for _, want := range []string{"+ stage/new (string", "- stage/old (string", "~ stage/pool (number, version 1)\n    - 1\n    + 2"} {
		if !strings.Contains(found, want) {
			t.Errorf("no %q in\n%s", want, found)
		}
	}
	admin.does(3, "diff", "pay", "absent")
	id, stderr := admin.does(0, "promote", "stage", "pay", "--comment", "release")
	if !regexp.MustCompile(`^[0-9A-Z]{26}$`).MatchString(id) || !strings.Contains(stderr, "~ pay/pool") || strings.Contains(stderr, "old") {
		t.Errorf("%s\n%s", id, stderr)
	}
	admin.reads("pool", "1")
	if shown, _ := admin.does(0, "request", "show", id); !strings.Contains(shown, "release") {
		t.Error(shown)
	}
	admin.does(0, "request", "withdraw", id)
	preview, _ := admin.does(0, "promote", "stage", "pay", "--delete", "--keys", "ol*", "--dry-run")
	if !strings.HasPrefix(preview, "- pay/old") || strings.Contains(preview, "pool") {
		t.Error(preview)
	}
}

func TestWebhooksLive(t *testing.T) {
	admin, _ := solo(t)
	secret, stderr := admin.does(0, "webhook", "create", "https://ci.example.com/in", "-n", "pay", "--description", "CI")
	id := regexp.MustCompile(`webhook (\S+) created`).FindStringSubmatch(stderr)
	if id == nil || !strings.HasPrefix(secret, "whsec_") {
		t.Fatalf("%s\n%s", secret, stderr)
	}
	admin.does(0, "webhook", "disable", id[1])
	if shown, _ := admin.does(0, "webhook", "show", id[1]); !strings.Contains(shown, "https://ci.example.com/in") || !strings.Contains(shown, "disabled") || strings.Contains(shown, secret) {
		t.Error(shown)
	}
	admin.does(0, "webhook", "enable", id[1])
	if another, _ := admin.does(0, "webhook", "rotate", id[1]); !strings.HasPrefix(another, "whsec_") || another == secret {
		t.Error(another)
	}
	admin.does(0, "webhook", "delete", id[1], "--yes")
	admin.does(3, "webhook", "show", id[1])
}
