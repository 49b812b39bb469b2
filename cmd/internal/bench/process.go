package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// stopTime is how long a process has to end before it is killed.
const stopTime = 20 * time.Second

// process is this program again, running another command.
type process struct {
	cmd   *exec.Cmd
	stop  context.CancelFunc
	ready string // the first line that it printed
	said  *complaints
}

// complaints passes on what a process says on stderr until it is told to end:
// nodes that end together complain about each other.
type complaints struct {
	w     io.Writer
	ended atomic.Bool
}

// Write never fails for want of a reader.
func (c *complaints) Write(text []byte) (int, error) {
	if c.ended.Load() {
		return len(text), nil
	}
	return c.w.Write(text)
}

// start runs this program with other arguments and returns when it has printed
// a line, which says that it is ready.
func start(ctx context.Context, stderr io.Writer, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, args...)
	said := &complaints{w: stderr}
	cmd.Stderr = said
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.Getenv("TMPDIR")}
	// A group of its own, so that Ctrl-C reaches it through us; and not without us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTime
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	p := &process{cmd: cmd, stop: cancel, said: said}
	if p.ready, err = bufio.NewReader(stdout).ReadString('\n'); err != nil {
		cancel()
		_ = cmd.Wait() // and what it says until then is why
		return nil, fmt.Errorf("%s ended before it was ready", args[0])
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// close ends the process and returns when it has ended.
func (p *process) close() {
	p.said.ended.Store(true)
	p.stop()
	_ = p.cmd.Wait() // it was told to end; how does not matter
}
