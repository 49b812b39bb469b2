package replication

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/projections"
	"confman/replication/disk"
	"confman/replication/wal"
)

// lose stops all members but one for good, after so many writes that all have,
// and then that one too. It returns the survivor's configuration and the position
// that all had.
func (c *testCluster) lose(survivor string, writes int) (Config, events.Position) {
	c.t.Helper()
	ctx := testContext(c.t)
	for i := range writes {
		if _, err := c.leader().Submit(ctx, put("pay", fmt.Sprintf("k%d", i), fmt.Sprint(i)), claimed(fmt.Sprint(i))); err != nil {
			c.t.Fatal(err)
		}
	}
	at := c.leader().State().Position()
	n := c.nodes[survivor]
	eventually(c.t, survivor+" has it all", func() bool { return n.State().Index() == at.Index })
	config := n.config
	n.config.tuning.abrupt = true
	for _, p := range c.peers {
		c.stop(p.ID)
	}
	return config, at
}

// comeBack starts a node on what it left.
func (c *testCluster) comeBack(config Config) *testNode {
	c.t.Helper()
	return c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers, Join: config.Join}, listen(c.t, config.Address))
}

func recovered(t *testing.T, dir string) Recovered {
	t.Helper()
	r, err := Recover(RecoverConfig{Dir: dir, Comment: "drill", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheLastMemberGoesOnAloneAndOthersJoinIt(t *testing.T) {
	c := newCluster(t, 3)
	config, at := c.lose("n3", 20)
	remains, err := Inspect(config.Dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if remains.Node != "n3" || len(remains.Members) != 3 || remains.LastTime.IsZero() || remains.EventTime.IsZero() || remains.Position.Index+uint64(remains.After) != at.Index {
		t.Errorf("inspected as %+v, the history ends at %s", remains, at)
	}
	r := recovered(t, config.Dir)
	if r.Position != at.String() || r.Previous != remains.Cluster || r.Cluster == r.Previous || r.Member != config.Member {
		t.Fatalf("%+v, want %s", r, at)
	}
	n3 := c.comeBack(config)
	c.leader()
	if id := n3.State().Cluster(); id.ID != r.Cluster || !slices.Equal(id.Former, []string{r.Previous}) || n3.cluster() != r.Cluster {
		t.Errorf("the history is that of %+v, the node's cluster %s", id, n3.cluster())
	}
	if told := n3.recovery(t); told.Node != "n3" || told.RaftIndex != remains.LastIndex || told.RaftTerm != remains.LastTerm || len(told.Members) != 3 || told.Comment != "drill" {
		t.Errorf("the history says %+v", told)
	}
	if got := n3.chainAt(t, at.Index).At(at.Index); got != at {
		t.Errorf("the chain is %s, was %s", got, at)
	}
	n3 = c.forgetful(config, r)
	again, err := n3.Submit(testContext(t), put("pay", "k3", "3"), claimed("3"))
	if err != nil || !again.Replayed {
		t.Errorf("a write from before, repeated: %+v, %v", again, err)
	}
	for _, id := range []string{"n4", "n5"} {
		l := listen(t, "127.0.0.1:0")
		c.start(Config{Member: Member{id, l.Addr().String()}, Dir: t.TempDir(), Join: "http://" + config.Address}, l).awaitReady(t)
	}
	outcome, err := c.leader().Submit(testContext(t), put("pay", "k0", "after"), stamp())
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range c.nodes {
		eventually(t, id+" has it", func() bool { return n.State().Index() >= outcome.Index })
		if e := n.State().Entry("pay", "k19"); e.Value.Text() != "19" || n.State().Cluster().ID != r.Cluster {
			t.Errorf("%s has %+v", id, e)
		}
	}
}

// forgetful starts n3 anew as after a crash between its saying where the cluster
// came from and its forgetting it: nothing is said twice.
func (c *testCluster) forgetful(config Config, r Recovered) *testNode {
	c.t.Helper()
	c.stop("n3")
	id := identity{Node: "n3", Cluster: r.Cluster, Origin: &Origin{Recovered: &events.ClusterRecovered{Cluster: r.Cluster, Previous: r.Previous, Node: "n3"}}}
	if err := id.save(config.Dir); err != nil {
		c.t.Fatal(err)
	}
	n := c.comeBack(config)
	c.leader()
	n.recovery(c.t)
	if id, err := readIdentity(raftDir(config.Dir)); err != nil || id.Origin != nil {
		c.t.Errorf("the identity is %+v, %v", id, err)
	}
	return n
}

// recovery is the one event that says so.
func (n *testNode) recovery(t *testing.T) (found events.ClusterRecovered) {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	seen := 0
	for r, err := range h.Select(projections.Query{Kinds: []events.Kind{events.ClusterRecovered{}.Kind()}}) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Event()
		if err != nil {
			t.Fatal(err)
		}
		found = e.Data.(events.ClusterRecovered)
		seen++
		if e.Actor != "confman" {
			t.Errorf("actor %q", e.Actor)
		}
	}
	if seen != 1 {
		t.Fatalf("%d events say that the cluster was recovered, want one", seen)
	}
	return found
}

func (n *testNode) chainAt(t *testing.T, index uint64) events.Chain {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	chain, err := h.Chain(index)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

var errCrash = errors.New("crash")

// A crash after any step leaves a directory that starts as before or that the same
// command finishes, and nothing in between.
func TestAnInterruptedRecoveryIsFinished(t *testing.T) {
	c := newCluster(t, 3)
	config, at := c.lose("n3", 5)
	pristine := t.TempDir()
	if err := os.CopyFS(pristine, os.DirFS(config.Dir)); err != nil {
		t.Fatal(err)
	}
	for _, crash := range []string{"planned", "term raised", "extended", "reassigned", "identified"} {
		t.Run(crash, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(pristine)); err != nil {
				t.Fatal(err)
			}
			_, err := Recover(RecoverConfig{Dir: dir, Log: zerolog.Nop(), step: func(name string) error {
				if name == crash {
					return errCrash
				}
				return nil
			}})
			if !errors.Is(err, errCrash) {
				t.Fatalf("ended with %v", err)
			}
			if _, err := loadIdentity(dir, "n3"); !errors.Is(err, ErrDirectory) || !strings.Contains(err.Error(), "confman cluster recover --data "+dir) {
				t.Errorf("a start says %v", err)
			}
			if r, err := Inspect(dir, zerolog.Nop()); err != nil || r.Unfinished == "" || r.Node != "n3" {
				t.Errorf("inspected as %+v, %v", r, err)
			}
			r := recovered(t, dir)
			if r.Position != at.String() {
				t.Errorf("recovered at %s, want %s", r.Position, at)
			}
			alone := &testCluster{t: t, nodes: map[string]*testNode{}}
			config.Dir = dir
			n := alone.comeBack(config)
			alone.leader()
			if n.recovery(t); n.State().Entry("pay", "k4").Value.Text() != "4" || n.State().Cluster().ID != r.Cluster {
				t.Errorf("%+v", n.State().Cluster())
			}
			alone.stop("n3")
		})
	}
}

func TestAMemberOfTheOldClusterIsRefused(t *testing.T) {
	c := newCluster(t, 3)
	n1, n2 := c.nodes["n1"].config, c.nodes["n2"].config
	config, _ := c.lose("n3", 5)
	r := recovered(t, config.Dir)
	n3 := c.comeBack(config)
	c.leader()
	n3.recovery(t)
	before := n3.State().Position()
	n2.Peers, n2.Join = nil, "http://"+config.Address
	for _, old := range []Config{n1, n2} { // together they are a quorum of the old cluster
		var err error
		back := c.comeBack(old)
		died := back.died
		eventually(t, old.ID+" ends", func() bool {
			select {
			case err = <-died:
			default:
			}
			return err != nil
		})
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "has gone on as cluster "+r.Cluster) {
			t.Errorf("%s ends with %v", old.ID, err)
		}
		if old.Join == "" {
			continue
		}
		if err := back.checkJoin(testContext(t)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "has gone on as cluster "+r.Cluster) {
			t.Errorf("%s, which is to --join, ends with %v", old.ID, err)
		}
	}
	if s := n3.Standing(); s.Role != "leader" || n3.State().Position() != before || len(n3.engine.Load().servers()) != 1 {
		t.Errorf("after they came back: %+v at %s", s, n3.State().Position())
	}
}

// Until the history says where the cluster came from, nothing else is written,
// nobody joins, and the node is not ready.
func TestNothingComesBeforeTheEventOfTheOrigin(t *testing.T) {
	c := newCluster(t, 1)
	config, at := c.lose("n1", 1)
	id, err := ownIdentity(config.Dir)
	if err != nil {
		t.Fatal(err)
	}
	id.Origin = &Origin{Restored: &events.ClusterRestored{Cluster: newULID().String(), Previous: "somebody else", Position: "1"}}
	if err := id.save(config.Dir); err != nil {
		t.Fatal(err)
	}
	n := c.comeBack(config) // which cannot say so: its history is of another cluster
	says := "the history does not say yet that the cluster is restored from a backup at 1"
	eventually(t, "it leads and tries", func() bool {
		s := n.Standing()
		return s.Role == "leader" && slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.HasPrefix(r, says+": ") })
	})
	if _, err := n.Submit(testContext(t), put("pay", "k", "v"), stamp()); !errors.Is(err, events.ErrUnavailable) {
		t.Errorf("a write: %v", err)
	}
	var refused *refusedError
	if _, err := n.letIn(n.engine.Load(), joinRequest{Member: Member{ID: "n2", Address: "127.0.0.1:1"}, Level: events.NewestLevel}); !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
		t.Errorf("a node that asks to join: %v", err)
	}
	if now := n.State().Position(); now != at {
		t.Errorf("the history is at %s, was at %s", now, at)
	}
}

// What leaves no doubt is refused before anything is changed.
func TestRecoveryIsRefusedWhereItIsWrong(t *testing.T) {
	c := newCluster(t, 2)
	running := c.nodes["n1"].dir
	for name, err := range map[string]error{
		"inspected": func() error { _, err := Inspect(running, zerolog.Nop()); return err }(),
		"recovered": func() error { _, err := Recover(RecoverConfig{Dir: running}); return err }(),
	} {
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "stop the node first") {
			t.Errorf("%s under a running node: %v", name, err)
		}
	}
	empty := t.TempDir()
	if _, err := Recover(RecoverConfig{Dir: empty}); !errors.Is(err, ErrDirectory) {
		t.Errorf("an empty directory: %v", err)
	}
	if files, _ := os.ReadDir(empty); len(files) > 0 {
		t.Error("an empty directory is not empty any more")
	}
	config, at := c.lose("n2", 3)
	if _, err := Recover(RecoverConfig{Dir: config.Dir, AtLeast: at.Index + 1}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another member has event") {
		t.Errorf("with somebody ahead: %v", err)
	}
	if _, err := os.Stat(filepath.Join(config.Dir, planFile)); err == nil {
		t.Error("a refusal left a plan")
	}
	recovered(t, config.Dir)
	if _, err := Recover(RecoverConfig{Dir: config.Dir}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "start it") {
		t.Errorf("again before its start: %v", err)
	}
	c.comeBack(config)
	c.leader()
	c.stop("n2")
	if _, err := Recover(RecoverConfig{Dir: config.Dir}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "only voter") {
		t.Errorf("one that needs nobody: %v", err)
	}
}

// Views that the leader sent may be ahead of the log. What is then appended at
// indexes which the views have reached would be taken for folded.
func TestRecoveryOfViewsThatAreAheadOfTheLogLosesNothingLater(t *testing.T) {
	c := newCluster(t, 3)
	ctx := testContext(t)
	for i := range 8 {
		if _, err := c.leader().Submit(ctx, put("pay", fmt.Sprintf("k%d", i), fmt.Sprint(i)), stamp()); err != nil {
			t.Fatal(err)
		}
	}
	at := c.leader().State().Position()
	n3 := c.nodes["n3"]
	eventually(t, "n3 has it all", func() bool { return n3.State().Index() == at.Index })
	config := n3.config
	for _, p := range c.peers {
		c.stop(p.ID) // in order: n3 makes a marker
	}
	aheadOfItsLog(t, config.Dir)
	remains, err := Inspect(config.Dir, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Recover(RecoverConfig{Dir: config.Dir, Log: zerolog.Nop(), step: func(name string) error {
		if name == "log emptied" {
			return errCrash
		}
		return nil
	}})
	if !errors.Is(err, errCrash) {
		t.Fatalf("ended with %v", err)
	}
	if r := recovered(t, config.Dir); r.Position != at.String() || r.Unknown != 0 {
		t.Errorf("recovered as %+v, want %s", r, at)
	}
	n3 = c.comeBack(config)
	c.leader()
	if told := n3.recovery(t); told.RaftIndex != remains.LastIndex || n3.State().RaftIndex() <= remains.LastIndex {
		t.Errorf("recovered at Raft entry %d, remains are %+v, folded up to %d", told.RaftIndex, remains, n3.State().RaftIndex())
	}
	n3 = c.restart("n3")
	n3.awaitReady(t)
	n3.recovery(t)
	if e := n3.State().Entry("pay", "k7"); e.Value.Text() != "7" {
		t.Errorf("k7 is %+v", e)
	}
}

// aheadOfItsLog makes the views those of an installed snapshot that was newer than
// its label, and the log end soon after the label.
func aheadOfItsLog(t *testing.T, dir string) {
	t.Helper()
	views, err := disk.Look(viewsDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	m := views.Marker
	w, err := wal.Open(wal.Config{Dir: raftDir(dir), Fatal: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	last, err := w.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.DeleteRange(m.RaftIndex-2, last), w.Close()); err != nil {
		t.Fatal(err)
	}
	m.Installed, m.Snapshot.Index = true, m.RaftIndex-5
	sealed, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(viewsDir(dir), "generation-*", "MARKER"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	sum := crc32.Checksum(sealed, crc32.MakeTable(crc32.Castagnoli))
	if err := os.WriteFile(paths[0], fmt.Appendf(nil, "%s\ncrc32c %08x\n", sealed, sum), 0o600); err != nil {
		t.Fatal(err)
	}
}
