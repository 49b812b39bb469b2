package events

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendWire appends the record as watchers and auditors see it: its event with
// index, position and time in front. The digest of an API key and the secrets of
// webhooks are left out, and so are all values unless they are asked for.
func (r Record) AppendWire(dst []byte, values bool) ([]byte, error) {
	body := r.Body
	e, err := r.Event()
	if err != nil {
		return dst, err
	}
	if shown := shownData(e.Data, values); shown != nil {
		e.Data = shown
		if body, err = e.Encode(); err != nil {
			return dst, err
		}
	}
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendUint(dst, r.Index, 10)
	dst = append(dst, `,"position":"`...)
	dst = append(dst, r.Position().String()...)
	dst = append(dst, `","time":"`...)
	dst = r.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `",`...)
	return append(dst, body[1:]...), nil
}

// shownData is what is shown of an event's data where that is not all of it, or
// nil.
func shownData(d Data, values bool) Data {
	if shown := withoutSecrets(d); shown != nil {
		return shown
	}
	if values {
		return nil
	}
	switch d := d.(type) {
	case ConfigCreated:
		d.JSON = nil
		return d
	case ConfigUpdated:
		d.JSON, d.Previous.JSON = nil, nil
		return d
	case ConfigRolledBack:
		d.JSON = nil
		if d.Previous != nil {
			d.Previous = &Version{Value{Type: d.Previous.Type}, d.Previous.Version}
		}
		return d
	case ConfigDeleted:
		d.Previous.JSON = nil
		return d
	case DraftSaved:
		d.JSON = nil
		return d
	}
	return nil
}

// withoutSecrets is an event's data without what nobody is shown, nil where that
// is all of it.
func withoutSecrets(d Data) Data {
	switch d := d.(type) {
	case KeyCreated:
		d.Digest = ""
		return d
	case WebhookCreated:
		d.Secret = ""
		return d
	case WebhookUpdated:
		d.Secrets = nil
		return d
	case RequestApproved:
		d.KeyID, d.Groups = "", nil
		return d
	case HistoryErased: // with the digests a short value could be guessed
		d.Records = slices.Clone(d.Records)
		for i := range d.Records {
			d.Records[i] = ErasedRecord{Index: d.Records[i].Index, Values: d.Records[i].Values}
		}
		return d
	}
	return nil
}

// Reader is the role that somebody needs to see the event, on what it is about;
// where it is about no namespace, on [Root].
func (e *Event) Reader() Role {
	if e.Namespace == "" {
		return Admin
	}
	switch e.Data.(type) {
	case DraftSaved, DraftDiscarded:
		return Editor
	case WebhookCreated, WebhookUpdated, WebhookDeleted, WebhookAdvanced, WebhookDeadLetter:
		return Admin
	}
	return Viewer
}

// ShownTo reports whether a principal may see the event. One that names entries
// is shown to those who may read each of them.
func (e *Event) ShownTo(who Principal) bool {
	if d, ok := e.Data.(RequestSubmitted); ok {
		return !slices.ContainsFunc(d.Changes, func(c Change) bool { return !who.Can(Viewer, c.Namespace, c.Key) })
	}
	if e.Namespace == "" {
		return who.Can(Admin, Root, "")
	}
	return who.Can(e.Reader(), e.Namespace, e.Key)
}

// TakesRights reports whether after an event somebody may do less than before.
func TakesRights(d Data) bool {
	switch d.(type) {
	case KeyRevoked, RolesChanged, NamespaceDeleted:
		return true
	}
	return false
}

// AppendText appends a string as JSON. What is not UTF-8 is replaced.
func AppendText(dst []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(dst, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		return append(dst, `""`...)
	}
	return quoted
}
