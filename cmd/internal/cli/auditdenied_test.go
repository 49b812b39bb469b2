package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
)

// twoNodes are members of a cluster that have refused something, one after the
// other in turn; a third is down.
func twoNodes(t *testing.T, down bool) *shell {
	t.Helper()
	var members []wire.Member
	for n, id := range []string{"n1", "n2"} {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/v1/cluster", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, 200, wire.Cluster{ID: "c", NodeID: id, Members: members})
		})
		mux.HandleFunc("GET /api/v1/audit/denied", func(w http.ResponseWriter, r *http.Request) {
			rows := []wire.Denied{}
			for i := range 3 {
				d := wire.Denied{Time: noon.Add(-time.Duration(2*i+n) * time.Minute), Node: id, Reason: "forbidden", Status: 403, Principal: "ann", Remote: "10.0.0.1", Method: "GET", Path: "/x\x1b[2J"}
				if since := r.URL.Query().Get("since"); since == "" || !d.Time.Before(noon.Add(-3*time.Minute)) {
					rows = append(rows, d)
				}
			}
			answer(w, 200, rows)
		})
		s := httptest.NewServer(mux)
		t.Cleanup(s.Close)
		members = append(members, wire.Member{ID: id, Address: strings.TrimPrefix(s.URL, "http://"), URL: s.URL + "/"})
	}
	if down {
		s := httptest.NewServer(nil)
		s.Close()
		members = append(members, wire.Member{ID: "n3", URL: s.URL + "/"})
	}
	return &shell{t: t, environ: []string{"CONFMAN_ADDR=" + members[0].URL, "CONFMAN_API_KEY=k", "HOME=" + t.TempDir()}}
}

func TestDenialsOfAllNodesComeInOneOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string // the nodes of the rows
	}{
		{"one node", nil, "n1 n1 n1"},
		{"all", []string{"--all-nodes"}, "n1 n2 n1 n2 n1 n2"},
		{"some", []string{"--all-nodes", "--limit", "3"}, "n1 n2 n1"},
		{"since", []string{"--all-nodes", "--since", "2026-01-31T11:57:00Z"}, "n1 n2 n1 n2"},
	} {
		stdout, stderr, code := twoNodes(t, false).run(append([]string{"audit", "denied", "-o", "json"}, tt.args...)...)
		var rows []wire.Denied
		if err := json.Unmarshal([]byte(stdout), &rows); err != nil || code != 0 {
			t.Fatalf("%s: exit %d, %v: %s%s", tt.name, code, err, stdout, stderr)
		}
		var nodes []string
		for _, d := range rows {
			nodes = append(nodes, d.Node)
		}
		if got := strings.Join(nodes, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestDenialsAreShownAlthoughANodeIsDown(t *testing.T) {
	stdout, stderr, code := twoNodes(t, true).run("audit", "denied", "--all-nodes")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 6 || len(lines) != 7 || !strings.HasPrefix(lines[0], "TIME") || !strings.Contains(stderr, "list denials of http://") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(lines[1], `GET /x\u001b[2J`) || !strings.Contains(lines[1], "2026-01-31T12:00:00Z") {
		t.Errorf("%q", lines[1])
	}
	_, stderr, code = twoNodes(t, false).run("audit", "denied", "--since", "1042")
	if code != 2 || !strings.Contains(stderr, "are times here") {
		t.Errorf("since an event: exit %d %s", code, stderr)
	}
}

func TestNoDenialsAndAnErrorAreNoTable(t *testing.T) {
	s := newRoutes(t, map[string]any{"/": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusForbidden, "admin needed on /")
	})})
	for _, args := range [][]string{nil, {"--all-nodes"}, {"-o", "json"}} {
		stdout, stderr, code := newShell(t, s).run(append([]string{"audit", "denied"}, args...)...)
		if code != 5 || stdout != "" || !strings.Contains(stderr, "admin needed") {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
}
