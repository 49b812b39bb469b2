package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDashboardIsReadFromADirectoryWhileItIsWorkedOn(t *testing.T) {
	dir := t.TempDir()
	page := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page("begun")
	ready, _ := dev(t, "--listen", freeAddress(t), "--dev-ui-dir", dir)
	for _, content := range []string{"better", "best"} {
		page(content)
		if code, body := request(t, "GET", ready.Nodes[0].URL+"/ui/browse/teams/pay", "", ""); code != 200 || body != content {
			t.Errorf("%d %q, want %q", code, body, content)
		}
	}
	if code, body := request(t, "GET", ready.Nodes[0].URL+"/dashboard/vendor/preact.js", "", ""); code != 404 || !strings.Contains(body, "/problems/not-found") {
		t.Errorf("a file that is built in and not in the directory: %d %.200s", code, body)
	}
}
