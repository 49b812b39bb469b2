// Package lab is a machine room for one test: a cluster of real confman
// processes, each in a network namespace of its own, wired to a bridge in yet
// another one, so that links are cut and packets lost without anything touching
// the host's network. The namespaces have no names and the processes die with
// this one: however it ends, nothing of them is left. Only loop-mounted disks
// ask for [Lab.Close].
//
// Whoever measures is not cut off with a node: [Lab.HTTP] reaches each node from
// inside the node's own namespace. [Lab.Outside] is a client on the bridge, which
// loses what the nodes lose.
//
// Without root, or without Config.Namespaces, the nodes listen on loopback
// addresses, and every fault of the network returns [ErrNoNetwork].
//
// Errors and contexts are all it knows, so that programs and tests can use it.
// Its methods may be called by many goroutines at once; faults of one node or of
// the network should be made by one goroutine at a time.
package lab
