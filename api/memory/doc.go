// Package memory is a node without disk and without others: the true rules and
// the true folding over rows in memory, gone when it is. Tests of the API stand
// on it, and those of whoever uses the API. It refuses to be a cluster: it always
// leads, and everything is committed at once.
package memory
