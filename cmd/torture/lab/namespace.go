package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// namespace is a network of its own: it lasts as long as this process has it
// open, or another process lives in it. Without a file it is the host's.
type namespace struct {
	file *os.File
	home *os.File // the host's
}

const threadNamespace = "/proc/thread-self/ns/net"

// newNamespace makes one that has nothing but a loopback device.
func newNamespace() (*namespace, error) {
	home, err := os.Open(threadNamespace)
	if err != nil {
		return nil, fmt.Errorf("open the host's network: %w", err)
	}
	ns := &namespace{home: home}
	err = ns.away(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		ns.file, err = os.Open(threadNamespace)
		return err
	}, func() error { return nil })
	if err == nil {
		err = ns.run("ip", "link", "set", "lo", "up")
	}
	if err != nil {
		ns.close()
		return nil, err
	}
	return ns, nil
}

func (ns *namespace) close() {
	if ns.file != nil {
		_ = ns.file.Close()
	}
	_ = ns.home.Close()
}

// path is how other programs find it, while this process runs.
func (ns *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.file.Fd()) }

// do calls f on a thread in the namespace: sockets that it opens and processes
// that it starts belong there. Goroutines that f starts do not.
func (ns *namespace) do(f func() error) error {
	if ns == nil {
		return f()
	}
	return ns.away(func() error {
		if err := unix.Setns(int(ns.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return nil
	}, f)
}

// away leaves the host's network by enter, calls f, and returns. The thread must
// live on: processes started on it are told to die with it.
func (ns *namespace) away(enter, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := enter()
		if err == nil {
			err = f()
		}
		if back := unix.Setns(int(ns.home.Fd()), unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread()
		} else if err == nil {
			err = fmt.Errorf("return to the host's network: %w", back)
		}
		done <- err
	}()
	return <-done
}

// run runs a program in the namespace.
func (ns *namespace) run(name string, args ...string) error { return ns.pipe("", name, args...) }

// pipe runs a program in the namespace with something to read.
func (ns *namespace) pipe(stdin, name string, args ...string) error {
	return ns.do(func() error {
		c := exec.Command(name, args...)
		c.Stdin = strings.NewReader(stdin)
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
		return nil
	})
}

// dial connects from within the namespace. The address must be numeric.
func (ns *namespace) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	err = ns.do(func() error {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
