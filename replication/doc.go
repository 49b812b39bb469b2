// Package replication makes one history out of many nodes.
//
// # One write
//
// [Node.Submit] looks for a receipt of the request, lets [events.Rules] decide
// against the present, and proposes. The [proposer] puts whatever waits into one
// Raft entry. Raft makes it durable on a quorum; then every node's [fsm] folds
// it: rows to disk, state visible, records announced, in that order. The
// proposer's wait ends with the outcome. A proposal whose guards no longer held
// is decided again on the newer state.
//
// A refusal is a read of the present, and so is "it is so already": before the
// caller hears one, the state it was decided on is confirmed as linearizable
// does.
//
// # One linearizable read
//
// The leader takes its commit index, confirms its leadership with a quorum of
// voters that answered what was sent after the read began, and waits until its
// state holds the newest command up to that index; a follower asks the leader
// for the index and waits itself. One confirmation serves all reads that began
// before it.
//
// # What is durable
//
// Raft's log is fsynced before a write is acknowledged. The views on disk are
// not; they are made durable at markers, which are Raft's snapshots too. A start
// loads the state at the newest marker and folds what Raft's log has after it.
//
// # What is kept
//
// The leader moves the horizon of the history by an event ([Retention]), so that
// all nodes refuse the same positions. Such an event needs a feature level that
// older releases do not know: the level rises, by an event too, when something
// that needs it is first to be written, once every member says that it knows it.
//
// # What goes
//
// Each node follows by itself ([Node.tend]): compaction drops superseded rows, and
// when enough of the records on disk is trimmed the store is made anew without
// them, beside the running one. Before that they are in the archive, if there is
// one. What an erasure takes out of the rows is destroyed in every other file of
// the node too (see [Node.scrub]).
//
// # How a node comes to be
//
// A node with an empty directory waits until every founding member is there and
// agrees about who they are; then the member with the lowest ID mints the
// cluster's identity, the others take it over, and only then does Raft begin
// (see formation). A node with an identity just starts. A node that lost its
// directory is refused under its old ID: its votes are gone with it.
package replication
