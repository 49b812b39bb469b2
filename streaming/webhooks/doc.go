// Package webhooks tells endpoints of events, over HTTP. It decides nothing and
// keeps nothing that the history does not know, but how the latest attempts went.
//
// # What is promised
//
// Each endpoint is told of every event that its webhook selects, in the order of
// the history, one at a time, and the next one only when it has answered 2xx or
// the event was given up. Each is told at least once: after a failure, a lost
// answer or a change of leader an event may come again, with the same webhook-id.
// A receiver that remembers the IDs of a day sees each event once.
//
// # Who delivers
//
// The leader alone. For each enabled webhook one goroutine, a courier, reads the
// history from the webhook's cursor, and writes the cursor down by ordinary
// commands: at most once a second while it delivers, when it stops, and for
// events that are not for it only after 1,000 of them or a minute. A node that
// does not lead any more lets go of what is under way, and its commands fail. So
// whoever leads next begins at most about a second of deliveries too early, and
// never too late. Events about webhooks are sent to nobody, nor do they move a
// cursor by themselves: else each delivery would make another.
//
// # What is sent
//
// A POST as Standard Webhooks 1.0.0 has it:
//
//	webhook-id: the event's ULID        content-type: application/json
//	webhook-timestamp: Unix seconds     user-agent: confman/VERSION
//	webhook-signature: v1,BASE64 …      one for each live secret
//
//	{"type":"config.updated","timestamp":"…","data":{ the event as watchers see it }}
//
// Values are left out unless the webhook asks for them.
//
// # When it fails
//
// Anything but 2xx within 10 seconds is a failure: redirects, which are never
// followed, refused addresses, broken answers. The event is tried again after a
// random time below 1 s, 2 s, 4 s … 1 h, not before Retry-After (of 429 and 503,
// at most 1 h). The first failure that comes a day or more after the event
// happened, or the webhook was last changed, is the last: the event is given up
// (it can be resent by hand), and a second later the next one is tried. So every
// event has its own day, an endpoint that was away for longer has the events of
// the last day waiting for it, and a new leader does not begin the day anew. 410
// Gone disables the webhook at once. Events that retention takes from the history
// before a courier has come to them are lost to the endpoint, and the log says so.
//
// # Where it goes
//
// What counts is the address that is dialled, after names were resolved: public
// ones by https only; others (loopback, private, link-local, carrier-grade NAT,
// multicast, IPv4 within IPv6, reserved) only where the configuration allows
// them, and there plain http will do, too. Certificates are verified, no proxy is
// taken from the environment.
package webhooks
