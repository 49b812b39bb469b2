package replication

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// identity says whose data a directory holds. A copy lies in each of the two
// stores, so that a directory of which one was wiped or swapped is found out.
type identity struct {
	Node    string `json:"node"`
	Cluster string `json:"cluster"`
	// Forming: this node minted the cluster and waits for all founders to take
	// it over before Raft may begin.
	Forming bool `json:"forming,omitempty"`
	// TLS: members speak it, as of the last start. It is here for what is said to
	// people while no node runs.
	TLS bool `json:"tls,omitempty"`
	// Origin is set until the history says what the cluster came from.
	Origin *Origin `json:"origin,omitempty"`
}

const identityFile = "identity.json"

// ErrDirectory says that a data directory cannot be used as it is.
var ErrDirectory = errors.New("data directory")

func raftDir(dir string) string  { return filepath.Join(dir, "raft") }
func viewsDir(dir string) string { return filepath.Join(dir, "views") }

// loadIdentity returns the zero value for a directory that nobody has used.
func loadIdentity(dir, node string) (identity, error) {
	if plan, err := readPlan(dir); err != nil {
		return identity{}, err
	} else if plan != nil {
		return identity{}, fmt.Errorf("%w %s: a recovery was interrupted; finish it: confman cluster recover --data %s --accept-data-loss", ErrDirectory, dir, dir)
	}
	raft, err := readIdentity(raftDir(dir))
	if err != nil {
		return identity{}, fmt.Errorf("%w. %s", err, replaceCommands(node))
	}
	views, err := readIdentity(viewsDir(dir))
	if err != nil {
		return identity{}, fmt.Errorf("%w. %s", err, replaceCommands(node))
	}
	raftUsed, err := used(raftDir(dir))
	if err != nil {
		return identity{}, err
	}
	viewsUsed, err := used(viewsDir(dir))
	if err != nil {
		return identity{}, err
	}
	const remedy = "empty the whole directory and let the node join under a new ID"
	switch {
	case raft == identity{} && (raftUsed || viewsUsed):
		return identity{}, fmt.Errorf("%w %s: the Raft log was removed or is not ours; %s", ErrDirectory, dir, remedy)
	case raft == identity{}: // taking over an identity was interrupted
		return identity{}, nil
	case views == identity{}:
		return identity{}, fmt.Errorf("%w %s: the views were removed; %s", ErrDirectory, dir, remedy)
	case raft.Node != views.Node || raft.Cluster != views.Cluster:
		return identity{}, fmt.Errorf("%w %s: the Raft log is that of node %s in cluster %s, the views are of node %s in cluster %s; %s",
			ErrDirectory, dir, raft.Node, raft.Cluster, views.Node, views.Cluster, remedy)
	case raft.Node != node:
		return identity{}, fmt.Errorf("%w %s: belongs to node %s, this is %s", ErrDirectory, dir, raft.Node, node)
	}
	return raft, nil
}

func readIdentity(dir string) (identity, error) {
	var id identity
	data, err := os.ReadFile(filepath.Join(dir, identityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return id, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &id)
	}
	if err == nil && (id.Node == "" || id.Cluster == "") {
		err = errors.New("no node or no cluster")
	}
	if err == nil {
		err = id.Origin.validate()
	}
	if err != nil {
		return id, fmt.Errorf("%w: %s: %w", ErrDirectory, filepath.Join(dir, identityFile), err)
	}
	return id, nil
}

// used reports whether a store's directory holds more than an identity.
func used(dir string) (bool, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrDirectory, err)
	}
	for _, f := range files {
		if name := f.Name(); name != identityFile && name != identityFile+".tmp" {
			return true, nil
		}
	}
	return false, nil
}

// save writes both copies, durably. The one beside the Raft log comes last and
// is the one that counts.
func (id identity) save(dir string) error {
	for _, d := range []string{viewsDir(dir), raftDir(dir)} {
		if err := id.write(d); err != nil {
			return fmt.Errorf("%w: keep identity: %w", ErrDirectory, err)
		}
	}
	return nil
}

func (id identity) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(writeFile(filepath.Join(dir, identityFile), id), syncDir(filepath.Dir(dir)))
}

// writeFile replaces a file by v as JSON, durably.
func writeFile(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
