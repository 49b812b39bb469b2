package wire

import "time"

// Figures is the answer of GET /api/v1/cluster/figures: the last hour of all nodes,
// as each measured itself.
type Figures struct {
	Interval string        `json:"interval"` // between two samples, a Go duration
	Nodes    []NodeFigures `json:"nodes"`    // that answered, by ID
	Silent   []string      `json:"silent"`   // that did not; empty, not null, when all did
	// LeaderChanges are those of the last hour that the answering node saw, at most
	// 100, oldest first.
	LeaderChanges []LeaderChange `json:"leaderChanges"`
}

// NodeFigures are the samples of one node, oldest first. There are none of when it
// did not run.
type NodeFigures struct {
	Node    string   `json:"node"`
	Samples []Sample `json:"samples"`
}

// Sample is what a node measured at one time, and since the sample before it.
type Sample struct {
	Time       time.Time `json:"time"`       // a multiple of the interval, by the node's clock
	EventIndex uint64    `json:"eventIndex"` // last event folded
	Events     uint64    `json:"events"`     // folded since
	Commits    uint64    `json:"commits"`    // Raft entries that it proposed as the leader and that were committed since; one may hold many writes
	// CommitP50Ms and CommitP99Ms are how long these took, in milliseconds, as far as
	// the buckets of confman_raft_op_duration_seconds tell; absent when there were none.
	CommitP50Ms float64 `json:"commitP50Ms,omitempty"`
	CommitP99Ms float64 `json:"commitP99Ms,omitempty"`
	Watchers    uint64  `json:"watchers"`  // watches that it serves
	Delivered   uint64  `json:"delivered"` // event frames sent to watches since
	Role        string  `json:"role"`      // one of MemberLeader …
	Term        uint64  `json:"term"`
	LeaderKnown bool    `json:"leaderKnown"`
	Lag         uint64  `json:"lag"`      // committed Raft entries that it has not folded
	DiskFree    uint64  `json:"diskFree"` // bytes
}

// LeaderChange is the beginning of a leader's term as a node saw it.
type LeaderChange struct {
	Time   time.Time `json:"time"`
	Term   uint64    `json:"term"`
	Leader string    `json:"leader"` // its ID
}
