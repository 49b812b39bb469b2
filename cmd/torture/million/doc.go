// Package million makes histories of a million events for tests and
// measurements: the ten years of a real configuration repository, lived by many
// copies of it at once, each a namespace with people of its own.
//
// The events are those of the rules (package events), decided and folded as a
// node does it, and what is left is the data directory of a node that has made
// a snapshot and emptied its Raft log. Only Raft itself is left out, which makes
// it quick. The same seed makes the same history, to the last chain.
package million
