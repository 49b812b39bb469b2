package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"confman/cmd/internal/cli"
)

// confman runs the program in this process.
func confman(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	env := cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Environ: environ}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code = cli.Run(ctx, args, env, commands(env)...)
	return code, out.String(), err.String()
}

// onDisk is a directory that is gone after the test and not in memory.
func onDisk(t *testing.T) string {
	t.Helper()
	if dir := t.TempDir(); fileSystem(dir) != "memory" {
		return dir
	}
	dir, err := os.MkdirTemp(".", "test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRunMeasuresAClusterAndItsFloors(t *testing.T) {
	dir := onDisk(t)
	elsewhere := []string{"CONFMAN_ADDR=http://127.0.0.1:1"} // which nobody means to measure
	code, stdout, stderr := confman(t, elsewhere, "bench", "--nodes", "1", "--listen", freePort(t), "--data", dir,
		"--clients", "2", "--keys", "20", "--duration", "100ms", "-o", "json")
	if code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var r report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, row := range r.Results {
		names = append(names, strings.TrimSpace(row.Workload+" "+row.Consistency))
		if row.Clients != 2 || row.Operations == 0 || row.Rate <= 0 || row.Latency.P50 <= 0 || row.Latency.P50 > row.Latency.Max {
			t.Errorf("not a measurement: %+v", row)
		}
		if row.Errors != 0 || row.Error != "" {
			t.Errorf("%s: %d errors such as %s", row.Workload, row.Errors, row.Error)
		}
		if row.Floor != (row.OfHTTP == 0) || (row.Workload == workPut) != (row.OfRaft > 0) {
			t.Errorf("ratios to the floors: %+v", row)
		}
	}
	want := "bare net/http, bare Raft, put, get local, get linearizable, mixed local, mixed linearizable"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("measured %s, want %s", got, want)
	}
	if r.Machine.Cores == 0 || r.Machine.Go == "" || r.Machine.Kernel == "" || r.Setup.Nodes != 1 || !r.Setup.Started {
		t.Errorf("machine %+v, setup %+v", r.Machine, r.Setup)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRunMeasuresAClusterThatRunsAlready(t *testing.T) {
	c, err := startCluster(t.Context(), io.Discard, 1, freePort(t), onDisk(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	args := []string{"bench", "put", "--addr", c.nodes[0], "--data", onDisk(t), "--clients", "1", "--keys", "5", "--duration", "50ms", "--no-floors"}
	code, stdout, stderr := confman(t, []string{"CONFMAN_API_KEY=" + c.key}, args...)
	if code != cli.ExitOK || !strings.Contains(stdout, "\nput ") || !strings.Contains(stdout, "a cluster that runs already") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = confman(t, []string{"CONFMAN_API_KEY=not-the-key-of-this-cluster"}, args...)
	if code != cli.ExitFailure || !strings.Contains(stderr, "answered 401") {
		t.Errorf("with another key: exit code %d: %s", code, stderr)
	}
}

func TestRunStopsWhatItStartedWhenItCannotGoOn(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := onDisk(t)
	code, _, stderr := confman(t, nil, "bench", "--nodes", "1", "--listen", taken.Addr().String(), "--data", dir)
	if code != cli.ExitFailure || !strings.Contains(stderr, "address already in use") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCommandRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range []string{
		"delete", "--clients 0", "--clients 10001", "--consistency stale", "--value-bytes 15", "--keys 0",
		"--duration 0s", "--nodes 2", "-o yaml", "--addr 127.0.0.1:6100",
	} {
		code, stdout, stderr := confman(t, nil, append([]string{"bench"}, strings.Fields(args)...)...)
		if code != cli.ExitUsage || stdout != "" || stderr == "" {
			t.Errorf("%s: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}

func TestCommandRefusesADiskInMemory(t *testing.T) {
	const memory = "/dev/shm"
	if fileSystem(memory) != "memory" {
		t.Skip("no file system in memory at " + memory)
	}
	if code, _, stderr := confman(t, nil, "bench", "--data", memory); code != cli.ExitUsage || !strings.Contains(stderr, "in memory") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestRequestsAreWhatTheyAreMeantToBe(t *testing.T) {
	var writes, reads atomic.Int32
	values := map[string]bool{} // one client, one request at a time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/v1/namespaces/confman-bench/config/key-") || r.Header.Get("X-Api-Key") != "secret" {
			t.Errorf("%s %s with key %q", r.Method, r.URL.Path, r.Header.Get("X-Api-Key"))
		}
		if r.Method == http.MethodGet {
			reads.Add(1)
			if r.URL.RawQuery != "consistency=linearizable" {
				t.Errorf("a read asks for %q", r.URL.RawQuery)
			}
			return
		}
		writes.Add(1)
		var body struct{ Value string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Value) != 64 || values[body.Value] {
			t.Errorf("a write has %q, %v", body.Value, err)
		}
		values[body.Value] = true
	}))
	defer s.Close()
	c, err := newHTTPClient(&cluster{nodes: []string{s.URL}, leader: s.URL + "/", key: "secret"},
		workload{name: workMixed, writes: 0.2, consistency: "linearizable"}, data{keys: 10, valueBytes: 64}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	for range 1000 {
		if err := c.next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := writes.Load(); n < 130 || n > 270 || n+reads.Load() != 1000 { // 5.5 standard deviations
		t.Errorf("%d writes and %d reads, want about 200 of 1000 to be writes", n, reads.Load())
	}
}

func TestCPUTimeOfAProcessIsMeasured(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		now, err := cpuOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now > before {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("10 s of work used no CPU time")
		}
	}
	if _, err := cpuOf(1 << 30); err == nil {
		t.Error("a process that is none has a CPU time")
	}
}
