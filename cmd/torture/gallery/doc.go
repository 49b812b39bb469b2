// Package gallery is subscribers: plain clients, written without the SDK, that
// keep a watch up through everything, on whichever node, and remember all that
// they were told. Package streams decides whether it was right.
package gallery
