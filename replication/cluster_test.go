package replication

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/rs/zerolog"

	"confman/events"
)

// testCluster is a few nodes in this process, over real sockets and files.
type testCluster struct {
	t     *testing.T
	peers []Member
	nodes map[string]*testNode

	election time.Duration // 0: 150 ms
	with     func(*Config) // changes the configuration of each node that starts; nil: none
}

type testNode struct {
	*Node
	server *http.Server
	heard  *recorder
	dir    string
	died   chan error
}

// recorder is an Announcer that keeps what it was told.
type recorder struct {
	mu      sync.Mutex // guards the fields below
	records []events.Record
	resets  int
}

func (r *recorder) Publish(records []events.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, records...)
}

func (r *recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resets++
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newCluster starts n founders and waits until one leads and the history has
// begun.
func newCluster(t *testing.T, n int) *testCluster {
	t.Helper()
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.form(n)
	return c
}

func (c *testCluster) form(n int) {
	t := c.t
	t.Helper()
	listeners := make([]net.Listener, n)
	for i := range n {
		listeners[i] = listen(t, "127.0.0.1:0")
		c.peers = append(c.peers, Member{fmt.Sprintf("n%d", i+1), listeners[i].Addr().String()})
	}
	for i, p := range c.peers {
		c.start(Config{Member: p, Dir: t.TempDir(), Peers: append([]Member(nil), c.peers...)}, listeners[i])
	}
	c.leader()
}

func (c *testCluster) start(config Config, l net.Listener) *testNode {
	c.t.Helper()
	log := zerolog.Nop()
	if os.Getenv("CONFMAN_TEST_LOG") != "" {
		log = zerolog.New(zerolog.NewTestWriter(c.t)).With().Str("node", config.ID).Timestamp().Logger()
	}
	n := &testNode{heard: &recorder{}, dir: config.Dir, died: make(chan error, 16)}
	config.Token, config.Announce, config.Log = "a token for tests", n.heard, log
	config.ElectionTimeout = cmp.Or(c.election, 150*time.Millisecond)
	config.MinFreeBytes = 1 << 20
	config.Fatal = func(err error) {
		select {
		case n.died <- err:
		default:
		}
	}
	config.FirstKey = func() (events.CreateKey, error) {
		return events.CreateKey{
			ID: "first-" + config.ID, Name: "first", Grants: []events.Grant{{Namespace: events.Root, Role: events.Admin}},
			Digest: events.DigestKey("secret of " + config.ID),
		}, nil
	}
	if c.with != nil {
		c.with(&config)
	}
	node, err := Open(config)
	if err != nil {
		c.t.Fatal(err)
	}
	n.Node = node
	n.server = &http.Server{Handler: node.Handler(), ReadHeaderTimeout: time.Second}
	go n.server.Serve(l)
	c.nodes[config.ID] = n
	c.t.Cleanup(func() { c.stop(config.ID) })
	return n
}

// stop closes a node in order; twice does nothing.
func (c *testCluster) stop(id string) {
	c.t.Helper()
	n := c.nodes[id]
	if n == nil {
		return
	}
	delete(c.nodes, id)
	if err := n.Node.Close(); err != nil {
		c.t.Errorf("close %s: %v", id, err)
	}
	n.server.Close()
}

// restart stops a node and starts it on its old directory and address.
func (c *testCluster) restart(id string) *testNode {
	c.t.Helper()
	n := c.nodes[id]
	config := n.Node.config
	dir := n.dir
	c.stop(id)
	return c.start(Config{Member: config.Member, Dir: dir, Peers: config.Peers, Join: config.Join}, listen(c.t, config.Address))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// leader waits for a leader that can serve.
func (c *testCluster) leader() *testNode {
	c.t.Helper()
	var leader *testNode
	eventually(c.t, "a leader is ready", func() bool {
		for _, n := range c.nodes {
			if s := n.Standing(); s.Role == "leader" && len(s.Reasons) == 0 && n.State().Index() > 0 {
				leader = n
				return true
			}
		}
		return false
	})
	return leader
}

func put(namespace, key, value string) events.PutEntry {
	return events.PutEntry{Namespace: namespace, Key: key, Value: jsontext.Value(fmt.Sprintf("%q", value)), Actor: "tester"}
}

func stamp() events.Stamp {
	return events.Stamp{Time: time.Now(), ID: newULID(), Actor: "tester"}
}

func claimed(key string) events.Stamp {
	s := stamp()
	s.Claim = &events.Claim{ID: events.NewReceiptID("tester", key), Fingerprint: events.Fingerprint{1}}
	return s
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestWriteIsReadOnEveryNode(t *testing.T) {
	c := newCluster(t, 3)
	ctx := testContext(t)
	outcome, err := c.leader().Submit(ctx, put("pay", "db.url", "one"), stamp())
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Count != 2 { // the namespace came into being with it
		t.Errorf("wrote %d events, want 2", outcome.Count)
	}
	for id, n := range c.nodes {
		if err := n.Linearizable(ctx); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if e := n.State().Entry("pay", "db.url"); e.Value.Text() != "one" || e.Version != 1 || e.Revision != outcome.Index {
			t.Errorf("%s has %+v", id, e)
		}
	}
	for id, n := range c.nodes {
		if s := n.Standing(); s.Role != "leader" {
			var not *events.NotLeaderError
			if _, err := n.Submit(ctx, put("pay", "x", "y"), stamp()); !errors.As(err, &not) || not.Leader == "" {
				t.Errorf("%s: %v, want to be told the leader", id, err)
			}
		}
	}
}

func TestRetriedRequestWritesNothingAfterFailoverAndRestart(t *testing.T) {
	c := newCluster(t, 3)
	ctx := testContext(t)
	first, err := c.leader().Submit(ctx, put("pay", "db.url", "one"), claimed("k1"))
	if err != nil {
		t.Fatal(err)
	}
	// It is so already, but the receipt must be kept: others may change it later.
	same, err := c.leader().Submit(ctx, put("pay", "db.url", "one"), claimed("k2"))
	if err != nil || same.Count != 0 {
		t.Fatalf("%+v, %v", same, err)
	}
	if _, err := c.leader().Submit(ctx, put("pay", "db.url", "two"), claimed("k3")); err != nil {
		t.Fatal(err)
	}
	old := c.leader().config.ID
	c.restart(old)
	for _, key := range []string{"k1", "k2"} {
		again, err := c.leader().Submit(ctx, put("pay", "db.url", "one"), claimed(key))
		if err != nil || !again.Replayed {
			t.Errorf("%s: %+v, %v; want the first outcome", key, again, err)
		}
		if key == "k1" && again.Index != first.Index {
			t.Errorf("replayed at %d, was done at %d", again.Index, first.Index)
		}
	}
	other := claimed("k1")
	other.Claim.Fingerprint = events.Fingerprint{2}
	if _, err := c.leader().Submit(ctx, put("pay", "db.url", "three"), other); !errors.Is(err, events.ErrReused) {
		t.Errorf("another request with the same key: %v", err)
	}
	if v := c.leader().State().Entry("pay", "db.url"); v.Value.Text() != "two" || v.Version != 2 {
		t.Errorf("the value is %+v", v)
	}
}
