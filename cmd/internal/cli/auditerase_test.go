package cli_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestErasedValuesAreGoneFromEveryAnswer(t *testing.T) {
	admin, _ := solo(t)
	admin.does(0, "set", "shop", "password", "hunter2")
	admin.does(0, "set", "web", "copy", "hunter2")
	erase := []string{"audit", "erase", "shop", "password", "--version", "1", "--reason", "INC-7"}
	if _, stderr := admin.does(4, append(erase, "--yes")...); !strings.Contains(stderr, "has this value now") {
		t.Errorf("a live value: %s", stderr)
	}
	admin.does(0, "set", "shop", "password", "better")

	out, stderr := admin.does(0, append(erase, "--dry-run")...)
	if strings.Count(out, "config.") != 2 || !strings.Contains(stderr, "would erase a value from 2 records") || !strings.Contains(stderr, "in 1 record of other keys") {
		t.Errorf("dry run:\n%s%s", out, stderr)
	}
	admin.does(2, erase...) // nobody there to ask
	admin.interactive = true
	for reply, code := range map[string]int{"yes\n": 1, "": 1} {
		admin.stdin = reply
		if _, stderr := admin.does(code, erase...); !strings.Contains(stderr, "nothing was erased") {
			t.Errorf("reply %q: %s", reply, stderr)
		}
	}
	if out, _ := admin.does(0, "get", "shop", "password", "--at", "3"); out == "erased" {
		t.Error("it was erased without a confirmation")
	}
	admin.stdin = "password\n"
	_, stderr = admin.does(0, erase...)
	for _, want := range []string{"cannot be undone", "was erased from 2 records", "confman_erasure_pending"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}

	whole, _ := admin.does(0, "audit", "query", "shop", "--key", "password", "-o", "ndjson")
	told, _ := admin.does(0, "audit", "query", "shop", "--key", "password")
	versions, _ := admin.does(0, "history", "shop", "password")
	for _, text := range []string{whole, told, versions} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "erased") {
			t.Errorf("it is still there:\n%s", text)
		}
	}
	for _, args := range [][]string{
		{"audit", "erase", "shop", "password", "--version", "1", "--index", "3", "--reason", "x"},
		{"audit", "erase", "shop", "password", "--version", "1"},
		{"audit", "erase", "shop", "password", "--reason", "x"},
	} {
		admin.does(2, args...)
	}
	admin.does(3, "audit", "erase", "shop", "password", "--version", "9", "--reason", "x", "--yes")
}

// A value that was erased is said to be, wherever the past is read.
func TestThePastSaysThatAValueWasErased(t *testing.T) {
	admin, s := solo(t)
	then := s.Set("shop", "password", "hunter2")
	s.Set("shop", "password", "better")
	admin.does(0, "audit", "erase", "shop", "password", "--version", "1", "--reason", "INC-7", "--yes", "-q")
	at := []string{"--at", position(then)}
	if out, stderr := admin.does(0, append([]string{"get", "shop", "password"}, at...)...); out != "erased" || !strings.Contains(stderr, "was erased") {
		t.Errorf("get: %s\n%s", out, stderr)
	}
	if out, _ := admin.does(0, append([]string{"list", "shop"}, at...)...); !strings.HasSuffix(out, "erased") {
		t.Errorf("list:\n%s", out)
	}
	if out, stderr := admin.does(0, append([]string{"export", "shop"}, at...)...); out != "password: erased" || !strings.Contains(stderr, "erased") {
		t.Errorf("export: %s\n%s", out, stderr)
	}
	for _, args := range [][]string{{"audit", "replay"}, {"audit", "replay", "--no-values"}} {
		out, _ := admin.does(0, append(args, "shop")...)
		if lines := strings.Split(out, "\n"); len(lines) != 3 || !strings.HasSuffix(lines[1], "  erased") || !strings.Contains(lines[2], "  erased → ") {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	if out, _ := admin.does(1, "diff", "shop@"+position(then), "shop"); !strings.Contains(out, "- erased\n    + better") {
		t.Errorf("diff:\n%s", out)
	}
}

// The first erasure of an old history needs every member.
func TestAnErasureThatAMemberIsMissingForSaysWhatToDo(t *testing.T) {
	for why, hint := range map[string]string{
		"n3 at 10.0.0.3:6100 does not answer (connection refused)": "start or remove that member, then again",
		"n3 at 10.0.0.3:6100 knows level 3, upgrade it":            "",
	} {
		s := newRoutes(t, map[string]any{"POST /api/v1/audit/erasures": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			problem(w, http.StatusConflict, "feature level 4 is needed, and not every member is known to have it: "+why)
		})})
		_, stderr, code := newShell(t, s).run("audit", "erase", "pay", "a", "--version", "1", "--reason", "x", "--yes")
		if code != 4 || !strings.Contains(stderr, why) || strings.Contains(stderr, "hint:") != (hint != "") || !strings.Contains(stderr, hint) {
			t.Errorf("exit %d: %s, want the hint %q", code, stderr, hint)
		}
	}
}
