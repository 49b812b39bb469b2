package events

import "time"

// Cluster is what the history says about the cluster itself.
type Cluster struct {
	ID       string    `json:"id"`              // ULID, minted when the cluster was formed; empty before
	Former   []string  `json:"former,omitzero"` // IDs that the history had before, oldest first; see [ClusterRecovered]
	FormedAt time.Time `json:"formedAt,omitzero"`
	Level    Level     `json:"level,omitzero"`   // 0: FirstLevel; see FeatureLevel
	Horizon  Horizon   `json:"horizon,omitzero"` // the zero value: nothing was trimmed
	// CheckpointKey is the Ed25519 public key that checkpoints are signed by; empty
	// before there was one.
	CheckpointKey []byte `json:"checkpointKey,omitzero"`
	Erased        uint64 `json:"erased,omitzero"` // index of the newest [HistoryErased]
	Revision      uint64 `json:"revision"`
}

// FeatureLevel is the level that the history is at.
func (c Cluster) FeatureLevel() Level { return max(c.Level, FirstLevel) }

// ClusterFormed is the first event of every history.
type ClusterFormed struct {
	ID      string         `json:"id"`
	Members []FoundingPeer `json:"members"`
}

// FoundingPeer is a member that the cluster was formed with.
type FoundingPeer struct {
	ID      string `json:"id"`
	Address string `json:"address"` // HOST:PORT
}

// Kind is "cluster.formed".
func (ClusterFormed) Kind() Kind { return "cluster.formed" }

// FormCluster begins a history: the cluster's identity and its first API key.
type FormCluster struct {
	ID       string
	Members  []FoundingPeer
	FirstKey CreateKey
}

func (c FormCluster) decide(d *decision) error {
	now := d.view.Cluster()
	if now.ID != "" {
		return refuse(ErrConflict, "the cluster is already formed as %s", now.ID)
	}
	d.holds(Subject{Noun: TheCluster}, now.Revision)
	d.record("", "", ClusterFormed{ID: c.ID, Members: c.Members})
	return c.FirstKey.decide(d)
}
