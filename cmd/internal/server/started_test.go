package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"confman/api/client"
	"confman/api/wire"
)

func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const (
	patience = 20 * time.Second
	adminKey = "the first admin key of a test"
)

// started is a cluster of nodes in this process, reached over loopback.
type started struct {
	t     *testing.T
	nodes []*node
	http  *http.Client
	skew  atomic.Int64 // of all nodes' clocks, in nanoseconds
}

// node is one member. running is nil while it is stopped.
type node struct {
	id, url string
	options Options
	running *Server
	cancel  context.CancelFunc
	ended   chan error
}

// start forms a cluster of n nodes with options that change makes. Its test runs
// beside others.
func start(t *testing.T, n int, change func(*Options)) *started {
	t.Helper()
	t.Parallel()
	dir, transport := t.TempDir(), &http.Transport{}
	c := &started{t: t, http: &http.Client{Transport: transport, Timeout: patience}}
	t.Cleanup(transport.CloseIdleConnections)
	token, key := filepath.Join(dir, "token"), filepath.Join(dir, "admin-key")
	for file, secret := range map[string]string{token: "a token of sixteen bytes", key: adminKey} {
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var peers []string
	for i, address := range freeAddresses(t, n) {
		id := fmt.Sprintf("n%d", i+1)
		peers = append(peers, id+"="+address)
		o := Options{Node: NodeOptions{ID: id, Listen: address, Data: filepath.Join(dir, id)}}
		o.Members = MemberOptions{TokenFile: token, FirstKey: key, Election: 300 * time.Millisecond}
		if change != nil {
			change(&o)
		}
		scheme := "http://"
		if o.TLS.Cert != "" {
			scheme, transport.TLSClientConfig = "https://", trusting(t, o.TLS.PeerCA)
		}
		c.nodes = append(c.nodes, &node{id: id, url: scheme + address, options: o})
	}
	t.Cleanup(c.stopAll)
	for _, n := range c.nodes {
		n.options.Members.Peers = peers
		c.run(n)
	}
	c.ready()
	return c
}

// freeAddresses are addresses on loopback that nobody listens on, no two the same.
// They are of an IP address of their own, so that nothing else on this machine
// takes the port of a node that is stopped: connections come from 127.0.0.1.
func freeAddresses(t *testing.T, n int) (addresses []string) {
	t.Helper()
	host := net.IPv4(127, byte(1+rand.IntN(254)), byte(rand.IntN(256)), byte(1+rand.IntN(254))).String()
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // when all are known
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// trusting is for callers that trust an authority.
func trusting(t *testing.T, file string, shown ...tls.Certificate) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if _, err := authorities(file, pool); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: pool, Certificates: shown}
}

// run starts a node.
func (c *started) run(n *node) {
	c.t.Helper()
	s, err := Start(n.options, Env{
		Stdout: io.Discard, Log: zerolog.Nop(), Version: "1.2.3", Fatal: func(err error) { c.t.Error(err) },
		Now: func() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var ctx context.Context
	ctx, n.cancel = context.WithCancel(context.Background())
	n.running, n.ended = s, make(chan error, 1)
	go func() { n.ended <- s.Wait(ctx) }()
}

// stop stops a node as SIGTERM does.
func (c *started) stop(n *node) {
	c.t.Helper()
	if n.running == nil {
		return
	}
	n.running = nil
	n.cancel()
	if err := <-n.ended; err != nil {
		c.t.Errorf("%s: %v", n.id, err)
	}
}

// stopAll stops all nodes at once.
func (c *started) stopAll() {
	var stopped sync.WaitGroup
	for _, n := range c.nodes {
		stopped.Go(func() { c.stop(n) })
	}
	stopped.Wait()
}

// ready waits until all running nodes are.
func (c *started) ready() {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.running == nil {
			continue
		}
		c.eventually(n.id+" is ready", func() error {
			return c.do("GET", n.url+"/health/ready", "").want(http.StatusOK)
		})
	}
}

// leader is the node that leads, and others are those that do not.
func (c *started) leader() (leader *node, others []*node) {
	c.t.Helper()
	c.eventually("somebody leads", func() error {
		leader, others = nil, nil
		for _, n := range c.nodes {
			if n.running == nil {
				continue
			}
			if _, ok := n.running.node.Leading(); ok {
				leader = n
			} else {
				others = append(others, n)
			}
		}
		if leader == nil {
			return errors.New("nobody does")
		}
		return nil
	})
	return leader, others
}

// eventually waits until nothing is wrong any more.
func (c *started) eventually(what string, wrong func() error) {
	c.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		err := wrong()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// sdk is a client with a key, or a token, that goes to the given nodes first; none: to all.
func (c *started) sdk(key string, nodes ...*node) *client.Client {
	c.t.Helper()
	if len(nodes) == 0 {
		nodes = c.nodes
	}
	var urls []string
	for _, n := range nodes {
		urls = append(urls, n.url)
	}
	s, err := client.New(client.Config{Endpoints: urls, Key: key, HTTP: c.http, ReadYourWrites: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// key is a new API key of a principal.
func (c *started) key(principal, namespace, role string) string {
	c.t.Helper()
	made, err := c.sdk(adminKey).CreateKey(c.t.Context(), wire.NewKey{Name: principal, Grants: []wire.Grant{{Namespace: namespace, Role: role}}}, client.Write{})
	if err != nil {
		c.t.Fatal(err)
	}
	return made.Key
}

// give sets the roles of a namespace, and waits until all nodes know.
func (c *started) give(namespace string, grants ...wire.RoleGrant) {
	c.t.Helper()
	admin := c.sdk(adminKey)
	if _, err := admin.PutRoles(c.t.Context(), namespace, wire.Roles{Grants: append([]wire.RoleGrant{}, grants...)}, client.Write{}); err != nil {
		c.t.Fatal(err)
	}
	c.reached(admin.Index())
}

// reached waits until all running nodes have reached an event.
func (c *started) reached(index uint64) {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.running != nil {
			c.eventually(n.id+" has caught up", func() error {
				if at := n.running.node.State().Index(); at < index {
					return fmt.Errorf("at %d of %d", at, index)
				}
				return nil
			})
		}
	}
}

// reply is an answer to a plain request.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// do asks with headers "Name: value". Redirects are followed as the client does.
func (c *started) do(method, url, body string, headers ...string) (r reply) {
	return ask(c.t, c.http, method, url, body, headers...)
}

func ask(t *testing.T, with *http.Client, method, url, body string, headers ...string) (r reply) {
	t.Helper()
	resp, err := send(t.Context(), with, method, url, body, headers...)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text), err}
}

func send(ctx context.Context, with *http.Client, method, url, body string, headers ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if request.Header.Set(name, value); name == "Host" {
			request.Host = value
		}
	}
	return with.Do(request)
}

// want is nil when the answer has a status and contains texts.
func (r reply) want(status int, texts ...string) error {
	missing := slices.DeleteFunc(texts, func(text string) bool { return strings.Contains(r.body, text) })
	if r.err != nil || r.status != status || len(missing) > 0 {
		return fmt.Errorf("answered %d %.600s %w, want %d %q", r.status, r.body, r.err, status, missing)
	}
	return nil
}

// is fails the test unless the answer is as wanted.
func (r reply) is(t *testing.T, status int, texts ...string) reply {
	t.Helper()
	if err := r.want(status, texts...); err != nil {
		t.Fatal(err)
	}
	return r
}

// eventSource reads server-sent events as a browser does.
type eventSource struct {
	t     *testing.T
	lines *bufio.Scanner
}

// watch opens one by GET url, for as long as the test runs.
func (c *started) watch(with *http.Client, url string, headers ...string) *eventSource {
	c.t.Helper()
	patient := *with
	patient.Timeout = 0
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(cancel)
	resp, err := send(ctx, &patient, "GET", url, "", append(headers, "Accept: text/event-stream")...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != wire.MediaSSE {
		text, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("%s: %s", resp.Status, text)
	}
	return &eventSource{c.t, bufio.NewScanner(resp.Body)}
}

// next is the next frame that is no progress.
func (e *eventSource) next() (frame wire.Frame) {
	e.t.Helper()
	for e.lines.Scan() {
		data, ok := bytes.CutPrefix(e.lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		frame = wire.Frame{}
		if err := json.Unmarshal(data, &frame); err != nil {
			e.t.Fatalf("%s: %v", data, err)
		}
		if frame.Frame != wire.FrameProgress {
			return frame
		}
	}
	e.t.Fatalf("the stream ended: %v", e.lines.Err())
	return frame
}
