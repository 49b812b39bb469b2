package wire

import "time"

// Values of Denied.Reason.
const (
	DeniedUnauthenticated = "unauthenticated" // nobody that is known, or not any more
	DeniedForbidden       = "forbidden"       // somebody without the right
	DeniedRead            = "read"            // somebody who read drafts or references to secrets; not refused
	DeniedLost            = "lost"            // Count attempts are missing here; Detail says why
	DeniedRotated         = "rotated"         // Count rows were let go of in all, to make room; Detail says since when there are rows
)

// DeniedReasons are the values of Denied.Reason.
func DeniedReasons() []string {
	return []string{DeniedUnauthenticated, DeniedForbidden, DeniedRead, DeniedLost, DeniedRotated}
}

// Headers of the answer of GET /api/v1/audit/denied.
const (
	HeaderNode       = "X-Confman-Node"        // the node whose rows these are
	HeaderDeniedLost = "X-Confman-Denied-Lost" // how many attempts are known to be missing among its rows, in decimal
)

// Denied is one attempt that a node refused for lack of identity or right, or,
// where the node is told to keep them, one reading of a draft or a reference to a
// secret. It is of one node and not part of the replicated history.
type Denied struct {
	Time          time.Time `json:"time"`
	Node          string    `json:"node"`
	Reason        string    `json:"reason"`              // one of DeniedReasons
	Status        int       `json:"status"`              // of the answer; 0: of none
	Principal     string    `json:"principal,omitempty"` // empty: not known
	KeyID         string    `json:"keyId,omitempty"`
	Remote        string    `json:"remote"` // address of the client, without its port
	Method        string    `json:"method"`
	Path          string    `json:"path"`            // without the query
	Route         string    `json:"route,omitempty"` // its pattern; empty: the row stands for all that came from the address without credentials
	Namespace     string    `json:"namespace,omitempty"`
	Key           string    `json:"key,omitempty"`
	Detail        string    `json:"detail,omitempty"`
	CorrelationID string    `json:"correlationId"`
	Count         uint64    `json:"count,omitempty"` // of equal attempts, or of values read, that one row stands for; 0: one
}
