// Package load keeps a cluster busy and writes down all that its clients are
// told, for package check to judge.
//
// Pulses are writes, and linearizable reads, that begin at a fixed rate however
// long those before them take, at each node in turn: the times of their
// acknowledgements show how long nobody could write. Beside them work writers and
// readers of registers (put, compare-and-set, delete), transactions, local reads
// with min_index, reads of the past, people who bring drafts through review by
// two others, and watchers of all encodings that drop and resume, one of them
// slow. A write without an outcome is repeated under its idempotency key until it
// has one.
package load
