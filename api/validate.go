package api

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// validate answers POST /api/v1/validate: a value judged by a schema, 200 whatever
// the verdict.
func (x *exchange) validate() error {
	var asked wire.Validate
	if err := x.decode(&asked, x.entryBody()); err != nil {
		return err
	}
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
