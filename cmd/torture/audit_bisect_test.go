package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"confman/api/wire"
)

// confman runs the command to its end, against the cluster's nodes unless the
// arguments name others.
func (c *cluster) confman(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), self, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = []string{
		asNode + "=1", "HOME=" + c.base, "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH"), "CONFMAN_ADDR=" + c.addresses(), "CONFMAN_API_KEY=" + c.key,
	}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("confman %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// addresses are the URLs of all nodes, as the flag takes them.
func (c *cluster) addresses() string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.url()
	}
	return strings.Join(urls, ",")
}

// change makes so many changes in a namespace.
func (c *cluster) change(n *node, namespace string, changes int) {
	c.t.Helper()
	const writers = 16
	var done sync.WaitGroup
	for w := range writers {
		done.Go(func() {
			for i := w; i < changes; i += writers {
				a, err := c.do(n, http.MethodPut, entryPath(namespace, fmt.Sprintf("key-%d", i%97)), value(fmt.Sprint("value ", i)))
				if err != nil || a.status >= http.StatusBadRequest {
					c.t.Errorf("change %d: %v, %v", i, a, err)
					return
				}
			}
		})
	}
	done.Wait()
}

func TestBisectFindsOneBadChangeAmongTenThousandInFourteenRuns(t *testing.T) {
	rng := random(t)
	memory := inMemory(t)
	c := form(t, plan{size: 1, data: func(int) string { return filepath.Join(memory, "n1") }, args: calm().args})
	n := c.nodes[0]
	const changes = 10_000
	var e wire.ConfigEntry
	if err := c.must(http.StatusCreated, n, http.MethodPut, entryPath("app", "limit"), value("10")).decode(&e); err != nil {
		t.Fatal(err)
	}
	good := e.Index
	before := rng.IntN(changes)
	c.change(n, "app", before)
	if err := c.must(http.StatusOK, n, http.MethodPut, entryPath("app", "limit"), value("-1")).decode(&e); err != nil {
		t.Fatal(err)
	}
	c.change(n, "app", changes-1-before)
	runs := filepath.Join(c.base, "runs")
	stdout, stderr, code := c.confman("bisect", "--good", fmt.Sprint(good), "-o", "json", "app", "--",
		"sh", "-c", `echo $CONFMAN_INDEX >> `+runs+`; test "$(cat "$CONFMAN_DIR/limit")" = 10`)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	var found struct {
		Changes  int
		Suspects []struct{ Last uint64 }
	}
	if err := json.Unmarshal([]byte(stdout), &found); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	if found.Changes != changes || len(found.Suspects) != 1 || found.Suspects[0].Last != e.Index {
		t.Errorf("event %d broke it, and it is said to be %+v", e.Index, found)
	}
	content, err := os.ReadFile(runs)
	if ran := strings.Count(string(content), "\n"); err != nil || ran == 0 || ran > 14 {
		t.Errorf("%d runs of the check, %v", ran, err)
	}
	t.Logf("event %d of %d changes, runs at %q", e.Index, found.Changes, strings.Fields(string(content)))
}
