package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Said is what a command said, and how it ended.
type Said struct {
	Stdout, Stderr string
	Code           int
}

// String is all of it, for a message.
func (s Said) String() string {
	return fmt.Sprintf("exit code %d: %.1500s", s.Code, strings.TrimSpace(s.Stdout+s.Stderr))
}

// Confman runs a command of the lab's binary where the node is, as the admin. It
// fails when there was no exit code; what the code says is the caller's.
func (n *Node) Confman(ctx context.Context, args ...string) (said Said, err error) {
	c := exec.CommandContext(ctx, n.lab.config.Binary, args...)
	c.Env = append([]string{
		"HOME=" + n.lab.config.Dir, "TMPDIR=" + os.TempDir(), "PATH=" + os.Getenv("PATH"),
		"CONFMAN_ADDR=" + n.URL(), "CONFMAN_API_KEY=" + adminKey,
	}, n.lab.config.Env...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	err = n.network.do(c.Run)
	said = Said{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("confman %s at %s: %w", strings.Join(args, " "), n.ID, err)
	}
	return said, err
}

// Renew gives the place of a node that is down, its address and its disk, to a new
// one with another ID and no data, which joins the cluster of another node, or waits
// to be added if that is nil. What the old one had stays beside it; it is no node of
// the lab any more.
func (l *Lab) Renew(old *Node, id string, join *Node) (*Node, error) {
	if old.Running() {
		return nil, fmt.Errorf("a new node in the place of %s: it runs", old.ID)
	}
	n := &Node{
		ID: id, Address: old.Address, Data: filepath.Join(filepath.Dir(old.Data), id), LogFile: filepath.Join(l.config.Dir, id+".log"),
		lab: l, number: old.number, network: old.network, volume: old.volume, http: old.http,
	}
	n.SetArgs(l.Serve(n)...)
	if join != nil {
		n.SetArgs(l.Serve(n, "--join", join.URL())...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.nodes, old)
	if i < 0 {
		return nil, fmt.Errorf("a new node in the place of %s: that is no node of this lab", old.ID)
	}
	l.nodes = slices.Clone(l.nodes)
	l.nodes[i] = n
	return n, nil
}
