package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"confman/api"
	"confman/cmd/internal/cli"
	"confman/cmd/internal/settings"
)

const devHelp = `Run a cluster on this machine, for trying things out and for development.

Without --data everything is gone when it stops. It is ready when it prints the
addresses and an admin key; Ctrl-C stops it. With --nodes 3 it starts three
processes, the second and third 100 and 200 ports above --listen. One that is
killed is started again after a few seconds.`

type devOptions struct {
	nodes    int
	listen   string
	data     string
	adminKey string
	output   string
	logLevel string
	watches  WatchOptions
	pages    DashboardOptions
	proofKey string // file
}

// devReady is what dev prints when it is ready.
type devReady struct {
	Nodes    []devNode `json:"nodes"`
	AdminKey string    `json:"adminKey"`
	Data     string    `json:"data"`
}

type devNode struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Dev is the command that runs a local cluster.
func Dev(env cli.Env) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{Use: "dev", Short: "Run a cluster on this machine, ready in seconds", Long: devHelp, Args: cobra.NoArgs}
	f := cmd.Flags()
	f.IntVar(&o.nodes, "nodes", 1, "1 or 3")
	f.StringVar(&o.listen, "listen", "127.0.0.1:6100", "address of the first node")
	f.StringVar(&o.data, "data", "", "data directory (default: a temporary one)")
	f.StringVar(&o.adminKey, "admin-key", "", "the first admin key, 16 bytes or more (default: made up)")
	f.StringVarP(&o.output, "output", "o", "table", "table or json (one line)")
	f.StringVar(&o.logLevel, "log-level", "error", "debug, info, warn or error")
	f.StringVar(&o.proofKey, "checkpoint-key-file", "", "file with the Ed25519 key that signs checkpoints of the history, as of serve")
	o.watches.flags(f)
	o.pages.flags(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := settings.Load(f, env.Environ, "", cli.Settings(cmd.Root())...); err != nil {
			return &cli.ExitError{Code: cli.ExitUsage, Err: err}
		}
		return runDev(cmd.Context(), o, env)
	}
	return cmd
}

func runDev(ctx context.Context, o devOptions, env cli.Env) error {
	wrong := func(format string, args ...any) error {
		return &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case o.nodes != 1 && o.nodes != 3:
		return wrong("--nodes %d: want 1 or 3", o.nodes)
	case o.adminKey != "" && len(o.adminKey) < minTokenBytes:
		return wrong("--admin-key: %d bytes are too few, at least %d", len(o.adminKey), minTokenBytes)
	case o.output != "table" && o.output != "json":
		return wrong("-o %q: want table or json", o.output)
	}
	if o.data == "" {
		dir, err := os.MkdirTemp("", "confman-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.data = dir
	}
	d, err := prepareDev(o)
	if err != nil {
		return err
	}
	return d.run(ctx, env)
}

// devCluster is a local cluster that is about to run.
type devCluster struct {
	options devOptions
	key     string
	nodes   []devNode
	members []string // ID=HOST:PORT
	listen  []string
}

func prepareDev(o devOptions) (*devCluster, error) {
	host, port, err := net.SplitHostPort(o.listen)
	first, convErr := strconv.Atoi(port)
	if err != nil || convErr != nil || host == "" {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--listen %q: want HOST:PORT", o.listen)}
	}
	if !loopback(o.listen) {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--listen %s: dev has no TLS and serves this machine only; confman serve is for networks", o.listen)}
	}
	d := &devCluster{options: o}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return nil, err
	}
	if d.key, err = d.keep("admin-key", o.adminKey, func() string { _, key := api.MintKey(rand.Reader); return key }); err != nil {
		return nil, err
	}
	if _, err = d.keep("cluster-token", "", randomToken); err != nil {
		return nil, err
	}
	for i := range o.nodes {
		address := net.JoinHostPort(host, strconv.Itoa(first+100*i))
		id := fmt.Sprintf("n%d", i+1)
		d.nodes = append(d.nodes, devNode{id, "http://" + address})
		d.members = append(d.members, id+"="+address)
		d.listen = append(d.listen, address)
		if err := free(address); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// free fails when somebody listens at the address: dev would take that server
// for its own.
func free(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("%w; --listen HOST:PORT chooses another address", err)
	}
	return l.Close()
}

func randomToken() string {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		panic(err) // crypto/rand never fails on Linux
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// keep reads a secret from the data directory; the first time it is put there.
func (d *devCluster) keep(name, given string, makeUp func() string) (string, error) {
	path := filepath.Join(d.options.data, name)
	kept, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if given == "" {
			given = makeUp()
		}
		return given, os.WriteFile(path, []byte(given), 0o600)
	case err != nil:
		return "", err
	case given != "" && given != string(kept):
		return "", fmt.Errorf("--admin-key is not the one that the cluster in %s began with, which is in %s", d.options.data, path)
	}
	return string(kept), nil
}

func (d *devCluster) serveOptions(i int) Options {
	return Options{
		Node:     NodeOptions{ID: d.nodes[i].ID, Listen: d.listen[i], Data: filepath.Join(d.options.data, d.nodes[i].ID)},
		LogLevel: d.options.logLevel, Watches: d.options.watches, HTTP: HTTPOptions{Dashboard: d.options.pages}, Proof: ProofOptions{KeyFile: d.options.proofKey},
		Webhooks: WebhookOptions{Allowed: []string{"127.0.0.0/8", "::1/128"}}, // to try them
	}
}

func (d *devCluster) run(ctx context.Context, env cli.Env) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan struct{}) // closed when all nodes were
	ended := make(chan error, len(d.nodes))
	for i := range d.nodes {
		go func() { ended <- d.keepUp(ctx, env, i, ready) }()
	}
	go func() {
		for _, n := range d.nodes {
			awaitHTTP(ctx, n.URL+"/health/ready")
		}
		close(ready)
	}()
	running := len(d.nodes)
	var err error
	select {
	case <-ready:
		if ctx.Err() == nil {
			err = d.announce(env.Stdout)
		}
	case err = <-ended:
		running--
	}
	if err != nil {
		cancel()
	}
	for range running {
		err = errors.Join(err, <-ended)
		cancel() // one that ends for good takes the others along
	}
	return err
}

// devRestart is how long a node stays down that somebody killed: long enough to
// see the others go on.
const devRestart = 3 * time.Second

// keepUp runs a node until the context ends. A process that somebody kills is
// started again, unless it never got ready.
func (d *devCluster) keepUp(ctx context.Context, env cli.Env, i int, ready <-chan struct{}) error {
	for {
		child, err := d.start(ctx, env, i)
		if err != nil {
			return err
		}
		err = child.wait(ctx)
		if ctx.Err() != nil {
			return err
		}
		select {
		case <-ready:
		default:
			return errors.Join(err, fmt.Errorf("%s has stopped before it was ready", d.nodes[i].ID))
		}
		if !killed(err) {
			return errors.Join(err, fmt.Errorf("%s has stopped", d.nodes[i].ID))
		}
		fmt.Fprintf(env.Stderr, "%s has stopped (%v); starting it again in %v\n", d.nodes[i].ID, err, devRestart)
		select {
		case <-time.After(devRestart):
		case <-ctx.Done():
			return nil
		}
	}
}

// killed reports whether a process was ended by a signal.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// awaitHTTP returns when the URL answers 200 or the context ends.
func awaitHTTP(ctx context.Context, url string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Timeout: time.Second}
	for {
		if resp, err := client.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (d *devCluster) announce(w io.Writer) error {
	if d.options.output == "json" {
		return json.NewEncoder(w).Encode(devReady{d.nodes, d.key, d.options.data})
	}
	fmt.Fprintln(w, "Confman is ready. In another terminal:")
	fmt.Fprintln(w)
	urls := make([]string, len(d.nodes))
	for i, n := range d.nodes {
		urls[i] = n.URL
	}
	fmt.Fprintf(w, "  export CONFMAN_ADDR=%s CONFMAN_API_KEY=%s\n", strings.Join(urls, ","), d.key)
	fmt.Fprintln(w, "  confman set app/prod greeting hello")
	fmt.Fprintln(w, "  confman get app/prod greeting")
	fmt.Fprintln(w)
	for _, n := range d.nodes {
		fmt.Fprintf(w, "  %s  %s\n", n.ID, n.URL)
	}
	_, err := fmt.Fprintf(w, "\ndashboard %s/\nadmin key %s\ndata      %s\nCtrl-C stops it.\n", d.nodes[0].URL, d.key, d.options.data)
	return err
}

// child is one node: a process of its own, or, alone, this one.
type child interface {
	wait(ctx context.Context) error
}

func (d *devCluster) start(ctx context.Context, env cli.Env, i int) (child, error) {
	if len(d.nodes) == 1 {
		return d.startHere(ctx, env)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := d.serveOptions(i)
	peers := ""
	for _, m := range d.members {
		peers += "," + m
	}
	cmd := exec.Command(self, "serve", "--id", o.Node.ID, "--listen", o.Node.Listen, "--data", o.Node.Data, "--peers", peers[1:],
		"--cluster-token-file", filepath.Join(d.options.data, "cluster-token"),
		"--bootstrap-admin-key-file", filepath.Join(d.options.data, "admin-key"), "--log-level", o.LogLevel, "--checkpoint-key-file", o.Proof.KeyFile,
		"--max-watches", strconv.Itoa(o.Watches.Max), "--max-watches-per-principal", strconv.Itoa(o.Watches.MaxPerPrincipal), "--dev-ui-dir", o.HTTP.Dashboard.Dir)
	cmd.Stderr = env.Stderr
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOGC", "GOMEMLIMIT"} {
		if value, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	// A group of its own, so that Ctrl-C reaches it through us; and not without us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return process{cmd}, nil
}

type process struct{ cmd *exec.Cmd }

func (p process) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("node with pid %d: %w", p.cmd.Process.Pid, err)
	}
	return nil
}

type here struct{ *Server }

func (h here) wait(ctx context.Context) error { return h.Wait(ctx) }

func (d *devCluster) startHere(ctx context.Context, env cli.Env) (child, error) {
	o := d.serveOptions(0)
	o.Members = MemberOptions{
		Peers: d.members, FirstKey: filepath.Join(d.options.data, "admin-key"), TokenFile: filepath.Join(d.options.data, "cluster-token"),
	}
	o.LogForm = "auto"
	log, err := newLog(o, env.Stderr)
	if err != nil {
		return nil, &cli.ExitError{Code: cli.ExitUsage, Err: err}
	}
	fitMachine(ctx, log)
	s, err := Start(o, Env{
		Stdout: env.Stdout, Log: log, Version: env.Version,
		Fatal: func(err error) {
			fmt.Fprintln(env.Stderr, "confman:", err)
			os.Exit(cli.ExitFailure)
		},
	})
	if err != nil {
		return nil, err
	}
	return here{s}, nil
}
