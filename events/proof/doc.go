// Package proof writes histories down so that anybody can check them, and checks
// them: without a node, without a network, from bytes alone.
//
// # Record lines
//
// An export or an archive is a text of lines, each a JSON object without white
// space and with its members in this order:
//
//	{"format":"confman.records.v1","cluster":ID,"from":N,"to":M,"before":CHAIN,"node":ID}
//	{"index":N,"chain":CHAIN,"time":TIME,"raftTerm":T,"raftIndex":I,"event":BODY}
//	…
//	{"end":true,"records":K,"index":M,"chain":CHAIN,"sha256":DIGEST}
//
// ID is that of the cluster whose history it was at M: a history may go on in
// another cluster (see [events.ClusterRecovered]). CHAIN is 64 hex digits; before is the chain at from-1. TIME is RFC 3339, UTC,
// in as many digits as it takes. A record whose transaction goes on has
// "more":true before its event, one with values taken out of it "erased":true.
// BODY is the event byte for byte as it is stored. The stored form of a record
// (see [events.Record.AppendStored]) is made anew from its line, and hashed.
// sha256 is that of all bytes before the last line: it finds damage that no chain
// covers, and stops nobody who means it.
//
// A line that is spelled in any other way is no line of this format, so that
// every bit of it counts.
//
// # What is checked
//
// A [Verifier] recomputes the chain, follows the index and the time, accounts for
// every record that is marked as erased by an erasure that says what remains of
// it, and compares the chain with whatever states it: signed checkpoints in the
// history, checkpoints and positions that somebody kept. The chain alone proves
// that the records belong together. That they are the ones that were written,
// and not others chained anew, only such a statement proves, up to the event that
// it names; a signature counts for as much as the key that made it is trusted.
// Keys get lost: one that is trusted, by name or because nobody names any, and that
// the key before does not endorse is a warning, not a finding.
//
// The chain of an erased record cannot be recomputed. The erasure, which is under
// the chain, says what is left of the record and what the chain was before it, so
// that it still ties what comes before to what comes after.
package proof
