package events

import (
	"slices"
	"time"
)

// A history can outlive its cluster: recovered from one member's data after
// quorum was lost for good, or restored from a backup. It then goes on, chain,
// indexes and all, in a cluster with a new identity, so that members of the old
// one that come back are strangers to it. An event says so.

// ClusterRecovered says that a cluster was begun anew from one member's data.
// What only other members had is not in the history.
type ClusterRecovered struct {
	Cluster   string         `json:"cluster"`   // its identity from here on, a ULID
	Previous  string         `json:"previous"`  // and before
	Node      string         `json:"node"`      // whose data it was
	Members   []FoundingPeer `json:"members"`   // before
	RaftTerm  uint64         `json:"raftTerm"`  // of the last entry that the member had
	RaftIndex uint64         `json:"raftIndex"` // and its index
	Comment   string         `json:"comment,omitzero"`
}

// Kind is "cluster.recovered".
func (ClusterRecovered) Kind() Kind { return "cluster.recovered" }

// ClusterRestored says that a cluster was begun from a backup. What was written
// after the backup is not in the history.
type ClusterRestored struct {
	Cluster  string    `json:"cluster"`  // its identity from here on, a ULID
	Previous string    `json:"previous"` // and before
	Node     string    `json:"node"`     // which was restored
	Position string    `json:"position"` // of the backup, as [Position.String] writes it
	TakenAt  time.Time `json:"takenAt"`  // when the backup was made
	Comment  string    `json:"comment,omitzero"`
}

// Kind is "cluster.restored".
func (ClusterRestored) Kind() Kind { return "cluster.restored" }

// RecoverCluster records a recovery. One that is recorded already is not
// recorded again.
type RecoverCluster struct {
	Recovered ClusterRecovered
}

func (c RecoverCluster) decide(d *decision) error {
	return d.goesOn(c.Recovered.Cluster, c.Recovered.Previous, c.Recovered.Comment, c.Recovered)
}

// RestoreCluster records a restore. One that is recorded already is not recorded
// again.
type RestoreCluster struct {
	Restored ClusterRestored
}

func (c RestoreCluster) decide(d *decision) error {
	return d.goesOn(c.Restored.Cluster, c.Restored.Previous, c.Restored.Comment, c.Restored)
}

// goesOn records that the history goes on under another identity.
func (d *decision) goesOn(cluster, previous, comment string, data Data) error {
	now := d.view.Cluster()
	d.holds(Subject{Noun: TheCluster}, now.Revision)
	switch {
	case now.ID == cluster:
		return nil
	case now.ID != previous:
		return refuse(ErrConflict, "the history is that of cluster %s, not of %s", now.ID, previous)
	case now.Was(cluster) || cluster == "":
		return Invalid("/cluster", "%.40q is not a new identity", cluster)
	}
	if err := CheckText("/comment", comment, MaxTextBytes); err != nil {
		return err
	}
	d.record("", "", data)
	return nil
}

// GoesOn is the cluster after its history went on under another identity, at an
// event.
func (c Cluster) GoesOn(identity string, at uint64) Cluster {
	c.Former = append(slices.Clip(c.Former), c.ID)
	c.ID, c.Revision = identity, at
	return c
}

// Was reports whether the history was that of another cluster before.
func (c Cluster) Was(identity string) bool { return slices.Contains(c.Former, identity) }
