// Package client talks to a Confman cluster over its public HTTP API.
//
//	c, err := client.New(client.Config{
//		Endpoints: []string{"http://10.0.0.1:6100", "http://10.0.0.2:6100", "http://10.0.0.3:6100"},
//		Key:       key,
//	})
//	entry, err := c.Get(ctx, "teams/payments", "db.url", client.Read{})
//	entry, err = c.Put(ctx, "teams/payments", "db.url", wire.PutConfig{Value: value}, client.Write{IfVersion: &entry.Version})
//
// It imports the standard library and the shapes in confman/api/wire, nothing
// else. What it does so that its caller does not have to:
//
// # Finding a node
//
// Reads go to one endpoint for as long as that answers, then to the next.
// Writes go to the leader once it is known. Three connection failures in a row
// put a node aside for a second, while there are others. A node that asked
// for time with Retry-After is left alone until then.
//
// # Following the leader
//
// A follower answers a write with a redirect to the leader. It is followed, with
// the API key, only to a known member: an endpoint from the Config, or an
// address that a known node gave in its list of members or as its leader. An
// address that would drop TLS is not believed. Any other redirect is
// ErrRedirect, which names it, so that nobody is handed the key who does not
// already have it.
//
// # Trying again
//
// A call that met nobody, or 429, 502, 503 or 504, is tried again: after a
// random wait of up to 100 ms, 200 ms, 400 ms … 5 s, or what Retry-After says,
// until the context ends, Config.Attempts are used up, or the budget of retries
// that all calls of a Client share is (20 saved up at most; one is earned by ten
// calls, and one a second).
//
// # How a write ends
//
// Each write bears an Idempotency-Key, the same in every attempt, by which the
// cluster knows it again. So an attempt whose outcome nobody can tell, because
// the connection broke or the answer was 504, is settled by the next one. A
// write ends in one of four ways:
//
//   - done: no error;
//   - refused, such as ErrConditionFailed: nothing happened, and asking again in
//     the same way is refused again;
//   - never tried, ErrUnavailable: nothing happened, a later moment may do;
//   - unknown, ErrOutcomeUnknown: it may have happened. The UnknownOutcome has
//     the key to ask again with.
//
// # Reading what one wrote
//
// Nodes apply events one after another, each at its own pace. Every answer says
// which event index it reflects; a Client remembers the highest it saw (Index),
// and with Config.ReadYourWrites has each read wait for it on whichever node
// answers. Read.MinIndex does the same for one read, Read.Linearizable also for
// what others wrote.
//
// # Watching
//
// Client.Watch yields every event once and in order, over however many
// connections it takes. It remembers the position of the last frame that the
// loop has dealt with, and asks the next node to go on after it. Each event says
// which one came before it (wire.Frame.Prev), so a repetition or a gap is seen
// and never yielded; the watch leaves that node. A watch that was connected for
// five seconds comes back without drawing on the budget of retries. One that
// finds nobody slows down to a try every few seconds and goes on.
//
// A position may lie ahead of the whole cluster: when an older backup was
// restored. Nodes cannot tell that from being behind themselves. So a watch that
// hears that a node is behind has the leader confirm how far the cluster is, and
// ends with ErrReset when that is less than the watch has seen.
//
// # Views
//
// A View is a namespace in memory: a snapshot and the watch after it, folded
// into an immutable list behind an atomic pointer. It applies transactions as a
// whole, and its position is always the end of one. It never goes back to an
// older state of the same history: what a node that lags behind offers is
// refused. When the watch cannot go on it takes a new snapshot and counts it in
// ViewStatus.Resets; until that is complete it answers from what it has.
//
// ViewStatus.Age is what a node said of its own contact with the leader, plus
// the time since the last frame; it counts from when the view had caught up with
// where that node stood. ViewConfig.File is an object with the SHA-256 of its
// member view, which holds namespace, prefix, position and entries.
package client
