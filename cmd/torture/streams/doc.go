// Package streams holds watches against the history that they tell: what a
// subscriber recorded, frame by frame and connection by connection, against the
// audit from event 1 on.
//
// It restates the contract of GET /api/v1/watch in words of its own, without the
// product's filters, folds and clients, so that a mistake there is not repeated
// here. [Log.Check] judges a whole [Stream]; [Log.CheckRead] and [Log.CheckPoll]
// judge single reads. They are pure: what they return says what deviates, and
// nothing means that all is well.
//
// [Dial] opens a watch as a plain HTTP client or a browser would, [DialSocket] as
// a WebSocket client would.
package streams
