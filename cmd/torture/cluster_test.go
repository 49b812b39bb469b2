package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// cluster is some nodes and the secrets that they share.
type cluster struct {
	t     *testing.T
	base  string // of secrets, logs and, if nothing else is said, data
	key   string // the first admin key
	http  *http.Client
	tls   *authority // nil: plain
	nodes []*node
	peers string // as the flag takes them
	args  []string
}

// plan says how a cluster differs from three plain nodes.
type plan struct {
	size int                // 0: 3
	args []string           // more settings, of every node
	data func(i int) string // the data directory of node i; nil: a temporary one
	tls  func(base string) *authority
}

// calm is for tests to which a leader deposed by a busy machine would be in the
// way.
func calm() plan { return plan{args: []string{"--election-timeout", "1s"}} }

// prepare makes a cluster of which nothing runs yet.
func prepare(t *testing.T, p plan) *cluster {
	t.Helper()
	c := &cluster{t: t, base: t.TempDir(), key: "torture-admin-key-0123456789", args: p.args}
	c.write("token", clusterToken)
	c.write("admin-key", c.key)
	if p.tls != nil {
		c.tls = p.tls(c.base)
	}
	c.http = c.newHTTP()
	if p.size == 0 {
		p.size = 3
	}
	var peers []string
	for i := range p.size {
		n := c.add(fmt.Sprintf("n%d", i+1))
		if p.data != nil {
			n.dir = p.data(i)
		}
		peers = append(peers, n.id+"="+n.address)
	}
	c.peers = strings.Join(peers, ",")
	for _, n := range c.nodes {
		n.args = c.serve(n, "--peers", c.peers)
	}
	t.Cleanup(c.end)
	return c
}

// form is prepare, start, and wait until all nodes are ready.
func form(t *testing.T, p plan) *cluster {
	t.Helper()
	c := prepare(t, p)
	for _, n := range c.nodes {
		n.start()
	}
	c.awaitReady(c.nodes...)
	return c
}

func (c *cluster) write(name, content string) string {
	path := filepath.Join(c.base, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *cluster) newHTTP() *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if c.tls != nil {
		transport.TLSClientConfig = c.tls.client()
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// add makes the place of a node, without arguments.
func (c *cluster) add(id string) *node {
	address := freeAddress(c.t, rand.IntN)
	for slices.ContainsFunc(c.nodes, func(n *node) bool { return n.address == address }) {
		address = freeAddress(c.t, rand.IntN) // free only because its node does not run yet
	}
	n := &node{
		t: c.t, id: id, scheme: "http", address: address,
		dir: filepath.Join(c.base, id), log: filepath.Join(c.base, id+".log"),
	}
	if c.tls != nil {
		n.scheme = "https"
		c.tls.issue(c.t, id)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// serve is the command line of a node.
func (c *cluster) serve(n *node, more ...string) []string {
	args := []string{
		"serve", "--id", n.id, "--listen", n.address, "--data", n.dir,
		"--cluster-token-file", filepath.Join(c.base, "token"),
		"--bootstrap-admin-key-file", filepath.Join(c.base, "admin-key"),
	}
	if c.tls != nil {
		args = append(args, c.tls.flags(n.id)...)
	}
	return append(append(args, c.args...), more...)
}

// end kills what still runs, and shows the logs of a failure.
func (c *cluster) end() {
	for _, n := range c.nodes {
		n.kill9()
	}
	c.http.CloseIdleConnections()
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		c.t.Logf("log of %s at %s, its end:\n%s", n.id, n.address, n.tail(40))
	}
}

// ready asks a node how it is.
func (c *cluster) ready(n *node) (wire.Ready, error) {
	a, err := c.get(n, "/health/ready")
	if err != nil {
		return wire.Ready{}, err
	}
	var r wire.Ready
	return r, a.decode(&r)
}

func (c *cluster) awaitReady(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		await(c.t, n.id+" is ready", func() error {
			r, err := c.ready(n)
			if err == nil && r.Status != wire.StatusReady {
				err = fmt.Errorf("%s", strings.Join(r.Reasons, "; "))
			}
			if err != nil && !n.runs() {
				c.t.Fatalf("%s has ended with code %d", n.id, n.exit())
			}
			return err
		})
	}
}

// leader waits for a node, none of except, that leads and can confirm it.
func (c *cluster) leader(except ...*node) (found *node) {
	c.t.Helper()
	await(c.t, "a leader", func() error {
		for _, n := range c.nodes {
			if slices.Contains(except, n) || !n.runs() {
				continue
			}
			if r, err := c.ready(n); err == nil && r.Cluster.Role == wire.MemberLeader && r.Status == wire.StatusReady {
				found = n
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	return found
}

// followers are all nodes but one.
func (c *cluster) followers(leader *node) (others []*node) {
	for _, n := range c.nodes {
		if n != leader {
			others = append(others, n)
		}
	}
	return others
}

// client is the SDK for some nodes, all if none are named.
func (c *cluster) client(key string, nodes ...*node) *client.Client {
	return c.clientWith(client.Config{Key: key}, nodes...)
}

func (c *cluster) clientWith(config client.Config, nodes ...*node) *client.Client {
	c.t.Helper()
	if len(nodes) == 0 {
		nodes = c.nodes
	}
	for _, n := range nodes {
		config.Endpoints = append(config.Endpoints, n.url())
	}
	config.HTTP, config.AttemptTimeout = c.http, 2*time.Second
	made, err := client.New(config)
	if err != nil {
		c.t.Fatal(err)
	}
	return made
}

// namespace creates one.
func (c *cluster) namespace(path string) {
	c.t.Helper()
	err := settle(c.t.Context(), "namespace-"+path, func(w client.Write) error {
		_, err := c.client(c.key).PutNamespace(c.t.Context(), path, wire.PutNamespace{}, w)
		return err
	})
	if err != nil {
		c.t.Fatalf("create the namespace %s: %v", path, err)
	}
}

// settle repeats a write under its idempotency key until its outcome is known,
// the context ends, or patience does.
func settle(ctx context.Context, key string, write func(client.Write) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := write(client.Write{IdempotencyKey: key})
		if !errors.Is(err, client.ErrOutcomeUnknown) && !errors.Is(err, client.ErrUnavailable) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		}
	}
}
