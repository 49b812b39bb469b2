package torture

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/wire"
	"confman/cmd/internal/cli"
	"confman/cmd/torture/streams"
)

// recovery is what confman cluster recover -o json says.
type recovery struct {
	Directories []struct {
		Node      string `json:"node"`
		RaftIndex uint64 `json:"raftIndex"`
	} `json:"directories"`
	Refused   string `json:"refused"`
	Recovered *struct {
		Cluster  string `json:"cluster"`
		Node     string `json:"node"`
		Position string `json:"position"`
	} `json:"recovered"`
	Next []string `json:"next"`
}

// recover runs the command, which must end with a code.
func (c *cluster) recover(code int, args ...string) (r recovery) {
	c.t.Helper()
	stdout, stderr, got := c.confman(append([]string{"cluster", "recover", "-o", "json"}, args...)...)
	if got != code {
		c.t.Fatalf("recover %v ended with code %d, want %d:\n%s\n%s", args, got, code, stdout, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil && stdout != "" {
		c.t.Fatalf("recover %v: %v:\n%s", args, err, stdout)
	}
	if r.Refused == "" {
		r.Refused = stderr
	}
	return r
}

// printed are the arguments of a command that was printed, with what a person
// fills in.
func (c *cluster) printed(line string, filled ...string) []string {
	c.t.Helper()
	words := strings.NewReplacer(append(filled, "FILE", filepath.Join(c.base, "token"), "'WHY'", "drill")...).Replace(line)
	args, ok := strings.CutPrefix(words, "confman ")
	if !ok {
		c.t.Fatalf("%q is no command", line)
	}
	return append(strings.Fields(args), c.args...)
}

// lose kills nodes for good: what they had is put aside.
func (c *cluster) lose(nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		n.signal(9)
	}
	for _, n := range nodes {
		n.kill9()
		if err := os.Rename(n.dir, n.dir+".kept"); err != nil {
			c.t.Fatal(err)
		}
		c.nodes = slices.DeleteFunc(c.nodes, func(other *node) bool { return other == n })
	}
}

// returnInVain starts lost nodes on what they had. Each must end and say why.
func (c *cluster) returnInVain(recovered string, nodes ...*node) {
	c.t.Helper()
	for _, n := range nodes {
		if err := os.Rename(n.dir+".kept", n.dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.t.Fatal(err)
		}
		n.start()
		c.t.Cleanup(n.kill9)
	}
	for _, n := range nodes {
		select {
		case <-n.life().ended:
		case <-time.After(patience):
			c.t.Fatalf("%s runs with the data of a cluster that has gone on without it", n.id)
		}
		if code, says := n.exit(), "has gone on as cluster "+recovered; code != cli.ExitFailure || !strings.Contains(n.tail(1), says) {
			c.t.Errorf("%s ended with code %d, and does not say %q:\n%s", n.id, code, says, n.tail(3))
		}
	}
}

// unsettled writes at the leader until that fails, and returns what was
// acknowledged.
func (c *cluster) unsettled(leader *node, end func()) (acked []string) {
	c.t.Helper()
	var writer sync.WaitGroup
	enough := make(chan struct{})
	writer.Go(func() {
		for i := 0; ; i++ {
			text := fmt.Sprintf("late-%d", i)
			a, err := c.do(leader, http.MethodPut, entryPath("app", "late"), value(text))
			if err != nil || a.status >= http.StatusMultipleChoices {
				return
			}
			if acked = append(acked, text); i == 20 {
				close(enough)
			}
		}
	})
	<-enough
	end()
	writer.Wait()
	return acked
}

// The drill of the runbook: quorum is lost for good, one member is left, and
// exactly what the command prints is done.
func TestQuorumLostForGoodIsRecoveredAsTheCommandSays(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 3, rng.Uint64())
	l.more(60)
	acked := l.end()
	seen := c.put("app", "seen", "by a watcher")
	survivor := c.nodes[rng.IntN(3)]
	if r := c.recover(cli.ExitConditionFailed, "--data", survivor.dir, "--accept-data-loss"); !strings.Contains(r.Refused, "stop the node first") {
		t.Errorf("under a running process: %s", r.Refused)
	}
	survivor.kill9()
	if r := c.recover(cli.ExitConditionFailed, "--data", survivor.dir, "--accept-data-loss"); !strings.Contains(r.Refused, "the cluster lives") {
		t.Errorf("of a cluster that lives: %s", r.Refused)
	}
	survivor.start()
	c.awaitReady(survivor)
	lost := c.followers(survivor)
	late := c.unsettled(c.leader(), func() { c.lose(lost...) })
	survivor.kill9()

	offer := c.recover(cli.ExitOK, "--data", survivor.dir)
	done := c.recover(cli.ExitOK, c.printed(offer.Next[0])[2:]...)
	if offer.Recovered != nil || done.Recovered == nil {
		t.Fatalf("offered %+v, done %+v", offer, done)
	}
	survivor.args = c.printed(done.Next[0])
	survivor.start()
	c.awaitReady(survivor)
	for i := range lost {
		n := c.add(fmt.Sprintf("new%d", i+1))
		n.args = c.printed(done.Next[1], "NEW-ID", n.id, "HOST:PORT", n.address, "EMPTY-DIR", n.dir)
		n.start()
		c.awaitVoter(n)
	}

	h := c.oneHistory()
	keeps(t, h, acked)
	c.checkContinued(h, seen, done)
	survived := 0
	for _, text := range late {
		if slices.ContainsFunc(h, func(e wire.AuditEvent) bool { return e.NewValue != nil && *e.NewValue == text }) {
			survived++
		}
	}
	t.Logf("%d writes before: all there; of %d acknowledged while two members died %d reached the third", len(acked), len(late), survived)
	for _, n := range c.nodes {
		w := c.open(n, streams.Call{Encoding: encodings()[rng.IntN(3)], After: seen})
		if f := w.until(wire.FrameEvent); !strings.HasPrefix(seen, fmt.Sprintf("%d-", f.Prev)) {
			t.Errorf("a watch at %s resumes after %s with an event after %d", n.id, seen, f.Prev)
		}
		w.close()
	}
	index, _, _ := strings.Cut(seen, "-")
	if w := c.open(survivor, streams.Call{Encoding: wire.EncodingSSE, After: index + "-00000000"}); w.status != http.StatusConflict {
		t.Errorf("a watch of another history is answered with %d", w.status)
	}
	if stdout, stderr, code := c.confman("audit", "verify"); code != 0 {
		t.Errorf("audit verify: code %d: %s %s", code, stdout, stderr)
	}
	before := c.awaitAgreement()
	c.returnInVain(done.Recovered.Cluster, lost...) // a quorum of the old cluster
	if now := c.awaitAgreement(); now != before {
		t.Errorf("the history was at %s, and is at %s after old members came back", before, now)
	}
	c.put("app", "seen", "after all that")
}

// checkContinued checks that a position is still one of the history, which says
// once that it was recovered.
func (c *cluster) checkContinued(h history, seen string, done recovery) {
	c.t.Helper()
	var told []wire.AuditEvent
	held := false
	for _, e := range h {
		held = held || e.Position == seen
		if e.Action == "cluster.recovered" {
			told = append(told, e)
		}
	}
	if !held {
		c.t.Errorf("the history is no longer at %s", seen)
	}
	if len(told) != 1 || told[0].Actor != "confman" || told[0].Comment != "drill" || !strings.Contains(*told[0].NewValue, done.Recovered.Cluster) {
		c.t.Errorf("the history says %+v of the recovery as %+v", told, done.Recovered)
	}
}

func TestTheMoreAdvancedOfTwoSurvivorsIsRecovered(t *testing.T) {
	c := form(t, plan{size: 5})
	c.namespace("app")
	c.put("app", "early", "one")
	behind, ahead := c.nodes[4], c.nodes[3]
	behind.kill9()
	late := c.put("app", "late", "two")
	c.lose(slices.Clone(c.nodes[:3])...)
	await(t, ahead.id+" knows no leader", func() error {
		if r, err := c.ready(ahead); err != nil || r.Cluster.LeaderKnown {
			return errors.Join(err, errors.New("it does"))
		}
		return nil
	})
	if r := c.recover(cli.ExitConditionFailed, "--data", behind.dir); !strings.Contains(r.Refused, ahead.id+" at "+ahead.address+" answers, and its history goes up to event") {
		t.Errorf("with %s running and further: %s", ahead.id, r.Refused)
	}
	ahead.kill9()
	both := []string{"--data", behind.dir, "--data", ahead.dir}
	if r := c.recover(cli.ExitConditionFailed, append(both, "--id", behind.id)...); !strings.Contains(r.Refused, "the most advanced of these is "+ahead.id) {
		t.Errorf("asked for the one that is behind: %s", r.Refused)
	}
	done := c.recover(cli.ExitOK, append(both, "--accept-data-loss", "--comment", "drill")...)
	if done.Recovered == nil || done.Recovered.Node != ahead.id || done.Directories[0].Node != ahead.id {
		t.Fatalf("recovered %+v", done)
	}
	ahead.args = c.printed(done.Next[0])
	ahead.start()
	c.awaitReady(ahead)
	c.checkContinued(c.historyOf(ahead), late, done)
	c.nodes = []*node{ahead}
	c.returnInVain(done.Recovered.Cluster, behind) // a survivor that was not taken
}
