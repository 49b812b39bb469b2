// Package wal is the Raft log on disk: hashicorp/raft-wal behind a wrapper that
// fails stop and cannot rot silently. It refuses to carry on after a doubt: the
// first write that fails or hangs, and the first entry that is not what was
// written, end the process through Config.Fatal.
//
// # Why a wrapper
//
//   - A node whose disk hangs stays leader for as long as the disk hangs, and one
//     whose disk fails may be elected again and again. Gone is better than slow:
//     every write is timed while it runs, and after a failed fsync nothing more is
//     written, because the kernel reports such an error only once.
//   - raft-wal checks the checksum of the last batch only, and only at start. Here
//     every entry carries its own and every read checks it.
//   - raft-wal v0.4.2 refuses all appends for ever when it is closed, killed or out
//     of space between sealing a segment and recording that. FinishRotation, part
//     of Open, completes the record.
//   - Raft stores a vote as two keys, term first (hashicorp/raft #661). A crash in
//     between leaves the new term beside the old candidate, who could then have the
//     vote without its log being compared. Here a vote is one record.
//
// # Formats
//
// An entry's Extensions on disk are those that Raft gave, followed by four bytes:
// CRC-32C, little-endian, over index, term, type, append time (seconds, then
// nanoseconds) and length of the data, 8 bytes each, the data, and Raft's extensions.
//
// A stable value on disk is the value followed by four bytes: CRC-32C,
// little-endian, over the key and the value. Integers are 8 bytes, little-endian.
// LastVoteTerm and LastVoteCand do not exist on disk; their record is LastVote, the
// term (8 bytes) followed by the candidate.
//
// # What it cannot see
//
// A flipped bit in the framing of the newest segment can make recovery stop early:
// the log is then shorter and otherwise valid. Whoever opens the log compares
// LastIndex with what must be there.
package wal
