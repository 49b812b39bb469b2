package million

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	"github.com/rs/zerolog"

	"confman/projections"
	"confman/replication/disk"
	"confman/replication/wal"
)

// directory is the data directory of a node, as package replication expects it:
// the views, a Raft log, and beside each the identity of whose they are.
type directory struct {
	path    string
	members []byte // as Raft keeps them
	store   *disk.Store
}

func openDirectory(c Config, cluster string) (*directory, error) {
	if old, err := os.ReadDir(c.Dir); err == nil && len(old) > 0 {
		return nil, fmt.Errorf("make a history in %s: it is not empty", c.Dir)
	}
	identity, err := json.Marshal(map[string]string{"node": c.Node, "cluster": cluster})
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"views", "raft"} {
		dir := filepath.Join(c.Dir, part)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make a history: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "identity.json"), identity, 0o600); err != nil {
			return nil, fmt.Errorf("make a history: %w", err)
		}
	}
	store, err := disk.Open(disk.Config{
		Dir: filepath.Join(c.Dir, "views"), Node: c.Node, Cluster: cluster, Views: projections.ViewsVersion, Log: zerolog.Nop(),
	})
	if err != nil {
		return nil, err
	}
	members := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(c.Node), Address: raft.ServerAddress(c.Address)},
	}})
	return &directory{c.Dir, members, store}, nil
}

// finish makes the views durable as of a state, and a Raft log that is empty
// because all of it is in them.
func (d *directory) finish(s *projections.State) error {
	err := d.store.Mark(disk.Marker{
		Position: disk.Position{Index: s.Index(), Chain: s.Chain().String(), RaftIndex: s.RaftIndex(), RaftTerm: term},
		Snapshot: disk.Boundary{
			Version: int(raft.SnapshotVersionMax), Index: s.RaftIndex(), Term: term,
			Configuration: d.members, ConfigurationIndex: 1,
		},
		Installed: true,
	})
	if err != nil {
		return err
	}
	var failed error
	log, err := wal.Open(wal.Config{Dir: filepath.Join(d.path, "raft"), Fatal: func(err error) { failed = err }, Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	err = log.SetUint64([]byte("CurrentTerm"), term) // the key is Raft's
	return errors.Join(err, failed, log.Close())
}

func (d *directory) close() error { return d.store.Close() }
