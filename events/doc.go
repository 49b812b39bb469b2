// Package events is the language of Confman: the facts that make up its
// history, the commands that ask for them, and the rules that decide.
//
// # The life of a change
//
// A [Command] is what somebody asks for. [Rules.Decide] judges it against a
// [View] of the present and answers with a [Proposal]: the facts to record, and
// the [Guard]s under which they are true ("pay/db.url is still at event 41"). A
// proposal is what Raft replicates. Every node compares the guards' integers
// with its own state, and either all of the proposal's events become the next
// [Record]s of the history or, when a guard no longer holds, none does
// ([ErrStale]). No rule ever runs there, so rules may change between releases
// while the history may not.
//
// # What an event is on disk and on the wire
//
// An event is encoded once, by its proposer, as a JSON object ([Event.Encode]).
// That body is what Raft carries, what the history stores behind a short binary
// header, and what a watcher receives with its index, position and time put in
// front. The catalogue lists every kind of event with every shape it ever had;
// an older shape is brought up to date when it is read, never rewritten.
//
// # What this package never touches
//
// A clock, randomness, I/O, goroutines, logs, contexts. Time and identifiers
// arrive in a [Stamp].
package events
