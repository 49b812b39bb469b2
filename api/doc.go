// Package api is the HTTP interface of a node: the routes of the public contract
// (openapi.yaml beside this file), who may use them, and how answers look. It
// decides nothing. Rules are [events.Rules] behind a [Writer], the answers are
// read from a [projections.State] or [projections.History], and what a caller
// may do is [events.Principal.Can]; this package turns HTTP into those and back.
//
// # The life of a request
//
// [Server.ServeHTTP] makes an exchange and takes it through the same steps for
// every route of the one table (route.go): which resource the path addresses
// (path.go), who asks (auth.go), whether they may (route.go), and then
//
//   - a read waits until the node's state is as fresh as the caller wants it
//     (read.go), and answers from that one immutable state;
//   - a write that this node cannot serve is handed to the leader (handover.go);
//     one that it can becomes a command with a claim on its idempotency key
//     (write.go). The answer is made from the history as of the write's own event
//     index, so that a repeated request is answered as it was the first time.
//
// Between the two, or when its body has been read, the exchange waits for its turn
// (admit.go): package admission says whose it is, and who is asked to come back
// later. It holds a place while it is worked on, not while it waits for something
// or while its answer is sent. Who sends or reads slowly is cut (pace.go).
//
// A watch (watch.go) is a read until it begins; from there package streaming
// serves it, over the history that source.go shows it, with the rights that the
// API key has at each moment (rights.go). A ticket (ticket.go) stands in for the
// key where a browser cannot send it, and a session (session.go) where somebody
// signed in with it.
//
// Whatever goes wrong is an error of package events or one of the few of this
// package; problem.go holds the one table from errors to statuses.
package api
