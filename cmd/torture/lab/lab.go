package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"confman/replication/faults/volume"
)

// Config says what to build. Dir and Binary are required.
type Config struct {
	Dir        string    // of logs, secrets and, unless DiskBytes is set, data; it must be there
	Binary     string    // confman
	Nodes      int       // founding members; 0: 3
	Args       []string  // more settings of every node
	Env        []string  // more environment of every node
	Namespaces bool      // a network of its own, if this process may make one
	Clocks     bool      // the binary reads a clock that can be set for each node
	DiskBytes  int64     // of an ext4 for each node; 0: they share the host's. It needs root
	Log        io.Writer // what the lab does; nil: nowhere
}

// Lab is a cluster and what is around it.
type Lab struct {
	config   Config
	insecure bool // the binary wants to be told that a listener beyond loopback has no TLS
	bridge   *namespace
	observer *http.Client
	outside  *http.Client
	peers    string

	mu      sync.Mutex // guards the fields below
	nodes   []*Node
	nature  network
	closing []func() error
}

// ErrNoDisk says that Config.DiskBytes cannot be had: it needs root and a loop
// device.
var ErrNoDisk = errors.New("no disk of its own")

// adminKey is the first admin key of every lab.
const adminKey = "torture-admin-key-0123456789"

// New builds the lab; no node runs yet. Close it.
func New(ctx context.Context, c Config) (_ *Lab, err error) {
	l := &Lab{config: c, nature: quiet()}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if l.config.Nodes == 0 {
		l.config.Nodes = 3
	}
	if l.config.Log == nil {
		l.config.Log = io.Discard
	}
	for name, content := range map[string]string{"token": "torture-cluster-token-0123456789", "admin-key": adminKey} {
		if err := os.WriteFile(filepath.Join(c.Dir, name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("write a secret: %w", err)
		}
	}
	if l.insecure, err = takes(ctx, l.config, "--insecure"); err != nil {
		return nil, err
	}
	if c.Namespaces && os.Geteuid() == 0 {
		if err := l.makeBridge(); err != nil {
			l.logf("no network of its own, loopback instead: %v", err)
		}
	}
	l.observer, l.outside = l.newHTTP(l.dialInside), l.newHTTP(l.bridge.dial)
	var peers []string
	for i := range l.config.Nodes {
		n, err := l.Add(fmt.Sprintf("n%d", i+1))
		if err != nil {
			return nil, err
		}
		peers = append(peers, n.ID+"="+n.Address)
	}
	l.peers = strings.Join(peers, ",")
	for _, n := range l.Nodes() {
		n.SetArgs(l.Serve(n, "--peers", l.peers)...)
	}
	return l, nil
}

// takes reports whether serve has a flag: older binaries lack some.
func takes(ctx context.Context, c Config, flag string) (bool, error) {
	help := exec.CommandContext(ctx, c.Binary, "serve", "--help")
	help.Env = append(os.Environ(), c.Env...)
	said, err := help.CombinedOutput()
	if err != nil {
		return false, fmt.Errorf("%s serve --help: %w: %s", c.Binary, err, said)
	}
	return strings.Contains(string(said), flag+" "), nil
}

// Close kills all nodes and removes what the lab made but its directory.
func (l *Lab) Close() error {
	for _, n := range l.Nodes() {
		n.Resume()
		n.Kill9()
		n.http.CloseIdleConnections()
	}
	if l.observer != nil {
		l.observer.CloseIdleConnections()
		l.outside.CloseIdleConnections()
	}
	l.mu.Lock()
	closing := l.closing
	l.closing = nil
	l.mu.Unlock()
	var failed error
	for i := range closing {
		failed = errors.Join(failed, closing[len(closing)-1-i]())
	}
	return failed
}

// atClose has something undone by Close, last first.
func (l *Lab) atClose(undo func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing = append(l.closing, undo)
}

func (l *Lab) logf(format string, args ...any) { fmt.Fprintf(l.config.Log, format+"\n", args...) }

// Nodes are all places of nodes, founding members first.
func (l *Lab) Nodes() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Node(nil), l.nodes...)
}

// Others are all nodes but some.
func (l *Lab) Others(but ...*Node) (others []*Node) {
	for _, n := range l.Nodes() {
		if !slices.Contains(but, n) {
			others = append(others, n)
		}
	}
	return others
}

// Key is an API key that may do everything.
func (l *Lab) Key() string { return adminKey }

// Dir is where the lab keeps its logs and data.
func (l *Lab) Dir() string { return l.config.Dir }

// Binary is what the nodes run.
func (l *Lab) Binary() string { return l.config.Binary }

// Peers are the founding members, as the flag takes them.
func (l *Lab) Peers() string { return l.peers }

// Networked reports whether faults of the network can be made.
func (l *Lab) Networked() bool { return l.bridge != nil }

// Add makes the place of another node. Its command line is that of [Lab.Serve],
// which lacks who its peers are, or whom to join.
func (l *Lab) Add(id string) (*Node, error) {
	l.mu.Lock()
	number := len(l.nodes) + 1
	l.mu.Unlock()
	n := &Node{
		ID: id, lab: l, number: number, LogFile: filepath.Join(l.config.Dir, id+".log"), Data: filepath.Join(l.config.Dir, id),
	}
	if err := l.wire(n); err != nil {
		return nil, fmt.Errorf("wire %s: %w", id, err)
	}
	if l.config.DiskBytes > 0 {
		base := filepath.Join(l.config.Dir, id+"-disk")
		if err := os.Mkdir(base, 0o700); err != nil {
			return nil, fmt.Errorf("a disk for %s: %w", id, err)
		}
		v, err := volume.New(base, l.config.DiskBytes)
		if err != nil {
			return nil, fmt.Errorf("%w for %s: %w", ErrNoDisk, id, err)
		}
		l.atClose(v.Close)
		n.volume, n.Data = v, filepath.Join(v.Dir(), "data")
	}
	n.http = l.newHTTP(n.network.dial)
	n.SetArgs(l.Serve(n)...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = append(l.nodes, n)
	return n, nil
}

// Serve is a command line for a node, from the word serve on.
func (l *Lab) Serve(n *Node, more ...string) []string {
	args := []string{
		"serve", "--id", n.ID, "--listen", n.Address, "--data", n.Data, "--log-format", "json",
		"--cluster-token-file", filepath.Join(l.config.Dir, "token"),
		"--bootstrap-admin-key-file", filepath.Join(l.config.Dir, "admin-key"),
	}
	if l.insecure && l.Networked() {
		args = append(args, "--insecure")
	}
	return append(append(args, l.config.Args...), more...)
}

// Form starts all nodes and waits until they are ready.
func (l *Lab) Form(ctx context.Context) error {
	for _, n := range l.Nodes() {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return l.AwaitReady(ctx, l.Nodes()...)
}
