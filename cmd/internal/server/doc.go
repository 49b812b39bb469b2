// Package server puts one node together: it alone sees both sides of the seams
// between replication, streaming and the API. It also has the commands that run
// nodes, serve and dev.
package server
