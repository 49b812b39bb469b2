package wire

import (
	"encoding/json"
	"time"
)

// Values of Health.Status and Ready.Status.
const (
	StatusHealthy  = "healthy"
	StatusReady    = "ready"
	StatusNotReady = "not_ready"
)

// Values of Member.Role and ClusterState.Role.
const (
	MemberLeader    = "leader"
	MemberFollower  = "follower"
	MemberCandidate = "candidate"
	MemberLearner   = "learner" // receives everything, does not vote
)

// Health is the answer of GET /health: the process answers.
type Health struct {
	Status    string    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
}

// Ready is the answer of GET /health/ready, 200 or 503. The members up to
// Cluster are the compatible ones.
type Ready struct {
	Status    string       `json:"status"`
	Timestamp time.Time    `json:"timestamp"`
	Cluster   ClusterState `json:"cluster"`

	Reasons    []string `json:"reasons"` // why not ready; empty, not null, when it is
	NodeID     string   `json:"nodeId,omitempty"`
	EventIndex uint64   `json:"eventIndex"`
	Lag        uint64   `json:"lag"`    // events that this node knows of and has not applied
	Quorum     bool     `json:"quorum"` // whether a write could be committed now, as far as this node knows
}

// ClusterState is what a node knows about the cluster's leader.
type ClusterState struct {
	Role        string  `json:"role"`
	LeaderKnown bool    `json:"leaderKnown"`
	Leader      *string `json:"leader"` // the leader's URL with a slash at its end; null when unknown
	Term        uint64  `json:"term"`
}

// Cluster is the answer of GET /api/v1/cluster, as the answering node sees it.
type Cluster struct {
	ID           string   `json:"id"`     // the identity made at bootstrap
	NodeID       string   `json:"nodeId"` // the node that answers
	LeaderID     string   `json:"leaderId,omitempty"`
	Leader       *string  `json:"leader"` // as in ClusterState
	Term         uint64   `json:"term"`
	EventIndex   uint64   `json:"eventIndex"`
	Position     string   `json:"position"`
	RaftIndex    uint64   `json:"raftIndex"`    // applied on the node that answers
	Oldest       uint64   `json:"oldest"`       // the first event that is still served
	FeatureLevel uint     `json:"featureLevel"` // says which kinds of events the history may hold
	Quorum       Quorum   `json:"quorum"`
	Members      []Member `json:"members"`
	// Problems is what is wrong, worst first; empty, not null, when nothing is.
	Problems []ClusterProblem `json:"problems"`
}

// Quorum says how far the cluster is from not being able to write.
type Quorum struct {
	Voters  int  `json:"voters"`
	Alive   int  `json:"alive"`  // voters that answer, or that the leader heard from just now
	Needed  int  `json:"needed"` // a majority of the voters
	Healthy bool `json:"healthy"`
}

// UnmarshalJSON also reads the truth value that older releases answer, as Healthy:
// in a rolling upgrade either may be asked.
func (q *Quorum) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &q.Healthy) == nil {
		return nil
	}
	type plain Quorum
	return json.Unmarshal(data, (*plain)(q))
}

// Values of ClusterProblem.Severity. Critical: writes stop, or data is in danger.
// Warning: nothing has stopped yet.
const (
	SeverityCritical = "critical"
	SeverityWarning  = "warning"
)

// ClusterProblem is something that is wrong with a cluster, for whoever is to mend
// it.
type ClusterProblem struct {
	Severity string `json:"severity"`
	Member   string `json:"member,omitempty"` // whom it is about; absent: the cluster
	What     string `json:"what"`
	Do       string `json:"do"` // what to do, with the exact command where there is one
}

// Member is one node of the cluster.
type Member struct {
	ID            string `json:"id"`
	Address       string `json:"address"` // host:port, of Raft and of the API
	URL           string `json:"url"`     // the same as an absolute URL with a slash at its end
	Role          string `json:"role"`    // empty when the node does not answer
	Voter         bool   `json:"voter"`
	AppliedIndex  uint64 `json:"appliedIndex"`            // event index
	Lag           uint64 `json:"lag"`                     // events behind the leader
	LastContactMs *int64 `json:"lastContactMs,omitempty"` // since the leader last heard from it; absent when unknown
	Disk          *Disk  `json:"disk,omitempty"`
	Version       string `json:"version,omitempty"` // of the program it runs
	Trouble       string `json:"trouble,omitempty"` // why it must be replaced: what its own verification found

	// What a member tells of itself; absent when it does not answer, or runs a
	// release that does not tell.
	Term               uint64    `json:"term,omitempty"`
	RaftIndex          uint64    `json:"raftIndex,omitempty"`   // last Raft entry folded
	CommitIndex        uint64    `json:"commitIndex,omitempty"` // last Raft entry known to be committed
	StartedAt          time.Time `json:"startedAt,omitzero"`
	SnapshotAt         time.Time `json:"snapshotAt,omitzero"`
	SnapshotAgeMs      *int64    `json:"snapshotAgeMs,omitempty"`
	ClockSkewMs        *int64    `json:"clockSkewMs,omitempty"` // its clock minus that of the node that answers
	CertificateExpires time.Time `json:"certificateExpires,omitzero"`
}

// Values of Disk.Level.
const (
	DiskOK       = "ok"
	DiskSoft     = "soft"     // it does not lead if it can help it
	DiskHard     = "hard"     // it takes no writes but deletions
	DiskCritical = "critical" // it takes no writes
)

// Disk is the state of the file system that a node's data is on, in bytes.
type Disk struct {
	Total uint64 `json:"total"`
	Free  uint64 `json:"free"`
	Used  uint64 `json:"used"`            // by Confman
	Level string `json:"level,omitempty"` // one of DiskOK …; absent: not told
}

// NewMember adds a node. Without Learner it is a voter: adding a member that
// is a learner promotes it, and Address may then be left out.
type NewMember struct {
	ID      string `json:"id"`
	Address string `json:"address,omitempty"` // host:port
	Learner bool   `json:"learner,omitempty"`
}

// TransferLeader hands leadership to the member To, or to whichever is furthest
// ahead when To is empty.
type TransferLeader struct {
	To string `json:"to,omitempty"`
}

// Snapshot describes a snapshot that a node just took.
type Snapshot struct {
	NodeID    string `json:"nodeId"`
	Index     uint64 `json:"index"` // the event index it holds
	Position  string `json:"position"`
	RaftIndex uint64 `json:"raftIndex"`
}
