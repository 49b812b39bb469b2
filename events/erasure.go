package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// Erased is the type of a value that was taken out of the history (see
// [HistoryErased]). Nobody can write it. Such a value has no JSON.
const Erased ValueType = "erased"

// Text shown in the place of an erased value.
const erasedText = "erased"

// Place names one of the values that a record may hold.
type Place string

// The places of values in a record.
const (
	ThisValue     Place = "value"    // what the event set
	PreviousValue Place = "previous" // what it replaced
)

// Digest is the SHA-256 of the stored form of a record.
type Digest [sha256.Size]byte

// DigestOf is the digest of a stored form.
func DigestOf(stored []byte) Digest { return sha256.Sum256(stored) }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes 64 hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	c, err := ParseChain(string(text))
	if err != nil {
		return fmt.Errorf("digest: %w", err)
	}
	*d = Digest(c)
	return nil
}

// HistoryErased takes values out of records. The records stay, marked, and so do
// their chains: what a record was is proved by its chain and Digest to whoever
// has kept it, and what it is now by Remains, which this event puts under the
// chain.
type HistoryErased struct {
	Reason  string         `json:"reason"`
	Records []ErasedRecord `json:"records"` // by index
}

// ErasedRecord is one record that values are taken out of.
type ErasedRecord struct {
	Index uint64 `json:"index"`
	// Before is the chain at the index before: what a record was cannot be
	// computed any more, so this ties what came before it to what comes after.
	Before  Chain   `json:"before,omitzero"`
	Digest  Digest  `json:"digest,omitzero"`  // of the stored form before
	Remains Digest  `json:"remains,omitzero"` // of the stored form after
	Values  []Place `json:"values"`           // which
}

// Kind is "history.erased".
func (HistoryErased) Kind() Kind { return "history.erased" }

// MaxErased is how many records one erasure may touch.
const MaxErased = 10_000

// Erasure is an [ErasedRecord] and the event that says so.
type Erasure struct {
	ErasedRecord
	By uint64 `json:"by"` // index of the history.erased event
}

// EraseValues takes values out of the history. The caller has found the records
// and what remains of them. It is refused while a key that is touched still has
// one of the values, live or in a draft.
type EraseValues struct {
	Namespace string // what the erasure is about, as far as it is one namespace or key
	Key       string
	Reason    string
	Records   []ErasedRecord
	Values    []Value   // what is erased; not recorded
	Touched   []Subject // TheEntry and TheDraft of each key whose records are touched
	AsOf      uint64    // event index as of which they were looked for: what came since may hold a value too
}

func (c EraseValues) decide(d *decision) error {
	if c.Reason == "" {
		return Invalid("/reason", "is missing: say why, it is recorded for good")
	}
	if err := CheckText("/reason", c.Reason, MaxTextBytes); err != nil {
		return err
	}
	if len(c.Records) == 0 {
		return refuse(ErrNotFound, "no record holds what is to be erased")
	}
	if len(c.Records) > MaxErased {
		return refuse(ErrTooLarge, "%d records hold it, at most %d are erased at once", len(c.Records), MaxErased)
	}
	// No trim and no other erasure in between: the records are there, and as they
	// were found, when it is committed. Else no node could apply it.
	cluster := d.view.Cluster()
	if cluster.Erased > c.AsOf {
		return refuse(ErrConflict, "event %d erased something else meanwhile; ask again", cluster.Erased)
	}
	d.holds(Subject{Noun: TheCluster}, cluster.Revision)
	for _, s := range c.Touched {
		var v Value
		var revision uint64
		what := s.Namespace + "/" + s.Name
		if s.Noun == TheDraft {
			now := d.view.Draft(s.Namespace, s.Name)
			v, revision, what = now.Value, now.Revision, "the draft of "+what
		} else {
			now := d.view.Entry(s.Namespace, s.Name)
			v, revision = now.Value, now.Revision
		}
		if revision > c.AsOf {
			return refuse(ErrConflict, "%s was changed meanwhile, by event %d; ask again", what, revision)
		}
		d.holds(s, revision)
		if slices.ContainsFunc(c.Values, func(erased Value) bool { return len(v.JSON) > 0 && bytes.Equal(v.JSON, erased.JSON) }) {
			return refuse(ErrConflict, "%s has this value now; change it first, then erase what it was", what)
		}
	}
	d.record(c.Namespace, c.Key, HistoryErased{Reason: c.Reason, Records: c.Records})
	return nil
}

// Holds are the values of the record's event, by place.
func (r Record) Holds() (map[Place]Value, error) {
	e, err := r.Event()
	if err != nil {
		return nil, err
	}
	held := map[Place]Value{}
	for place, v := range valuesOf(&e) {
		held[place] = *v
	}
	return held, nil
}

// Erase is the record without some of its values, marked as such. Its chain and
// index stay. It is the same record where they are erased already.
func (r Record) Erase(places []Place) (Record, error) {
	e, err := r.Event()
	if err != nil {
		return r, err
	}
	values := valuesOf(&e)
	for _, place := range places {
		v, ok := values[place]
		if !ok {
			return r, fmt.Errorf("record %d, %s, has no %s to erase", r.Index, e.Data.Kind(), place)
		}
		*v = Value{Type: Erased}
	}
	if r.Body, err = e.Encode(); err != nil {
		return r, err
	}
	r.Erased, r.event = true, nil
	return r, nil
}

// valuesOf are the values of an event, which may be changed through them: the
// event's data becomes a copy.
func valuesOf(e *Event) map[Place]*Value {
	switch d := e.Data.(type) {
	case ConfigCreated:
		e.Data = &d
		return map[Place]*Value{ThisValue: &d.Value}
	case ConfigUpdated:
		e.Data = &d
		return map[Place]*Value{ThisValue: &d.Value, PreviousValue: &d.Previous.Value}
	case ConfigRolledBack:
		e.Data = &d
		if d.Previous == nil {
			return map[Place]*Value{ThisValue: &d.Value}
		}
		previous := *d.Previous
		d.Previous = &previous
		return map[Place]*Value{ThisValue: &d.Value, PreviousValue: &previous.Value}
	case ConfigDeleted:
		e.Data = &d
		return map[Place]*Value{PreviousValue: &d.Previous.Value}
	case DraftSaved:
		e.Data = &d
		return map[Place]*Value{ThisValue: &d.Value}
	}
	return nil
}

// PreviousVersionOf is the number of the version that a config event replaced,
// 0 where there was none.
func PreviousVersionOf(d Data) uint64 {
	switch d := d.(type) {
	case ConfigUpdated:
		return d.Previous.Version
	case ConfigDeleted:
		return d.Previous.Version
	case ConfigRolledBack:
		if d.Previous != nil {
			return d.Previous.Version
		}
	}
	return 0
}
