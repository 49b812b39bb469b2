// Package torture tests Confman whole: clusters of real processes on real
// sockets and file systems, which are killed, paused, cut off from power and
// lied to while clients write. What must hold is said by the tests' names.
//
// The test binary runs itself as the nodes: with an environment variable set it
// is the confman command (see TestMain). Short variants belong to the ordinary
// suite; CONFMAN_TORTURE=1 runs more rounds. Each test prints its seed, and
// TORTURE_SEED=N repeats it as far as real time allows. When a test fails it
// prints the end of every node's log.
//
// Package lab is the same room without a test in it, and command run what tortures
// clusters there, mode by mode and with a report: `./task torture`.
//
// Those who watch are subscribers of an audience: plain clients, written without
// the SDK, that keep a watch up through everything and record what they are told
// (package gallery). Package streams decides whether it was right, package proxy
// breaks their connections.
package torture
