package torture

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// node is one confman process, or the place of one that is down.
type node struct {
	t       testing.TB
	id      string
	address string
	scheme  string
	dir     string   // its data
	args    []string // of confman
	binary  string   // of confman; empty: this one
	log     string   // file, of all its lives

	mu  sync.Mutex // guards run
	run *run
}

// run is one life of a node.
type run struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func (n *node) url() string { return n.scheme + "://" + n.address }

// start starts the process; it must be down.
func (n *node) start() {
	n.t.Helper()
	binary, err := n.binary, error(nil)
	if binary == "" {
		binary, err = os.Executable()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	r := &run{cmd: exec.Command(binary, n.args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.Env = []string{asNode + "=1", "HOME=" + filepath.Dir(n.log), "TMPDIR=" + os.TempDir()}
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		n.t.Fatalf("start %s: %v", n.id, err)
	}
	go func() {
		_ = r.cmd.Wait() // the state says it
		close(r.ended)
	}()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.run = r
}

func (n *node) life() *run {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

// runs reports whether the process is there, be it paused.
func (n *node) runs() bool {
	r := n.life()
	if r == nil {
		return false
	}
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

func (n *node) signal(s syscall.Signal) {
	if r := n.life(); r != nil {
		_ = r.cmd.Process.Signal(s) // it may have ended by itself
	}
}

// kill9 kills the process and returns when it is gone.
func (n *node) kill9() {
	n.signal(syscall.SIGKILL)
	n.exit()
}

// term asks the process to end, waits for it, and returns its exit code.
func (n *node) term() int {
	n.signal(syscall.SIGTERM)
	return n.exit()
}

// exit waits for the end of the process and returns its exit code, -1 when a
// signal ended it.
func (n *node) exit() int {
	r := n.life()
	if r == nil {
		return -1
	}
	<-r.ended
	return r.cmd.ProcessState.ExitCode()
}

// pause stops the process and returns when every thread of it stands.
func (n *node) pause() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
	await(n.t, n.id+" stands", func() error {
		states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.life().cmd.Process.Pid))
		for _, path := range states {
			content, _ := os.ReadFile(path) // of a thread that has ended: nothing
			if _, state, _ := bytes.Cut(content, []byte(") ")); len(state) > 0 && state[0] != 'T' {
				err = fmt.Errorf("a thread is in state %c", state[0])
			}
		}
		return err
	})
}

func (n *node) resume() { n.signal(syscall.SIGCONT) }

// logs is what the node has said in all its lives.
func (n *node) logs() string {
	content, err := os.ReadFile(n.log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		n.t.Error(err)
	}
	return string(content)
}

// tail is the end of the log, for a failure.
func (n *node) tail(lines int) string {
	all := bytes.Split(bytes.TrimSpace([]byte(n.logs())), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// logged returns nil when the log has the text.
func (n *node) logged(text string) error {
	if bytes.Contains([]byte(n.logs()), []byte(text)) {
		return nil
	}
	return fmt.Errorf("the log of %s does not say %q", n.id, text)
}

// freeAddress is one that nobody listens on. It is below the range that the
// kernel takes for outgoing connections, so that it stays free while its node
// is down.
func freeAddress(t testing.TB, pick func(int) int) string {
	t.Helper()
	for range 200 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+pick(18000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}
