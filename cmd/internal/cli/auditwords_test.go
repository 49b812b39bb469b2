package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

func TestAFileThatIsNoHistoryIsNotCalledACutOne(t *testing.T) {
	dir := t.TempDir()
	sh := &shell{t: t, environ: []string{"HOME=" + dir}}
	for name, content := range map[string]string{
		"empty": "", "text": "hello\nworld\n", "json": "{\n  \"name\": \"x\"\n}\n", "csv": "index,position\n1,1-00000000\n", "query.ndjson": `{"timestamp":"2026-01-31T12:00:00Z","action":"config.created","index":1}` + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, code := sh.run("audit", "verify", path)
		if want := path + ": no export, archive or backup of confman"; code != cli.ExitFailure || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("exit %d: %s%s, want %s", code, stdout, stderr, want)
		}
	}
}

func TestWhereNobodyWasCheckedNobodyAgrees(t *testing.T) {
	var members []wire.Member
	s := newRoutes(t, map[string]any{
		"GET /api/v1/cluster":      http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, wire.Cluster{ID: "c", Members: members}) }),
		"GET /api/v1/audit/verify": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { problem(w, http.StatusForbidden, "admin needed on /") }),
	})
	members = []wire.Member{{ID: "n1", URL: s.URL + "/"}}
	stdout, stderr, code := newShell(t, s).run("audit", "verify")
	if code != 5 || !strings.Contains(stdout, "not checked") || strings.Contains(stderr, "agree") || !strings.Contains(stderr, "no member was checked") {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
}

func TestANewCheckpointKeySaysWhatItsFilesAreFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "k")
	sh := &shell{t: t, environ: []string{"HOME=" + t.TempDir()}}
	stdout, stderr, code := sh.run("audit", "checkpoint", "keygen", path)
	if code != 0 || strings.Count(stdout, "\n") != 1 || !strings.Contains(stderr, path+" is the private key") || !strings.Contains(stderr, path+".pub is the public key") {
		t.Errorf("exit %d: %s\n%s", code, stdout, stderr)
	}
	if _, stderr, code := sh.run("audit", "checkpoint", "keygen", path); code != cli.ExitFailure || !strings.Contains(stderr, path+": file already exists, and a key is not replaced") {
		t.Errorf("once more: exit %d: %s", code, stderr)
	}
	if _, stderr, _ := sh.run("audit", "checkpoint", "keygen", "-q", path+"2"); stderr != "" {
		t.Errorf("--quiet: %s", stderr)
	}
}

func TestAProofNamesWhatItsEventIsAbout(t *testing.T) {
	sh, s := proving(t)
	if out := sh.ok("audit", "proof", "1"); !strings.Contains(out, " is cluster.formed by ") {
		t.Errorf("%s", out)
	}
	if out := sh.ok("audit", "proof", s.Position()); !strings.Contains(out, " is config.updated of pay/k3 by ") {
		t.Errorf("%s", out)
	}
}
