package cli_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal: what a person types, and where a command runs.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	number, err := unix.IoctlGetUint32(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// At a terminal the command reads what is typed, and Ctrl-C reaches it once.
func TestExecLeavesTheTerminalToTheCommand(t *testing.T) {
	f := newFeed(t)
	f.set("app", "a", "number", "1")
	keyboard, tty := terminal(t)
	self, _ := os.Executable()
	var out lines
	const script = `trap 'echo got INT' INT; echo ready; read -r line || read -r line; echo "read $line"; exit 4`
	cmd := exec.Command(self, "exec", "-n", "app", "--", "sh", "-c", script)
	cmd.Env = append([]string{asCommand + "=1"}, f.shell().environ...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	sees := func(text string) func() bool {
		return func() bool { return strings.Contains(out.String(), text) }
	}
	await(t, "the command", sees("ready"))
	_, _ = keyboard.Write([]byte{3}) // Ctrl-C
	await(t, "the interrupt", sees("got INT"))
	_, _ = keyboard.Write([]byte("typed\n"))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 4 || out.String() != "ready\ngot INT\nread typed\n" {
		t.Errorf("exit %d, %q", code, out.String())
	}
}
