// Package streaming delivers history. It makes none and stores none, and it
// never slows down who does.
//
// # A watch is a cursor and a filter
//
// There is no queue for a reader. A watch remembers the index up to which it has
// looked at every record, and reads on from there in turns of bounded size:
//
//	in the tail?  the newest records, in memory, each encoded once for all
//	older?        the log on disk, in blocks that readers share while they are hot
//	nothing yet?  wait
//
// So a live watch, one that is behind and one that resumes are the same code,
// and a reader that stops costs its cursor and what the kernel buffers for its
// connection.
//
// # Who is woken
//
// The commit path hands records to the [Hub] and goes on. One goroutine of the
// hub then wakes the watches that a record may concern, by namespace and key, a
// few at a time, so that writers get the processor in between. A watch that was
// not woken knows from that alone that nothing up to the hub's mark concerns it:
// it can say so ("progress") without reading what it skips.
//
// Whoever waits registers first and looks second, so nothing falls in between.
//
// # The past
//
// A [Replay] is a window of the history, delivered by the same filter, rights and
// encoding, at its own pace or any other. It reads the history in batches and holds
// none of it while it pauses; it never reads from the tail, and nobody wakes it.
//
// # What is promised
//
// On one watch every matching event comes exactly once, in index order. Progress
// up to an index is told only after every matching event up to it was written.
// Every end that can still be told is told, as a frame with a reason.
package streaming
