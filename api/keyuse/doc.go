// Package keyuse remembers when, and from which address, each API key was last
// used at one node. Nothing of it goes through Raft: a request costs a look into a
// map. Once a minute at most, and when it is closed, the [Book] is written to one
// file, so that a restart forgets a minute at worst; a file that is lost or damaged
// only makes it forget.
//
// Only keys that the cluster knew and took are noted, so there are never more rows
// than keys. A key that opened a stream is noted when that was opened.
package keyuse
