package api

import (
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// transact answers POST /api/v1/transactions.
func (x *exchange) transact() error {
	var asked wire.Transaction
	if err := x.decode(&asked, x.transactionBody()); err != nil {
		return err
	}
	if err := x.refuseConditions(); err != nil {
		return err
	}
	if n := len(asked.If) + len(asked.Set) + len(asked.Delete); n > events.MaxOperations {
		return &events.Refusal{
			Kind:   events.ErrTooLarge,
			Detail: fmt.Sprintf("the transaction has %d conditions and operations, at most %d are allowed", n, events.MaxOperations),
		}
	}
	c, err := x.transaction(asked)
	if err != nil {
		return err
	}
	done, err := x.submit(c)
	if err != nil {
		return err
	}
	return x.sendTransacted(c, done)
}

// transaction makes the command, and checks that the caller may read what its
// conditions tell and write what it changes.
func (x *exchange) transaction(asked wire.Transaction) (c events.Transact, err error) {
	for _, i := range asked.If {
		if err := x.need(events.Viewer, i.Namespace, i.Key); err != nil {
			return c, err
		}
		c.If = append(c.If, events.VersionIs{Namespace: i.Namespace, Key: i.Key, Version: i.Version, Index: i.Index})
	}
	for _, s := range asked.Set {
		if err := x.need(events.Editor, s.Namespace, s.Key); err != nil {
			return c, err
		}
		c.Set = append(c.Set, events.PutEntry{
			Namespace: s.Namespace, Key: s.Key, Value: jsontext.Value(s.Value), Type: events.ValueType(s.Type),
			Description: s.Description, Tags: s.Tags, Comment: asked.Comment, Actor: x.principal.Name,
		})
	}
	for _, d := range asked.Delete {
		if err := x.need(events.Editor, d.Namespace, d.Key); err != nil {
			return c, err
		}
		c.Delete = append(c.Delete, events.DeleteEntry{Namespace: d.Namespace, Key: d.Key, Comment: asked.Comment})
	}
	return c, nil
}

// sendTransacted tells what became of each operation, as of the index at which
// the transaction was done.
func (x *exchange) sendTransacted(c events.Transact, done events.Outcome) error {
	result := wire.TransactionResult{
		Index: done.Index, Position: x.w.Header().Get(wire.HeaderPosition), Results: []wire.OperationResult{},
	}
	add := func(namespace, key string) error {
		e, err := x.entryAt(done.Index, namespace, key)
		if err != nil {
			return err
		}
		outcome := wire.OutcomeUpdated
		switch {
		case !wrote(done, e.Revision):
			outcome = wire.OutcomeUnchanged
		case e.Deleted:
			outcome = wire.OutcomeDeleted
		case e.Created == e.Revision:
			outcome = wire.OutcomeCreated
		}
		result.Results = append(result.Results, wire.OperationResult{
			Namespace: namespace, Key: key, Outcome: outcome, Version: e.Version, Index: e.Revision,
		})
		return nil
	}
	for _, s := range c.Set {
		if err := add(s.Namespace, s.Key); err != nil {
			return err
		}
	}
	for _, d := range c.Delete {
		if err := add(d.Namespace, d.Key); err != nil {
			return err
		}
	}
	if done.Count > 0 {
		last, err := x.eventAt(done.Index)
		if err != nil {
			return unread(done.Index, err)
		}
		result.Transaction = last.Transaction
	}
	return x.sendJSON(http.StatusOK, result)
}
