package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"confman/api/client"
	"confman/api/wire"
)

// changeStep is one change between two states: the events of a transaction, or all
// up to and with what a publish request published.
type changeStep struct {
	First       uint64 `json:"first"` // event index
	Last        uint64 `json:"last"`  // the state as of it has the change
	Transaction string `json:"transaction,omitempty"`
	Request     string `json:"request,omitempty"`
	Events      int    `json:"events"`
}

// String names a change for people.
func (s changeStep) String() string {
	text := fmt.Sprintf("event %d", s.Last)
	if s.First != s.Last {
		text = fmt.Sprintf("events %d to %d", s.First, s.Last)
	}
	if s.Request != "" {
		text += ", publish request " + s.Request
	}
	return text
}

// changing are the kinds of events that may change what a namespace resolves to.
const changing = "config.*,namespace.settings-changed"

// steps are the changes between the good and the bad state, in order.
func (b *bisecting) steps(ctx context.Context, c *client.Client) ([]changeStep, error) {
	defer b.bar.end()
	var events []changeStep // each of them one
	for e, err := range b.changes(ctx, c, b.found.Good, b.found.Bad) {
		if err != nil {
			return nil, err
		}
		events = append(events, changeStep{First: e.Index, Last: e.Index, Transaction: e.Transaction, Request: e.Request, Events: 1})
		b.bar.reached(len(events))
	}
	slices.SortFunc(events, func(a, b changeStep) int { return cmp.Compare(a.First, b.First) })
	steps := joined(events, func(before, next changeStep) bool {
		return next.Transaction != "" && next.Transaction == before.Transaction
	})
	if b.by == byRequest {
		steps = joined(steps, func(before, _ changeStep) bool { return before.Request == "" })
	}
	return steps, nil
}

// joined makes one step of each with what belongs to it of those after it.
func joined(steps []changeStep, belongs func(before, next changeStep) bool) (all []changeStep) {
	for _, next := range steps {
		if len(all) == 0 || !belongs(all[len(all)-1], next) {
			all = append(all, next)
			continue
		}
		last := &all[len(all)-1]
		last.Last, last.Transaction, last.Request = next.Last, next.Transaction, next.Request
		last.Events += next.Events
	}
	return all
}

// events are those of one change, by index.
func (b *bisecting) events(ctx context.Context, c *client.Client, step changeStep) ([]wire.AuditEvent, error) {
	events := []wire.AuditEvent{}
	for e, err := range b.changes(ctx, c, step.First-1, step.Last) {
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	slices.SortFunc(events, func(a, b wire.AuditEvent) int { return cmp.Compare(a.Index, b.Index) })
	return events, nil
}

// changes yields the events after one index and up to another that may change what
// the namespace resolves to: its own, then those of each namespace above it.
func (b *bisecting) changes(ctx context.Context, c *client.Client, after, to uint64) func(yield func(wire.AuditEvent, error) bool) {
	// Without Before: a node would wait for an event that has not come yet.
	query := client.AuditQuery{Exact: true, Action: changing, Ascending: true, After: strconv.FormatUint(after, 10)}
	return func(yield func(wire.AuditEvent, error) bool) {
		for query.Namespace = b.found.Namespace; query.Namespace != ""; query.Namespace = parentOf(query.Namespace) {
			for e, err := range c.Audit(ctx, query, client.Read{}) {
				if err == nil && e.Index > to {
					break
				}
				if !yield(e, err) {
					return
				}
			}
		}
	}
}

// parentOf is the namespace above one, empty where there is none.
func parentOf(namespace string) string {
	return namespace[:max(strings.LastIndexByte(namespace, '/'), 0)]
}
