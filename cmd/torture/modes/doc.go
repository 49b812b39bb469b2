// Package modes is the torture of a cluster, failure mode by failure mode: each
// [Mode] makes the faults of one row of docs/failure-modes.md, and Mix all of
// them in a random order. A mode works at a [Bench], which has its seed, its time
// and its [Report].
//
// Most modes make a [Trial], a cluster under load, strike it with faults, and
// have it verified: every check of package check, on all that clients and nodes
// said. What must hold in a mode beyond that is a violation when it does not.
// Times are promises: one that is missed is shown in the report and fails
// nothing, since it is also the machine's.
package modes
