// Package denials keeps what one node refused, in files of its own: attempts
// without identity or right and, where the node is told to, readings of drafts and
// of references to secrets. Nothing here goes through Raft, and nothing here slows
// down or fails a request: [Log.Record] takes no lock that is held while a disk is
// written, and what finds no room is counted instead.
//
// The directory holds files named denied-NUMBER.ndjson, a row of [wire.Denied] a
// line, oldest first; the highest number is being written. Each second that has
// rows they are appended, equal attempts of that second as one row with a count: what a process that is killed loses is its last second. A power
// cut may take more, as much as the system had not written yet.
//
// The files are bounded together. When they are full the oldest is removed as a
// whole, which is recorded by a row of reason [wire.DeniedRotated]. What was lost
// otherwise is recorded by one of reason [wire.DeniedLost], as soon as there is
// room: rows beyond what waits, and lines that were torn.
package denials
