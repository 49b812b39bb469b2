// Package peer carries Raft between the nodes of one cluster over the port that
// also serves the API. It refuses whoever does not prove to belong, and it does not
// let a heartbeat change what Raft's main goroutine works on.
//
// # The way in
//
// A Raft connection begins as an HTTP/1.1 request for an upgrade to confman-raft/1
// at Path, with the cluster token, the sender, the node that is meant and the
// cluster in headers. After 101 both sides speak the protocol of
// raft.NetworkTransport. An unguarded Raft port is a takeover to anyone who reaches
// it, and an address is not an identity: a node that was restored elsewhere, or
// whose address now belongs to another, must not take the place of the one meant.
//
// # Heartbeats
//
// raft.NetworkTransport answers heartbeats on the goroutine of the connection, so
// that they do not queue behind an fsync. But Raft's handler for them raises the
// term and the state there, beside the main goroutine (hashicorp/raft #695, open in
// v1.8.0). A leader between its check "am I leader" and the write of new entries
// then writes them under the term of its successor: two different entries at one
// index and term, which the log matching rule takes for the same, and an
// acknowledged write is replaced on one replica. Sending every heartbeat through
// the main goroutine avoids that, and costs the leader when the disks of a
// majority stall for an election timeout.
//
// So here a heartbeat is offered to the main goroutine, as any other call. If that
// has not taken it within Config.Grace, and the heartbeat is of exactly the term
// that this node has on disk, it is acknowledged on the spot. Otherwise it goes on
// waiting.
//
// That is safe for these reasons.
//
//   - Nothing of Raft's is read or written, so #695 cannot happen: term and state
//     change on the main goroutine only. What a heartbeat would have changed is done
//     by the next one that is taken, or by the call that the main goroutine is busy with.
//   - An acknowledgement of a heartbeat promises one thing: at some moment after it
//     was sent, this node had voted for nobody in a later term. Leases and
//     verifications of leadership are built on that; nothing is committed by it, for
//     a heartbeat names no entries. Raft persists a term before it acts on it, and
//     PersistedTerm is 0 from before a new term is written until it is. So when it
//     equals the heartbeat's term, no vote of a later term can have been given.
//   - A node that has this term on disk has accepted it, as follower, candidate or
//     leader. It cannot lead it, since each term has one leader and that is the
//     sender. For a candidate the answer is as true as for a follower; it steps down
//     when it gets to it.
//   - The node's own election timer is not reset. When it comes back from a long
//     stall it may ask for pre-votes, which the others refuse while they hear the leader.
//
// What it does not promise: a main goroutine that hangs for ever is not found out by
// its heartbeats, as with Raft's own handler. The watchdog of package wal is for that.
// When a Raft instance ends by itself (ShutdownOnRemove), close its transport.
//
// Remove the guard when a release of hashicorp/raft has the fix; the test that
// reproduces the schedule says whether it does.
package peer
