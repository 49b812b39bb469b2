package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stands reports whether the process is paused.
func (n *Node) stands() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.PID()))
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return err == nil && len(state) > 0 && state[0] == 'T'
}

// detach is how long strace may take to let go of a process.
const detach = 3 * time.Second

// Strace has system calls of the running process go wrong, as `strace -e
// inject=` says, such as "fsync,fdatasync:delay_enter=300000" (microseconds) or
// "fsync:error=EIO:when=1". It returns when all threads are reached. Stop it
// before the node is to be fast again; the end of the process ends it, too.
func (n *Node) Strace(ctx context.Context, inject string) (stop func() error, err error) {
	calls, _, _ := strings.Cut(inject, ":")
	c := exec.Command("strace", "-f", "-p", strconv.Itoa(n.PID()), "-e", "trace="+calls, "-e", "inject="+inject, "-o", os.DevNull)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	said, err := c.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("strace: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("strace: %w", err)
	}
	attached, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(said)
		for first := true; lines.Scan(); first = false {
			if first {
				close(attached)
			}
		}
		_ = c.Wait() // it ends by our signal, or with the node
	}()
	stop = func() error {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(detach): // it hangs on threads that end meanwhile; its death lets go of them, too
			_ = c.Process.Kill()
			<-ended
		}
		return nil
	}
	select {
	case <-attached:
	case <-ended:
		return nil, fmt.Errorf("strace of %s ended at once", n.ID)
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("strace of %s: %w", n.ID, ctx.Err()), stop())
	}
	return stop, nil
}

// LimitCPU gives the process so many percent of one core, by a control group of
// its own, until undo.
func (n *Node) LimitCPU(percent int) (undo func() error, err error) {
	const root = "/sys/fs/cgroup/cpu" // version 1
	group, err := os.MkdirTemp(root, "torture-"+n.ID+"-")
	if err != nil {
		return nil, fmt.Errorf("a control group for %s: %w", n.ID, err)
	}
	pid := strconv.Itoa(n.PID())
	undo = func() error {
		_ = os.WriteFile(filepath.Join(root, "cgroup.procs"), []byte(pid), 0o600) // the process may have ended
		return os.Remove(group)
	}
	const period = 100_000 // microseconds
	for name, content := range map[string]string{"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": strconv.Itoa(period * percent / 100)} {
		if err := os.WriteFile(filepath.Join(group, name), []byte(content), 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("limit the CPU of %s: %w", n.ID, err), undo())
		}
	}
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(pid), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("limit the CPU of %s: %w", n.ID, err), undo())
	}
	return undo, nil
}
