package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"confman/replication/faults/volume"
)

// Node is one confman process, or the place of one that is down.
type Node struct {
	ID      string
	Address string // HOST:PORT, which it listens on
	Data    string // its data directory
	LogFile string // what it says, of all its lives

	lab     *Lab
	number  int // 1, 2, …: of its address and device
	network *namespace
	volume  *volume.Volume
	http    *http.Client

	mu   sync.Mutex // guards the fields below
	args []string
	run  *life
	born int
}

// life is one process of a node.
type life struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// URL is the base URL of the node.
func (n *Node) URL() string { return "http://" + n.Address }

// HTTP reaches this and every other node from inside the node's own namespace:
// calls to the node itself are not cut off with it, calls to others are.
func (n *Node) HTTP() *http.Client { return n.http }

// Volume is the file system that the node's data is on, nil when it shares the
// host's.
func (n *Node) Volume() *volume.Volume { return n.volume }

// Args is the command line of the next start, from the word serve on.
func (n *Node) Args() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.args...)
}

// SetArgs changes the command line of the next start.
func (n *Node) SetArgs(args ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.args = args
}

// Start starts the process, which must be down, with the lab's binary.
func (n *Node) Start() error { return n.StartBinary(n.lab.config.Binary) }

// StartBinary starts the process, which must be down, with another binary.
func (n *Node) StartBinary(binary string) error {
	if n.Running() {
		return fmt.Errorf("start %s: it runs", n.ID)
	}
	log, err := os.OpenFile(n.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.ID, err)
	}
	defer log.Close()
	l := &life{cmd: exec.Command(binary, n.Args()...), ended: make(chan struct{})}
	l.cmd.Stdout, l.cmd.Stderr = log, log
	l.cmd.Env = append([]string{"HOME=" + n.lab.config.Dir, "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH")}, n.lab.config.Env...)
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.network.do(l.cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", n.ID, err)
	}
	go func() {
		_ = l.cmd.Wait() // the state says it
		close(l.ended)
	}()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.run = l
	n.born++
	return nil
}

func (n *Node) life() *life {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run
}

// Lives is how often the node was started.
func (n *Node) Lives() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.born
}

// Running reports whether the process is there, be it paused.
func (n *Node) Running() bool {
	l := n.life()
	if l == nil {
		return false
	}
	select {
	case <-l.ended:
		return false
	default:
		return true
	}
}

// PID is the process ID of the node's last life, 0 when it had none.
func (n *Node) PID() int {
	if l := n.life(); l != nil {
		return l.cmd.Process.Pid
	}
	return 0
}

// Signal sends a signal to the process, if it is there.
func (n *Node) Signal(s syscall.Signal) {
	if l := n.life(); l != nil {
		_ = l.cmd.Process.Signal(s) // it may have ended by itself
	}
}

// Kill9 kills the process and returns when it is gone.
func (n *Node) Kill9() {
	n.Signal(syscall.SIGKILL)
	_, _ = n.Exit(context.Background()) // nothing outlives SIGKILL
}

// Term asks the process to end, waits for it, and returns its exit code.
func (n *Node) Term(ctx context.Context) (code int, err error) {
	n.Signal(syscall.SIGTERM)
	return n.Exit(ctx)
}

// Exit waits for the end of the process and returns its exit code, -1 when a
// signal ended it or it never ran.
func (n *Node) Exit(ctx context.Context) (code int, err error) {
	l := n.life()
	if l == nil {
		return -1, nil
	}
	select {
	case <-l.ended:
		return l.cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("wait for %s to end: %w", n.ID, ctx.Err())
	}
}

// Ended is closed when the process of this life has ended; nil, which is never
// closed, when there was none.
func (n *Node) Ended() <-chan struct{} {
	if l := n.life(); l != nil {
		return l.ended
	}
	return nil
}

// Pause stops the process and returns when every thread of it stands.
func (n *Node) Pause(ctx context.Context) error {
	n.Signal(syscall.SIGSTOP)
	return Await(ctx, n.ID+" stands", func() error {
		states, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.PID()))
		for _, path := range states {
			content, _ := os.ReadFile(path) // of a thread that has ended: nothing
			if _, state, _ := bytes.Cut(content, []byte(") ")); len(state) > 0 && !bytes.ContainsRune([]byte("TtZX"), rune(state[0])) {
				err = fmt.Errorf("a thread is in state %c", state[0])
			}
		}
		return err
	})
}

// Resume lets a paused process go on.
func (n *Node) Resume() { n.Signal(syscall.SIGCONT) }

// LogSize is how much the node has said, in bytes: a place for [Node.LogSince].
func (n *Node) LogSize() int64 {
	info, err := os.Stat(n.LogFile)
	if err != nil {
		return 0 // it has not said anything
	}
	return info.Size()
}

// LogSince is what the node has said from a place in its log on; 0: all.
func (n *Node) LogSince(offset int64) (string, error) {
	f, err := os.Open(n.LogFile)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("log of %s: %w", n.ID, err)
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return "", fmt.Errorf("log of %s: %w", n.ID, err)
	}
	content, err := io.ReadAll(f)
	return string(content), err
}

// lastWords is the last line of the log.
func (n *Node) lastWords() string {
	text, _ := n.LogSince(max(0, n.LogSize()-1000)) // or nothing
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
