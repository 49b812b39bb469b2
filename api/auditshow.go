package api

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"confman/api/wire"
	"confman/events"
)

// audited shows a record, if the caller may see it.
func (x *exchange) audited(r events.Record) (shown wire.AuditEvent, ok bool, err error) {
	e, err := r.Event()
	if err != nil || !x.shows(&e, x.principal) {
		return shown, false, err
	}
	shown = wire.AuditEvent{
		Timestamp: r.Time.UTC(), Action: string(e.Data.Kind()), Actor: e.Actor, Namespace: e.Namespace,
		Provenance: wire.Provenance{
			ID: e.ID.String(), Index: r.Index, Position: r.Position().String(), RaftTerm: r.RaftTerm, RaftIndex: r.RaftIndex,
			CorrelationID: e.CorrelationID, Request: e.Request, Transaction: e.Transaction,
		},
		Erased: r.Erased,
	}
	if e.Key != "" {
		shown.Key = &e.Key
	}
	if showEntry(&shown, e.Data) {
		return shown, true, nil
	}
	shown.Comment = commentOf(e.Data)
	if err := showOther(&shown, r, e.Data); err != nil {
		return shown, false, fmt.Errorf("show event %d: %w", r.Index, err)
	}
	return shown, true, nil
}

// showEntry fills in what an event did to an entry; done is false where it did
// nothing to any.
func showEntry(shown *wire.AuditEvent, d events.Data) (done bool) {
	switch d := d.(type) {
	case events.ConfigCreated:
		shown.NewValue, shown.Comment, shown.Version = textOf(d.Value), d.Comment, d.Version
	case events.ConfigUpdated:
		shown.OldValue, shown.NewValue, shown.Comment, shown.Version = textOf(d.Previous.Value), textOf(d.Value), d.Comment, d.Version
	case events.ConfigRolledBack:
		if shown.NewValue, shown.Comment, shown.Version = textOf(d.Value), d.Comment, d.Version; d.Previous != nil {
			shown.OldValue = textOf(d.Previous.Value)
		}
	case events.ConfigDeleted:
		shown.OldValue, shown.Comment, shown.Version = textOf(d.Previous.Value), d.Comment, d.Version
	default:
		return false
	}
	return true
}

// showOther fills in what any other event changed: the value of a draft, what
// was set before and now as JSON, or else all that a watcher is told. What makes
// or ends a namespace has no values; it never had.
func showOther(shown *wire.AuditEvent, r events.Record, d events.Data) (err error) {
	switch d := d.(type) {
	case events.NamespaceCreated, events.NamespaceDeleted, events.DraftDiscarded:
	case events.DraftSaved:
		if !d.Delete {
			shown.NewValue = textOf(d.Value)
		}
	case events.NamespaceUpdated:
		return change(shown, d.Previous, d.NamespaceProperties)
	case events.RolesChanged:
		return change(shown, d.Previous, d.Roles)
	case events.SchemaChanged:
		return change(shown, d.Previous, d.SchemaDoc)
	case events.SettingsChanged:
		return change(shown, d.Previous, d.Settings)
	case events.KeyRevoked, events.WebhookDeleted:
		shown.OldValue, err = told(r)
	default:
		shown.NewValue, err = told(r)
	}
	return err
}

// change fills in what was set before and what is set now.
func change(shown *wire.AuditEvent, before, now any) (err error) {
	if shown.OldValue, err = jsonText(before); err == nil {
		shown.NewValue, err = jsonText(now)
	}
	return err
}

func jsonText(v any) (*string, error) {
	encoded, err := json.Marshal(v)
	text := string(encoded)
	return &text, err
}

// told is an event's data as a watcher is told it, without secrets; nil where it
// has none.
func told(r events.Record) (*string, error) {
	line, err := r.AppendWire(nil, true)
	if err != nil {
		return nil, err
	}
	var event struct {
		Data jsontext.Value `json:"data"`
	}
	if err := json.Unmarshal(line, &event); err != nil || len(event.Data) <= len("{}") {
		return nil, err
	}
	text := string(event.Data)
	return &text, nil
}

// commentOf is what was said with an event about a draft, a publish request, a
// schema, an erasure or a cluster.
func commentOf(d events.Data) string {
	switch d := d.(type) {
	case events.DraftSaved:
		return d.Comment
	case events.DraftDiscarded:
		return d.Comment
	case events.RequestSubmitted:
		return d.Comment
	case events.RequestApproved:
		return d.Comment
	case events.RequestRejected:
		return d.Comment
	case events.RequestWithdrawn:
		return d.Comment
	case events.RequestBypassed:
		return d.Comment
	case events.SchemaChanged:
		return d.Comment
	case events.HistoryErased:
		return d.Reason
	case events.ClusterRecovered:
		return d.Comment
	case events.ClusterRestored:
		return d.Comment
	}
	return ""
}

func textOf(v events.Value) *string {
	text := v.Text()
	return &text
}
