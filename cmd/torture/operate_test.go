package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// A member that is alive, and one that is dead, each by one command, under load,
// the first of them interrupted on the way.
func TestAMemberIsReplacedByOneCommandWhileWritesGoOn(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 2, rng.Uint64())
	l.more(50)
	spare := func(id string) *node {
		n := c.add(id)
		n.args = c.serve(n)
		n.start()
		await(t, id+" waits", func() error { return n.logged("waiting to be added") })
		return n
	}

	old, fresh := c.leader(), spare("n4")
	replace := []string{"cluster", "replace", old.id, "n4", fresh.address, "--yes"}
	if _, said, code := c.confman(append(replace, "--dry-run")...); code != 0 || !strings.Contains(said, "1. add n4 without a vote: confman cluster add n4 "+fresh.address+" --learner\n") {
		t.Errorf("dry run: %d\n%s", code, said)
	}
	c.interrupt(replace, func() error {
		return json.Unmarshal([]byte(c.statusOf("n4")), new(wire.Member))
	})
	if _, said, code := c.confman(replace...); code != 0 || !strings.Contains(said, "replaced "+old.id+" by n4\n") {
		t.Fatalf("replace the leader: %d\n%s", code, said)
	}
	if old.exit() == 0 {
		t.Errorf("%s was replaced and ended with code 0", old.id)
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return n == old })

	dead, fresh := c.nodes[0], spare("n5")
	dead.kill9()
	if _, said, code := c.confman("cluster", "replace", dead.id, "n5", fresh.address, "--yes"); code != 0 || !strings.Contains(said, "1. remove "+dead.id+", which is dead") {
		t.Fatalf("replace a dead member: %d\n%s", code, said)
	}
	c.nodes = slices.DeleteFunc(c.nodes, func(n *node) bool { return n == dead })
	l.more(20)
	if out, _, code := c.confman("cluster", "status"); code != 0 {
		t.Errorf("after both: %d\n%s", code, out)
	}
	l.verify(rng)
}

// statusOf is what the cluster says of a member, or empty.
func (c *cluster) statusOf(id string) string {
	a, err := c.get(c.leader(), "/api/v1/cluster")
	var status wire.Cluster
	if err != nil || a.decode(&status) != nil {
		return ""
	}
	for _, m := range status.Members {
		if m.ID == id {
			text, _ := json.Marshal(m)
			return string(text)
		}
	}
	return ""
}

// interrupt starts a command and kills it as soon as something is so; it may have
// ended before.
func (c *cluster) interrupt(args []string, so func() error) {
	c.t.Helper()
	self, err := os.Executable()
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), self, args...)
	cmd.Env = []string{asNode + "=1", "HOME=" + c.base, "TMPDIR=" + os.TempDir(), "CONFMAN_ADDR=" + c.addresses(), "CONFMAN_API_KEY=" + c.key}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	await(c.t, strings.Join(args, " ")+" is on its way", so)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func TestStatusAndDoctorSayWhatIsWrongOnAnyNode(t *testing.T) {
	c := form(t, calm())
	c.namespace("app")
	for _, n := range c.nodes { // asked by itself, leader or not
		if out, said, code := c.confman("cluster", "status", "--addr", n.url()); code != 0 {
			t.Errorf("%s of a healthy cluster: %d\n%s%s", n.id, code, out, said)
		}
	}
	if out, said, code := c.confman("doctor", "--online"); code != 0 || strings.Count(out, "is ready, its clock agrees") != 3 {
		t.Errorf("doctor of a healthy cluster: %d\n%s%s", code, out, said)
	}
	leader := c.leader()
	for i := range 20 { // damage to the last entry only makes a log shorter
		c.must(http.StatusCreated, leader, http.MethodPut, entryPath("app", fmt.Sprint("key-", i)), value("v"))
	}
	c.awaitAgreement()
	others := c.followers(leader)
	others[0].kill9()
	out, _, code := c.confman("cluster", "status", "-o", "json", "--addr", others[1].url())
	var status wire.Cluster
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 1 {
		t.Fatalf("%d, %v: %s", code, err, out)
	}
	if q := status.Quorum; q.Voters != 3 || q.Needed != 2 || !q.Healthy || len(status.Problems) == 0 || !strings.Contains(fmt.Sprint(status.Problems), "confman cluster replace "+others[0].id) {
		t.Errorf("with one down: %+v %+v", q, status.Problems)
	}
	if removed := c.must(http.StatusConflict, leader, http.MethodDelete, "/api/v1/cluster/members/"+others[1].id, nil); !strings.Contains(string(removed.body), "1 of 2 voters would be alive, and a majority of 2 is needed") {
		t.Errorf("removing what would lose quorum: %v", removed)
	}
	c.examine(others[0])

	leader.kill9()
	await(t, "the last one says that there is no quorum", func() error {
		out, _, code := c.confman("cluster", "status", "--addr", others[1].url())
		if code != 1 || !strings.Contains(out, "critical  no quorum, nothing can be written: 1 of 3 voters are alive, 2 are needed\n") {
			return fmt.Errorf("%d\n%s", code, out)
		}
		return nil
	})
}

// examine has doctor look at the directory of a node that is down, whole and with
// one bit flipped, and start it again.
func (c *cluster) examine(n *node) {
	c.t.Helper()
	if out, said, code := c.confman("doctor", "--data", n.dir); code != 0 || !strings.Contains(out, "are as they were written") || !strings.Contains(out, "node "+n.id+" of cluster") {
		c.t.Errorf("doctor of %s: %d\n%s%s", n.id, code, out, said)
	}
	files, _ := filepath.Glob(filepath.Join(n.dir, "raft", "*.wal"))
	content, err := os.ReadFile(files[0])
	at := strings.Index(string(content), `"namespace":"app"`)
	if err != nil || at < 0 {
		c.t.Fatalf("no entry in %v: %v", files, err)
	}
	content[at] ^= 4
	err = os.WriteFile(files[0], content, 0o600)
	out, _, code := c.confman("doctor", "--data", n.dir, "-o", "json")
	var checks []struct{ Name, Result, Found, Do string }
	if err := errors.Join(err, json.Unmarshal([]byte(out), &checks)); err != nil || code != 1 {
		c.t.Fatalf("doctor of a flipped bit: %d, %v\n%s", code, err, out)
	}
	for _, check := range checks {
		if check.Result == "FAIL" && (check.Name != "files" || !strings.Contains(check.Found, n.dir) || !strings.Contains(check.Do, "new ID")) {
			c.t.Errorf("%+v", check)
		}
	}
	content[at] ^= 4
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		c.t.Fatal(err)
	}
}
