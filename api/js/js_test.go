package js_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tests are in confman.test.js; Node runs them against a node that
// misbehaves.
func TestModuleInNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node is not installed (apt-get install nodejs); the browser tests in cmd/torture run the module too")
	}
	args := []string{"confman.test.js"} // node --test would start a process more, which outlives it
	switch major := majorVersion(t, node); {
	case major < 18:
		t.Skipf("Node %d is too old for the module", major)
	case major >= 20 && major < 22:
		args = append([]string{"--experimental-websocket"}, args...)
	}
	f := newFake(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, args...)
	cmd.Env = append(os.Environ(), "FAKE="+f.URL, "DEAD=http://"+deadAddress(t))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.String())
	}
	t.Log(summary(out.String()))
}

func majorVersion(t *testing.T, node string) int {
	t.Helper()
	out, err := exec.Command(node, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	digits, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	major, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("version of node %q: %v", out, err)
	}
	return major
}

// deadAddress is one that nobody listens on.
func deadAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// summary is the end of the report: how many tests there were.
func summary(report string) string {
	lines := strings.Split(strings.TrimSpace(report), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "\n")
}
