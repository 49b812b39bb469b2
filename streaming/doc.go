// Package streaming delivers history: it tells those who wait that something
// happened. It holds no events of its own and never slows down who publishes.
package streaming
