package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"

	"confman/api/wire"
	"confman/events"
)

// write takes a request that only the leader can serve through what is the same
// for all of them. A node that does not lead hands it over before it judges the
// caller: the leader's answer is the one that counts.
func (x *exchange) write() error {
	if now := x.Cluster.Standing(); now.Role != wire.MemberLeader {
		return &events.NotLeaderError{Leader: now.Leader}
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.authorize(); err != nil {
		return err
	}
	return x.turn()
}

// submit has a command done, once for each idempotency key, and notes what the
// answer reflects.
func (x *exchange) submit(c events.Command) (events.Outcome, error) {
	claim, err := x.claim()
	if err != nil {
		return events.Outcome{}, err
	}
	done, err := x.Writer.Submit(x.r.Context(), c, events.Stamp{
		Time: x.Now(), ID: x.NewID(), Actor: x.principal.Name, CorrelationID: x.correlation, Claim: claim,
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			err = fmt.Errorf("write: the wait for its end was cut short: %w", events.ErrUnknown)
		}
		return done, err
	}
	if done.Replayed {
		x.set("Idempotent-Replayed", "true")
	}
	if done.Chain != (events.Chain{}) {
		x.reflects(done.Chain.At(done.Index))
		return done, nil
	}
	switch position, err := x.positionOf(done.Index); {
	case errors.Is(err, events.ErrCompacted): // an old request, asked again
		x.reflects(events.Position{Index: done.Index})
	case err != nil:
		return done, unread(done.Index, err)
	default:
		x.reflects(position)
	}
	return done, nil
}

// unread is the error of a write that is done and whose outcome cannot be told.
func unread(index uint64, err error) error {
	return fmt.Errorf("the write is done at event %d, but reading it back failed (%w): %w", index, err, events.ErrUnknown)
}

// claim reads the idempotency key; nil when there is none.
func (x *exchange) claim() (*events.Claim, error) {
	given := x.r.Header["Idempotency-Key"]
	if len(given) == 0 {
		return nil, nil
	}
	key := given[0]
	if len(given) > 1 || len(key) < 1 || len(key) > 255 || !printable(key) {
		return nil, badHeader(wire.HeaderIdempotencyKey, "is not 1 to 255 printable ASCII characters, once")
	}
	return &events.Claim{ID: events.NewReceiptID(x.principal.Name, key), Fingerprint: x.fingerprint()}, nil
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// badHeader refuses a header.
func badHeader(name, format string, args ...any) error {
	return &events.Refusal{Kind: events.ErrInvalid, Detail: "header " + name + " " + fmt.Sprintf(format, args...)}
}

// fingerprint is a digest of what the request asks for: method, address, query,
// conditions and body, however the address is spelled.
func (x *exchange) fingerprint() events.Fingerprint {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	query := url.Values{}
	for name, values := range x.query {
		if name != wire.ParamMinIndex && name != wire.ParamWait && name != wire.ParamConsistency {
			query[name] = values // the others say how to answer, not what to do
		}
	}
	for _, s := range []string{
		x.r.Method, x.endpoint.pattern, x.names.namespace, x.names.key, x.names.id, query.Encode(),
		fmt.Sprint(x.r.Header["If-Match"]), fmt.Sprint(x.r.Header["If-None-Match"]),
	} {
		part(s)
	}
	h.Write(x.body)
	return events.Fingerprint(h.Sum(nil)[:16])
}

// entryAt is an entry as of an index that this node has reached.
func (x *exchange) entryAt(index uint64, namespace, key string) (events.Entry, error) {
	if e := x.Reader.State().Entry(namespace, key); e.Revision <= index {
		return e, nil
	}
	h, release := x.Reader.History(index)
	defer release()
	e, err := h.Entry(namespace, key)
	if err != nil {
		return e, unread(index, err)
	}
	return e, nil
}

// eventAt is the event at an index that this node has reached.
func (x *exchange) eventAt(index uint64) (events.Event, error) {
	h, release := x.Reader.History(index)
	defer release()
	r, err := h.Record(index)
	if err != nil {
		return events.Event{}, err
	}
	return r.Event()
}

// wrote reports whether an event is among those that the write wrote.
func wrote(done events.Outcome, revision uint64) bool {
	return revision <= done.Index && revision+uint64(done.Count) > done.Index
}

// refuseConditions refuses the conditions that only entries know.
func (x *exchange) refuseConditions() error {
	if len(x.r.Header["If-Match"])+len(x.r.Header["If-None-Match"]) > 0 {
		return &events.Refusal{Kind: events.ErrInvalid, Detail: "If-Match and If-None-Match are for entries only"}
	}
	return nil
}
