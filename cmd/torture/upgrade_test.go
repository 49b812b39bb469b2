package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/streams"
)

// olderRelease is a commit of the release before this one as far as nodes go: the
// last that knows feature level 3, and not what needs level 4.
const (
	olderRelease = "15d2c2e262ee"
	olderLevel   = 3
)

// olderBinary builds the older release from this repository's history. Without
// that, as in a copy of the sources, the test is skipped; CI has it.
func olderBinary(t *testing.T) string {
	t.Helper()
	lacking := func(format string, args ...any) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatalf(format, args...)
		}
		t.Skipf(format, args...)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "-C", root, "cat-file", "-e", olderRelease+"^{commit}").CombinedOutput(); err != nil {
		lacking("commit %s is not in this clone, so there is no older release to upgrade from: %v %s", olderRelease, err, out)
	}
	dir := t.TempDir()
	unpack := exec.Command("sh", "-c", `git -C "$1" archive "$2" | tar -x -C "$3"`, "sh", root, olderRelease, dir)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", olderRelease, err, out)
	}
	binary := filepath.Join(dir, "older-confman")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/confman")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		lacking("build %s: %v\n%s", olderRelease, err, out)
	}
	return binary
}

// upgrade is a cluster on its way from one release to the next.
type upgrade struct {
	*cluster
	older    string // binary
	before   uint   // the feature level
	load     *load
	audience *audience
}

func TestARollingUpgradeLosesNothingAndRaisesTheFeatureLevelOnlyAtItsEnd(t *testing.T) {
	older := olderBinary(t)
	rng := random(t)
	c := prepare(t, plan{})
	for _, n := range c.nodes {
		n.binary = older
		n.start()
	}
	c.awaitReady(c.nodes...)
	c.namespace("app")
	c.namespace("aside") // nobody watches it: what is erased from it changes in the audit
	u := &upgrade{cluster: c, older: older, load: c.startLoad("app", 2, rng.Uint64())}
	u.watch(rng)
	secret := entryPath("aside", "secret")
	c.must(http.StatusCreated, c.leader(), http.MethodPut, secret, value("leaked"))
	c.must(http.StatusOK, c.leader(), http.MethodPut, secret, value("harmless"))

	first := c.nodes[2]
	u.before = u.level()
	u.roll(first, "")
	u.checkMixed(first)
	u.roll(first, older) // and back: nothing was written yet that it cannot read
	for _, n := range []*node{first, c.nodes[1], c.nodes[0]} {
		u.roll(n, "")
	}
	if level := u.level(); level != u.before {
		t.Errorf("feature level %d before anything needed more than %d", level, u.before)
	}
	c.must(http.StatusCreated, c.leader(), http.MethodPost, "/api/v1/audit/erasures", erasure())
	if level := u.level(); level != olderLevel+1 {
		t.Errorf("feature level %d after what needs %d", level, olderLevel+1)
	}
	u.checkNoWayBack(first)
	for _, n := range c.nodes { // once more, with one release
		u.roll(n, "")
	}
	u.load.verify(rng)
	u.audience.calm()
	u.audience.verify()
}

func erasure() wire.Erase {
	return wire.Erase{Namespace: "aside", Key: "secret", Version: 1, Reason: "it was a secret"}
}

// watch begins to watch in every encoding, from the first event on.
func (u *upgrade) watch(rng *rand.Rand) {
	a, ctx := u.cluster.audience(rng, u.nodes...)
	app := streams.Filter{Namespaces: []string{"app"}}
	for _, encoding := range []string{wire.EncodingSSE, wire.EncodingNDJSON} {
		a.join(ctx, encoding, wire.AfterStart, app)
	}
	a.joinTogether(ctx, wire.AfterStart, app, streams.Filter{Namespaces: []string{"app"}, Prefix: "key-1"})
	u.audience = a
}

// roll stops a node and starts it with a binary, empty for this release's, as an
// operator is told to: SIGTERM, the other binary, wait until it is ready.
func (u *upgrade) roll(n *node, binary string) {
	u.t.Helper()
	u.load.more(20)
	u.load.longestGap()
	u.audience.fault(streams.Break{Node: n.id, Told: true}, func() {
		if code := n.term(); code != 0 {
			u.t.Errorf("%s ended with code %d at SIGTERM", n.id, code)
		}
	})
	n.binary = binary
	n.start()
	u.awaitReady(n)
	u.load.more(20)
	u.t.Logf("%s restarted, older %v: longest gap %v", n.id, binary != "", u.load.longestGap())
}

func (u *upgrade) status(n *node) (status wire.Cluster) {
	u.t.Helper()
	if err := u.must(http.StatusOK, n, http.MethodGet, "/api/v1/cluster", nil).decode(&status); err != nil {
		u.t.Fatal(err)
	}
	return status
}

func (u *upgrade) level() uint {
	u.t.Helper()
	return u.status(u.leader()).FeatureLevel
}

// checkMixed has the one node of this release lead the older ones: what they
// cannot read is refused, and they are named.
func (u *upgrade) checkMixed(upgraded *node) {
	u.t.Helper()
	await(u.t, upgraded.id+" leads", func() error {
		leader := u.leader()
		if leader == upgraded {
			return nil
		}
		a, err := u.do(leader, http.MethodPost, "/api/v1/cluster/transfer-leader", wire.TransferLeader{To: upgraded.id})
		return errors.Join(err, fmt.Errorf("%s leads: %v", leader.id, a))
	})
	a := u.must(http.StatusConflict, upgraded, http.MethodPost, "/api/v1/audit/erasures", erasure())
	for _, n := range u.followers(upgraded) {
		if want := fmt.Sprintf("%s at %s knows level %d, upgrade it", n.id, n.address, olderLevel); !strings.Contains(string(a.body), want) {
			u.t.Errorf("the refusal does not say %q: %v", want, a)
		}
	}
	status := u.status(upgraded)
	if status.FeatureLevel != u.before {
		u.t.Errorf("feature level %d in a mixed cluster, was %d", status.FeatureLevel, u.before)
	}
	for _, p := range status.Problems {
		if strings.Contains(p.What, "different releases") && strings.Contains(p.What, fmt.Sprintf("stays at %d until", u.before)) {
			return
		}
	}
	u.t.Errorf("the cluster does not say that it is mixed: %+v", status.Problems)
}

// checkNoWayBack starts a node with the older release after something was written
// that it cannot read: it must stop with one line, and come back with this one.
func (u *upgrade) checkNoWayBack(n *node) {
	u.t.Helper()
	u.audience.fault(streams.Break{Node: n.id, Told: true}, func() { n.term() })
	n.binary = u.older
	u.audience.fault(streams.Break{Node: n.id}, func() {
		n.start()
		if code := n.exit(); code == 0 {
			u.t.Errorf("%s ended with code 0 on a history that it cannot read", n.id)
		}
	})
	if last := n.tail(1); !strings.HasPrefix(last, "confman: ") {
		u.t.Errorf("the last line of %s is %q", n.id, last)
	} else {
		u.t.Log(last)
	}
	n.binary = ""
	n.start()
	u.awaitReady(n)
	u.load.more(20)
}
