// Package wire holds the JSON shapes of the public HTTP contract: what a client
// sends, what a server answers, and the names of headers, media types and
// problem types. It decides nothing and imports only the standard library, so
// that a program which reads one key compiles no server.
//
// # Compatibility
//
// Namespace, ConfigEntry, BulkEntry, AuditEvent, Health and Ready answer
// scripts that are older than this package. Their first members, the order of
// those, and which of them may be null are fixed; new members only ever follow.
// The golden lines in the tests hold that.
//
// # Conventions
//
// JSON is camelCase. Times are RFC 3339 in UTC: whoever fills in a time.Time
// calls UTC on it first. Unknown members of a body are ignored. A value is a
// json.RawMessage, so that the spelling of a number survives the trip; an
// encoder that escapes HTML inside strings (encoding/json does by default)
// keeps the value but not its bytes, so servers switch that off.
//
// An event index counts events 1, 2, 3 … and is the same on every node. A
// position is that index, a dash, and the first 8 hex digits of the hash chain
// at that event ("1042-9f3c2a1b"). A version counts the changes of one key.
package wire
