// Package projections folds the history into answers.
//
// [State] is the present as one immutable value: copy-on-write trees behind a
// pointer that readers load and keep as long as they like. [Folding] folds Raft
// entries into the next one. [History] answers from the views on disk what the
// present cannot: records, versions of a key, the state as of an event, the
// audit indexes.
//
// The views on disk are [Row]s, each a pure function of the history, written at
// the event index that made it true. They hold all that the state holds, so the
// state as of event N is [Load]ed from the views read at N; there is no other
// format of it.
//
// What [Folding.Entry] reads to accept or refuse a proposal (revisions,
// receipts, the time) is consensus: every release must agree on it. The rest of
// the state may change in any release and be folded anew.
package projections
