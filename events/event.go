package events

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/oklog/ulid/v2"
)

// Kind names what happened, such as "config.updated".
type Kind string

// Event is one immutable domain fact. It has no index: its place in the history
// is given when it is committed, as a [Record]. What concerns several namespaces
// is about the nearest one above them all.
type Event struct {
	ID            ulid.ULID
	Actor         string // the principal who did it
	Namespace     string // empty where the fact is about none
	Key           string // empty where the fact is about no single entry
	Data          Data   // what happened; says the kind
	Request       string // the publish request it comes from, if any
	CorrelationID string
	Transaction   string // shared by the events of one proposal of several, else empty
}

// Data is the particular of an event: one Go type for each [Kind], listed in
// the catalogue.
type Data interface{ Kind() Kind }

// body is an event as JSON, its data as a Go value or as it stands. Members are
// added, never renamed.
type body[D any] struct {
	ID            ulid.ULID `json:"id"`
	Type          Kind      `json:"type"`
	Shape         int       `json:"shape"`
	Actor         string    `json:"actor"`
	Namespace     string    `json:"namespace,omitzero"`
	Key           string    `json:"key,omitzero"`
	Data          D         `json:"data"`
	Request       string    `json:"request,omitzero"`
	CorrelationID string    `json:"correlationId,omitzero"`
	Transaction   string    `json:"transaction,omitzero"`
}

// Encode is the event's body: a JSON object in the oldest shape of its kind that
// can hold it.
func (e Event) Encode() ([]byte, error) { return catalogue.encode(e) }

func (known kinds) encode(e Event) ([]byte, error) {
	if _, ok := known[e.Data.Kind()]; !ok {
		return nil, fmt.Errorf("event kind %q is not in the catalogue", e.Data.Kind())
	}
	encoded, err := json.Marshal(body[Data]{
		ID: e.ID, Type: e.Data.Kind(), Shape: known.shapeOf(e.Data), Actor: e.Actor, Namespace: e.Namespace, Key: e.Key,
		Data: e.Data, Request: e.Request, CorrelationID: e.CorrelationID, Transaction: e.Transaction,
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Data.Kind(), err)
	}
	return encoded, nil
}

// UnknownEventError says that a newer release wrote an event that this one
// cannot read. A node that meets it stops: skipping would fork the state.
type UnknownEventError struct {
	Kind  Kind
	Shape int
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("event %s in shape %d is unknown to this release; run a newer one", e.Kind, e.Shape)
}

// DecodeEvent reads a body of any shape that was ever written. Its error is an
// [*UnknownEventError] or says that the bytes are damaged.
func DecodeEvent(encoded []byte) (Event, error) { return catalogue.decode(encoded) }

func (known kinds) decode(encoded []byte) (Event, error) {
	var b body[jsontext.Value]
	if err := json.Unmarshal(encoded, &b); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	shapes := known[b.Type]
	if b.Shape < 1 || b.Shape > len(shapes) {
		return Event{}, &UnknownEventError{b.Type, b.Shape}
	}
	data, err := shapes[b.Shape-1].decode(b.Data)
	if err != nil {
		return Event{}, fmt.Errorf("decode event %s %s: %w", b.Type, b.ID, err)
	}
	return Event{
		ID: b.ID, Actor: b.Actor, Namespace: b.Namespace, Key: b.Key, Data: data,
		Request: b.Request, CorrelationID: b.CorrelationID, Transaction: b.Transaction,
	}, nil
}
