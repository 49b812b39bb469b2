// Package disk keeps the views of the history in Badger, at event-index
// timestamps, and makes them durable at markers.
//
// # What is stored
//
// A row ([projections.Row]) is written at the event index at which it becomes
// true; that index is Badger's timestamp. Reading at index N is the state as of
// event N, for one key or for a whole prefix, and the versions of a key are its
// history. The keys are opaque here. A value longer than a part (256 KiB) is
// cut into parts, so that every value stays in the LSM tree whatever its
// length and the value log is never used.
//
// All versions of one key lie in one table, which Badger builds in memory. A key
// that is written very often should therefore have small values.
//
// # What survives
//
// Rows are blind writes and are not synced. A marker says which event index is
// durable: Mark fsyncs every file of the store while writes go on and then
// writes the marker beside it. After a start only what a marker covers may be
// trusted: the caller replays its log from the marker's position, writing the
// same rows at the same indexes, which fills any hole that a power cut left.
// Nobody reads past the index that has been applied.
//
//	DIR/LOCK                      held while the store is open
//	DIR/CURRENT                   names the generation in use
//	DIR/generation-000001/views/  Badger
//	DIR/generation-000001/MARKER  the newest marker
//	DIR/snapshots/                a snapshot from the leader and its META, until it
//	                              is installed; unlinked files while one is sent
//
// CURRENT, MARKER and META are JSON with a checksum, replaced by rename. Open
// reads all checksums of the tables before Badger does, and checks that Badger's
// logs hold at least what they held at the marker. A store is replaced as a whole: Install builds a new generation,
// makes it durable and renames CURRENT; readers of the old one keep it until
// they close. So does Renew, online: it copies or builds the rows of the moment,
// then what came meanwhile in shorter and shorter passes, the last of them while
// writes wait. That gives the bytes of trimmed rows back, and leaves none of rows
// that were written over.
//
// # Snapshots
//
// A snapshot for Raft is a marker and costs no copy. Only when a follower needs
// one are the rows streamed to it, at a position at or past the marker's. The
// stream ([Store.Copy]) is framed with checksums and ends in a digest; nothing of
// it counts before all of it has been verified.
package disk
