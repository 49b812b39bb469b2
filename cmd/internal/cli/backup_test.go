package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
)

// backupRoute answers with a backup of one position.
func backupRoute(content string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", wire.MediaBinary)
		w.Header().Set(wire.HeaderPosition, "42-9f3c2a1b")
		_, _ = w.Write([]byte(content))
	}
}

func TestBackupIsWholeOrNotThere(t *testing.T) {
	content := strings.Repeat("\x00backup\xff", 100_000)
	s := newShell(t, newRoutes(t, map[string]any{"GET /api/v1/cluster/backup": backupRoute(content)}))
	broken := newShell(t, newRoutes(t, map[string]any{"GET /api/v1/cluster/backup": breaksOff(wire.MediaBinary, "half")}))
	dir := t.TempDir()
	file := filepath.Join(dir, "b")

	if _, _, code := broken.run("backup", file); code != 6 {
		t.Errorf("a backup that broke off: exit %d", code)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	stdout, stderr, code := s.run("backup", file)
	data, err := os.ReadFile(file)
	if code != 0 || stdout != "42-9f3c2a1b\n" || !strings.Contains(stderr, "written to "+file) || err != nil || string(data) != content {
		t.Errorf("exit %d, %d bytes, %v: %s%s", code, len(data), err, stdout, stderr)
	}
	if info, _ := os.Stat(file); info.Mode() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	if _, stderr, code := s.run("backup", file); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("over another: exit %d, %s", code, stderr)
	}
	if _, _, code := broken.run("backup", file, "--force"); code != 6 {
		t.Errorf("a backup that broke off: exit %d", code)
	}
	if data, _ := os.ReadFile(file); string(data) != content {
		t.Error("a backup that broke off took the place of a whole one")
	}
	if _, stderr, code := s.run("backup", file, "--force", "-q"); code != 0 || stderr != "" {
		t.Errorf("with --force: exit %d, %s", code, stderr)
	}
	if stdout, stderr, code := s.run("backup", "-"); code != 0 || stdout != content || stderr != "backup as of event 42-9f3c2a1b\n" {
		t.Errorf("to stdout: exit %d, %d bytes, %s", code, len(stdout), stderr)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("beside it is %v", left)
	}
}
