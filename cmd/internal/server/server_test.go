package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/rs/zerolog"

	"confman/cmd/internal/cli"
)

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// dev runs a cluster of one until the test ends, and returns what it printed.
func dev(t *testing.T, args ...string) (devReady, func() error) {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	cmd := Dev(cli.Env{Stdout: in, Stderr: os.Stderr})
	cmd.SetArgs(append([]string{"-o", "json"}, args...))
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	go func() {
		err := cmd.ExecuteContext(ctx)
		in.CloseWithError(errors.Join(io.EOF, err))
		ended <- err
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var ready devReady
	if err := json.Unmarshal(line, &ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return ready, stop
}

func request(t *testing.T, method, url, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestDevServesWhatItPrintsAndKeepsItsData(t *testing.T) {
	address, data := freeAddress(t), t.TempDir()
	ready, stop := dev(t, "--listen", address, "--data", data)
	if len(ready.Nodes) != 1 || ready.Nodes[0].URL != "http://"+address || ready.Data != data {
		t.Fatalf("printed %+v", ready)
	}
	entry := ready.Nodes[0].URL + "/api/v1/namespaces/app/prod/config/k"
	if code, text := request(t, "PUT", entry, ready.AdminKey, `{"value":"kept"}`); code != http.StatusCreated {
		t.Fatalf("%d %s", code, text)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again, _ := dev(t, "--listen", address, "--data", data)
	if again.AdminKey != ready.AdminKey {
		t.Error("another admin key after a restart")
	}
	if code, text := request(t, "GET", entry, ready.AdminKey, ""); code != http.StatusOK || !strings.Contains(text, `"value":"kept"`) {
		t.Errorf("after a restart: %d %s", code, text)
	}
}

func TestDevTakesTheGivenAdminKey(t *testing.T) {
	ready, stop := dev(t, "--listen", freeAddress(t), "--admin-key", "a key of sixteen bytes or more")
	if code, text := request(t, "GET", ready.Nodes[0].URL+"/api/v1/whoami", "a key of sixteen bytes or more", ""); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
	if _, err := os.Stat(ready.Data); err != nil {
		t.Errorf("the temporary directory: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ready.Data); err == nil {
		t.Errorf("%s is left behind", ready.Data)
	}
}

func TestDevSignsCheckpointsWithTheKeyThatItIsGiven(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "checkpoint.key")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	ready, _ := dev(t, "--listen", freeAddress(t), "--checkpoint-key-file", file)
	if code, text := request(t, "POST", ready.Nodes[0].URL+"/api/v1/audit/checkpoints", ready.AdminKey, ""); code != http.StatusCreated {
		t.Errorf("%d %s", code, text)
	}
}

func TestDevDoesNotTakeAnotherServerForItsOwn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := Dev(cli.Env{Stdout: io.Discard, Stderr: io.Discard})
	cmd.SetArgs([]string{"--listen", l.Addr().String()})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}

func TestMemoryThatABurstNeededGoesBackToTheSystem(t *testing.T) {
	_, stop := dev(t, "--listen", freeAddress(t))
	burst := make([]byte, 8*mostIdle)
	for at := 0; at < len(burst); at += 4096 {
		burst[at] = 1
	}
	runtime.KeepAlive(burst)
	runtime.GC()
	if idle := idleHeap(); idle < 4*mostIdle {
		t.Fatalf("%d bytes are idle after a burst of %d", idle, len(burst))
	}
	looks := time.NewTicker(100 * time.Millisecond)
	defer looks.Stop()
	for end := time.After(time.Minute); idleHeap() > mostIdle; {
		select {
		case <-looks.C:
		case <-end:
			t.Fatalf("%d bytes are idle, want at most %d", idleHeap(), mostIdle)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestDevServesThisMachineOnly(t *testing.T) {
	cmd := Dev(cli.Env{Stdout: io.Discard, Stderr: io.Discard})
	cmd.SetArgs([]string{"--listen", "192.0.2.1:6100", "--data", t.TempDir()})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "this machine only") {
		t.Errorf("%v", err)
	}
}

func TestMadeUpAdminKeyIsPrintedOnce(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("a token of sixteen bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	o := Options{Node: NodeOptions{ID: "n1", Listen: address, Data: filepath.Join(dir, "data")}}
	o.Members = MemberOptions{Peers: []string{"n1=" + address}, TokenFile: token}
	var printed [2]bytes.Buffer
	for i := range printed {
		s, err := Start(o, Env{Stdout: &printed[i], Log: zerolog.Nop(), Fatal: func(err error) { t.Error(err) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		awaitHTTP(ctx, "http://"+address+"/health/ready")
		cancel()
		if err := s.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if key := strings.TrimPrefix(strings.TrimSpace(printed[0].String()), "admin key (shown once): "); !strings.HasPrefix(key, "cfm_") {
		t.Errorf("printed %q", printed[0].String())
	}
	if printed[1].Len() > 0 {
		t.Errorf("printed again at a restart: %q", printed[1].String())
	}
}

func TestMetricsHaveGoodNamesAndRaftsOwn(t *testing.T) {
	ready, _ := dev(t, "--listen", freeAddress(t))
	_, text := request(t, "GET", ready.Nodes[0].URL+"/metrics", "", "")
	for _, want := range []string{
		"confman_raft_is_leader 1", "confman_ready 1", "confman_event_index 2", `confman_raft_op_duration_seconds_count{op="dispatch"}`,
		"confman_raft_elections_won_total 1", "confman_build_info", "go_goroutines",
		`confman_watches{encoding="sse"} 0`, "confman_watch_events_total 0", "confman_watch_lag_max_events 0",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "confman_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func TestOptionsThatCannotWorkAreRefusedByName(t *testing.T) {
	good := func() Options {
		return Options{Node: NodeOptions{ID: "n1", Listen: "127.0.0.1:0", Data: "d"}}
	}
	for _, c := range []struct {
		why    string
		change func(*Options)
		want   string
	}{
		{"no ID", func(o *Options) { o.Node.ID = "" }, "--id is missing"},
		{"no data", func(o *Options) { o.Node.Data = "" }, "--data is missing"},
		{"no port", func(o *Options) { o.Node.Listen = "localhost" }, `--listen "localhost": want HOST:PORT`},
		{"all addresses", func(o *Options) { o.Node.Listen = ":6100" }, "--advertise is missing"},
		{"half a pair", func(o *Options) { o.TLS.Cert = "c" }, "--tls-cert and --tls-key"},
		{"fewer watches than none", func(o *Options) { o.Watches.Max = -1 }, "--max-watches"},
		{"the network without TLS", func(o *Options) { o.Node.Listen = "10.0.0.1:6100" }, "give --tls-cert and --tls-key, or --insecure"},
		{"a name without TLS", func(o *Options) { o.Node.Listen = "n1.example:6100" }, "--insecure on a network that you trust"},
		{"no dashboard", func(o *Options) { o.HTTP.Dashboard.Dir = "nowhere" }, "--dev-ui-dir"},
		{"peers without TLS", func(o *Options) { o.TLS.PeerCA = "c" }, "--tls-cert is missing"},
	} {
		o := good()
		c.change(&o)
		if err := o.validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
	}
	for _, fine := range []func(*Options){
		func(o *Options) { o.Node.Listen, o.TLS.Insecure = "10.0.0.1:6100", true },
		func(o *Options) { o.Node.Listen, o.TLS.Cert, o.TLS.Key = "10.0.0.1:6100", "c", "k" },
		func(o *Options) { o.Node.Listen = "localhost:6100" },
		func(o *Options) { o.Node.Listen = "[::1]:6100" },
		func(o *Options) { o.Node.Listen = "127.9.9.9:6100" },
	} {
		o := good()
		fine(&o)
		if err := o.validate(); err != nil {
			t.Errorf("%s: %v", o.Node.Listen, err)
		}
	}
	o := good()
	o.Members.Peers = []string{"n1"}
	if _, err := o.members(); err == nil || !strings.Contains(err.Error(), "want ID=HOST:PORT") {
		t.Errorf("%v", err)
	}
	if _, err := o.token(); err == nil || !strings.Contains(err.Error(), "--cluster-token-file is missing") {
		t.Errorf("%v", err)
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Members.TokenFile = short
	if _, err := o.token(); err == nil || !strings.Contains(err.Error(), "at least 16") {
		t.Errorf("%v", err)
	}
}
