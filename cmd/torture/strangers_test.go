package torture

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/internal/cli"
)

// clusterToken is that of every cluster here.
const clusterToken = "torture-cluster-token-0123456789"

// memberRoutes are the routes for members: POST where they have a body.
func memberRoutes() map[string]string {
	return map[string]string{
		"/internal/v1/identity": http.MethodGet, "/internal/v1/read-index": http.MethodGet, "/internal/v1/raft": http.MethodGet,
		"/internal/v1/join": http.MethodPost, "/internal/v1/invite": http.MethodPost, "/internal/v1/questions/key-uses": http.MethodPost,
	}
}

// A route for members that is not in the list above would not be tried.
func TestTheListOfMembersRoutesIsComplete(t *testing.T) {
	handled := regexp.MustCompile(`mux\.Handle(?:Func)?\("(?:GET|POST) ?"`)
	named := regexp.MustCompile(`question[A-Z]\w* *= "`)
	found := 0
	for _, pattern := range []string{"../../replication/*.go", "../internal/server/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if content, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, "_test.go") {
				found += len(handled.FindAll(content, -1)) + len(named.FindAll(content, -1))
			}
		}
	}
	if want := len(memberRoutes()) + 1; found != want { // the questions are one route, and named one by one
		t.Errorf("%d routes and questions in the code, %d in the list", found, want)
	}
}

// upgraded asks for a stream of Raft, and returns the first line of the answer.
func upgraded(t *testing.T, conn net.Conn, from, to, cluster, token string) string {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		t.Fatal(err)
	}
	_, err := fmt.Fprintf(conn, "GET /internal/v1/raft HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: confman-raft/1\r\n"+
		"X-Cluster-Token: %s\r\nX-Confman-Node: %s\r\nX-Confman-To: %s\r\nX-Confman-Cluster: %s\r\n\r\n", to, token, from, to, cluster)
	if err != nil {
		t.Fatal(err)
	}
	line, err := textproto.NewReader(bufio.NewReaderSize(conn, 16)).ReadLine()
	if err != nil && line == "" {
		t.Fatal(err)
	}
	return line
}

// askForStream is upgraded on a connection of its own.
func (c *cluster) askForStream(n *node, from, to, cluster, token string) (net.Conn, string) {
	c.t.Helper()
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	return conn, upgraded(c.t, conn, from, to, cluster, token)
}

// membersRefuse tries every route for members, without the token and with wrong
// ones, and the stream of Raft with what is almost right.
func (c *cluster) membersRefuse(n *node) {
	c.t.Helper()
	identity := c.identity(n)
	for path, method := range memberRoutes() {
		for _, token := range []string{"", "x", clusterToken[:len(clusterToken)-1], clusterToken + "0", strings.ToUpper(clusterToken), c.key} {
			a := c.must(http.StatusUnauthorized, n, method, path, map[string]any{"id": "x", "address": "127.0.0.1:1"}, "X-Cluster-Token", token,
				"Connection", "Upgrade", "Upgrade", "confman-raft/1", "X-Confman-Node", "n2", "X-Confman-To", n.id, "X-Confman-Cluster", identity)
			if strings.Contains(string(a.body), identity) {
				c.t.Errorf("%s tells a stranger the cluster: %v", path, a)
			}
		}
	}
	for _, path := range []string{"/internal/", "/internal/v1/", "/internal/v1/nothing", "/internal//v1/identity", "/internal/v1/../v1/identity", "/internal/v1/identity/"} {
		if a, err := c.do(n, http.MethodGet, path, nil, "X-Cluster-Token", ""); err != nil || a.status < http.StatusMovedPermanently {
			c.t.Errorf("%s: %v, %v", path, a, err)
		}
	}
	other := c.followers(n)[0]
	for _, test := range []struct {
		why                      string
		at                       *node
		from, to, cluster, token string
		want                     string
	}{
		{"no token", n, "n2", n.id, identity, "", "401"},
		{"a wrong token", n, "n2", n.id, identity, clusterToken + "x", "401"},
		{"another cluster", n, "n2", n.id, "01ARZ3NDEKTSV4RRFFQ69G5FAV", clusterToken, "409"},
		{"no cluster", n, "n2", n.id, "", clusterToken, "409"},
		{"a handshake that was meant for another", other, "n2", n.id, identity, clusterToken, "409"},
	} {
		if _, line := c.askForStream(test.at, test.from, test.to, test.cluster, test.token); !strings.Contains(line, test.want) {
			c.t.Errorf("%s: %q, want %s", test.why, line, test.want)
		}
	}
}

// noiseAfterUpgrade sends what is no message of Raft on a stream that was let in: a
// broken member must not break others.
func (c *cluster) noiseAfterUpgrade(n *node, rng *rand.Rand) {
	c.t.Helper()
	identity := c.identity(n)
	for range rounds(20, 500) {
		conn, line := c.askForStream(n, "n2", n.id, identity, clusterToken)
		if !strings.Contains(line, "101") {
			c.t.Fatalf("let in with %q", line)
		}
		noise := make([]byte, 1+rng.IntN(4<<10))
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		noise[0] = byte(rng.IntN(8)) // the kind of a call, mostly one that there is
		_, _ = conn.Write(noise)     // it may be cut off meanwhile
		_ = conn.Close()
	}
}

// documented is what the test needs of an OpenAPI document.
type documented struct {
	Security []any
	Paths    map[string]map[string]json.RawMessage
}

func TestNoRouteButThoseForEverybodyAnswersWithoutAKey(t *testing.T) {
	c := form(t, plan{})
	c.namespace("app")
	leader := c.leader()
	follower := c.followers(leader)[0]
	secret := "value-that-nobody-may-see"
	c.must(http.StatusCreated, leader, http.MethodPut, entryPath("app", "k"), value(secret))
	var document documented
	if err := c.must(http.StatusOK, leader, http.MethodGet, "/openapi.json", nil).decode(&document); err != nil || len(document.Security) == 0 {
		t.Fatalf("the document demands nothing by default: %v", err)
	}
	parameters := strings.NewReplacer("{namespace}", "app", "{key}", "k", "{id}", "n1", "{profile}", "heap", "{slug}", "conflict")
	open, tried := []string{}, 0
	for path, item := range document.Paths {
		for method, raw := range item {
			var operation struct{ Security *[]any }
			method = strings.ToUpper(method)
			if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE"}, method) {
				continue
			}
			if err := json.Unmarshal(raw, &operation); err != nil {
				t.Fatal(err)
			}
			if operation.Security != nil && len(*operation.Security) == 0 {
				open = append(open, method+" "+path)
				continue
			}
			tried++
			target := parameters.Replace(path)
			if strings.Contains(target, "{") {
				t.Fatalf("no value for a parameter of %s", path)
			}
			c.mustNotAnswer(method, target, secret, leader, follower)
		}
	}
	slices.Sort(open)
	want := []string{
		"GET /", "GET /auth/callback", "GET /auth/config", "GET /auth/login", "GET /auth/session", "GET /confman.js", "GET /dashboard/{path}", "GET /health", "GET /health/ready",
		"GET /metrics", "GET /openapi.json", "GET /openapi.yaml", "GET /problems/{slug}", "GET /ui/", "GET /ui/{path}", "POST /auth/logout", "POST /auth/session",
	}
	if !slices.Equal(open, want) {
		t.Errorf("open to everybody: %q, want %q", open, want)
	}
	t.Logf("%d operations refuse strangers", tried)
}

// mustNotAnswer tries one operation without a key and with keys that are none, at
// the leader and at a follower, which may send the caller to the leader instead.
func (c *cluster) mustNotAnswer(method, path, secret string, leader, follower *node) {
	c.t.Helper()
	credentials := map[string][]string{
		"nothing":       {wire.HeaderAPIKey, ""},
		"a made up key": {wire.HeaderAPIKey, "cfm_nobody_has_this_one"},
		"a bearer":      {wire.HeaderAPIKey, "nobody", "Authorization", "Bearer nobody"},
		"basic":         {wire.HeaderAPIKey, "nobody", "Authorization", "Basic YTpi"},
		"a cookie":      {wire.HeaderAPIKey, "", "Cookie", "__Host-confman=AAAA; confman=AAAA"},
		"the token":     {wire.HeaderAPIKey, "", "X-Cluster-Token", clusterToken},
	}
	for _, n := range []*node{leader, follower} {
		for _, why := range slices.Sorted(maps.Keys(credentials)) {
			var body any
			if method != http.MethodGet {
				body = map[string]any{}
			}
			a, err := c.do(n, method, path, body, credentials[why]...)
			sentOn := n == follower && a.status == http.StatusTemporaryRedirect && len(a.body) == 0
			if err != nil || a.status != http.StatusUnauthorized && !sentOn || strings.Contains(string(a.body), secret) {
				c.t.Errorf("%s %s at %s with %s: %v, %v", method, path, n.id, why, a, err)
			}
		}
	}
}

// members are the IDs and addresses of a cluster's members, as a node says.
func (c *cluster) members(n *node) (members []string) {
	c.t.Helper()
	var status wire.Cluster
	if err := c.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster", nil).decode(&status); err != nil {
		c.t.Fatal(err)
	}
	for _, m := range status.Members {
		members = append(members, fmt.Sprint(m.ID, " ", m.Address, " ", m.Voter))
	}
	slices.Sort(members)
	return members
}

func TestANodeDoesNotServeANetworkInClearUnlessToldTo(t *testing.T) {
	c := prepare(t, plan{size: 1})
	n := c.nodes[0]
	n.args = append(n.args, "--listen", "192.0.2.1:6100", "--advertise", n.address)
	n.start()
	if code := n.exit(); code != cli.ExitUsage {
		t.Errorf("exit code %d", code)
	}
	if said := strings.TrimSpace(n.logs()); !strings.HasPrefix(said, "confman: --listen 192.0.2.1:6100") || !strings.Contains(said, "--insecure") || strings.Contains(said, "\n") {
		t.Errorf("it says %q", said)
	}
	n.args = append(n.args, "--insecure")
	n.start()
	if n.exit(); n.logged("cannot assign requested address") != nil { // nobody here has it, but it was tried
		t.Errorf("told to, it says %q", n.tail(1))
	}
}
