package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

const (
	defaultGrace = 10 * time.Second // that a command has to end when it is asked to
	pipesGrace   = time.Second      // that its offspring may keep its output open
)

// Exit codes of a command that could not be started, as env(1) has them.
const (
	exitCannotRun = 126
	exitNoCommand = 127
)

// child is a process that runs a command of the user's.
type child struct {
	cmd   *exec.Cmd
	group bool          // it leads a process group of its own
	done  chan struct{} // closed when it has ended and was waited for
}

// startChild starts a command. In a group of its own all that it starts in turn
// gets its signals too; but then it cannot read from a terminal. It gets SIGTERM
// when this process dies, even of SIGKILL.
func startChild(cmd *exec.Cmd, group bool) (*child, error) {
	c := &child{cmd: cmd, group: group, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: group, Pdeathsig: syscall.SIGTERM}
	cmd.WaitDelay = pipesGrace
	started := make(chan error, 1)
	go func() {
		// Pdeathsig is about the thread that started the child: this one has to
		// stay (go.dev/issue/27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // code tells how it ended
			close(c.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, startError(cmd, err)
	}
	return c, nil
}

func startError(cmd *exec.Cmd, err error) error {
	code := exitCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNoCommand
	}
	if errors.Is(err, syscall.E2BIG) {
		size := 0
		for _, variable := range cmd.Env {
			size += len(variable) + 1
		}
		err = fmt.Errorf("%w: the environment has %d variables and %d bytes", err, len(cmd.Env), size)
	}
	return &ExitError{Code: code, Err: fmt.Errorf("start %s: %w", cmd.Args[0], err)}
}

// signal sends a signal, to the group where there is one. A child that has ended
// takes it without effect.
func (c *child) signal(s syscall.Signal) {
	pid := c.cmd.Process.Pid
	if c.group {
		pid = -pid
	}
	select {
	case <-c.done: // the number may be another's by now
	default:
		_ = syscall.Kill(pid, s)
	}
}

// code is the exit code of a child that is done: its own, or 128 and the signal
// that killed it.
func (c *child) code() int {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return c.cmd.ProcessState.ExitCode()
}

// finish waits until the child is done. When ctx ends before, it is asked to end,
// and killed after the grace.
func (c *child) finish(ctx context.Context, grace time.Duration) {
	select {
	case <-c.done:
		return
	case <-ctx.Done():
	}
	c.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.signal(syscall.SIGKILL)
		<-c.done
	}
}

// stopping tells how a command that runs until it is stopped was stopped.
type stopping struct{ asked chan os.Signal }

func watchStopping() *stopping {
	s := &stopping{asked: make(chan os.Signal, 1)}
	signal.Notify(s.asked, syscall.SIGTERM)
	return s
}

// end makes of the error that a command ended with its result: being asked to
// stop with SIGTERM is none.
func (s *stopping) end(ctx context.Context, err error) error {
	signal.Stop(s.asked) // what was delivered by now is in the channel
	select {
	case <-s.asked:
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
	default:
	}
	return err
}
