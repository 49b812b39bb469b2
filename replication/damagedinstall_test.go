package replication

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/replication/disk"
	"confman/replication/faults"
)

// leaveReceived puts a snapshot that was received whole into the directory of a
// stopped node, and damages its file.
func leaveReceived(t *testing.T, config Config) (file string) {
	t.Helper()
	id, err := readIdentity(viewsDir(config.Dir))
	if err != nil {
		t.Fatal(err)
	}
	store, err := openViews(config.Dir, id, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	m := store.Marker()
	snapshots, err := disk.NewSnapshots(disk.SnapshotsConfig{Store: store, ReserveBytes: 1, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	alone := raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(config.ID), Address: raft.ServerAddress(config.Address)}}}
	sink, err := snapshots.Create(raft.SnapshotVersionMax, m.RaftIndex+100, m.RaftTerm, alone, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Copy(sink, m.Position), sink.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(viewsDir(config.Dir), "snapshots", "received-*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	faults.FlipBit(t, files[0], info.Size()/2)
	return files[0]
}

func TestANodeGoesOnWithoutAReceivedSnapshotThatIsDamaged(t *testing.T) {
	c := newCluster(t, 1)
	outcome, err := c.leader().Submit(testContext(t), put("pay", "k", "kept"), stamp())
	if err != nil {
		t.Fatal(err)
	}
	config := c.nodes["n1"].config
	c.stop("n1") // leaves a marker
	file := leaveReceived(t, config)
	log := &journal{}
	c.with = func(config *Config) { config.Log = zerolog.New(log) }
	n := c.comeBack(config)
	n.awaitReady(t)
	if n.State().Index() < outcome.Index || n.State().Entry("pay", "k").Value.Text() != "kept" {
		t.Errorf("at event %d, want %d", n.State().Index(), outcome.Index)
	}
	if log.count(func(l line) bool {
		return l.Message == "dropping a damaged received snapshot" && strings.Contains(l.Error, file)
	}) != 1 {
		t.Errorf("the log does not name %s: %v", file, log.loud())
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", file, err)
	}
}

func TestARecoveryNamesADamagedReceivedSnapshot(t *testing.T) {
	c := newCluster(t, 3)
	config, _ := c.lose("n3", 3)
	file := leaveReceived(t, config)
	_, err := Recover(RecoverConfig{Dir: config.Dir, Log: zerolog.Nop()})
	if !errors.Is(err, disk.ErrStream) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "look again") {
		t.Errorf("recovered what was shown as more: %v", err)
	}
	recovered(t, config.Dir) // of what is left
}
