package replication

import "net/http"

// IsMember reports whether a request bears the token of this cluster's members,
// and the certificate where one is required.
func (n *Node) IsMember(r *http.Request) bool { return n.authenticate(r) == nil }

// QueuedWrites is how many writes wait at this node to be put into a Raft entry.
func (n *Node) QueuedWrites() int {
	if e := n.engine.Load(); e != nil {
		return len(e.proposer.queue)
	}
	return 0
}
