// Package crowd is a crowd of watchers, read by one thread: thousands of
// connections to GET /api/v1/watch in one epoll set, taken apart into frames
// without decoding them. It is for measuring: a reader that costs as much as the
// server measures itself.
//
// What it never saves on is the proof. Every event frame of every watch is held
// against the one before it, by prev and index; see [Crowd.Check].
//
// It speaks plain HTTP/1.1 and knows the frames of [confman/api/wire].
package crowd
