package api

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// validate answers POST /api/v1/validate: a value judged by a schema, or changes by
// all that holds where they are made, 200 whatever the verdict.
func (x *exchange) validate() error {
	var asked wire.Validate
	if err := x.decode(&asked, x.transactionBody()); err != nil {
		return err
	}
	ofValue, ofChanges := asked.Schema != nil || asked.Value != nil, asked.Namespace != "" || asked.Changes != nil
	switch {
	case ofValue && ofChanges:
		return events.Invalid("", "the body has a schema or a value and also a namespace or changes; give either schema and value, or namespace and changes")
	case ofChanges:
		return x.validateChanges(asked)
	case ofValue:
		return x.validateValue(asked)
	}
	return events.Invalid("", "the body has nothing to judge; give either schema and value, or namespace and changes")
}

// validateChanges judges changes of the present values as a direct write or a
// publish request would be that makes them.
func (x *exchange) validateChanges(asked wire.Validate) error {
	if asked.Namespace == "" {
		return events.Invalid("/namespace", "is missing")
	}
	if len(asked.Changes) == 0 {
		return events.Invalid("/changes", "is missing or empty")
	}
	var changes []events.Wanted
	for _, c := range asked.Changes {
		if err := x.need(events.Editor, asked.Namespace, c.Key); err != nil {
			return err
		}
		changes = append(changes, events.Wanted{
			Key: c.Key, Delete: c.Delete, Content: events.Content{Value: jsontext.Value(c.Value), Type: events.ValueType(c.Type)},
		})
	}
	verdict, err := x.Limits.Rules.Judge(x.state, asked.Namespace, changes, events.Stamp{Time: x.Now(), ID: x.NewID(), Actor: x.principal.Name})
	if err != nil {
		return err
	}
	broken := append(verdict.Refused, x.audible(asked.Namespace, verdict.Broken)...)
	return x.sendJSON(http.StatusOK, wire.Validation{Valid: len(broken) == 0, Errors: fieldErrors(broken)})
}

func (x *exchange) validateValue(asked wire.Validate) error {
	for member, given := range map[string][]byte{"/schema": asked.Schema, "/value": asked.Value} {
		if given == nil {
			return events.Invalid(member, "is missing")
		}
	}
	schema, err := events.ParseSchema("/schema", jsontext.Value(asked.Schema))
	if err != nil {
		return err
	}
	broken, err := schema.JudgeJSON(jsontext.Value(asked.Value))
	if err != nil {
		return below("/value", err)
	}
	return x.sendJSON(http.StatusOK, wire.Validation{Valid: len(broken) == 0, Errors: fieldErrors(broken)})
}

// below says of which member of the body a refusal speaks.
func below(member string, err error) error {
	var r *events.Refusal
	if !errors.As(err, &r) {
		return err
	}
	moved := &events.Refusal{Kind: r.Kind, Detail: r.Detail}
	for _, f := range r.Fields {
		moved.Fields = append(moved.Fields, events.Field{Pointer: member + f.Pointer, Detail: f.Detail})
	}
	return moved
}

// fieldErrors shows violations; an empty list is not null.
func fieldErrors(fields []events.Field) []wire.FieldError {
	shown := []wire.FieldError{}
	for _, f := range fields {
		shown = append(shown, wire.FieldError{Pointer: f.Pointer, Detail: f.Detail})
	}
	return shown
}
