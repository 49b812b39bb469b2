package replication

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"confman/events"
)

// A trim needs level 2; with keep 1 there is always something to trim.
func trimsByHand(config *Config) {
	config.Retention = Retention{Events: 1}
	config.tuning.retention = time.Hour
}

func TestTheLevelIsRaisedOnlyWhenEveryMemberKnowsIt(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = trimsByHand
	c.form(3)
	ctx, behind := testContext(t), c.follower()
	// refused checks that the leader's trim fails for the member, and that the
	// history is as it was.
	refused := func(says string) {
		t.Helper()
		before := c.leader().State().Position()
		err := c.leader().trim(ctx)
		if !errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), says) || strings.Count(err.Error(), " at 127") != 1 {
			t.Errorf("%v, want it to name only the one that %q", err, says)
		}
		if now := c.leader().State(); now.Position() != before || now.Cluster().FeatureLevel() != events.FirstLevel {
			t.Errorf("the history is at %s and level %d, want %s and 1", now.Position(), now.Cluster().FeatureLevel(), before)
		}
	}
	member := c.nodes[behind].Node.config.Member
	says := behind + " at " + member.Address

	c.with = func(config *Config) { trimsByHand(config); config.tuning.level = 1 }
	c.restart(behind).awaitReady(t)
	refused(says + " knows level 1")

	dir, peers := c.nodes[behind].dir, c.nodes[behind].Node.config.Peers
	c.stop(behind)
	refused(says + " does not answer")

	c.with = trimsByHand
	c.start(Config{Member: member, Dir: dir, Peers: peers}, listen(t, member.Address)).awaitReady(t)
	if err := c.leader().trim(ctx); err != nil {
		t.Fatal(err)
	}
	if s := c.leader().State(); s.Oldest() == 1 || s.Cluster().Level != 2 {
		t.Errorf("the history begins at %d at level %d", s.Oldest(), s.Cluster().Level)
	}
}

func TestALearnerIsAskedForItsLevelToo(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = trimsByHand
	c.form(1)
	c.with = func(config *Config) { trimsByHand(config); config.tuning.level = 1 }
	l := listen(t, "127.0.0.1:0")
	learner := Config{Member: Member{"n2", l.Addr().String()}, Dir: t.TempDir(), Join: "http://" + c.leader().config.Address, Learner: true}
	c.start(learner, l).awaitReady(t)
	err := c.leader().trim(testContext(t))
	if !errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), "n2 at "+learner.Address+" knows level 1") {
		t.Errorf("%v, want it to name n2", err)
	}
}

func TestAnOldReleaseCannotJoinAHistoryThatItCannotRead(t *testing.T) {
	c := &testCluster{t: t, nodes: map[string]*testNode{}}
	c.with = trimsByHand
	c.form(1)
	if err := c.leader().trim(testContext(t)); err != nil {
		t.Fatal(err)
	}
	c.with = func(config *Config) { config.tuning.level = 1 }
	l := listen(t, "127.0.0.1:0")
	n2 := c.start(Config{Member: Member{"n2", l.Addr().String()}, Dir: t.TempDir(), Join: "http://" + c.leader().config.Address}, l)
	if err := n2.awaitDeath(t); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "n2 knows feature level 1, the cluster is at 2") {
		t.Errorf("%v", err)
	}
}

func TestWhatAMemberAnswersSaysWhetherItKnowsALevel(t *testing.T) {
	c := newCluster(t, 1)
	for _, tt := range []struct {
		name   string
		answer map[string]any
		says   string
	}{
		{"a release that does not say", map[string]any{"node": "n9"}, "knows level 1, upgrade it"},
		{"an old release", map[string]any{"node": "n9", "level": 1}, "knows level 1, upgrade it"},
		{"this release", map[string]any{"node": "n9", "level": 2}, ""},
		{"a newer release", map[string]any{"node": "n9", "level": 7}, ""},
		{"another node", map[string]any{"node": "n8", "level": 2}, "there is n8 instead of n9"},
		{"nobody", nil, "does not answer"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if tt.answer == nil {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			if err := json.NewEncoder(w).Encode(tt.answer); err != nil {
				t.Error(err)
			}
		}))
		member := raft.Server{ID: "n9", Address: raft.ServerAddress(server.Listener.Addr().String())}
		if got := c.leader().lacks(testContext(t), member, 2); (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.says)
		}
		server.Close()
	}
}
