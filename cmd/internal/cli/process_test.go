package cli_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a confman of its own.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, errors lines
	done        chan struct{}
}

// lines is what a process wrote so far.
type lines struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *lines) Write(data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(data)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// start runs a confman as a process.
func (s *shell) start(args ...string) *process {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &process{t: s.t, cmd: exec.Command(self, args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{asCommand + "=1"}, s.environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	p.cmd.WaitDelay = time.Second // what it left running may have them open
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if s.t.Failed() {
			s.t.Logf("confman %s\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), p.out.String(), p.errors.String())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// code waits for the process to end and returns its exit code.
func (p *process) code() int {
	p.t.Helper()
	await(p.t, "the process to end", func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	})
	return p.cmd.ProcessState.ExitCode()
}

// awaitOutput waits until stdout has text in it so often.
func (p *process) awaitOutput(text string, times int) {
	p.t.Helper()
	await(p.t, text+" on stdout", func() bool { return strings.Count(p.out.String(), text) >= times })
}

// awaitError waits until stderr has text in it.
func (p *process) awaitError(text string) {
	p.t.Helper()
	await(p.t, text+" on stderr", func() bool { return strings.Contains(p.errors.String(), text) })
}

// runs reports whether there is a process of this number.
func runs(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
